"""What a model answers, as named columns: the same names on every wire."""

from collections.abc import Mapping

import numpy as np

from octavo.services.models import Model


def outputs(model: Model, predicted: np.ndarray) -> Mapping[str, np.ndarray]:
    """Return predictions, one column for each class if there are several; then yes or no.

    Parameters
    ----------
    predicted
        As the model gave it: float64 of shape (rows,), or (rows, classes).
    """
    if predicted.ndim == 2:
        named = dict(zip(model.outputs, predicted.T, strict=True))
    else:
        named = {model.outputs[0]: predicted}
    return named | model.bundle.decisions(predicted)


def no_outputs(model: Model) -> Mapping[str, np.ndarray]:
    """Return the same of no row: what there is to be."""
    classes = (len(model.outputs),) if model.bundle.kind == "multiclass" else ()
    return outputs(model, np.empty((0, *classes)))
