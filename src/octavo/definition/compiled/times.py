"""Parts of times, and durations. A time in a zone other than UTC is seen at its clocks' offset."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import polars as pl

from octavo.definition.compiled.arithmetic import MOST, one
from octavo.definition.compiled.casting import DAY, checked, checked_day
from octavo.definition.compiled.node import Node, NotCompiledError, Value, as_type
from octavo.definition.compiled.plain import EPOCH_DAY, INTEGERS, is_duration, is_instant
from octavo.definition.compiled.zones import offset_in

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
Whole = Callable[[int], int]


def _date(day: int) -> dt.date:
    return dt.date.fromordinal(checked_day(day) + EPOCH_DAY)


_OF_DAYS: Mapping[str, Whole] = {
    "Year": lambda day: _date(day).year,
    "Quarter": lambda day: (_date(day).month + 2) // 3,
    "Month": lambda day: _date(day).month,
    "Day": lambda day: _date(day).day,
    "WeekDay": lambda day: (day + 3) % 7 + 1,
    "OrdinalDay": lambda day: _date(day).timetuple().tm_yday,
    "Date": lambda day: day,
}
_OF_CLOCKS: Mapping[str, Whole] = {
    "Hour": lambda at: at // HOUR % 24,
    "Minute": lambda at: at // MINUTE % 60,
    "Second": lambda at: at // SECOND % 60,
}
_TOTALS = {
    "TotalDays": DAY,
    "TotalHours": HOUR,
    "TotalMinutes": MINUTE,
    "TotalSeconds": SECOND,
    "TotalMilliseconds": 1_000,
    "TotalMicroseconds": 1,
}
_STAMPS: Mapping[str, Whole] = {
    "Microseconds": lambda at: at,
    "Milliseconds": lambda at: at // 1_000,
}


def time(function: Any, nodes: Sequence[Node]) -> Value:
    """Return a function of a time or a duration.

    Raises
    ------
    NotCompiledError
        It is left to Polars.
    """
    name, options = function if isinstance(function, tuple) else (function, {})
    if name == "Duration" and options == "Microseconds":
        return _duration(nodes)
    node = nodes[0]
    if is_duration(node.dtype) and name in _TOTALS and not options["fractional"]:
        size = _TOTALS[name]
        return one(node.value, lambda x: x // size if x >= 0 else -(-x // size))
    if node.dtype == pl.Date and name in _OF_DAYS:
        return one(node.value, _OF_DAYS[name])
    if is_instant(node.dtype):
        return _of_instant(name, options, node)
    raise NotCompiledError(name)


def _of_instant(name: str, options: Any, node: Node) -> Value:
    zone = node.dtype.time_zone
    if name == "ConvertTimeZone":
        if zone is None:
            raise NotCompiledError("a time without a zone")
        return node.value
    if name == "ReplaceTimeZone" and zone in (None, "UTC"):
        named, _ = options
        if named is None or named["inner"] == "UTC":
            return node.value
    if name == "TimeStamp" and options in _STAMPS:
        return one(node.value, _STAMPS[options])
    if name in _OF_DAYS:
        part = _OF_DAYS[name]
        return one(_by_the_clock(node), lambda at: part(at // DAY))
    if name in _OF_CLOCKS:
        return one(_by_the_clock(node), _OF_CLOCKS[name])
    raise NotCompiledError(name)


def _by_the_clock(node: Node) -> Value:
    """Return microseconds since the epoch as the zone's clocks show them."""
    zone = node.dtype.time_zone
    if zone in (None, "UTC"):
        return one(node.value, checked)
    offset = offset_in(zone)
    return one(node.value, lambda at: at + offset(checked(at)))


_PARTS = (7 * DAY, DAY, HOUR, MINUTE, SECOND, 1_000, 1)
"""Weeks, days, hours, minutes, seconds, milliseconds, microseconds; nanoseconds are left aside."""


def _duration(nodes: Sequence[Node]) -> Value:
    """Return a duration that is put together from whole numbers."""
    *parts, nanoseconds = nodes
    if nanoseconds.literal != 0 or any(each.dtype not in INTEGERS for each in parts):
        raise NotCompiledError("a duration of fractions")
    given = [
        (as_type(each, pl.Int64), size)
        for each, size in zip(parts, _PARTS, strict=True)
        if each.literal != 0
    ]

    def value(row: Any) -> int | None:
        total = 0
        for part, size in given:
            x = part(row)
            if x is None:
                return None
            total += x * size
        if abs(total) > MOST:
            raise NotCompiledError("a duration of more than 64 bits")
        return total

    return value
