"""Models without an array form: an ONNX graph that travels in the bundle, run by ONNX Runtime.

Needs onnxruntime, which is an extra, and not the library that trained. Knows nothing of how a graph
is made, of columns or of files.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from octavo.bundle.model import FORMS, Model
from octavo.definition.problem import Kind
from octavo.errors import DataError, ResourceError

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_TYPES = {"tensor(double)": np.float64, "tensor(float)": np.float32}


@dataclass(frozen=True, eq=False)
class OnnxModel(Model):
    """What a graph predicts; that is its raw score, too.

    The graph has one input of shape (rows, n_features), float64 or float32, and its last output is
    what it predicts: the probability of the positive class, shape (rows,) or (rows, 1), or of both,
    (rows, 2); of each class, (rows, classes); or the value.

    Rows are given to it one at a time, on one thread: libraries multiply one row in another order
    than many, so that only in this way has a row the same bits alone and among others.
    """

    graph: np.ndarray
    """The file's bytes, shape (bytes,)."""

    form = "onnx"
    dtypes: ClassVar = {"graph": np.uint8}

    @classmethod
    def of_graph(cls, graph: bytes, kind: Kind) -> "OnnxModel":
        """Build one from a file's bytes, which say how many features it reads.

        Raises
        ------
        ResourceError
            If onnxruntime is not installed.
        DataError
            If ONNX Runtime cannot run it, or its input and output are not as described above.
        """
        inputs = _session(graph).get_inputs()
        shape = inputs[0].shape if len(inputs) == 1 else []
        if len(shape) != 2 or not isinstance(shape[1], int):
            told = ", ".join(f"{each.name} {each.shape}" for each in inputs)
            raise _useless(f"its input is not of shape (rows, features), but {told or 'none'}")
        return cls(kind=kind, n_features=shape[1], graph=np.frombuffer(graph, np.uint8))

    @cached_property
    def _running(self) -> "InferenceSession":
        return _session(self.graph.tobytes())

    @cached_property
    def _type(self) -> Any:
        """The type of numbers that the graph reads, if it is one of those it may read."""
        return _TYPES.get(self._running.get_inputs()[0].type)

    @property
    def n_outputs(self) -> int:
        """Numbers that are told of a row: of two classes one."""
        return self._width

    @cached_property
    def _width(self) -> int:
        (told,) = self._told(np.zeros((1, self.n_features)))
        return 1 if self.kind == "binary" and told.size == 2 else told.size

    def _check(self) -> None:
        if self.kind == "anomaly":
            raise _useless("how rare a row is can be told by no graph")
        if self._type is None:
            raise _useless(f"its input is no {' or '.join(_TYPES)}")
        if self._running.get_outputs()[-1].type not in _TYPES:
            raise _useless(f"its last output is no {' or '.join(_TYPES)}")
        if self.kind != "multiclass" and self.n_outputs != 1:
            raise _useless(f"it tells {self.n_outputs} numbers of a row, for a {self.kind} problem")

    def _told(self, X: np.ndarray) -> Iterator[np.ndarray]:
        """Give what the graph tells of each row."""
        name, last = self._running.get_inputs()[0].name, self._running.get_outputs()[-1].name
        with np.errstate(over="ignore"):
            given = X.astype(self._type)
        for place in range(len(X)):
            try:
                (told,) = self._running.run([last], {name: given[place : place + 1]})
            except Exception as error:  # those of ONNX Runtime have no class in common
                raise _useless(f"it fails with {_first_line(error)}") from error
            yield np.asarray(told).ravel()

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        for place, told in enumerate(self._told(X)):
            out[place] = told[-self.n_outputs :]

    def _link(self, scores: np.ndarray) -> None:
        """Keep probabilities, which they are already, between 0 and 1 to float32's last digit."""
        if self.kind != "regression":
            np.clip(scores, 0.0, 1.0, out=scores)


def _session(graph: bytes) -> "InferenceSession":
    """Return what runs a graph: on one thread, and the same whenever it is asked."""
    try:
        import onnxruntime
    except ImportError as error:
        where = "a model that is an ONNX graph"
        raise ResourceError.not_installed("onnxruntime", extra="onnx", where=where) from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # as above
        raise _useless(f"ONNX Runtime refuses it with {_first_line(error)}") from error


def _useless(why: str) -> DataError:
    return DataError(
        f"the ONNX graph cannot be used: {why}.",
        where="model",
        fix="Give one with a single input, of shape (rows, features), float64 or float32, whose "
        "last output is what it predicts.",
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


FORMS[OnnxModel.form] = OnnxModel
