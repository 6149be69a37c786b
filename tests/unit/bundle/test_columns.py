from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl
import pytest

from octavo.bundle import ColumnKind
from octavo.bundle.columns import Column
from octavo.errors import DataError, DefinitionError


@pytest.mark.parametrize(
    ("series", "kind"),
    [
        (pl.Series("x", [1, 2], pl.Int8), ColumnKind.NUMERIC),
        (pl.Series("x", [1, 2], pl.UInt64), ColumnKind.NUMERIC),
        (pl.Series("x", [1.5], pl.Float32), ColumnKind.NUMERIC),
        (pl.Series("x", ["1.5"]).cast(pl.Decimal(10, 2)), ColumnKind.NUMERIC),
        (pl.Series("x", [timedelta(seconds=1)]), ColumnKind.NUMERIC),
        (pl.Series("x", [True]), ColumnKind.BOOLEAN),
        (pl.Series("x", ["a"]), ColumnKind.CATEGORICAL),
        (pl.Series("x", ["a"], pl.Categorical), ColumnKind.CATEGORICAL),
        (pl.Series("x", ["a"], pl.Enum(["a"])), ColumnKind.CATEGORICAL),
    ],
)
def test_the_dtype_says_the_kind(series, kind):
    assert Column.of(series).kind is kind


@pytest.mark.parametrize(
    "series",
    [
        pl.Series("x", [datetime(2024, 1, 1, tzinfo=UTC)]),
        pl.Series("x", [date(2024, 1, 1)]),
        pl.Series("x", [[1]]),
        pl.Series("x", [None]),
        pl.Series("x", [b"a"]),
    ],
)
def test_a_dtype_without_a_kind_is_refused(series):
    with pytest.raises(DefinitionError, match=r"feature 'x'.*not a model input"):
        Column.of(series)


@pytest.mark.parametrize(
    ("series", "declared"),
    [
        (pl.Series("x", ["a"]), ColumnKind.NUMERIC),
        (pl.Series("x", [1.5]), ColumnKind.CATEGORICAL),
        (pl.Series("x", [1]), ColumnKind.BOOLEAN),
        (pl.Series("x", [[1]]), ColumnKind.NUMERIC),
    ],
)
def test_a_kind_the_dtype_cannot_have_is_refused(series, declared):
    with pytest.raises(DefinitionError, match="cannot be"):
        Column.of(series, declared)


@pytest.mark.parametrize(
    ("value", "dtype", "seconds"),
    [
        (timedelta(milliseconds=1500), pl.Duration("ms"), 1.5),
        (timedelta(milliseconds=1500), pl.Duration("us"), 1.5),
        (timedelta(milliseconds=1500), pl.Duration("ns"), 1.5),
        (datetime(1970, 1, 2, tzinfo=UTC), pl.Datetime("ms", "UTC"), 86400.0),
        (datetime(1970, 1, 2, tzinfo=UTC), pl.Datetime("us", "UTC"), 86400.0),
        (date(1970, 1, 3), pl.Date, 172800.0),
        (time(0, 1), pl.Time, 60.0),
    ],
)
def test_times_are_seconds(value, dtype, seconds):
    series = pl.Series("x", [value, None], dtype)
    column = Column.of(series, ColumnKind.NUMERIC)
    np.testing.assert_array_equal(column.numbers(series.to_frame()), [seconds, np.nan])


def test_booleans_are_zero_and_one():
    series = pl.Series("x", [True, False, None])
    np.testing.assert_array_equal(Column.of(series).numbers(series.to_frame()), [1.0, 0.0, np.nan])


def test_integers_may_be_codes():
    column = Column.of(pl.Series("x", [1, 2]), ColumnKind.CATEGORICAL)
    assert column.texts(pl.DataFrame({"x": [2, None]})).to_list() == ["2", None]


def test_other_widths_and_all_null_are_the_same_sort():
    column = Column.of(pl.Series("x", [1, 2], pl.Int64))
    for series in (pl.Series("x", [2.0], pl.Float32), pl.Series("x", [2], pl.UInt8)):
        assert column.numbers(series.to_frame()) == [2.0]
    assert np.isnan(column.numbers(pl.DataFrame({"x": [None]})))


@pytest.mark.parametrize(
    ("trained", "given"),
    [([1], ["1"]), ([1], [True]), (["a"], [1]), ([True], [1]), ([timedelta(1)], [86400.0])],
)
def test_another_sort_is_refused(trained, given):
    column = Column.of(pl.Series("x", trained))
    with pytest.raises(DataError, match=r"feature 'x': the column is .*trained on"):
        column.read(pl.DataFrame({"x": given}))


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=r"feature 'x': the column is missing. Give it as Int64"):
        Column.of(pl.Series("x", [1])).read(pl.DataFrame({"y": [1]}))
