"""Numbers and times that cannot be: stand-ins for a missing value, ranges, clocks.

What a column holds is told from its values, ranges also from its name. Rare but possible values
are `octavo.quality.outliers`'.
"""

import re
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any

import numpy as np
import polars as pl

from octavo.quality.finding import Finding, call, column, percent, shown
from octavo.quality.table import Table

_REPEATED = re.compile(r"9{2,}|8{3,}|7{3,}")
_EXTREME = {-(2**31), 2**31 - 1, -(2**63), 2**63 - 1, -32768, 1e20, -1e20, 1e30, -1e30}
_DAYS = ((1, 1, 1), (1900, 1, 1), (1899, 12, 30), (1970, 1, 1), (9999, 12, 31), (2099, 12, 31))
_RANGES: tuple[tuple[frozenset[str], float, float], ...] = (
    (frozenset({"lat", "latitude"}), -90, 90),
    (frozenset({"lon", "lng", "long", "longitude"}), -180, 180),
    (frozenset({"month"}), 1, 12),
    (frozenset({"day"}), 1, 31),
    (frozenset({"hour"}), 0, 23),
    (frozenset({"minute", "minutes", "second", "seconds"}), 0, 59),
    (frozenset({"humid", "humidity", "percent", "percentage", "pct"}), 0, 100),
    (frozenset({"year"}), 1800, 2200),
    (frozenset({"age"}), 0, 120),
)
_MEANT = 0.9
"""Share of the values that must lie in a range for a column's name to mean it."""


def numbers(table: Table) -> Iterator[Finding]:
    """Find values that cannot be what their column holds."""
    for name in table.of_type("number"):
        values = table.frame[name]
        clock = _clock(table, name, values)
        yield from clock
        if not clock:
            yield from _infinite(table, name, values)
            yield from sentinels(table, name, values)
            yield from _ranges(table, name, values)
    for name in table.of_type("time"):
        yield from _days(table, name, table.frame[name])


def _infinite(table: Table, name: str, values: pl.Series) -> Iterator[Finding]:
    if not values.dtype.is_float() or not (bad := values.is_infinite().fill_null(False)).any():
        return
    yield table.finding(
        "incorrect",
        "infinite",
        name,
        bad,
        f"`{name}` is infinite in {table.counted(bad)}.",
        f"{call('Null', name)[:-1]}, where={column(name)}.is_infinite())",
    )


def sentinels(table: Table, name: str, values: pl.Series) -> Iterator[Finding]:
    """Find numbers such as −999 that stand apart from all others, and mean that there is none."""
    floats = values.drop_nulls().cast(pl.Float64).to_numpy()
    floats = floats[np.isfinite(floats)]
    found = [_typed(each, values) for each in _edges(floats) if _stands_in(each, floats)]
    if not found:
        return
    bad = values.is_in(pl.Series(found, dtype=values.dtype).implode())
    yield table.finding(
        "missing",
        "sentinel",
        name,
        bad,
        f"`{name}` is {' or '.join(map(shown, found))} in {table.counted(bad)}, far "
        "from all other values: this seems to mean that there is no value.",
        call("Null", name, values=found),
    )


def _typed(value: float, values: pl.Series) -> Any:
    return value if values.dtype.is_float() and not value.is_integer() else int(value)


def _edges(values: np.ndarray) -> list[float]:
    """Return the three least and the three greatest distinct values."""
    if values.size > 10_000:  # the rest is in between
        low, high = np.quantile(values[:: values.size // 5_000], [0.02, 0.98])
        below, above = (np.unique(values[side]) for side in (values <= low, values >= high))
        if min(below.size, above.size) >= 3:
            values = np.concatenate((below, above))
    distinct = np.unique(values)
    return [*distinct[:3].tolist(), *(each for each in distinct[:2:-1][:3].tolist())]


def _stands_in(value: float, values: np.ndarray) -> bool:
    """Return whether a value looks like a stand-in, and lies apart from those that do not."""
    if not value.is_integer():
        return False
    repeated = value in _EXTREME or _REPEATED.fullmatch(str(abs(int(value))))
    if not repeated and value not in (-1, 0):
        return False
    others = values[values != value]
    if not others.size:
        return False
    if value == -1:
        return others.min() >= 0 and np.unique(others).size > 2 and (values == value).sum() > 1
    if value == 0:  # a year, or a code, of zero
        return others.min() >= 1000 and others.max() < 10 * others.min()
    low, high = np.quantile(others, [0.02, 0.98])
    spread = max(high - low, 1e-9)
    if others.min() <= value <= others.max():  # beyond another stand-in: the bulk counts
        return max(low - value, value - high) > 5 * spread
    return max(others.min() - value, value - others.max()) > spread


def _ranges(table: Table, name: str, values: pl.Series) -> Iterator[Finding]:
    """Find values beyond what a column of this name can hold, where most are within."""
    words = re.findall(r"[a-z]+", re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower())
    for names, low, high in _RANGES:
        if not words or words[-1] not in names:
            continue
        bad = ~values.is_between(low, high).fill_null(True)
        share = bad.sum() / max(values.count(), 1)
        if 0 < share <= 1 - _MEANT:
            extremes = values.filter(bad).unique().sort()[[0, -1]].unique().to_list()
            yield table.finding(
                "incorrect",
                "range",
                name,
                bad,
                f"`{name}` is not between {low:g} and {high:g} in "
                f"{table.counted(bad)}: {' … '.join(map(shown, extremes))}.",
                f"{call('Null', name)[:-1]}, where=~{column(name)}.is_between({low:g}, {high:g}))",
            )
        return


def _clock(table: Table, name: str, values: pl.Series) -> list[Finding]:
    if name not in table.clocks:
        return []
    minutes = f"{column(name)} // 100 * 60 + {column(name)} % 100"
    found = [
        table.finding(
            "format",
            "clock",
            name,
            np.zeros(table.height, bool),
            f"`{name}` is a time of day written as the number hhmm (517 is 5:17, and 1 a minute "
            "past midnight): its differences and means are none of times, and it begins anew at "
            "midnight.",
            f'columns={{"{name}_minutes": {minutes}}}',
            "note",
        )
    ]
    midnight = (values == 2400).fill_null(False)
    if midnight.any():
        found.append(
            table.finding(
                "incorrect",
                "midnight",
                name,
                midnight,
                f"`{name}` is 2400 in {table.counted(midnight)}: the midnight that "
                "ends the day. As a clock it is 0, of the day after.",
                call("Normalize", name, replace={2400: 0}),
            )
        )
    bad = ((values % 100 >= 60) | (values > 2400)).fill_null(False)
    if bad.any():
        found.append(
            table.finding(
                "incorrect",
                "no_time",
                name,
                bad,
                f"`{name}` is no time of day in {table.counted(bad)}, where all others are.",
                f"{call('Null', name)[:-1]}, where=({column(name)} % 100 >= 60) | "
                f"({column(name)} > 2400))",
            )
        )
    return found


def _days(table: Table, name: str, values: pl.Series) -> Iterator[Finding]:
    """Find dates that stand for none: the first day of a calendar, or one that never comes."""
    days = values.dt.date()
    known = [date(*day) for day in _DAYS]
    bad = days.is_in(known).fill_null(False)
    others = days.filter(~bad).drop_nulls()
    if not bad.any() or others.is_empty():
        return
    low, high = others.quantile(0.01), others.quantile(0.99)
    first, last = (_day(value) for value in (low, high))
    margin = max((last - first).days, 365)
    apart = [d for d in known if not -margin < (d - first).days < margin + (last - first).days]
    bad = days.is_in(apart).fill_null(False)
    if bad.any():
        spelled = sorted({str(day) for day in days.filter(bad).unique()})
        share = percent(int(bad.sum()) / table.height)
        yield table.finding(
            "missing",
            "sentinel",
            name,
            bad,
            f"`{name}` is {' or '.join(spelled)} in {bad.sum():,} rows ({share}), years from all "
            "others: this seems to mean that there is no date.",
            f"{call('Null', name)[:-1]}, where={column(name)}.dt.year().is_in("
            f"{sorted({int(text[:4]) for text in spelled})}))",
        )


def _day(value: Any) -> date:
    return value.date() if isinstance(value, datetime) else value
