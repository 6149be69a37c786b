"""Columns that depend on each other in a way that nobody meant, or no longer do.

Looked for on a sample of rows, then counted over all. It knows nothing of what columns mean.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np
import polars as pl

from octavo.quality.finding import Finding, column, percent
from octavo.quality.table import Table

WIDE = 40
"""Numeric columns of which all pairs are looked at, the first of them; pairs grow as a square."""

_USUAL = 0.8
"""Share of rows from which one column counts as a multiple of another."""

_DEPENDS = 0.98
"""Share of rows that must agree with their group for one column to depend on another."""


def relations(table: Table) -> Iterator[Finding]:
    """Find copies, multiples, broken dependencies, orders, and two clocks of one moment."""
    yield from _multiples(table)
    yield from _copies(table)
    yield from _orders(table)
    yield from _parts_of_time(table)
    yield from _past_midnight(table)
    yield from _dependencies(table)


def _multiples(table: Table) -> Iterator[Finding]:
    numeric = [n for n in table.of_type("number") if n not in table.clocks][:WIDE]
    arrays = {n: table.sample[n].cast(pl.Float64).fill_null(np.nan).to_numpy() for n in numeric}
    varied = [n for n in numeric if table.varied[n] >= 10]
    for one, other in combinations(varied, 2):
        ratio = _ratio(arrays[one], arrays[other])
        if ratio is None:
            continue
        if ratio < 1:
            one, other, ratio = other, one, 1 / ratio
        yield _multiple(table, one, other, ratio)


def _ratio(one: np.ndarray, other: np.ndarray) -> float | None:
    """Return the constant that most values of one column are of another's, if there is one."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        ratios = other / one
    ratios = ratios[np.isfinite(ratios) & (ratios != 0)]
    if ratios.size < max(20, 0.2 * one.size):
        return None
    middle = float(np.median(ratios))
    if not middle or (np.abs(ratios / middle - 1) < 1e-3).mean() < 0.5:
        return None
    both = np.isfinite(one) & np.isfinite(other)
    close = np.abs(other - middle * one) <= 1e-4 * np.abs(other) + 1e-12
    enough = close[both].mean() >= _USUAL and (close & (one != 0))[both].mean() >= 0.3
    return middle if enough and abs(middle) > 1e-12 and abs(middle - 1) > 1e-9 else None


def _multiple(table: Table, one: str, other: str, ratio: float) -> Finding:
    gap = (pl.col(other) - ratio * pl.col(one)).abs()
    close = table.where(gap <= 1e-4 * pl.col(other).abs() + 1e-12).fill_null(False)
    both = table.where(pl.col(one).is_not_null() & pl.col(other).is_not_null())
    share = int(close.sum()) / max(int(both.sum()), 1)
    # Rows with the same constant are the finding where it is not all of them; else the exceptions.
    exceptions = both & ~close
    bad = exceptions if share >= 0.98 and exceptions.any() else close
    sentence = (
        f"`{other}` is {ratio:.5g} × `{one}` in {percent(share)} of the rows that have both"
        + (f"; in {table.counted(exceptions)} it is not" if exceptions.any() else "")
        + ": the same quantity in two units, or one was computed from the other."
    )
    weight = "fault" if exceptions.any() else "note"
    return table.finding("relation", "multiple", [other, one], bad, sentence, None, weight)


def _copies(table: Table) -> Iterator[Finding]:
    """Find columns of the same type that say the same in (nearly) all rows."""
    names = [n for n in table.frame.columns if table.varied[n] >= 3][: 4 * WIDE]
    prints: dict[str, list[str]] = {}
    for name in names:
        head = table.sample[name].head(64)
        prints.setdefault(str(head.dtype), []).append(name)
    for group in prints.values():
        for one, other in combinations(group, 2):
            first, second = table.sample[one], table.sample[other]
            if not _agree(first.head(200), second.head(200), 0.9):
                continue
            if not _agree(first, second, 0.98):
                continue
            same = table.frame[one].eq_missing(table.frame[other])
            share = same.mean() or 0.0
            bad = ~same
            if share < 0.98:  # type: ignore[operator]
                continue
            said = f"; in {table.counted(bad)} they differ" if bad.any() else ""
            yield table.finding(
                "relation",
                "copy",
                [one, other],
                bad,
                f"`{other}` says the same as `{one}` in {percent(float(share))} of the rows{said}.",  # type: ignore[arg-type]
                None,
                "fault" if bad.any() else "note",
            )


def _agree(one: pl.Series, other: pl.Series, least: float) -> bool:
    return (one.eq_missing(other).mean() or 0) >= least  # type: ignore[operator]


def _orders(table: Table) -> Iterator[Finding]:
    """Find times that mostly come one after the other, and in a few rows do not."""
    times = table.of_type("time")[:12]
    for one, other in combinations(times, 2):
        for first, last in ((one, other), (other, one)):
            both = table.sample.select(
                known=pl.col(first).is_not_null() & pl.col(last).is_not_null(),
                before=_moment(first) < _moment(last),
                after=_moment(first) > _moment(last),
            ).filter("known")
            after, before = both["after"].sum(), both["before"].sum()
            if both.height < 50 or before < 0.5 * both.height or after > 0.02 * both.height:
                continue
            bad = table.where(_moment(first) > _moment(last)).fill_null(False)
            if 0 < bad.sum() <= 0.02 * table.height:
                yield table.finding(
                    "incorrect",
                    "order",
                    [first, last],
                    bad,
                    f"`{first}` is after `{last}` in {table.counted(bad)}, and "
                    "before it in all others.",
                    f'ov.Check("{first} is before {last}", {column(first)} <= {column(last)}, '
                    'severity="flag")',
                )


def _moment(name: str) -> pl.Expr:
    return pl.col(name).cast(pl.Datetime("us"))


def _parts_of_time(table: Table) -> Iterator[Finding]:
    """Find a time and its own year, month, day and hour, or two times, some whole hours apart."""
    times = [n for n in table.of_type("time") if table.frame[n].dtype == pl.Datetime]
    parts = {n.lower(): n for n in table.of_type("number")}
    if not times or not {"year", "month", "day", "hour"} <= parts.keys():
        return
    year, month, day, hour = (
        pl.col(parts[n]).cast(pl.Int64) for n in ("year", "month", "day", "hour")
    )
    written = pl.datetime(year, month, day, time_zone=None) + pl.duration(hours=hour)
    for name in times:
        naive = pl.col(name).dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        apart = (naive.dt.truncate("1h") - written).dt.total_minutes() / 60
        found = table.sample.select(apart.alias("hours"))["hours"].drop_nulls()
        if found.len() < 20:
            continue
        counts = found.value_counts(sort=True, name="rows").head(2)
        hours = sorted(counts.filter(pl.col("rows") > 0.02 * found.len())["hours"].to_list())
        if counts["rows"].sum() < 0.98 * found.len() or hours == [0] or max(map(abs, hours)) > 14:
            continue
        bad = table.where(apart != 0).fill_null(False)
        said = " or ".join(f"{abs(h):g}" for h in hours)
        word = "later" if hours[-1] > 0 else "earlier"
        changes = " (it changes with daylight saving)" if len(hours) > 1 else ""
        yield table.finding(
            "relation",
            "zone",
            [name, *(parts[n] for n in ("year", "month", "day", "hour"))],
            bad,
            f"`{name}` is {said} hours {word} than `{parts['year']}`, `{parts['month']}`, "
            f"`{parts['day']}` and `{parts['hour']}` say{changes}: one is UTC, the other is local "
            "time. Join by one of them only.",
            None,
            "note",
        )


def _past_midnight(table: Table) -> Iterator[Finding]:
    """Find clock times whose delay says that they are of the day after, or before."""
    delays = [n for n in table.of_type("number") if n.lower().endswith("delay")]
    for name in sorted(table.clocks):
        for delay in delays:
            if name.split("_")[0] != delay.split("_")[0]:
                continue
            minutes = pl.col(name) // 100 * 60 + pl.col(name) % 100
            bad = table.where(~(minutes - pl.col(delay)).is_between(0, 1440)).fill_null(False)
            if 0 < bad.sum() <= 0.1 * table.height:
                examples = table.frame.filter(bad).select(name, delay).row(0)
                yield table.finding(
                    "relation",
                    "past_midnight",
                    [name, delay],
                    bad,
                    f"`{name}` is of another day than was planned in "
                    f"{table.counted(bad)}: {examples[0]:g} with a `{delay}` of "
                    f"{examples[1]:g} minutes. The time alone does not say which day.",
                    None,
                    "note",
                )


def _dependencies(table: Table) -> Iterator[Finding]:
    """Find labels that go with one value of another column in all but single rows."""
    names = []
    for name in table.of_type("text"):
        if 3 <= table.varied[name] <= table.sample.height / 20:
            names.append(name)
    codes = {n: table.sample[n].rank("dense").fill_null(0).to_numpy() for n in names[:12]}
    for one in codes:
        for other in codes:
            if one == other or not _depends(codes[one], codes[other]):
                continue
            bad = _strangers(table.frame, one, other)
            if 0 < bad.sum() <= (1 - _DEPENDS) * table.height:
                yield table.finding(
                    "relation",
                    "dependency",
                    [one, other],
                    bad,
                    f"`{other}` is another one than nearly all rows of the same `{one}` have, in "
                    f"{table.counted(bad)}.",
                )


def _depends(one: np.ndarray, other: np.ndarray) -> bool:
    """Say whether most rows of each value of one column have the same of another's; 0 is null."""
    known = (one > 0) & (other > 0)
    rows = int(known.sum())
    pairs, counts = np.unique(
        one[known] * (int(other.max()) + 1) + other[known], return_counts=True
    )
    values, begins = np.unique(pairs // (int(other.max()) + 1), return_index=True)
    if not values.size or np.maximum.reduceat(counts, begins).sum() < _DEPENDS * rows:
        return False
    return bool(np.bincount(other[known]).max() < 0.8 * rows)


def _strangers(frame: pl.DataFrame, one: str, other: str) -> pl.Series:
    """Return the rows that differ from nearly all of the twenty or more others of their group."""
    size, pair = pl.len().over(one), pl.len().over(one, other)
    counted = frame.select(one, other).with_columns(size=size, pair=pair)
    usual = pl.col("pair").max().over(one)
    found = counted.select(
        (pl.col("size") >= 20)
        & (usual >= 0.9 * pl.col("size"))
        & (pl.col("pair") < usual)
        & pl.col(one).is_not_null()
        & pl.col(other).is_not_null()
    )
    return found.to_series()
