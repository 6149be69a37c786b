"""Bundles as ONNX graphs, run by ONNX Runtime, against the bundles themselves."""

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from octavo.bundle import ENCODERS, Bundle, TreeModel, blended, stacked
from octavo.bundle.calibration import Isotonic, Sigmoid, Temperature
from octavo.definition import Ngrams
from octavo.errors import DefinitionError
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task

sys.path.append(str(Path(__file__).parents[1] / "algorithms"))
from small_fits import SMALL

pytest.importorskip("onnxruntime")
from octavo.bundle.onnx_graph import MISSING, OUTPUT, to_onnx

RNG = np.random.default_rng(0)
ROWS = 600
FRAME = pl.DataFrame(
    {
        "x": [None if RNG.random() < 0.2 else RNG.normal() for _ in range(ROWS)],
        "n": RNG.integers(0, 5, ROWS),
        "night": [None if RNG.random() < 0.1 else bool(RNG.random() < 0.5) for _ in range(ROWS)],
        "c": [None if RNG.random() < 0.1 else f"c{RNG.integers(0, 5)}" for _ in range(ROWS)],
        "many": [f"m{RNG.integers(0, 70)}" for _ in range(ROWS)],
    }
)
EDGES = pl.DataFrame(
    {
        "x": [None, float("inf"), -float("inf"), 1e300, -1e300, 1e-36, 0.0],
        "n": [3, None, 0, 10**12, -(10**12), 1, 2],
        "night": [None, True, False, True, None, False, True],
        "c": [None, "c1", "new", "c2", "c3", "c4", "c0"],
        "many": [None, "m1", "new", "m2", "m3", "m4", "m0"],
    },
    schema=FRAME.schema,
)
SCORE = FRAME["x"].fill_null(0).to_numpy() + FRAME["n"].to_numpy() + RNG.normal(size=ROWS)
TARGETS = {
    "binary": (SCORE > 2).astype(float),
    "multiclass": np.digitize(SCORE, [1, 3]).astype(float),
    "regression": SCORE,
}
NAMES = ("catboost", "hist_gradient_boosting", "lightgbm", "xgboost", "random_forest", "naive",
         "logistic", "linear", "elastic_net")  # fmt: skip
CASES = [(n, k) for n in NAMES for k in sorted(algorithms.get(n).kinds)]


def bundle(name, kind):
    algorithm, y = algorithms.get(name), TARGETS[kind]
    columns = np.eye(3)[y.astype(int)] if kind == "multiclass" else y[:, None]
    encoder, X = ENCODERS[algorithm.encoder].fit_transform(FRAME, y=columns)
    model = algorithm.fit(X, y, SMALL[name], Task(kind, 1, 1)).model()
    return Bundle(model, encoder, "y", name)


def run(graph, frame):
    import onnxruntime

    session = onnxruntime.InferenceSession(graph.SerializeToString())
    given = {
        name: frame[name].fill_null(MISSING).to_numpy().astype(object)[:, None]
        if frame.schema[name] == pl.String
        else frame[name].cast(pl.Float64).fill_null(np.nan).to_numpy()[:, None]
        for name in frame.columns
    }
    return session.run([OUTPUT], given)[0]


@pytest.mark.parametrize(("name", "kind"), CASES)
def test_a_graph_predicts_what_its_bundle_does(name, kind):
    made = bundle(name, kind)
    for frame in (FRAME, EDGES):
        found, expected = run(to_onnx(made), frame), made.predict(frame)
        assert found.dtype == np.float64
        assert found.shape == expected.shape
        np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("kind", ["binary", "multiclass"])
def test_a_blend_of_members_with_encoders_of_their_own(kind):
    members = [bundle(name, kind) for name in ("lightgbm", "logistic", "random_forest")]
    parts = [(member.encoder, member.model) for member in members]
    encoder, model = blended(parts, np.array([0.5, 0.3, 0.2]))
    made = Bundle(model, encoder, "y", "blend")
    for frame in (FRAME, EDGES):
        np.testing.assert_allclose(run(to_onnx(made), frame), made.predict(frame), rtol=1e-12)


@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_a_stack_on_several_folds(kind):
    members = [bundle(name, kind) for name in ("lightgbm", "elastic_net", "random_forest")]
    parts = [(member.encoder, member.model) for member in members]
    intercept = np.linspace(-0.2, 0.4, members[0].model.n_outputs)
    folds = [stacked(parts[:2], np.array([0.7, 0.5]), intercept),
             stacked(parts[1:], np.array([0.6, 0.8]), intercept)]  # fmt: skip
    encoder, model = blended(folds, np.ones(2))
    made = Bundle(model, encoder, "y", "stack")
    for frame in (FRAME, EDGES):
        np.testing.assert_allclose(
            run(to_onnx(made), frame), made.predict(frame), rtol=1e-11, atol=1e-14
        )


@pytest.mark.parametrize(
    ("kind", "calibration"),
    [
        ("binary", Sigmoid(1.7, -0.3)),
        ("binary", Isotonic((0.0, 0.2, 0.7, 1.0), (0.01, 0.1, 0.8, 0.99))),
        ("multiclass", Temperature(1.6)),
    ],
)
def test_a_calibration_is_part_of_the_graph(kind, calibration):
    made = replace(bundle("lightgbm", kind), calibration=calibration)
    assert (made.predict(FRAME) != bundle("lightgbm", kind).predict(FRAME)).any()
    for frame in (FRAME, EDGES):
        np.testing.assert_allclose(run(to_onnx(made), frame), made.predict(frame), rtol=1e-12)


def test_a_threshold_that_sends_nothing_to_the_left():
    made = bundle("lightgbm", "regression")
    names = made.encoder.names
    model = TreeModel(
        kind="regression",
        n_features=len(names),
        feature=[0, 0],
        threshold=[np.nan, np.inf],
        left=[~0, ~1],
        right=[1, ~2],
        default_left=[1, 0],
        leaf_value=[1.0, 10.0, 100.0],
        roots=[0, ~2],
        base_score=[0.5],
    )
    made = Bundle(model, made.encoder, "y", "own")
    assert run(to_onnx(made), EDGES).tolist() == made.predict(EDGES).tolist()
    assert set(made.predict(EDGES).tolist()) == {101.5, 110.5}


def test_what_has_no_place_in_a_graph():
    kind = "regression"
    near = bundle("nearest_neighbours", kind)
    with pytest.raises(DefinitionError, match="form 'neighbours' has no place"):
        to_onnx(near)
    trees = bundle("lightgbm", kind)
    prose = ENCODERS["ordinal"].fit(FRAME, texts={"c": Ngrams()})
    with pytest.raises(DefinitionError, match="'c', read as tfidf, has no place"):
        to_onnx(Bundle(trees.model, prose, "y", "own"))
