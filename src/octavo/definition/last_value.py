"""Which feature is the last known value of the label, for the baseline of persistence.

Causal by the rules of windows; a row's own outcome is none.
"""

import math
from collections.abc import Iterator

import polars as pl

from octavo.definition.durations import microseconds
from octavo.definition.features import Window, WindowFeature
from octavo.definition.fingerprint import fingerprint
from octavo.definition.pipeline import Pipeline
from octavo.errors import DefinitionError

LAST_VALUE = "last_value"
"""The name of the baseline among the algorithms."""


def last_value_feature(pipeline: Pipeline) -> str | None:
    """Return the window feature that is the label's last known value, or None.

    That is ``last`` of what ``Label.value`` says (or of that as numbers), over the label's dataset.
    Of several it is the one that reaches furthest back, of equal ones the first.
    """

    def reach(feature: WindowFeature) -> float:
        return math.inf if feature.over is None else feature.over

    furthest = max(_lasts(pipeline), key=reach, default=None)
    return None if furthest is None else furthest.name


def _lasts(pipeline: Pipeline) -> Iterator[WindowFeature]:
    for view in pipeline.views:
        for window in view.windows:
            if _tells(window, pipeline):
                features = window.features(view.name)
                yield from (feature for feature in features if feature.aggregate == "last")


def _tells(window: Window, pipeline: Pipeline) -> bool:
    """Say whether a window observes the label, and never a row's own."""
    label = pipeline.label
    if window.dataset != label.of or window.where is not None or window.value is None:
        return False
    delayed = microseconds(window.delay, where="Window.delay") > 0
    if window.dataset == pipeline.rows and window.current and not delayed:
        return False
    alike = [label.value, *(label.value.cast(number) for number in (pl.Float64, pl.Int8))]
    return fingerprint(window.value_expression) in map(fingerprint, alike)


def check_last_value(pipeline: Pipeline) -> None:
    """Refuse the baseline where no feature that models see tells the label's last value.

    Raises
    ------
    DefinitionError
        Saying which feature to declare.
    """
    feature = last_value_feature(pipeline)
    if feature in pipeline.seen:
        return
    label = pipeline.label
    if feature is not None:
        raise DefinitionError(
            f"{LAST_VALUE!r} needs {feature!r}, which is none of the inputs.",
            where="Pipeline.inputs",
            fix="Name it there.",
        )
    own = ", current=False" if label.of == pipeline.rows else ""
    raise DefinitionError(
        f"{LAST_VALUE!r} has no feature that is the last known value of {label.name!r}.",
        where="Training.algorithms",
        fix=f'Add ov.Window({label.of.name}, LABEL_VALUE, take="last", name="{label.name}"{own}) '
        "to a view, where LABEL_VALUE is the expression of Label.value.",
    )
