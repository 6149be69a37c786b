"""The order of candidates: by the figure, and by log loss where that cannot tell them apart."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

import octavo as ov
from octavo.bundle.metrics import measured
from octavo.bundle.ranking import Closeness, decided, finely, ranked
from octavo.definition import METRICS

FINE = {
    "binary": {"average_precision", "roc_auc", "log_loss", "brier"},
    "multiclass": {"roc_auc", "log_loss"},
    "regression": set(METRICS["regression"]),
    "anomaly": set(METRICS["anomaly"]),
}


def problem(kind="binary", metric="accuracy"):
    more = {"at_least": 0.5} if METRICS[kind][metric] else {"at_most": 100.0}
    more |= {"k": 10} if metric.endswith("_at_k") else {}
    more |= {"budget": 0.01} if kind == "anomaly" else {}
    more |= {"costs": ov.Costs(false_positive=1, false_negative=3)} if metric == "cost" else {}
    return ov.Problem("?", target="y", kind=kind, metric=metric, **more)


def row(figure, loss=None, error=None, role="trial", number=0):
    found = {"figure": figure, "log_loss": loss, "standard_error": error}
    return found | {"role": role, "number": number}


@pytest.mark.parametrize(("kind", "metric"), [(k, m) for k in METRICS for m in METRICS[k]])
def test_metrics_that_count_are_coarse_and_no_others(kind, metric):
    asked = problem(kind, metric)
    assert asked.is_coarse == (metric not in FINE[kind])
    assert finely(asked).metric == ("log_loss" if asked.is_coarse else metric)
    if not asked.is_coarse:
        assert finely(asked) is asked
        assert Closeness.of(asked, [np.ones(3)], [np.ones(3)]) == Closeness()


def drawn(rows, seed, classes=2):
    rng = np.random.default_rng(seed)
    chances = rng.dirichlet(np.full(classes, 0.7), rows)
    truth = (chances.cumsum(axis=1) < rng.random((rows, 1))).sum(axis=1)
    return truth.astype(float), (chances[:, 1] if classes == 2 else chances)


@pytest.mark.parametrize("classes", [2, 3])
def test_what_is_measured_is_the_spread_of_fresh_rows_and_the_mean_log_loss(classes):
    kind = "binary" if classes == 2 else "multiclass"
    asked, folds = problem(kind), [drawn(rows, rows, classes) for rows in (200, 300, 400)]
    truths, predicted = zip(*folds, strict=True)
    found = Closeness.of(asked, truths, predicted)
    assert found.log_loss == pytest.approx(np.mean([log_loss(*fold) for fold in folds]))
    fresh = [
        np.mean([measured(asked, *drawn(n, 1_000 * at + n, classes)) for n in (200, 300, 400)])
        for at in range(1, 400)
    ]
    assert found.standard_error == pytest.approx(np.std(fresh), rel=0.3)


def test_right_everywhere_is_no_surer_than_one_row():
    truths = [np.array([0.0, 1.0] * 20), np.array([0.0, 1.0] * 10)]
    wrong = [truth.copy() for truth in truths]
    wrong[1][3] = 0.0
    asked = problem("multiclass")
    spread = [[np.eye(2)[each.astype(int)] for each in told] for told in (truths, wrong)]
    perfect, other = (Closeness.of(asked, truths, each) for each in spread)
    assert perfect.standard_error == pytest.approx(1 / 40)
    figures = [np.mean([measured(asked, *f) for f in zip(truths, s, strict=True)]) for s in spread]
    sure = row(figures[0], 0.3, perfect.standard_error, number=1)
    calm = row(figures[1], 0.1, other.standard_error, number=2)
    assert ranked([sure, calm], more_is_better=True) == [calm, sure]


ROWS = st.lists(
    st.builds(
        row,
        st.sampled_from([0.9, 0.91, 0.92, 0.95, 0.96]),
        st.sampled_from([0.1, 0.2, 0.3]),
        st.sampled_from([0.005, 0.015, 0.04]),
        st.sampled_from(["trial", "refit"]),
    ),
    min_size=1,
)


@given(ROWS)
def test_nothing_within_one_standard_error_of_the_best_has_less_loss(rows):
    rows = [each | {"number": number} for number, each in enumerate(rows)]
    found = ranked(rows, more_is_better=True)
    assert sorted(each["number"] for each in found) == list(range(len(rows)))
    top = max(each["figure"] for each in rows)
    oldest = min(
        (r for r in rows if r["figure"] == top), key=lambda r: (r["role"] != "refit", r["number"])
    )
    near = [r for r in rows if r["figure"] >= top - oldest["standard_error"] * (1 + 1e-9)]
    losses = [each["log_loss"] for each in found[: len(near)]]
    assert losses == sorted(each["log_loss"] for each in near)
    rest = [each["figure"] for each in found[len(near) :]]
    assert rest == sorted(rest, reverse=True)
    less = [each | {"figure": -each["figure"]} for each in rows]
    numbers = [each["number"] for each in ranked(less, more_is_better=False)]
    assert numbers == [each["number"] for each in found]


@given(st.lists(st.integers(0, 4)), st.booleans())
def test_without_a_standard_error_the_figure_decides_then_age(figures, more):
    rows = [row(figure, number=number) for number, figure in enumerate(figures)]
    sign = -1 if more else 1
    by_figure = sorted(rows, key=lambda each: (sign * each["figure"], each["number"]))
    assert ranked(rows, more_is_better=more) == by_figure
    assert decided(rows, more_is_better=more) is None


def test_what_was_trained_once_more_comes_before_what_it_repeats():
    rows = [
        row(0.9, 0.2, 0.02, number=0),
        row(0.91, 0.3, 0.02, number=1),
        row(0.9, 0.2, 0.02, "refit", 2),
    ]
    assert [each["number"] for each in ranked(rows, more_is_better=True)] == [2, 0, 1]
    told = {"among": 2, "best": 0.91, "standard_error": 0.02, "log_loss": 0.2}
    assert decided(rows, more_is_better=True) == told
    assert decided(rows[1:2], more_is_better=True) is None, "one alone"
    assert decided([rows[0], row(0.95, 0.9, 0.02)], more_is_better=True) is None, "far apart"


def test_of_many_that_are_equal_it_takes_better_ones_than_the_figure_does():
    """Hundreds of candidates, by a hundred rows: the luckiest is no better than its like."""
    asked, gains = problem("multiclass"), []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        turns, surely = rng.normal(0, 0.5, 200), rng.uniform(1, 12, 200)
        x = rng.normal(size=(105, 2))
        truth = (x[:, 0] + 0.4 * rng.normal(size=105) > 0).astype(float)
        rows = []
        for number, (turn, sure) in enumerate(zip(turns, surely, strict=True)):
            chance = 1 / (1 + np.exp(-sure * (np.cos(turn) * x[:, 0] + np.sin(turn) * x[:, 1])))
            told = np.column_stack([1 - chance, chance])
            close = Closeness.of(asked, [truth], [told])
            figure = measured(asked, truth, told)
            rows.append(row(figure, close.log_loss, close.standard_error, number=number))
        top = max(each["figure"] for each in rows)
        luckiest = next(each["number"] for each in rows if each["figure"] == top)
        best = ranked(rows, more_is_better=True)[0]["number"]
        # Of fresh rows the more are right, the less the direction is off.
        gains.append(abs(turns[luckiest]) - abs(turns[best]))
    assert np.mean(gains) > 3 * np.std(gains) / np.sqrt(len(gains))
