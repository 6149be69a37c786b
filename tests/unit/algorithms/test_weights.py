"""What rows weigh, and answers that must be monotone."""

import numpy as np
import pytest
from small_fits import CASES, SMALL, rows, target

from octavo.errors import DefinitionError
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import BASELINES, Task
from octavo.stages.training.algorithms.contract import MONOTONE

ABLE = sorted({*MONOTONE} & {*algorithms.names()})
UNWEIGHED = ("isolation_forest", "tails")
LEARNED = [case for case in CASES if case[0] not in (*UNWEIGHED, *BASELINES)]


@pytest.mark.parametrize(("name", "kind"), LEARNED)
def test_rows_that_weigh_next_to_nothing_do_not_count(name, kind):
    """Half of the rows tell the opposite; their weight decides whom the model believes."""
    algorithm = algorithms.get(name)
    X, y = rows(algorithm.encoder), target(kind).astype(float)
    wrong = y.max() - y
    twice, told = np.tile(X, (2, 1)), np.concatenate([y, wrong])
    weights = np.repeat([1.0, 1e-6], len(y))
    model = algorithm.fit(twice, told, SMALL[name], Task(kind, 1, 1, weights=weights)).model()
    weights = np.ascontiguousarray(weights[::-1])
    against = algorithm.fit(twice, told, SMALL[name], Task(kind, 1, 1, weights=weights))
    right, left = model.predict(X), against.model().predict(X)
    if kind == "multiclass":
        right, left = (p @ np.arange(p.shape[1]) for p in (right, left))
    assert np.corrcoef(right, y)[0, 1] > 0.5
    assert np.corrcoef(left, y)[0, 1] < -0.5


@pytest.mark.parametrize("name", ABLE)
@pytest.mark.parametrize("kind", ["binary", "regression"])
@pytest.mark.parametrize("sign", [1, -1])
def test_more_of_a_column_never_moves_the_answer_the_wrong_way(name, kind, sign):
    X, y = rows("ordinal"), target(kind)
    asked = np.array([0, sign, 0, 0, 0, 0], np.int8)
    model = algorithms.get(name).fit(X, y, SMALL[name], Task(kind, 1, 1, monotone=asked)).model()
    moved = np.repeat(X[:100, None], 30, axis=1)
    moved[:, :, 1] = np.linspace(-1, 4, 30)
    scores = model.raw(moved.reshape(-1, 6)).reshape(100, 30)
    assert (sign * np.diff(scores, axis=1) >= 0).all()
    assert len(model.feature) > 0


@pytest.mark.parametrize(("name", "kind"), [c for c in CASES if c[0] not in (*ABLE, "naive")])
def test_those_that_cannot_promise_it_say_who_can(name, kind):
    algorithm = algorithms.get(name)
    task = Task(kind, 1, 1, monotone=np.ones(6, np.int8))
    with pytest.raises(DefinitionError, match=r"cannot promise a monotone.*lightgbm"):
        algorithm.fit(rows(algorithm.encoder), target(kind), SMALL[name], task)


@pytest.mark.parametrize("name", UNWEIGHED)
def test_those_whose_rows_count_all_the_same_refuse_weights(name):
    algorithm = algorithms.get(name)
    kind = min(algorithm.kinds)
    task = Task(kind, 1, 1, weights=np.ones(500))
    with pytest.raises(DefinitionError, match="weights mean nothing"):
        algorithm.fit(rows(algorithm.encoder), target(kind), SMALL[name], task)
