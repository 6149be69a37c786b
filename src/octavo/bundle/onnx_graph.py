"""A bundle as an ONNX graph: from columns of features to predictions, in float64.

Trees are ``TreeEnsemble`` nodes (ai.onnx.ml 5) with our own thresholds; encoders are plain
operators. Needs the library onnx, which is an extra. Knows nothing of files or of who runs it.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from octavo.bundle.blend import BlendModel, Members, StackModel
from octavo.bundle.bundle import Bundle
from octavo.bundle.calibration import Calibration, Isotonic, Sigmoid, Temperature
from octavo.bundle.categories import CategoryCode, OneHot, TargetMean
from octavo.bundle.columns import EncodedColumn
from octavo.bundle.encoders import FARTHEST, PlainNumber, ScaledNumber
from octavo.bundle.model import ForestModel, LinearModel, Model, TreeModel, Trees
from octavo.bundle.onnx_model import OnnxModel
from octavo.errors import DefinitionError

if TYPE_CHECKING:
    from onnx import ModelProto

MISSING = ""
"""What stands for a missing text: ONNX has no null."""
OUTPUT = "prediction"

_OPSETS = {"": 21, "ai.onnx.ml": 5}
_LESS_OR_EQUAL, _LESS = 0, 1
_SUM = 1
_STRING, _DOUBLE = 8, 11
"""ONNX's own numbers (``AggregateFunction``, ``TensorProto.DataType``)."""


_TEXTS = (CategoryCode, OneHot, TargetMean)


class _Graph:
    """Nodes and constants in the order they are added. A value is called by its name."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.inputs: list[Any] = []

    def add(self, operator: str, *values: str, domain: str = "", **attributes: Any) -> str:
        """Add a node and return its output."""
        from onnx import helper

        name = f"{operator}_{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(operator, list(values), [name], domain=domain, **attributes)
        )
        return name

    def constant(self, value: Any, dtype: type = np.float64) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.array(value, dtype), name))
        return name

    def column(self, column: EncodedColumn) -> str:
        """Add a feature's input, shape (n, 1), and return its name."""
        from onnx import helper

        kind = _STRING if isinstance(column, _TEXTS) else _DOUBLE
        if column.name not in [known.name for known in self.inputs]:
            self.inputs.append(helper.make_tensor_value_info(column.name, kind, [None, 1]))
        return column.name


def to_onnx(bundle: Bundle) -> "ModelProto":
    """Write a bundle as a graph.

    Each feature is an input of shape (n, 1): texts as strings, of which an empty one is missing,
    all else as doubles, of which NaN is missing (a boolean as 0 or 1, a duration in seconds). The
    output, ``prediction``, is what `Bundle.predict` returns.

    Raises
    ------
    DefinitionError
        If an encoding or a form of model has no place in a graph.
    """
    from onnx import checker, helper

    graph = _Graph()
    encoded = [_encoded(graph, column) for column in bundle.encoder.columns]
    X = graph.add("Concat", *encoded, axis=1)
    found = _linked(graph, bundle.model, X)
    if bundle.calibration is not None:
        found = _calibrated(graph, bundle.calibration, found)
    if bundle.model.n_outputs == 1:
        found = graph.add("Squeeze", found, graph.constant([1], np.int64))
    graph.nodes[-1].output[0] = OUTPUT
    shape = [None, bundle.model.n_outputs] if bundle.model.n_outputs > 1 else [None]
    output = helper.make_tensor_value_info(OUTPUT, _DOUBLE, shape)
    made = helper.make_graph(graph.nodes, "octavo", graph.inputs, [output], graph.constants)
    opsets = [helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()]
    model = helper.make_model(made, opset_imports=opsets, producer_name="octavo", ir_version=10)
    checker.check_model(model)
    return model


def inputs(bundle: Bundle, rows: pl.DataFrame) -> dict[str, np.ndarray]:
    """Return a frame's features as a graph takes them, each of shape (n, 1)."""

    def read(column: EncodedColumn) -> np.ndarray:
        if isinstance(column, _TEXTS):
            return column.texts(rows).fill_null(MISSING).to_numpy().astype(object)
        return column.numbers(rows)

    return {column.name: read(column)[:, None] for column in bundle.encoder.columns}


def _encoded(graph: _Graph, column: EncodedColumn) -> str:
    """Add what encodes a column, and return its columns side by side."""
    encoders: dict[type, Callable[[_Graph, Any, str], str]] = {
        PlainNumber: lambda graph, column, value: value,
        ScaledNumber: _scaled,
        CategoryCode: _code,
        OneHot: _one_hot,
        TargetMean: _deviation,
    }
    if type(column) not in encoders:
        raise _without_place(f"feature {column.name!r}, read as {column.kind},")
    return encoders[type(column)](graph, column, graph.column(column))


def _scaled(graph: _Graph, column: ScaledNumber, value: str) -> str:
    odd = graph.add("Or", graph.add("IsNaN", value), graph.add("IsInf", value))
    filled = graph.add("Where", odd, graph.constant(column.median), value)
    centred = graph.add("Sub", filled, graph.constant(column.mean))
    scaled = graph.add("Div", centred, graph.constant(column.scale))
    scaled = graph.add("Clip", scaled, graph.constant(-FARTHEST), graph.constant(FARTHEST))
    if not column.indicator:
        return scaled
    flag = graph.add("Cast", odd, to=_DOUBLE)
    return graph.add("Concat", scaled, flag, axis=1)


def _table(
    graph: _Graph, value: str, keys: Sequence[str], values: Sequence[float], default: float
) -> str:
    """Add a table from texts to numbers."""
    from onnx import numpy_helper

    if not keys:  # a table must have an entry; none is a text that occurs
        keys, values = ["\0"], [default]
    return graph.add(
        "LabelEncoder",
        value,
        domain="ai.onnx.ml",
        keys_tensor=numpy_helper.from_array(np.array(keys, object), "keys"),
        values_tensor=numpy_helper.from_array(np.array(values, np.float64), "values"),
        default_tensor=numpy_helper.from_array(np.array([default]), "default"),
    )


def _code(graph: _Graph, column: CategoryCode, value: str) -> str:
    places = [float(place) for place in range(len(column.categories))]
    return _table(graph, value, column.categories, places, np.nan)


def _one_hot(graph: _Graph, column: OneHot, value: str) -> str:
    count = len(column.categories)
    keys, places = list(column.categories), [float(place) for place in range(count)]
    if column.indicator and MISSING not in keys:
        keys, places = [*keys, MISSING], [*places, count + 1.0]
    place = _table(graph, value, keys, places, float(count))
    every = graph.constant(np.arange(len(column.names))[None], np.float64)
    return graph.add("Cast", graph.add("Equal", place, every), to=_DOUBLE)


def _deviation(graph: _Graph, column: TargetMean, value: str) -> str:
    keys = list(column.categories)
    tables = []
    for deviations in column.deviations:
        known = list(deviations[:-1])
        if MISSING not in keys:
            tables.append(_table(graph, value, [*keys, MISSING], [*known, deviations[-1]], 0.0))
        else:
            tables.append(_table(graph, value, keys, known, 0.0))
    return tables[0] if len(tables) == 1 else graph.add("Concat", *tables, axis=1)


def _linked(graph: _Graph, model: Model, X: str) -> str:
    """Add a model from its encoded rows to predictions, shape (n, outputs)."""
    if isinstance(model, OnnxModel):
        raise _without_place("a model that is a graph of its own, over encoded rows,")
    if isinstance(model, BlendModel):
        return _together(graph, model, X)
    if isinstance(model, ForestModel):
        return graph.add("Div", _ensemble(graph, model, X), graph.constant(float(len(model.roots))))
    if isinstance(model, TreeModel):
        if not model.roots.size:  # an ensemble has a tree
            model = replace(model, leaf_value=np.zeros(1), roots=np.array([~0]))
        raw = graph.add("Add", _ensemble(graph, model, X), graph.constant(model.base_score))
    elif isinstance(model, StackModel):
        raw = _together(graph, model, X)
    elif isinstance(model, LinearModel):
        product = graph.add("MatMul", X, graph.constant(model.coef.T))
        raw = graph.add("Add", product, graph.constant(model.intercept))
    else:
        raise _without_place(f"a model of the form {model.form!r}")
    if model.kind == "regression":
        return raw
    return (
        graph.add("Sigmoid", raw) if model.kind == "binary" else graph.add("Softmax", raw, axis=1)
    )


def _together(graph: _Graph, model: Members, X: str) -> str:
    """Add the members, each over its columns, and their weighted sum: of scores, in a stack."""
    parts = []
    for begin, member, weight in zip(model.begins, model.members, model.weights, strict=True):
        ends = [[begin], [begin + member.n_features], [1]]
        own = graph.add("Slice", X, *(graph.constant(end, np.int64) for end in ends))
        found = _linked(graph, member, own)
        if isinstance(model, StackModel):
            found = _scores(graph, model.kind, found)
        parts.append(graph.add("Mul", found, graph.constant(weight)))
    if isinstance(model, StackModel):
        parts.append(graph.constant(model.intercept))
    return graph.add("Sum", *parts)


def _scores(graph: _Graph, kind: str, p: str) -> str:
    """Add what `octavo.bundle.blend.scores_of` does."""
    from octavo.bundle.probabilities import CLOSEST

    if kind == "binary":
        return _log_odds(graph, p)
    if kind == "multiclass":
        return graph.add("Log", graph.add("Max", p, graph.constant(CLOSEST)))
    return p


def _log_odds(graph: _Graph, p: str) -> str:
    """Add the log-odds of probabilities."""
    from octavo.bundle.probabilities import CLOSEST

    inside = graph.add("Clip", p, graph.constant(CLOSEST), graph.constant(1.0 - CLOSEST))
    odds = graph.add("Div", inside, graph.add("Sub", graph.constant(1.0), inside))
    return graph.add("Log", odds)


def _calibrated(graph: _Graph, calibration: Calibration, p: str) -> str:
    """Add a calibration of probabilities of shape (n, outputs)."""
    if isinstance(calibration, Sigmoid):
        line = graph.add("Mul", _log_odds(graph, p), graph.constant(calibration.slope))
        return graph.add("Sigmoid", graph.add("Add", line, graph.constant(calibration.intercept)))
    if isinstance(calibration, Temperature):
        axis = graph.constant([1], np.int64)
        relative = graph.add("Div", p, graph.add("ReduceMax", p, axis))
        power = graph.add("Pow", relative, graph.constant(1 / calibration.temperature))
        return graph.add("Div", power, graph.add("ReduceSum", power, axis))
    if not isinstance(calibration, Isotonic):
        raise _without_place(f"a calibration of the form {calibration.form!r}")
    at, told = np.array(calibration.at), np.array(calibration.told)
    past = graph.add("Max", graph.add("Sub", p, graph.constant(at[:-1])), graph.constant(0.0))
    steps = graph.add("Min", past, graph.constant(np.diff(at)))
    rises = graph.add("MatMul", steps, graph.constant((np.diff(told) / np.diff(at))[:, None]))
    return graph.add("Add", rises, graph.constant(told[0]))


def _ensemble(graph: _Graph, model: Trees, X: str) -> str:
    """Add the sum of trees, shape (n, outputs). A leaf of several numbers becomes several trees."""
    leaf = model.leaf_value.reshape(len(model.leaf_value), -1)
    outputs = leaf.shape[1]
    copies = [_nodes(model, leaf[:, k]) for k in range(outputs)]
    target = np.arange(len(model.roots)) % model.n_outputs
    owner = _owners(model)
    targets = [target[owner] if outputs == 1 else np.full(len(leaf), k) for k in range(outputs)]
    nodes, leaves = len(copies[0]["nodes_featureids"]), len(leaf)
    shifted = {name: [] for name in copies[0]}
    for k, copy in enumerate(copies):
        for name, array in copy.items():
            shifted[name].append(array)
        for side in ("true", "false"):
            ids, at_leaf = shifted[f"nodes_{side}nodeids"], copy[f"nodes_{side}leafs"]
            ids[-1] = ids[-1] + np.where(at_leaf == 1, k * leaves, k * nodes)
        shifted["tree_roots"][-1] = shifted["tree_roots"][-1] + k * nodes
    joined = {name: np.concatenate(arrays) for name, arrays in shifted.items()}
    return graph.add(
        "TreeEnsemble",
        X,
        domain="ai.onnx.ml",
        aggregate_function=_SUM,
        n_targets=model.n_outputs,
        leaf_targetids=np.concatenate(targets).tolist(),
        **_attributes(joined),
    )


def _attributes(joined: dict[str, np.ndarray]) -> dict[str, Any]:
    """Return arrays as attributes: whole numbers as lists, the others as tensors."""
    from onnx import numpy_helper

    tensors = {"nodes_modes": np.uint8, "nodes_splits": np.float64, "leaf_weights": np.float64}
    return {
        name: numpy_helper.from_array(array.astype(tensors[name]), name)
        if name in tensors
        else array.astype(int).tolist()
        for name, array in joined.items()
    }


def _nodes(model: Trees, leaf: np.ndarray) -> dict[str, np.ndarray]:
    """Return nodes as ONNX has them; a tree that is a leaf gets a node with two sides alike."""
    bare = np.flatnonzero(model.roots < 0)
    alone = model.roots[bare]
    left, right = np.append(model.left, alone), np.append(model.right, alone)
    threshold = np.append(model.threshold, np.zeros(len(bare)))
    roots = model.roots.copy()
    roots[bare] = len(model.left) + np.arange(len(bare))
    nothing = np.isnan(threshold)  # goes left
    return {
        "tree_roots": roots,
        "nodes_featureids": np.append(model.feature, np.zeros(len(bare))),
        "nodes_splits": np.where(nothing, -np.inf, threshold),
        "nodes_modes": np.where(nothing, _LESS, _LESS_OR_EQUAL),
        "nodes_missing_value_tracks_true": np.append(model.default_left, np.zeros(len(bare))),
        "nodes_truenodeids": np.where(left < 0, ~left, left),
        "nodes_trueleafs": left < 0,
        "nodes_falsenodeids": np.where(right < 0, ~right, right),
        "nodes_falseleafs": right < 0,
        "leaf_weights": leaf,
    }


def _owners(model: Trees) -> np.ndarray:
    """Return which tree each leaf is of."""
    owner = np.zeros(len(model.leaf_value), int)
    of_node = np.zeros(len(model.left), int)
    for tree, root in enumerate(model.roots.tolist()):
        if root < 0:
            owner[~root] = tree
        else:
            of_node[root] = tree
    for node, children in enumerate(zip(model.left.tolist(), model.right.tolist(), strict=True)):
        for child in children:
            if child < 0:
                owner[~child] = of_node[node]
            else:
                of_node[child] = of_node[node]
    return owner


def _without_place(what: str) -> DefinitionError:
    return DefinitionError(
        f"{what} has no place in an ONNX graph.",
        where="export",
        fix="Export a candidate of trees or of a linear model, without n-grams of texts.",
    )
