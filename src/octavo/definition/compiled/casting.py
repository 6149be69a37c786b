"""From one type to another; values that do not fit are left to Polars."""

import math
from typing import Any

import polars as pl

from octavo.definition.compiled.arithmetic import one
from octavo.definition.compiled.node import Node, NotCompiledError, Value
from octavo.definition.compiled.plain import EPOCH_DAY, INTEGERS, is_duration, is_instant, writing

DAY = 86_400_000_000
YEARS = -62_135_596_800_000_000, 253_402_300_799_999_999
"""Microseconds since the epoch: the years 1 to 9999, which Python's calendar has."""


def cast(node: Node, dtype: Any) -> Value:
    """Return a part's values in another type.

    Raises
    ------
    NotCompiledError
        It is left to Polars; also, for a single value, when it is computed.
    """
    value, own = node.value, node.dtype
    if own == dtype:
        return value
    if own in INTEGERS or own == pl.Boolean:
        return _of_whole(value, own, dtype)
    if own == pl.Float64 and dtype in INTEGERS:
        return one(value, lambda x: _within(_truncated(x), dtype))
    if is_instant(own) or is_duration(own) or own == pl.Date:
        return _of_time(value, own, dtype)
    raise NotCompiledError(f"{own} cast to {dtype}")


def _of_whole(value: Value, own: Any, dtype: Any) -> Value:
    if dtype == pl.Float64:
        return one(value, float)
    if dtype == pl.String:
        return one(value, (lambda x: "true" if x else "false") if own == pl.Boolean else str)
    if dtype == pl.Boolean:
        return one(value, bool)
    if dtype in INTEGERS:
        return one(value, lambda x: _within(int(x), dtype))
    raise NotCompiledError(f"{own} cast to {dtype}")


def _of_time(value: Value, own: Any, dtype: Any) -> Value:
    if dtype == pl.Int64:
        return value
    if own == pl.Date and is_instant(dtype) and dtype.time_zone is None:
        return one(value, lambda day: checked_day(day) * DAY)
    is_utc = is_instant(own) and own.time_zone in (None, "UTC")
    if dtype == pl.Date and is_utc:
        return one(value, lambda at: at // DAY)
    if dtype == pl.String and own == pl.Date:
        date = writing(own)
        return one(value, lambda day: date(checked_day(day)).isoformat())
    if dtype == pl.String and is_utc:
        time = writing(own)
        return one(value, lambda at: time(checked(at)).isoformat(" ", "microseconds"))
    raise NotCompiledError(f"{own} cast to {dtype}")


def checked(at: int) -> int:
    """Return a time that Python's calendar has."""
    if not YEARS[0] <= at <= YEARS[1]:
        raise NotCompiledError("a year of other than four digits")
    return at


def checked_day(day: int) -> int:
    """Return a day that Python's calendar has."""
    if not 0 < day + EPOCH_DAY <= 3_652_059:
        raise NotCompiledError("a year of other than four digits")
    return day


def _truncated(x: float) -> int:
    if not math.isfinite(x):
        raise NotCompiledError(f"{x} as a whole number")
    return int(x)


def _within(x: int, dtype: Any) -> int:
    least, most = INTEGERS[dtype]
    if not least <= x <= most:
        raise NotCompiledError(f"{x} as {dtype}")
    return x
