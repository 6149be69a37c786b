"""Persistence: what was last known, or how often each class followed it."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.bundle import LastModel
from octavo.errors import DataError

LAST = st.lists(
    st.tuples(st.sampled_from([0.0, 1.0, 2.0, float("nan")]), st.integers(0, 2)),
    min_size=6,
    max_size=60,
)


@settings(max_examples=60, deadline=None)
@given(LAST, st.sampled_from(["binary", "multiclass"]))
def test_classes_are_told_by_their_shares_after_the_last_one(rows, kind):
    classes = 2 if kind == "binary" else 3
    x = np.array([last for last, _ in rows] + [0.0] * classes)
    y = np.array([float(now % classes) for _, now in rows] + [float(c) for c in range(classes)])
    X = np.column_stack([np.zeros(x.size), x])
    found = LastModel.learned(kind, X, 1, y).predict(X)
    table = pl.DataFrame({"x": x, "y": y})
    for at, last in enumerate(x):
        share = [(table["y"] == c).mean() for c in range(classes)]
        if not np.isnan(last):
            same = table.filter(pl.col("x") == last)["y"]
            share = [((same == c).sum() + share[c]) / (same.len() + 1) for c in range(classes)]
        np.testing.assert_allclose(found[at], share[1] if kind == "binary" else share, rtol=1e-9)


def test_values_are_told_as_they_were():
    X = np.array([[3.25], [np.nan], [-7.5], [np.inf]])
    model = LastModel.learned("regression", X, 0, np.array([1.0, 2.0, 3.0, 10.0]))
    assert model.predict(X).tolist() == [3.25, 4.0, -7.5, 4.0], "the mean where nothing is known"


def test_a_value_that_was_never_seen_and_a_column_without_any():
    x, y = np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([0.0, 0.0, 1.0, 0.0])
    seen = LastModel.learned("binary", x, 0, y)
    assert seen.predict([[0.5], [9.0], [np.nan]]) == pytest.approx(0.25)
    never = LastModel.learned("binary", np.full((4, 1), np.nan), 0, y)
    assert never.predict([[np.nan], [1.0]]) == pytest.approx(0.25)


def test_rows_weigh():
    x, y = np.zeros((4, 1)), np.array([0.0, 0.0, 1.0, 0.0])
    model = LastModel.learned("binary", x, 0, y, np.array([1.0, 1.0, 5.0, 1.0]))
    assert model.predict([[0.0]])[0] == pytest.approx(5 / 8)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"column": 3}, "no column 3"),
        ({"values": [1.0, 0.0]}, "do not rise"),
        ({"scores": np.zeros((1, 1))}, "scores of shape"),
        ({"kind": "regression"}, "2 values do not make a regression model"),
    ],
)
def test_arrays_that_make_no_table_are_refused(change, says):
    parts = {"kind": "binary", "n_features": 2, "column": 0, "values": [0.0, 1.0]}
    parts |= {"scores": np.zeros((2, 1)), "otherwise": np.zeros(1)}
    with pytest.raises(DataError, match=says):
        LastModel(**(parts | change))
