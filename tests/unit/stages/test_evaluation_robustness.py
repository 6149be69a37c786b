"""Importance, failing features, curves and costs of candidates that are known."""

import numpy as np
import polars as pl
import pytest
from judging import linear, problem, told
from sklearn.metrics import precision_recall_curve, roc_curve

import octavo as ov
from octavo.stages.evaluation.costs import costs
from octavo.stages.evaluation.curves import POINTS, curves
from octavo.stages.evaluation.judged import Judged
from octavo.stages.evaluation.robustness import ROWS, importance, robustness, sampled


@pytest.fixture
def leaning():
    """Return a candidate that leans on ``strong``, a little on ``weak``, and not on ``idle``."""
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({name: rng.standard_normal(3000) for name in ("strong", "weak", "idle")})
    score = 2 * frame["strong"].to_numpy() + 0.5 * frame["weak"].to_numpy()
    truth = (rng.random(3000) < 1 / (1 + np.exp(-score))).astype(float)
    asked = problem(metric="roc_auc", at_least=0.6)
    return Judged.of(asked, linear(frame, [2.0, 0.5, 0.0]), frame, truth)


def test_importance_is_what_permuting_costs(leaning):
    ranked = importance(leaning)
    assert [each["feature"] for each in ranked] == ["strong", "weak", "idle"]
    assert ranked[0]["worth"] > 0.2 > ranked[1]["worth"] > 0 == ranked[2]["worth"]


def test_missing_and_shifted_features(leaning):
    strong, weak, idle = robustness(leaning, importance(leaning))
    assert strong["missing"] < weak["missing"] < leaning.figure
    assert idle["missing"] == idle["shifted"] == leaning.figure
    assert strong["shifted"] == pytest.approx(leaning.figure), "a shift of all keeps their order"
    losses = Judged.of(problem(), leaning.bundle, leaning.rows, leaning.truth)
    shifted = losses.rows.with_columns(pl.col("strong") + 0.5 * pl.col("strong").std())
    other = Judged.of(problem(), leaning.bundle, shifted, leaning.truth)
    found = robustness(losses, importance(losses))[0]["shifted"]
    assert found >= other.figure > losses.figure


def test_features_that_are_no_numbers_can_be_missing_only():
    frame = pl.DataFrame({"shop": ["a", "b"] * 100})
    judged = Judged.of(problem(), linear(frame, [1.0]), frame, np.tile([1.0, 0.0], 100))
    (shop,) = robustness(judged, importance(judged))
    assert shop["shifted"] is None
    assert shop["missing"] > judged.figure


def test_a_sample_is_always_the_same(leaning):
    many = told(
        leaning.problem,
        pl.DataFrame({"x": np.arange(ROWS + 9.0)}),
        np.arange(ROWS + 9.0),
        np.arange(ROWS + 9.0),
    )
    assert sampled(leaning) is leaning
    assert sampled(many).truth.size == ROWS
    assert np.array_equal(sampled(many).truth, sampled(many).predicted)
    assert np.array_equal(sampled(many).truth, sampled(many).rows["x"].to_numpy())


def test_curves_lie_on_scikit_learns(leaning):
    drawn = curves(leaning)
    false, true, _ = roc_curve(leaning.truth, leaning.predicted, drop_intermediate=False)
    points = set(zip(false, true, strict=True))
    assert len(drawn["roc"]["x"]) <= POINTS
    assert {*zip(drawn["roc"]["x"], drawn["roc"]["y"], strict=True)} <= points
    assert (drawn["roc"]["x"][0], drawn["roc"]["y"][-1]) == (0, 1)
    precision, recall, _ = precision_recall_curve(leaning.truth, leaning.predicted)
    points = {(round(r, 12), round(p, 12)) for r, p in zip(recall, precision, strict=True)}
    for x, y in zip(drawn["pr"]["x"], drawn["pr"]["y"], strict=True):
        assert (round(x, 12), round(y, 12)) in points
    assert sum(each["rows"] for each in drawn["calibration"]) == 3000
    assert all(abs(each["told"] - each["true"]) < 0.08 for each in drawn["calibration"])
    assert drawn["lift"]["x"][-1] == drawn["lift"]["y"][-1] == 1


def test_curves_of_numbers_and_classes():
    truth, predicted = np.arange(1000.0), np.arange(1000.0) - 5
    frame = pl.DataFrame({"x": truth})
    drawn = curves(told(problem("regression", "mae"), frame, truth, predicted))
    assert set(drawn["quantiles"]["y"]) == {5.0}
    assert drawn["residuals"][0]["truth"] - drawn["residuals"][0]["predicted"] == 5
    chances = np.array([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]])
    drawn = curves(told(problem("multiclass"), frame.head(3), np.array([0.0, 0, 1]), chances))
    assert drawn["confusion"] == [[1, 1], [0, 1]]


def test_costs_by_hand():
    asked = problem(
        metric="cost", costs=ov.Costs(false_positive=5, false_negative=100, true_positive=2)
    )
    truth = np.tile([1.0, 0.0, 0.0, 0.0], 100)
    predicted = np.tile([0.9, 0.1, 0.2, 0.6], 100)
    document = costs(told(asked, pl.DataFrame({"x": truth}), truth, predicted, 0.5))
    assert document["per_1000"] == pytest.approx((2 + 5) / 4 * 1000)
    assert document["always"] == pytest.approx((2 + 15) / 4 * 1000)
    assert document["never"] == pytest.approx(100 / 4 * 1000)
    assert document["yes"] == 0.5
    assert document["saved"]["gain"] == pytest.approx(10 / 4 * 1000)
    assert document["saved"]["significant"]
    assert costs(told(problem(), pl.DataFrame({"x": truth}), truth, predicted, 0.5)) is None
