"""Folds of rows without time: every row validates at most once, and test is never touched."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.definition.events import EVENT_ID
from octavo.errors import DefinitionError
from octavo.stages.segregation.parts import cuts_of, divide

RNG = np.random.default_rng(2)
ROWS = 600
TABLE = pl.DataFrame(
    {
        EVENT_ID: [f"e{n}" for n in range(ROWS)],
        "key:who": [f"w{n}" for n in RNG.integers(0, 150, ROWS)],
        "label": RNG.choice(["a", "b", "c", None], ROWS, p=[0.7, 0.2, 0.03, 0.07]).tolist(),
    }
)


def parts(split, part):
    version = {"cuts": cuts_of(split, TABLE, "label", clock=0, regression=False), "clock": 0}
    return [
        divide(split, version, TABLE, "label", part, fold).to_numpy()
        for fold in range(1, split.folds + 1)
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from(["stratified", "entity", "hash"]),
    st.sampled_from([(0.7, 0.15, 0.15), (0.6, 0.2, 0.2), (0.5, 0.25, 0.25)]),
    st.integers(1, 3),
    st.text("ab", max_size=3),
)
def test_a_row_validates_once_at_the_most_and_else_trains(how, shares, folds, salt):
    if folds == 3 and shares[0] == 0.5:
        folds = 2
    train, validation, test = shares
    given_ = {"train": train, "validation": validation, "test": test, "salt": salt}
    rule = {
        "stratified": lambda folds: ov.SplitStratified(**given_, folds=folds),
        "entity": lambda folds: ov.SplitStratified(**given_, folds=folds, entity="who"),
        "hash": lambda folds: ov.SplitByHash("who", **given_, folds=folds),
    }[how]
    trains, validations, tests = (
        parts(rule(folds), part) for part in ("train", "validation", "test")
    )
    assert np.sum(validations, axis=0).max() <= 1
    for fold in range(folds):
        assert (trains[fold].astype(int) + validations[fold] + tests[fold] == 1).all()
        assert (tests[fold] == tests[0]).all()
        assert abs(validations[fold].mean() - validation) < 0.14  # entities are few
    for part, found in zip(
        ("train", "validation", "test"), (trains, validations, tests), strict=True
    ):
        assert (parts(rule(1), part)[0] == found[-1]).all(), "the last fold is the split itself"
    if how != "stratified":
        for found in validations:
            together = TABLE.with_columns(held=pl.Series(found)).group_by("key:who")
            assert together.agg(pl.col("held").n_unique())["held"].max() == 1
    else:
        labels = TABLE["label"].to_numpy()
        assert all(set("abc") <= set(labels[train]) for train in trains)


def test_no_more_folds_than_train_has_rows_for():
    with pytest.raises(DefinitionError, match=r"SplitStratified.folds: 6 folds begin before"):
        ov.SplitStratified(folds=6)
    with pytest.raises(DefinitionError, match=r"SplitByHash.folds"):
        ov.SplitByHash("who", folds=0)
