"""Models without an array form: handed over as ONNX graphs, checked, stored, run anywhere."""

import subprocess
import sys
from dataclasses import dataclass

import numpy as np
import polars as pl
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVR
from sklearn.tree import DecisionTreeClassifier

import octavo as ov
from octavo.bundle import ENCODERS, Bundle, LinearModel, OnnxModel, blended
from octavo.bundle.check import TRAINING
from octavo.bundle.onnx_graph import to_onnx
from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.stages.training.algorithms import take_over

pytest.importorskip("onnxruntime")
skl2onnx = pytest.importorskip("skl2onnx")
helper = pytest.importorskip("onnx.helper")

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(150, 5))
SCORE = X[:, 0] + X[:, 1] * X[:, 2]
TARGETS = {
    "binary": (SCORE > 0).astype(float),
    "multiclass": np.digitize(SCORE, [-0.5, 0.5]).astype(float),
    "regression": 100 * SCORE,
}
LAYERS = {"hidden_layer_sizes": (8,), "max_iter": 5, "random_state": 0}
BOOL, DOUBLE, INT = 9, 11, 7
"""ONNX's own numbers (``TensorProto.DataType``)."""


@dataclass
class Own:
    """A user's own algorithm, as far as it is asked here."""

    encoder: str = "linear"
    name: str = "own"


def taken(estimator, kind, encoder="linear", rows=X):
    fitted = ov.OnnxFitted.of(estimator.fit(rows, TARGETS[kind]), kind)
    return take_over(Own(encoder), fitted, rows)


def graph(*nodes, inputs=("X",), width=5, dtype=DOUBLE, out=DOUBLE):
    """Write a file as another library would: from X to the last node's output."""
    ends = [helper.make_tensor_value_info(name, dtype, ["rows", width]) for name in inputs]
    last = helper.make_tensor_value_info(nodes[-1].output[0], out, ["rows", None])
    made = helper.make_graph(list(nodes), "own", ends, [last])
    opsets = [helper.make_opsetid("", 21)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10).SerializeToString()


SUM = helper.make_node("ReduceSum", ["X"], ["sum"], keepdims=1)
SIGMOID = helper.make_node("Sigmoid", ["sum"], ["told"])


@pytest.mark.parametrize(
    ("estimator", "kind", "off"),
    [
        (MLPClassifier(**LAYERS), "binary", 1e-14),
        (MLPClassifier(**LAYERS), "multiclass", 1e-14),
        (MLPRegressor(**LAYERS), "regression", 1e-13),
        (make_pipeline(StandardScaler(), GaussianNB()), "multiclass", 1e-13),
        (GaussianProcessRegressor(alpha=1.0, optimizer=None), "regression", 1e-7),
        (SVR(), "regression", 1e-4),  # no float64 in ONNX Runtime
    ],
)
def test_what_scikit_learn_trains(estimator, kind, off):
    model = taken(estimator, kind)
    native = estimator.predict(X) if kind == "regression" else estimator.predict_proba(X)
    native = native[:, 1] if kind == "binary" else native
    together = model.predict(X)
    assert together.dtype == np.float64
    np.testing.assert_allclose(together, native, atol=off, rtol=0)
    alone = np.concatenate([model.predict(row[None]) for row in X])
    assert alone.tobytes() == together.tobytes()
    assert model.predict(X[:0]).shape == (0, *native.shape[1:])
    again = taken(estimator, kind)
    assert again.graph.tobytes() == model.graph.tobytes(), "the same rows give the same file"


def test_the_order_in_which_a_process_lists_sets_shows_nowhere(monkeypatch):
    """The converter lists the sets of operators as a Python set does: by hash, thus by process."""
    estimator, convert = MLPClassifier(**LAYERS), skl2onnx.to_onnx
    model = taken(estimator, "binary")

    def backwards(*given, **told):
        converted = convert(*given, **told)
        assert len(converted.opset_import) > 1
        converted.opset_import.reverse()
        return converted

    monkeypatch.setattr(skl2onnx, "to_onnx", backwards)
    assert taken(estimator, "binary").graph.tobytes() == model.graph.tobytes()


def test_what_another_library_exports():
    def native(X):
        return 1 / (1 + np.exp(-X.sum(axis=1)))

    made = ov.OnnxFitted("binary", native, graph(SUM, SIGMOID))
    model = take_over(Own(), made, X)
    assert (model.n_features, model.n_outputs) == (5, 1)
    np.testing.assert_allclose(model.predict(X), native(X), atol=1e-15)


def test_a_row_has_the_same_bits_on_many_threads():
    model = taken(MLPClassifier(**LAYERS), "binary")
    many = np.tile(X, (120, 1))
    assert model.predict(many).tobytes() == np.tile(model.predict(X), 120).tobytes()


@pytest.mark.parametrize(
    ("estimator", "encoder", "what"),
    [
        # Without a missing value, yet the converter has another formula for two classes.
        (
            LinearDiscriminantAnalysis(),
            "linear",
            r"the ONNX graph is off by 0\.\d+ from the native",
        ),
        (DecisionTreeClassifier(), "ordinal", r"off by .* where values are missing.*\"linear\""),
        (GaussianNB(), "ordinal", r"refuses missing values \(ValueError: Input X contains NaN"),
    ],
)
def test_a_wrong_conversion_is_refused(estimator, encoder, what):
    with pytest.raises(DefinitionError, match=f"(?s)algorithm 'own'.*{what}"):
        taken(estimator, "binary", encoder)


def test_what_does_not_convert_says_so():
    estimator = GaussianProcessClassifier(optimizer=None)
    with pytest.raises(DefinitionError, match="GaussianProcessClassifier: it does not convert"):
        taken(estimator, "binary")


def test_scores_that_are_no_probabilities_are_refused():
    made = ov.OnnxFitted("binary", lambda X: X.sum(axis=1), graph(SUM))
    with pytest.raises(DefinitionError, match=r"tells -\d.* to \d.*: no probabilities.*sigmoid"):
        take_over(Own(), made, X)


@pytest.mark.parametrize(
    ("file", "kind", "what"),
    [
        (b"no graph", "binary", "ONNX Runtime refuses it with"),
        (graph(SUM), "anomaly", "how rare a row is"),
        (graph(helper.make_node("Neg", ["X"], ["told"])), "binary", "5 numbers of a row, for a b"),
        (graph(SUM, width="features"), "regression", r"not of shape \(rows, features\)"),
        (
            graph(helper.make_node("Add", ["X", "Z"], ["told"]), inputs=("X", "Z")),
            "multiclass",
            r"but X \['rows', 5\], Z \['rows', 5\]",
        ),
        (graph(SUM, dtype=INT, out=INT), "regression", "input is no"),
        (
            graph(helper.make_node("IsNaN", ["X"], ["told"]), out=BOOL),
            "multiclass",
            "last output is no",
        ),
    ],
)
def test_graphs_of_no_use_are_refused(file, kind, what):
    with pytest.raises(DataError, match=f"(?s)the ONNX graph cannot be used: .*{what}"):
        OnnxModel.of_graph(file, kind)


def test_a_model_in_neither_form_hears_of_both():
    bare = MLPClassifier(**LAYERS).fit(X, TARGETS["binary"])
    with pytest.raises(
        DefinitionError, match=r"no array form and is no ONNX.*OnnxFitted\.of\(.*Tr"
    ):
        take_over(Own(), bare, X)


SCRIPT = """
import sys
for name in {blocked!r}:
    sys.modules[name] = None
import polars as pl
from octavo.bundle import Bundle
rows = pl.read_ipc(sys.argv[2])
print(Bundle.load(sys.argv[1]).predict(rows).tobytes().hex())
"""


def apart(folder, blocked):
    script = SCRIPT.format(blocked=blocked)
    rows = folder.with_suffix(".arrow")
    command = [sys.executable, "-I", "-c", script, folder, rows]
    return subprocess.run(command, capture_output=True, text=True)


def test_a_bundle_does_not_need_the_library_that_trained(tmp_path):
    frame = pl.DataFrame({f"x{place}": X[:, place] for place in range(5)})
    frame = frame.with_columns(pl.when(pl.col("x0") > 1).then(None).otherwise("x0").alias("x0"))
    encoder, encoded = ENCODERS["linear"].fit_transform(frame)
    own = taken(MLPClassifier(**LAYERS), "binary", rows=encoded)
    line = LinearModel(kind="binary", n_features=6, coef=np.ones((1, 6)), intercept=[0.0])
    joined, blend = blended([(encoder, own), (encoder, line)], np.array([0.7, 0.3]))
    made = {"own": Bundle(own, encoder, "y", "own"), "blend": Bundle(blend, joined, "y", "blend")}
    for name, bundle in made.items():
        folder = tmp_path / name
        bundle.save(folder)
        frame.write_ipc(folder.with_suffix(".arrow"))
        told = bundle.predict(frame)
        assert np.isfinite(told).all()
        assert Bundle.load(folder).content_hash == bundle.content_hash
        done = apart(folder, (*TRAINING, "onnx"))
        assert done.stdout.strip() == told.tobytes().hex(), done.stderr
    with pytest.raises(DefinitionError, match="a graph of its own, over encoded rows"):
        to_onnx(made["blend"])
    lacking = apart(tmp_path / "own", ("onnxruntime",))
    assert lacking.returncode == 1
    assert "ResourceError" in lacking.stderr
    assert "pip install 'octavo[onnx]'" in lacking.stderr


def test_without_the_extra_the_converter_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ResourceError, match=r"needs skl2onnx.*octavo\[onnx\]"):
        taken(MLPClassifier(**LAYERS), "binary")
