"""Plain values: what stands for a Polars value in Python while a row is computed.

Numbers, yes or no, and texts are Python's own; times and durations are whole microseconds, dates
whole days, all since the epoch. Null is None. Values of any other type are left as Polars gives
them; nothing is compiled that touches them.
"""

import datetime as dt
from collections.abc import Sequence
from typing import Any

import polars as pl

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
EPOCH_DAY = EPOCH.toordinal()
MICROSECOND = dt.timedelta(microseconds=1)

INTEGERS = {
    pl.Int8: (-(2**7), 2**7 - 1),
    pl.Int16: (-(2**15), 2**15 - 1),
    pl.Int32: (-(2**31), 2**31 - 1),
    pl.Int64: (-(2**63), 2**63 - 1),
    pl.UInt8: (0, 2**8 - 1),
    pl.UInt16: (0, 2**16 - 1),
    pl.UInt32: (0, 2**32 - 1),
    pl.UInt64: (0, 2**64 - 1),
}
"""The least and the greatest value of each type of integers."""


def is_instant(dtype: Any) -> bool:
    """Tell whether values are times of microseconds, in whatever zone."""
    return isinstance(dtype, pl.Datetime) and dtype.time_unit == "us"


def is_duration(dtype: Any) -> bool:
    """Tell whether values are durations of microseconds."""
    return isinstance(dtype, pl.Duration) and dtype.time_unit == "us"


def is_plain(dtype: Any) -> bool:
    """Tell whether values of a type are computed with."""
    named = (pl.Float64, pl.Boolean, pl.String, pl.Date, pl.Null)
    return dtype in INTEGERS or dtype in named or is_instant(dtype) or is_duration(dtype)


def is_counted(dtype: Any) -> bool:
    """Tell whether a plain value is not what Polars gives, but counted since the epoch."""
    return dtype == pl.Date or is_instant(dtype) or is_duration(dtype)


def to_plain(value: Any, dtype: Any) -> Any:
    """Return the plain value of a Python value; a time without a zone is of UTC.

    Raises
    ------
    OverflowError
        It is a whole number that the type cannot hold.
    """
    if value is None:
        return None
    if dtype in INTEGERS:
        least, most = INTEGERS[dtype]
        if not least <= value <= most:
            raise OverflowError(f"{value} is no {dtype}")
        return value
    if is_instant(dtype):
        at = value if value.tzinfo is not None else value.replace(tzinfo=dt.UTC)
        return (at - EPOCH) // MICROSECOND
    if dtype == pl.Date:
        return value.toordinal() - EPOCH_DAY
    return value // MICROSECOND if is_duration(dtype) else value


def from_plain(value: Any, dtype: Any) -> Any:
    """Return what Polars gives as a Python value; times in UTC, whatever their zone."""
    if value is None or not is_counted(dtype):
        return value
    if dtype == pl.Date:
        return dt.date.fromordinal(value + EPOCH_DAY)
    if is_duration(dtype):
        return value * MICROSECOND
    at = EPOCH + value * MICROSECOND
    return at if dtype.time_zone else at.replace(tzinfo=None)


def plain_values(series: pl.Series) -> list[Any]:
    """Return the plain values of a column."""
    return (series.to_physical() if is_counted(series.dtype) else series).to_list()


def to_series(name: str, values: Sequence[Any], dtype: Any) -> pl.Series:
    """Return the column of some plain values."""
    if not is_counted(dtype):
        return pl.Series(name, values, dtype=dtype)
    physical = pl.Int32 if dtype == pl.Date else pl.Int64
    return pl.Series(name, values, dtype=physical).cast(dtype)
