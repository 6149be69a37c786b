"""What training rows had, and who lies outside: beside the plainest comparison, value by value."""

import json
import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.bundle.encoders import LinearEncoder, OrdinalEncoder
from octavo.bundle.support import MOST_TEXTS, RARE, Support

TRAIN = pl.DataFrame(
    {
        "amount": [1.0, 5.0, 9.0],
        "whole": [3, 4, None],
        "kind": ["a", "b", None],
        "sure": [True, True, True],
    }
)
FLOATS = {"a": pl.Float64, "b": pl.Float64}
NUMBERS = st.none() | st.floats(-3, 12) | st.sampled_from([1.0, 9.0, math.inf, -math.inf])
ROWS = st.fixed_dictionaries(
    {
        "amount": NUMBERS,
        "whole": st.none() | st.integers(0, 7),
        "kind": st.sampled_from(["a", "b", "c", "", None]),
        "sure": st.sampled_from([True, False, None]),
    }
)


def columns(encoder=OrdinalEncoder, frame=TRAIN):
    return {each.name: each for each in encoder.fit(frame).columns}


def plainly(row):
    """Say which values of a row no training row could have had."""
    found = []
    if row["amount"] is None or not 1 <= row["amount"] <= 9:
        found.append("amount")
    if row["whole"] is not None and not 3 <= row["whole"] <= 4:
        found.append("whole")
    if row["kind"] not in ("a", "b", None):
        found.append("kind")
    if row["sure"] is not True:
        found.append("sure")
    return sorted(found)


def arrays(frame):
    return {
        name: np.array(values.to_list(), object)
        if values.dtype == pl.String
        else values.cast(pl.Float64).fill_null(np.nan).to_numpy()
        for name, values in zip(frame.columns, frame, strict=True)
    }


@given(st.lists(ROWS, min_size=1, max_size=20))
def test_each_value_by_itself_in_every_form(rows):
    frame = pl.DataFrame(rows, schema=TRAIN.schema)
    for encoder in (OrdinalEncoder, LinearEncoder):
        known = columns(encoder)
        support = Support.of(json.loads(json.dumps(Support.learn(known.values(), TRAIN).to_dict())))
        for form in (frame, arrays(frame)):
            found = support.unusual(support.outside(*support.values(known, form)))
            told = [sorted(found.get(number, [])) for number in range(len(rows))]
            assert told == [plainly(row) for row in rows]


@given(st.lists(st.tuples(NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_a_matrix_is_the_frame_it_was(rows):
    train = pl.DataFrame(
        {"a": [1.0, 9.0], "b": [None, 2.0]}, schema={"a": pl.Float64, "b": pl.Float64}
    )
    frame = pl.DataFrame(rows, schema=train.schema, orient="row")
    known = columns(frame=train)
    support = Support.learn(known.values(), train)
    matrix = frame.fill_null(np.nan).to_numpy()
    of_matrix = support.outside(*support.values(known, matrix))
    assert np.array_equal(of_matrix, support.outside(*support.values(known, frame)))


@given(st.integers(0, 10_000))
def test_no_more_validation_rows_are_flagged_than_said(seed):
    rng = np.random.default_rng(seed)
    train = pl.DataFrame({name: rng.normal(size=50) for name in "abc"})
    later = pl.DataFrame({name: rng.normal(loc, 2, 300) for loc, name in enumerate("abc")})
    known = columns(frame=train)
    first = Support.learn(known.values(), train)
    support = Support.learn(known.values(), train, first.calibrated(known.values(), later))
    outside = support.outside(*support.values(known, later))
    assert len(support.unusual(outside)) <= RARE * 300
    if support.least > 1:
        fewer = outside.sum(axis=1) >= support.least - 1
        assert fewer.sum() > RARE * 300, "no smaller number would do"


def test_of_rows_like_the_training_rows_few_are_outside():
    """Two in n + 1 for each feature, in the mean (Wilks, 1941)."""
    rng = np.random.default_rng(7)
    count, features, times, total = 99, 4, 400, 0
    for _ in range(times):
        drawn = rng.exponential(size=(count + 1, features))
        train = pl.DataFrame(drawn[:-1], schema=[f"f{i}" for i in range(features)])
        known = columns(frame=train)
        support = Support.learn(known.values(), train)
        total += support.outside(drawn[-1:], ()).sum()
    expected = 2 / (count + 1) * features * times
    assert abs(total - expected) < 4 * math.sqrt(expected)


@pytest.mark.parametrize("rows", [0, 5])
def test_columns_without_values(rows):
    train = pl.DataFrame(
        {"a": [None] * rows, "b": [math.inf] * rows}, schema={"a": pl.Float64, "b": pl.Float64}
    )
    known = columns(frame=train)
    support = Support.of(json.loads(json.dumps(Support.learn(known.values(), train).to_dict())))
    assert support.outside(np.array([[0.0, 0.0], [np.nan, np.nan]]), ()).tolist() == [
        [True, True],
        [rows == 0, True],
    ]


def test_columns_of_many_texts_are_left_aside():
    train = pl.DataFrame(
        {"few": ["a"] * 3000, "many": [str(n % (MOST_TEXTS + 1)) for n in range(3000)]}
    )
    assert list(Support.learn(columns(frame=train).values(), train).texts) == ["few"]
