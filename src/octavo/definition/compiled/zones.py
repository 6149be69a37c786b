"""How far the clocks of a zone are from UTC, as Polars knows it.

Python's own tables of zones may be of another year than those in Polars, so Polars is asked: when,
from 1970 to 2100, the offset changes. Other times are left to it.
"""

from bisect import bisect_right
from collections.abc import Callable
from functools import cache

import polars as pl

from octavo.definition.compiled.node import NotCompiledError

_FIRST, _LAST = 0, 4_102_444_800
"""Seconds since the epoch: 1970 to 2100."""
_DAY = 86_400


@cache
def offset_in(zone: str) -> Callable[[int], int]:
    """Return a function from microseconds since the epoch, UTC, to the offset, microseconds."""
    days = pl.Series(range(_FIRST, _LAST + 1, _DAY), dtype=pl.Int64)
    offsets = _offsets(days, zone)
    changed = (offsets[1:] != offsets[:-1]).arg_true().to_list()
    moments, after = [_FIRST], [offsets[0]]
    for number in changed:
        moments.append(_change(days[number], days[number + 1], zone))
        after.append(offsets[number + 1])
    begins = [1_000_000 * each for each in moments]

    def offset(at: int) -> int:
        if not 0 <= at < 1_000_000 * _LAST:
            raise NotCompiledError("a time in a zone before 1970 or after 2100")
        return after[bisect_right(begins, at) - 1]

    return offset


def _change(before: int, after: int, zone: str) -> int:
    """Return the second at which the offset of one becomes that of the other."""
    first = _offsets(pl.Series([before]), zone)[0]
    while after - before > 1:
        middle = (before + after) // 2
        if _offsets(pl.Series([middle]), zone)[0] == first:
            before = middle
        else:
            after = middle
    return after


def _offsets(seconds: pl.Series, zone: str) -> pl.Series:
    """Return the offsets at some moments, microseconds."""
    utc = (seconds * 1_000_000).cast(pl.Datetime("us", "UTC"))
    local = utc.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    return local.cast(pl.Int64) - utc.cast(pl.Int64)
