"""What a user's own algorithm returns where its model has no array form: an ONNX graph.

Knows how scikit-learn's models are converted and how a graph is compared with its native model. It
knows nothing of how a graph is run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

import numpy as np

from octavo.bundle import OnnxModel
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError, ResourceError


@dataclass(frozen=True)
class OnnxFitted:
    """A trained model with its graph.

    A model of scikit-learn, or a pipeline of such, is handed over by `of`; what another library
    exports by its bytes.
    """

    kind: Kind
    """The problem's: ``binary``, ``multiclass`` or ``regression``."""
    predict: Callable[[np.ndarray], np.ndarray]
    """The library's own predictions for encoded rows, float64, shape (n, features): the probability
    of the positive class, shape (n,), or of both; of each class, (n, classes); or the value."""
    graph: bytes
    """The file's content; see `octavo.bundle.OnnxModel` for what it reads and tells."""

    @classmethod
    def of(cls, estimator: Any, kind: Kind) -> OnnxFitted:
        """Convert a fitted model of scikit-learn, with float64 numbers where that can be run.

        Raises
        ------
        ResourceError
            If what converts is not installed.
        DefinitionError
            If it does not convert.
        """
        predict = estimator.predict if kind == "regression" else estimator.predict_proba
        return cls(kind, predict, _converted(estimator, kind))

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute the library's own predictions, shaped as those of the graph."""
        found = np.asarray(self.predict(X), np.float64)
        if self.kind == "multiclass":
            return found
        return found.reshape(len(X), -1)[:, -1]

    def model(self) -> OnnxModel:
        """Take the graph as it is."""
        return OnnxModel.of_graph(self.graph, self.kind)


def _converted(estimator: Any, kind: Kind) -> bytes:
    where = type(estimator).__name__
    for library in ("skl2onnx", "onnxruntime"):
        if find_spec(library) is None:
            raise ResourceError.not_installed(library, extra="onnx", where=where)
    from skl2onnx import to_onnx

    options = {} if kind == "regression" else {"zipmap": False}  # else a list of dictionaries
    failed: list[str] = []
    for dtype in (np.float64, np.float32):
        row = np.zeros((1, estimator.n_features_in_), dtype)
        try:
            converted: Any = to_onnx(estimator, row, options=options)
            # The converter lists them as a Python set does: in every process as its hash seed says.
            converted.opset_import.sort(key=lambda operators: operators.domain)
            _name_anew(converted.graph, {})
            graph = converted.SerializeToString()
            OnnxModel.of_graph(graph, kind)
        except Exception as error:  # noqa: BLE001  whatever the converter, or what runs it, raises
            failed.append(str(error).strip().partition("\n")[0])
        else:
            return graph
    raise DefinitionError(
        f"it does not convert to ONNX: {failed[0]}",
        where=where,
        fix="Take a model that skl2onnx converts, or one in array form.",
    )


def _name_anew(graph: Any, names: dict[str, str]) -> None:
    """Call everything by when it occurs, in a graph and in those within its nodes.

    The converter counts on from one conversion to the next, so that the same model would not give
    the same file.
    """

    def new(name: str) -> str:
        return name and names.setdefault(name, f"v{len(names)}")

    for node in graph.node:
        node.name = ""
        node.input[:] = [new(name) for name in node.input]
        node.output[:] = [new(name) for name in node.output]
        for attribute in node.attribute:
            for inner in [*attribute.graphs, *([attribute.g] if attribute.HasField("g") else [])]:
                _name_anew(inner, names)
    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = new(value.name)
