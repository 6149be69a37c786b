"""A candidate as an ONNX file, checked by ONNX Runtime before it is written.

Knows nothing of how a graph is made.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.errors import DefinitionError, ResourceError

TOLERANCE = 1e-9
"""Largest difference allowed between predictions of the graph and of the bundle, relative to the
largest (at least 1): trees are added up in another order."""


def export_onnx(bundle: Bundle, rows: pl.DataFrame, path: Path) -> float:
    """Write a bundle's graph, and return its largest difference from the bundle on some rows.

    Parameters
    ----------
    rows
        Holds the bundle's features.

    Raises
    ------
    ResourceError
        If onnx or onnxruntime is not installed.
    DefinitionError
        If the bundle does not convert, or the graph predicts something else.
    """
    for library in ("onnx", "onnxruntime"):
        if find_spec(library) is None:
            raise ResourceError.not_installed(library, extra="onnx", where="export")
    from onnxruntime import InferenceSession

    from octavo.bundle.onnx_graph import OUTPUT, inputs, to_onnx

    content = to_onnx(bundle).SerializeToString()
    expected = bundle.predict(rows)
    session = InferenceSession(content)
    given = {one.name for one in session.get_inputs()}
    fed = {name: value for name, value in inputs(bundle, rows).items() if name in given}
    found = np.asarray(session.run([OUTPUT], fed)[0])
    difference = float(np.abs(found - expected).max(initial=0.0))
    if not difference <= TOLERANCE * max(1.0, float(np.abs(expected).max(initial=0.0))):
        raise DefinitionError(
            f"the graph predicts something else: it is off by {difference:.3g}.",
            where="export",
            fix="Serve the bundle itself, and report this.",
        )
    path.write_bytes(content)
    return difference
