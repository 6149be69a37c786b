"""Fits that watch rows: how many rounds they take, what they report, and how they end."""

import numpy as np
import pytest
from small_fits import SMALL, rows, target

from octavo.bundle.metrics import figure
from octavo.stages.training import algorithms
from octavo.stages.training.algorithms import Pruned, Task, Watch
from octavo.stages.training.algorithms.rounds import EVERY, MOST, Rounds

ROUNDS = {
    "catboost": "iterations",
    "hist_gradient_boosting": "max_iter",
    "lightgbm": "num_iterations",
    "xgboost": "num_boost_round",
}
METRICS = [
    ("binary", "average_precision"),
    ("binary", "roc_auc"),
    ("binary", "log_loss"),
    ("binary", "brier"),
    ("multiclass", "accuracy"),
    ("multiclass", "log_loss"),
    ("regression", "r2"),
    ("regression", "mae"),
]
LEARN, LOOK = slice(350), slice(350, None)
each = pytest.mark.parametrize("name", sorted(ROUNDS))


def watched(name, kind, metric, report=lambda rounds, loss: None, **params):
    X, y = rows("ordinal"), target(kind).astype(float)
    watch = Watch(X[LOOK], y[LOOK], metric, report)
    params = {**SMALL[name], "learning_rate": 0.3, **params}
    return algorithms.get(name).fit(X[LEARN], y[LEARN], params, Task(kind, 1, 1, watch=watch))


@each
@pytest.mark.parametrize(("kind", "metric"), METRICS)
def test_the_best_round_is_kept_and_found_again_without_a_watch(name, kind, metric):
    seen = {}
    result = watched(name, kind, metric, seen.__setitem__)
    found = result.params[ROUNDS[name]]
    assert 1 <= found < MOST
    losses = list(seen.values())
    assert sorted(seen) == list(range(EVERY, EVERY * len(seen) + 1, EVERY))
    assert min(losses) <= losses[0]
    X, y = rows("ordinal"), target(kind).astype(float)
    again = algorithms.get(name).fit(X[LEARN], y[LEARN], result.params, Task(kind, 1, 1))
    model = result.model()
    for part, array in again.model().arrays().items():
        assert array.tobytes() == model.arrays()[part].tobytes()
    native = np.asarray(result.native_raw(X), np.float64)
    assert np.abs(native - model.raw(X)).max() <= 1e-5 * np.abs(native).max()


@each
@pytest.mark.parametrize(
    ("kind", "metric", "sign"),
    [("binary", "roc_auc", -1), ("binary", "log_loss", 1), ("multiclass", "log_loss", 1)],
)
def test_losses_are_those_of_the_rounds(name, kind, metric, sign):
    seen = {}
    watched(name, kind, metric, seen.__setitem__)
    X, y = rows("ordinal"), target(kind).astype(float)
    params = {**SMALL[name], "learning_rate": 0.3, ROUNDS[name]: 20}
    model = algorithms.get(name).fit(X[LEARN], y[LEARN], params, Task(kind, 1, 1)).model()
    assert seen[20] == pytest.approx(sign * figure(metric, y[LOOK], model.predict(X[LOOK])), 1e-5)


@each
def test_a_fit_that_is_pruned_ends_with_that(name):
    def report(rounds, loss):
        raise Pruned

    with pytest.raises(Pruned):
        watched(name, "binary", "roc_auc", report)


@each
def test_a_fit_may_be_told_that_it_is_enough(name):
    result = watched(
        name, "regression", "r2", lambda rounds, loss: rounds >= 20, learning_rate=0.01
    )
    assert result.params[ROUNDS[name]] == 20


@each
def test_watched_rows_of_one_class_are_no_ranking(name):
    X, y = rows("ordinal"), target("binary").astype(float)
    watch = Watch(X[:50], np.zeros(50), "average_precision", lambda rounds, loss: None)
    task = Task("binary", 1, 1, watch=watch)
    assert algorithms.get(name).fit(X, y, SMALL[name], task).params[ROUNDS[name]] >= 1


def test_small_steps_are_given_more_time():
    watch = Watch(np.zeros((2, 1)), np.array([0.0, 1.0]), "roc_auc", lambda rounds, loss: None)

    def taken(learning_rate):
        counted = Rounds("binary", watch, learning_rate)
        assert not counted.after(1, 0.9)
        return next(n for n in range(2, MOST) if counted.after(n, 0.8)) - 1

    assert [taken(rate) for rate in (0.01, 0.05, 0.07, 0.3)] == [100, 100, 71, 50]


@pytest.mark.parametrize(("metric", "sign"), [("roc_auc", 1), ("log_loss", -1)])
def test_the_best_round_is_the_first_of_the_best(metric, sign):
    watch = Watch(np.zeros((2, 1)), np.array([0.0, 1.0]), metric, lambda rounds, loss: None)
    counted = Rounds("binary", watch, 0.1)
    for rounds, value in enumerate([0.1, 0.4, 0.3, 0.4, 0.2], start=1):
        assert not counted.after(rounds, sign * value)
    assert counted.best == 2


def test_the_model_has_the_trees_of_its_best_round():
    seen = {}
    result = watched("hist_gradient_boosting", "binary", "log_loss", seen.__setitem__)
    best = min(seen, key=seen.get)  # it looks whenever it reports
    assert result.params["max_iter"] == best == len(result.model().roots)
