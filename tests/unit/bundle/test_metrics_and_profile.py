import numpy as np
import polars as pl
import pytest

from octavo.bundle.metrics import figure, trivial
from octavo.bundle.profile import (
    jensen_shannon,
    kolmogorov_smirnov,
    load_profile,
    profile,
    psi,
    save_profile,
    shares,
)


@pytest.fixture
def binary():
    rng = np.random.default_rng(0)
    truth = (rng.random(800) < 0.2).astype(float)
    return truth, np.clip(truth * 0.3 + rng.random(800) * 0.7, 0, 1)


def test_the_trivial_baseline_of_average_precision_is_the_base_rate(binary):
    truth, _ = binary
    assert figure("average_precision", truth, trivial("binary", truth, 800)) == truth.mean()
    assert figure("r2", truth, trivial("regression", truth, 800)) == pytest.approx(0)


@pytest.mark.parametrize(("raised", "ratio"), [(3, 1.0), (0, 4.0), (7, 2.0), (1000, 1001 / 4)])
def test_alarms_beside_their_budget(raised, ratio):
    # 1,000 rows at 3 in 1,000: 3 alarms are budgeted, and one is added to what is compared.
    score = np.where(np.arange(1000) < raised, 0.997, 0.9969)
    assert figure("alarm_ratio", np.full(1000, 0.003), score) == pytest.approx(ratio)
    twice = figure("alarm_ratio", np.full(1000, 0.003), score, np.full(1000, 2.0))
    assert twice == pytest.approx(max((2 * raised + 1) / 7, 7 / (2 * raised + 1)))


def test_rows_that_nobody_judged_do_not_count(binary):
    truth, score = binary
    with_unknown, scores = np.append(truth, [np.nan] * 50), np.append(score, np.ones(50))
    weights = np.ones(850)
    for name in ("average_precision", "roc_auc"):
        assert figure(name, with_unknown, scores) == figure(name, truth, score)
        assert figure(name, with_unknown, scores, weights) == figure(name, truth, score)


def test_psi_of_a_known_case():
    # By hand: (0.2−0.5)·ln(0.2/0.5) + (0.8−0.5)·ln(0.8/0.5)
    assert psi([0.5, 0.5], [0.2, 0.8]) == pytest.approx(0.27489 + 0.14100, abs=1e-4)
    assert psi([0.3, 0.7], [0.3, 0.7]) == 0


def test_distances_at_their_ends():
    assert jensen_shannon([1, 0], [0, 1]) == pytest.approx(1)
    assert jensen_shannon([0.4, 0.6], [0.4, 0.6]) == 0
    assert kolmogorov_smirnov([0.5, 0.5, 0], [0, 0.5, 0.5]) == pytest.approx(0.5)


def test_a_profile_describes_numbers_text_booleans_and_nulls(tmp_path):
    frame = pl.DataFrame(
        {
            "x": [float(i) for i in range(99)] + [None],
            "t": ["a"] * 60 + ["b"] * 39 + [None],
            "flag": [True] * 30 + [False] * 70,
            "empty": pl.Series([None] * 100, dtype=pl.Float64),
        }
    )
    described = profile(frame, frame.columns)
    for column, found in described.items():
        assert sum(found["shares"]) == pytest.approx(1), column
        assert shares(frame[column], found) == found["shares"]
    assert described["x"]["shares"][-1] == 0.01
    assert described["empty"]["shares"][-1] == 1
    assert described["t"]["shares"] == [0.6, 0.39, 0.0, 0.01]
    newer = pl.Series("t", ["c", "a", None, None])
    assert shares(newer, described["t"]) == [0.25, 0.0, 0.25, 0.5]
    save_profile(described, tmp_path)
    assert load_profile(tmp_path) == described
