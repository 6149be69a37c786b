"""Plain values: what stands for a Polars value in Python while a row is computed.

Numbers, yes or no, and texts are Python's own; times and durations are whole microseconds, dates
whole days, all since the epoch. Null is None. Values of any other type are left as Polars gives
them; nothing is compiled that touches them.
"""

import datetime as dt
from collections.abc import Callable, Sequence
from functools import partial
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


def is_integer(dtype: Any) -> bool:
    """Tell whether values are whole numbers of up to 64 bits."""
    return dtype in INTEGERS


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


def reading(dtype: Any) -> Callable[[Any], Any]:
    """Return what makes a plain value of a Python value; a time without a zone is of UTC.

    It raises OverflowError for a whole number that the type cannot hold. That a value is of the
    type is for whoever decodes it: it is not looked at.
    """
    if dtype in INTEGERS:
        least, most = INTEGERS[dtype]
        return partial(_held, least=least, most=most)
    if is_instant(dtype):
        return _instant
    if dtype == pl.Date:
        return lambda value: None if value is None else value.toordinal() - EPOCH_DAY
    if is_duration(dtype):
        return lambda value: None if value is None else value // MICROSECOND
    return lambda value: value


def _held(value: int | None, least: int, most: int) -> int | None:
    if value is not None and not least <= value <= most:
        raise OverflowError(f"{value} is not between {least} and {most}")
    return value


def _instant(value: dt.datetime | None) -> int | None:
    if value is None:
        return None
    return ((value if value.tzinfo else value.replace(tzinfo=dt.UTC)) - EPOCH) // MICROSECOND


def writing(dtype: Any) -> Callable[[Any], Any]:
    """Return what makes of a plain value what Polars gives; times in UTC, whatever their zone."""
    if dtype == pl.Date:
        return lambda day: None if day is None else dt.date.fromordinal(day + EPOCH_DAY)
    if is_duration(dtype):
        return lambda size: None if size is None else size * MICROSECOND
    if is_instant(dtype):
        zone = dtype.time_zone and dt.UTC
        epoch = EPOCH.replace(tzinfo=zone)
        return lambda at: None if at is None else epoch + at * MICROSECOND
    return lambda value: value


def plain_values(series: pl.Series) -> list[Any]:
    """Return the plain values of a column."""
    return (series.to_physical() if is_counted(series.dtype) else series).to_list()


def to_series(name: str, values: Sequence[Any], dtype: Any) -> pl.Series:
    """Return the column of some plain values."""
    if not is_counted(dtype):
        return pl.Series(name, values, dtype=dtype)
    physical = pl.Int32 if dtype == pl.Date else pl.Int64
    return pl.Series(name, values, dtype=physical).cast(dtype)
