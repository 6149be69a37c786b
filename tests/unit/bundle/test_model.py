import dataclasses
import math
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from octavo.bundle import LinearModel, Model, TreeModel, evaluator
from octavo.errors import DataError


def stump(kind="regression", **changes):
    """x0 <= 1 gives 10, else 20; a missing x0 goes left."""
    parts = {
        "feature": [0],
        "threshold": [1.0],
        "left": [~0],
        "right": [~1],
        "default_left": [1],
        "leaf_value": [10.0, 20.0],
        "roots": [0],
        "base_score": [0.5],
    }
    return TreeModel(kind=kind, n_features=2, **{**parts, **changes})


def test_a_stump():
    X = [[1.0, 0], [1.0 + 2**-52, 0], [math.nan, 0], [math.inf, 0], [-math.inf, 0]]
    assert stump().raw(X).tolist() == [10.5, 20.5, 10.5, 20.5, 10.5]
    assert stump(default_left=[0]).raw(X).tolist() == [10.5, 20.5, 20.5, 20.5, 10.5]


def test_infinite_and_absent_thresholds():
    X = [[math.nan, 0], [math.inf, 0], [-math.inf, 0]]
    assert stump(threshold=[math.inf], default_left=[0]).raw(X).tolist() == [20.5, 10.5, 10.5]
    assert stump(threshold=[math.nan]).raw(X).tolist() == [10.5, 20.5, 20.5]


def test_trees_of_one_leaf_and_no_trees():
    leaf = stump(feature=[], threshold=[], left=[], right=[], default_left=[], roots=[~0, ~1])
    assert leaf.raw([[0.0, 0.0]] * 2).tolist() == [30.5, 30.5]
    assert stump(roots=[]).raw([[0.0, 0.0]]).tolist() == [0.5]


def test_trees_take_turns_over_the_outputs():
    model = stump("multiclass", roots=[0, ~0, ~1, ~0, ~0, ~0], base_score=[0.0, 100.0, 200.0])
    assert model.raw([[5.0, 0.0]]).tolist() == [[30.0, 120.0, 230.0]]
    expected = [math.exp(s - 230) / sum(math.exp(r - 230) for r in (30, 120, 230)) for s in
                (30, 120, 230)]  # fmt: skip
    np.testing.assert_allclose(model.predict([[5.0, 0.0]]), [expected], rtol=1e-15)


@pytest.mark.parametrize("score", [-800.0, -40.0, -1e-9, 0.0, 0.3, 40.0, 800.0])
def test_logistic_is_exact_and_does_not_overflow(score):
    model = LinearModel(kind="binary", n_features=1, coef=[[1.0]], intercept=[0.0])
    expected = 1 / (1 + math.exp(-score)) if score > -700 else 0.0
    assert model.predict([[score]])[0] == pytest.approx(expected, rel=1e-15, abs=1e-300)


def test_linear_adds_features_in_their_order():
    rng = np.random.default_rng(3)
    coef, X = rng.normal(size=(3, 50)) * 1e8, rng.normal(size=(20, 50))
    model = LinearModel(kind="multiclass", n_features=50, coef=coef, intercept=[1.0, 2.0, 3.0])
    for i, row in enumerate(X):
        for k in range(3):
            total = 0.0
            for x, w in zip(row.tolist(), coef[k].tolist(), strict=True):
                total += x * w
            assert model.raw(X)[i, k] == total + [1.0, 2.0, 3.0][k]


def test_shapes():
    assert stump().predict(np.zeros((0, 2))).shape == (0,)
    assert stump("binary").predict(np.zeros((4, 2))).shape == (4,)
    assert stump("multiclass", base_score=[0.0, 0.0]).predict(np.zeros((4, 2))).shape == (4, 2)


@pytest.mark.parametrize("X", [np.zeros((3, 1)), np.zeros((3, 3)), np.zeros(2)])
def test_a_wrong_width_is_refused(X):
    with pytest.raises(DataError, match="do not fit a model of 2 features"):
        stump().raw(X)


def test_any_memory_layout_gives_the_same():
    X = np.random.default_rng(0).normal(size=(50, 2))
    expected = stump().raw(X)
    frozen = X.copy()
    frozen.setflags(write=False)
    for same in (np.asfortranarray(X), X[::-1][::-1], frozen, X.tolist()):
        np.testing.assert_array_equal(stump().raw(same), expected)


def test_threads_change_nothing():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(evaluator.LONG + 7, 2))
    for model in (
        stump("binary", leaf_value=[0.1, 0.7]),
        LinearModel(kind="binary", n_features=2, coef=[[0.3, 1.7]], intercept=[0.1]),
    ):
        parts = [model.predict(part) for part in np.array_split(X, 9)]
        np.testing.assert_array_equal(model.predict(X), np.concatenate(parts))
        with ThreadPoolExecutor(4) as pool:
            for result in pool.map(model.predict, [X] * 4):
                np.testing.assert_array_equal(result, np.concatenate(parts))


def test_models_are_frozen_and_own_their_arrays():
    values = np.array([10.0, 20.0])
    model = stump(leaf_value=values)
    values[:] = 0
    assert model.leaf_value.tolist() == [10.0, 20.0]
    with pytest.raises(ValueError, match="read-only"):
        model.leaf_value[0] = 1.0
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.kind = "binary"


@pytest.mark.parametrize(
    "changes",
    [
        {"left": [~2]},
        {"right": [1]},
        {"left": [0]},
        {"roots": [1]},
        {"roots": [~2]},
        {"feature": [2]},
        {"feature": [-1]},
        {"threshold": [1.0, 2.0]},
        {"leaf_value": [[10.0, 20.0]]},
        {"base_score": [0.0, 0.0]},
        {"base_score": []},
    ],
)
def test_trees_that_cannot_be_walked_are_refused(changes):
    with pytest.raises(DataError, match="not consistent"):
        stump(**changes)


def test_coefficients_that_do_not_fit_are_refused():
    with pytest.raises(DataError, match="not consistent"):
        LinearModel(kind="regression", n_features=2, coef=[[1.0]], intercept=[0.0])


@pytest.mark.parametrize(
    "model",
    [stump(), LinearModel(kind="binary", n_features=1, coef=[[1.0]], intercept=[0.0])],
)
def test_parts_make_the_model_again(model):
    again = Model.of(model.meta(), model.arrays())
    assert type(again) is type(model)
    assert again.meta() == model.meta()
    for name, array in model.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], array)
    some = dict(list(model.arrays().items())[1:])
    with pytest.raises(DataError, match="not consistent"):
        Model.of(model.meta(), some)
    with pytest.raises(DataError, match="not consistent"):
        Model.of({**model.meta(), "form": "forest"}, model.arrays())
