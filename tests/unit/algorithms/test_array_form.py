"""Models in array form against the libraries that trained them."""

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from small_fits import CASES, LAST, SMALL, fitted, rows, target

from octavo.bundle import (
    ForestModel,
    IsolationModel,
    LastModel,
    NeighboursModel,
    TailModel,
    TreeModel,
)
from octavo.bundle.model import MOST_SURPRISE, Trees
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import BASELINES, Task
from octavo.stages.training.algorithms.singles import highest_below, highest_up_to

FORESTS = ("extra_trees", "random_forest")
TREES = {
    "lightgbm": 0.0,
    "hist_gradient_boosting": 0.0,
    "xgboost": 1e-6,
    "catboost": 1e-12,
    **dict.fromkeys(FORESTS, 0.0),
}
"""Largest difference from the library, relative to the largest score."""
each_case = pytest.mark.parametrize(("name", "kind"), CASES)


def edges(model):
    """The values at which a model changes its mind, their neighbours, and what is odd anyway."""
    values = {0.0, -0.0, 1e-35, -1e-35, 1e-36, 5e-324, -5e-324, 1e300, 3.5e38, -3.5e38, 1.7e308}
    values |= {float(np.float32(1e-35)), -float(np.float32(1e-35)), math.inf, -math.inf, math.nan}
    if isinstance(model, Trees):
        for threshold in model.threshold.tolist():
            single = float(np.float32(threshold))
            values |= {single, float(np.nextafter(np.float32(threshold), np.float32(9)))}
            values |= {threshold, math.nextafter(threshold, -9), math.nextafter(threshold, 9)}
        return sorted(values, key=repr)
    return [0.0, -0.0, 5e-324, 1e6, -1e6]


def agree(name, result, X):
    native, own = np.asarray(result.native_raw(X), np.float64), result.model().raw(X)
    assert own.shape == native.shape
    difference = np.abs(own - native)
    assert (difference <= allowed(name, result.model(), X, native)).all(), difference.max()


def allowed(name, model, X, native):
    """Return how far two right answers may be apart, a number or one for each score.

    A sum of n products in any order is within n · eps of the exact one, relative to the sum of
    their magnitudes: where they cancel, the result itself is no measure.
    """
    if isinstance(model, TreeModel | ForestModel):
        return TREES.get(name, 0.0) * max(1.0, np.abs(native).max())
    if isinstance(model, IsolationModel):
        return np.where(native < MOST_SURPRISE, 1e-7 * (1 + model.slope[0]), 0.0)
    if isinstance(model, LastModel):
        return 0.0
    if isinstance(model, NeighboursModel):
        return 1e-12 * np.abs(model.told).max()
    if isinstance(model, TailModel):
        return np.where(native < MOST_SURPRISE, 1e-8 * (1 + model.slope.max()), 0.0)
    magnitude = np.abs(X) @ np.abs(model.coef).T + np.abs(model.intercept)
    eps = np.finfo(np.float64).eps
    return (2 * (model.n_features + 1) * eps * magnitude).reshape(native.shape)


@each_case
@given(data=st.data())
@settings(max_examples=25, deadline=None)
def test_any_rows(name, kind, data):
    result = fitted(name, kind)
    model = result.model()
    value = st.sampled_from(edges(model))
    if isinstance(model, TailModel):
        value |= st.floats() | st.sampled_from(model.knots.ravel().tolist())
    elif isinstance(model, Trees):
        value |= st.floats()
    else:
        value |= st.floats(-1e6, 1e6)
    X = np.array(
        data.draw(st.lists(st.tuples(*[value] * model.n_features), min_size=1, max_size=8))
    )
    agree(name, result, X)
    single = np.concatenate([model.predict(row[None]) for row in X])
    assert single.tobytes() == model.predict(X).tobytes()


@pytest.mark.parametrize(
    ("name", "kind"), [("logistic", "binary"), ("logistic", "multiclass"), ("linear", "regression")]
)
def test_products_that_cancel(name, kind):
    agree(name, fitted(name, kind), np.array([[-1e6, 998389.0, 0.0, -1e6, 1e6, 0.0]]))


@each_case
def test_training_rows_and_probabilities(name, kind):
    result = fitted(name, kind)
    model = result.model()
    X = rows(algorithms.get(name).encoder)
    agree(name, result, X)
    native = np.asarray(result.native_raw(X), np.float64)
    if isinstance(model, ForestModel | NeighboursModel):
        expected = native
    elif kind == "binary":
        expected = 1 / (1 + np.exp(-native))
    elif kind == "multiclass":
        powers = np.exp(native - native.max(axis=1, keepdims=True))
        expected = powers / powers.sum(axis=1, keepdims=True)
    elif kind == "anomaly":
        expected = 1 - np.exp(-native)
    else:
        expected = native
    np.testing.assert_allclose(model.predict(X), expected, rtol=2e-6)
    assert model.predict(X[:0]).shape == (0, *expected.shape[1:])


@pytest.mark.parametrize("name", [name for name, kind in CASES if kind == "multiclass"])
def test_several_classes_may_be_two(name):
    X, y = rows(algorithms.get(name).encoder), target("binary")
    result = algorithms.get(name).fit(X, y, SMALL[name], Task("multiclass", 1, 1, last=LAST))
    agree(name, result, X)
    predicted = result.model().predict(X)
    np.testing.assert_allclose(predicted.sum(axis=1), 1)
    if name in ("logistic", "hist_gradient_boosting"):  # which learn it as a binary problem
        np.testing.assert_allclose(
            predicted[:, 1], fitted(name, "binary").model().predict(X), rtol=1e-12
        )
    if name not in BASELINES:
        assert np.corrcoef(predicted[:, 1], y)[0, 1] > 0.5


@pytest.mark.parametrize(
    ("name", "kind"), [case for case in CASES if case[0] not in (*BASELINES, "isolation_forest")]
)
def test_the_model_learned_something(name, kind):
    X, y = rows(algorithms.get(name).encoder), target(kind)
    prediction = fitted(name, kind).model().predict(X)
    if kind == "multiclass":
        assert (prediction.argmax(axis=1) == y).mean() > 1.2 * np.bincount(y).max() / len(y)
    else:
        assert np.corrcoef(prediction, y)[0, 1] > 0.5


@each_case
def test_all_edges_one_by_one(name, kind):
    result = fitted(name, kind)
    model = result.model()
    for feature in range(model.n_features):
        values = edges(model)
        X = np.repeat(np.nan_to_num(rows("linear")[:1]), len(values), axis=0)
        X[:, feature] = values
        agree(name, result, X)


@each_case
def test_same_inputs_same_arrays(name, kind):
    one, again = (fitted.__wrapped__(name, kind, threads=2).model() for _ in range(2))
    for part, array in one.arrays().items():
        assert array.tobytes() == again.arrays()[part].tobytes()


@pytest.mark.parametrize("name", list(TREES))
@pytest.mark.parametrize("kind", ["binary", "multiclass", "regression"])
def test_nothing_to_split_on(name, kind):
    X = np.full((200, 2), np.nan)
    X[:, 0] = 3.0
    y = target(kind)[:200]
    algorithm = algorithms.get(name)
    result = algorithm.fit(X, y, SMALL[name], Task(kind, 1, 1, last=LAST))
    agree(name, result, np.array([[3.0, 1.0], [np.nan, np.nan]]))
    assert len(result.model().feature) == 0


@pytest.mark.parametrize("name", list(TREES))
@pytest.mark.parametrize("side", [0.0, 1.0])
def test_missing_against_present_alone(name, side):
    """The only split is between missing and not; thresholds are the libraries' infinities."""
    present = np.random.default_rng(0).random(400) < 0.5
    X = np.where(present, 2.0, np.nan)[:, None]
    y = np.where(present, side, 1 - side)
    y[:20] = 1 - y[:20]
    result = algorithms.get(name).fit(X, y, SMALL[name], Task("binary", 1, 1))
    model = result.model()
    assert (model.predict([[2.0]]) > 0.5) == (side == 1.0)
    assert (model.predict([[np.nan]]) > 0.5) == (side == 0.0)
    agree(name, result, np.array([[v] for v in edges(model)]))


@pytest.mark.parametrize("boosting", [{"boosting": "dart"}, {"data_sample_strategy": "goss"}])
def test_other_boosting(boosting):
    params = {**SMALL["lightgbm"], "learning_rate": 0.3, "bagging_freq": 0, **boosting}
    X = rows("ordinal")
    result = algorithms.get("lightgbm").fit(X, target("binary"), params, Task("binary", 1, 1))
    agree("lightgbm", result, X)


def test_base_scores_of_rare_positives():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3000, 2)), (rng.random(3000) < 0.01).astype(float)
    for name in TREES:
        result = algorithms.get(name).fit(X, y, SMALL[name], Task("binary", 1, 1))
        agree(name, result, X)


@given(
    st.floats(width=32, allow_nan=False),
    st.lists(st.floats(allow_nan=False), max_size=20),
)
@example(float(np.finfo(np.float32).max), [math.inf, -math.inf])
@example(-float(np.finfo(np.float32).max), [math.inf, -math.inf])
@example(math.inf, [math.inf, -math.inf])
@example(0.0, [])
@settings(max_examples=300, deadline=None)
def test_float32_thresholds_decide_the_same_in_float64(threshold, xs):
    single = np.array([threshold], np.float32)
    own = highest_below(single)[0]
    with np.errstate(over="ignore"):
        below = float(np.nextafter(single, np.float32(-np.inf))[0])
    for near in (threshold, below):
        middle = (threshold + near) / 2
        for x in (near, middle):
            xs += [x, math.nextafter(x, math.inf), math.nextafter(x, -math.inf)]
    largest = float(np.finfo(np.float32).max)
    for x in xs:
        if not math.isnan(x):
            rounded = np.float32(min(max(x, -largest), largest))
            assert (x <= own) == (rounded < single[0])


@given(st.floats(allow_nan=False), st.lists(st.floats(allow_nan=False), max_size=20))
@example(math.inf, [math.inf])
@example(0.1, [0.1])
@settings(max_examples=300, deadline=None)
def test_float64_thresholds_of_float32_values(threshold, xs):
    largest = float(np.finfo(np.float32).max)
    if abs(threshold) > largest:
        threshold = math.copysign(math.inf if threshold > 0 else largest, threshold)
    own = highest_up_to(np.array([threshold]))[0]
    xs += [threshold, math.nextafter(threshold, -math.inf), math.nextafter(threshold, math.inf)]
    for x in xs:
        assert (x <= own) == (float(np.float32(min(max(x, -largest), largest))) <= threshold)
