"""Groups that are declared and found, and how far those are apart that should not be."""

import numpy as np
import polars as pl
import pytest
from judging import problem, told

from octavo.stages.evaluation.fairness import fairness
from octavo.stages.evaluation.groups import Group, groups
from octavo.stages.evaluation.slices import declared, found, holm


def history(seed, rows=6000):
    rng = np.random.default_rng(seed)
    frame = pl.DataFrame(
        {
            "x": rng.standard_normal(rows),
            "shop": rng.choice(["a", "b", "c"], rows),
            "day": rng.integers(1, 8, rows),
            "noise": rng.standard_normal(rows),
        }
    )
    return frame, rng


def judged(seed, broken=lambda frame: np.zeros(frame.height, bool)):
    """Return rows told their true chance, but for a group that is told another's."""
    frame, rng = history(seed)
    chance = 1 / (1 + np.exp(-2 * frame["x"].to_numpy()))
    truth = (rng.random(frame.height) < chance).astype(float)
    predicted = np.where(broken(frame), rng.permutation(chance), chance)
    return told(problem(), frame, truth, predicted)


def bad(frame):
    return ((frame["shop"] == "b") & (frame["day"] > 5)).to_numpy()


def test_every_row_is_in_one_group_of_a_feature():
    frame, _ = history(0)
    frame = frame.with_columns(
        pl.when(pl.col("day") == 3).then(None).otherwise(pl.col("x")).alias("x"),
        pl.col("x").gt(0).alias("up"),
        pl.col("x").cast(pl.Int64).cast(pl.Datetime("us", "UTC")).alias("at"),
    )
    for name in frame.columns:
        every = groups(frame, name)
        assert len({group.name for group in every}) == len(every) > 1
        assert (np.sum([group.rows(frame) for group in every], axis=0) == 1).all(), name
    assert groups(frame, "x")[-1].name == "x is missing"


def test_a_group_is_looked_up_in_other_rows():
    group = Group("x", low=0.0, high=2.0)
    assert group.name == "0 < x ≤ 2"
    rows = pl.DataFrame({"x": [None, 0.0, 1.0, 2.0, 3.0, float("nan")]})
    assert group.rows(rows).tolist() == [False, False, True, True, False, False]
    assert Group("x").rows(rows).tolist() == [True, False, False, False, False, True]
    assert Group("shop", "b").rows(pl.DataFrame({"shop": ["a", None, "b"]})).tolist() == [
        False,
        False,
        True,
    ]


def test_holm_by_hand():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == pytest.approx([1, 1])


def test_a_group_that_is_told_wrongly_is_found():
    worst = found(judged(1, bad), judged(2, bad))
    assert "shop = b" in worst[0]["group"]
    assert set(worst[0]["features"]) == {"shop", "day"}
    assert worst[0]["p"] < 1e-6
    assert worst[0]["off"] == "too far apart"
    assert worst[0]["figure"] > judged(2, bad).figure


@pytest.mark.parametrize("wrong", [0.6, 1.6])
def test_a_group_that_is_told_too_much_or_too_little_is_found(wrong):
    def shifted(seed):
        right = judged(seed)
        told_ = np.where(bad(right.rows), np.clip(right.predicted * wrong, 0, 0.999), 0)
        return told(
            right.problem,
            right.rows,
            right.truth,
            np.maximum(told_, ~bad(right.rows) * right.predicted),
        )

    first = found(shifted(1), shifted(2))[0]
    assert "shop = b" in first["group"]
    assert (first["told"] < first["true"]) == (wrong < 1)
    assert first["off"] in (["too low"] if wrong < 1 else ["too high", "too far apart"])


def test_all_rows_being_off_makes_no_group():
    validation, test = judged(5), judged(6)
    odds = (test.predicted / (1 - test.predicted)) ** 0.6 / 3  # log-odds on another line
    off = told(test.problem, test.rows, test.truth, odds / (1 + odds))
    assert off.figure > test.figure + 0.05
    assert not found(validation, off)


def test_where_nothing_is_wrong_almost_nothing_is_found():
    false = [found(judged(seed), judged(seed + 100)) for seed in range(20, 30)]
    assert sum(bool(each) for each in false) <= 2


def test_declared_groups_are_measured():
    test = judged(3, bad)
    measured = {each["group"]: each for each in declared(test, ["shop", "day"])}
    assert {"shop = a", "shop = b", "shop = c"} < measured.keys()
    rows = (test.rows["shop"] == "b").to_numpy()
    expected = -np.log(
        np.where(test.truth[rows] == 1, test.predicted[rows], 1 - test.predicted[rows])
    )
    one = measured["shop = b"]
    assert one["rows"] == rows.sum()
    assert one["figure"] == pytest.approx(expected.mean())
    assert one["interval"][0] < one["figure"] < one["interval"][1]
    assert one["true"] == pytest.approx(test.truth[rows].mean())
    assert one["told"] == pytest.approx(test.predicted[rows].mean())
    assert one["off"]
    assert one["p"] == min(measured[f"shop = {shop}"]["p"] for shop in "abc")


def test_numbers_and_classes_have_groups_too():
    frame, rng = history(4)
    truth = frame["x"].to_numpy() + 0.4 * bad(frame) + rng.standard_normal(frame.height)
    numbers = told(problem("regression", "mae"), frame, truth, frame["x"].to_numpy())
    assert "shop = b" in found(numbers, numbers)[0]["group"]
    chances = rng.dirichlet([1, 1, 1], frame.height)
    happened = (chances.cumsum(axis=1) < rng.random((frame.height, 1))).sum(axis=1).astype(float)
    chances[bad(frame)] = [0.1, 0.1, 0.8]
    classes = told(problem("multiclass"), frame, happened, chances)
    assert "shop = b" in found(classes, classes)[0]["group"]


def test_gaps_between_groups_by_hand():
    frame = pl.DataFrame({"x": np.arange(100.0), "sex": ["f"] * 40 + ["m"] * 40 + ["?"] * 20})
    truth = np.array([1.0] * 20 + [0.0] * 20 + [1.0] * 10 + [0.0] * 30 + [1.0] * 20)
    predicted = np.concatenate(
        [
            np.where(np.arange(40) < 15, 0.9, 0.1),  # 15 of 20 found, none falsely
            np.where(np.arange(40) % 4 == 0, 0.9, 0.1),  # 3 of 10 found, 7 of 30 falsely
            np.zeros(20),
        ]
    )
    document = fairness(told(problem(), frame, truth, predicted, 0.5), ["sex"])["sex"]
    f, m = (next(g for g in document["groups"] if g["group"] == f"sex = {s}") for s in "fm")
    assert (f["rows"], f["positive"], f["selected"]) == (40, 0.5, 15 / 40)
    assert (f["true_positive_rate"], f["false_positive_rate"]) == (0.75, 0)
    assert (m["true_positive_rate"], m["false_positive_rate"]) == (0.3, pytest.approx(7 / 30))
    assert f["off"] == pytest.approx((15 * 0.9 + 25 * 0.1) / 40 - 0.5)
    gaps = document["gaps"]
    assert gaps["true_positive_rate"] == pytest.approx(0.45)
    assert gaps["selected"] == pytest.approx(5 / 40), "20 rows of another group are too few"
    without = fairness(told(problem(), frame, truth, predicted), ["sex"])["sex"]
    assert without["gaps"]["selected"] is None
    assert without["gaps"]["off"] == gaps["off"]
