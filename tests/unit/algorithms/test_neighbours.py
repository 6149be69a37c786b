"""The nearest rows, against scikit-learn, which looks for them in its own way."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.neighbors import KNeighborsRegressor

from octavo.bundle import Model, NeighboursModel
from octavo.errors import DataError, DefinitionError
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Task
from octavo.stages.training.algorithms.nearest_neighbours import MOST

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(1300, 7)), RNG.normal(size=1300)


def fit(X, y, task=None, **params):
    return algorithms.get("nearest_neighbours").fit(X, y, params, task or Task("regression", 1, 1))


@pytest.mark.parametrize("weights", ["uniform", "distance"])
@pytest.mark.parametrize("k", [1, 7, 1300])
def test_means_are_those_of_scikit_learn(weights, k):
    new = np.vstack([RNG.normal(size=(300, 7)), X[:50]])
    model = fit(X, Y, n_neighbors=k, weights=weights).model()
    theirs = KNeighborsRegressor(k, weights=weights, algorithm="kd_tree").fit(X, Y).predict(new)
    np.testing.assert_allclose(model.predict(new), theirs, rtol=1e-9, atol=1e-12)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=20), st.integers(1, 60))
@settings(max_examples=60, deadline=None)
def test_of_equally_distant_rows_the_first_count(rows, k):
    """Of points on a grid most are equally far: NumPy's stable order decides, in full."""
    grid = np.random.default_rng(1).integers(0, 3, (60, 3)).astype(float)
    y = np.arange(60.0) ** 2
    model = fit(grid, y, n_neighbors=k, weights="uniform").model()
    new = np.array(rows, float)
    apart = np.square(new[:, None] - grid[None]).sum(axis=2)
    nearest = np.argsort(apart, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(model.predict(new), y[nearest].mean(axis=1), rtol=1e-12)
    single = np.concatenate([model.predict(row[None]) for row in new])
    assert single.tobytes() == model.predict(new).tobytes()


def test_many_rows_on_several_threads_have_the_bits_of_one_alone():
    model = fit(X[:100], Y[:100]).model()
    many = RNG.normal(size=(20_000, 7))
    whole = model.predict(many)
    some = RNG.integers(0, len(many), 50)
    assert (
        whole[some].tobytes()
        == np.concatenate([model.predict(many[i : i + 1]) for i in some]).tobytes()
    )


def test_a_row_weighs_what_it_is_told_to():
    heavy = np.ones(1300)
    heavy[3] = 1e9
    task = Task("regression", 1, 1, weights=heavy)
    model = fit(X, Y, task, n_neighbors=1300, weights="uniform").model()
    assert model.predict(X[:1])[0] == pytest.approx(Y[3], abs=1e-3)


def test_of_many_rows_some_are_drawn_always_the_same():
    many = RNG.normal(size=(MOST + 5, 2))
    one, again = (fit(many, many[:, 0]).model() for _ in range(2))
    assert one.points.shape == (2, MOST)
    assert one.points.tobytes() == again.points.tobytes()


def test_its_parts_make_the_same_model():
    model = fit(X, Y, n_neighbors=3).model()
    again = Model.of(model.meta(), model.arrays())
    assert isinstance(again, NeighboursModel)
    assert again.predict(X).tobytes() == model.predict(X).tobytes()
    with pytest.raises(DataError, match="0 neighbours among 1300 rows"):
        Model.of(model.meta() | {"k": 0}, model.arrays())


def test_what_cannot_be_averaged():
    with pytest.raises(DefinitionError, match="0 neighbours"):
        fit(X, Y, n_neighbors=0)
    with pytest.raises(DefinitionError, match="'near' weights"):
        fit(X, Y, weights="near")


@pytest.mark.parametrize("weights", [None, np.repeat([1.0, 3.0], 50)])
def test_the_naive_answer_is_the_weighted_share(weights):
    y = np.repeat([0.0, 1.0], 50)
    rows = np.full((100, 2), np.nan)
    naive = algorithms.get("naive")
    share = np.average(y, weights=weights)
    for kind, expected in (
        ("binary", share),
        ("multiclass", [1 - share, share]),
        ("regression", share),
    ):
        model = naive.fit(rows, y, {}, Task(kind, 1, 1, weights=weights)).model()
        np.testing.assert_allclose(model.predict(rows[:20]), np.tile(expected, (20, 1)).squeeze())
