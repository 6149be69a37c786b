import numpy as np
import pytest
from sklearn.metrics import average_precision_score

from octavo.bundle.bootstrap import difference, interval, resampled
from octavo.bundle.metrics import prepared


@pytest.fixture
def binary():
    rng = np.random.default_rng(0)
    truth = (rng.random(800) < 0.2).astype(float)
    return truth, np.clip(truth * 0.3 + rng.random(800) * 0.7, 0, 1)


def test_resampling_by_weights_is_resampling_rows(binary):
    truth, score = binary
    weigh = prepared("average_precision", truth, score)
    found = resampled([weigh], 800, draws=3)[:, 0]
    rng = np.random.default_rng(0)
    for each in found:
        rows = rng.integers(0, 800, 800)
        assert each == pytest.approx(average_precision_score(truth[rows], score[rows]), abs=1e-12)


def test_the_interval_holds_the_figure_and_narrows_with_rows(binary):
    truth, score = binary
    bounds = []
    for rows in (800, 100):
        weigh = prepared("roc_auc", truth[:rows], score[:rows])
        low, high = interval(resampled([weigh], rows)[:, 0])
        assert low < weigh(np.ones(rows)) < high
        bounds.append(high - low)
    assert bounds[0] < bounds[1]


def compared(truth, one, other, metric="brier", *, more=False):
    figures = [prepared(metric, truth, each) for each in (one, other)]
    values = [weigh(np.ones(truth.size)) for weigh in figures]
    return difference(*values, resampled(figures, truth.size), more_is_better=more)


def test_a_better_prediction_is_told_from_chance(binary):
    truth, score = binary
    worse = np.clip(score + 0.3, 0, 1)
    found = compared(truth, score, worse)
    assert found.significant
    assert found.interval[0] > 0
    assert not compared(truth, worse, score).significant
    assert compared(truth, worse, score).gain == -found.gain
    same = compared(truth, score, score, "roc_auc", more=True)
    assert (same.gain, same.p, same.significant) == (0, 1, False)


def test_equal_predictions_differ_significantly_about_once_in_twenty():
    rng = np.random.default_rng(5)
    false = 0
    for _ in range(60):
        truth = (rng.random(300) < 0.3).astype(float)
        one, other = (np.clip(0.3 + 0.2 * rng.standard_normal(300), 0, 1) for _ in range(2))
        false += compared(truth, one, other).p < 0.05
    assert false <= 8, "60 comparisons, 3 expected; 9 or more have a chance of 0.3 %"
