"""What `octavo init` decides where nothing is to be predicted: readings that are unusual.

A table with a time and numbers is one series or several, of which each reading is compared with
what was usual before. What is decided is a `Watch`; `series_script` writes it, `series_words`
tells it.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from octavo.errors import DataError
from octavo.services.drafting import windows
from octavo.services.drafting.clock import Clock, find_clock
from octavo.services.drafting.columns import Column, describe, named_id
from octavo.services.drafting.joins import named_entity
from octavo.services.drafting.tables import Table, check_column, identifier
from octavo.services.drafting.windows import DAY, HOUR, spoken

WATCHED = 8
"""Numbers that are watched; of more, those that come first."""

FEW = 3
"""Distinct values up to which a number is a state, or somebody's verdict, and is not watched."""

READINGS = 40
"""Readings that a window must hold to say what is usual."""

PART = 8
"""How many times that window must fit into a series."""

USUAL = (2 * DAY, 14 * DAY, 60 * DAY, 365 * DAY, 12 * HOUR, 3 * HOUR, HOUR // 2, HOUR // 12)
"""Windows that say what is usual, microseconds, the best first."""


@dataclass(frozen=True)
class Watch:
    """A definition for an anomaly problem before it is written.

    Attributes
    ----------
    rows
        The table of readings.
    clock
        When they were taken.
    keys
        The columns that tell series apart; none: all rows are one.
    why_key
        What it was told from.
    event_id
        The columns that identify a reading, if they do.
    watched
        The numbers whose readings are compared.
    left_out
        The other columns, with the reason.
    short, usual, long
        Windows, as durations.
    budget
        Share of the readings that may raise an alarm.
    series
        How many series there are.
    unmet
        Tables that are not used.
    window
        The monitor's; None: the usual one.
    """

    rows: Table
    clock: Clock
    keys: tuple[str, ...]
    why_key: str
    event_id: tuple[str, ...]
    watched: tuple[str, ...]
    left_out: dict[str, str]
    short: str
    usual: str
    long: str
    budget: float
    series: int
    unmet: tuple[Table, ...]
    window: str | None

    @property
    def key(self) -> str | tuple[str, ...] | None:
        """The same as it is told: one name, or several; None for no column."""
        return self.keys[0] if len(self.keys) == 1 else self.keys or None


def make_watch(tables: Sequence[Table], time: str | None, entities: Sequence[str]) -> Watch:
    """Decide on what is watched, and what it is compared with.

    Raises
    ------
    DataError
        If there is no time, no number, or too few readings.
    """
    rows = max(tables, key=lambda table: table.frame.height)
    for entity in entities:
        check_column(rows, entity, what="--entity")
    clock = find_clock(rows, time)
    if clock is None:
        raise _nothing(
            rows,
            "no target is named, and anomalies are looked for in series only: no time was found.",
            "Name what to predict with --target COLUMN, or the time with --time COLUMN.",
        )
    columns = [describe(rows.frame[name]) for name in rows.frame.columns]
    keys, why_key = _keys(rows, columns, clock, entities)
    watched, left_out = _watched(columns, {*clock.made_of, *keys})
    if not watched:
        raise _nothing(rows, "there is no number to watch.", "Name what to predict: --target.")
    short, usual, long = _spans(rows, clock, keys)
    names = list(dict.fromkeys([*keys, *clock.made_of]))
    is_unique = rows.whole and rows.frame.select(names).n_unique() == rows.frame.height
    known = rows.frame.select(names).null_count().sum_horizontal().item() == 0
    readings = rows.frame.height / rows.share
    return Watch(
        rows=rows,
        clock=clock,
        keys=keys,
        why_key=why_key,
        event_id=tuple(names) if is_unique and known else (),
        watched=watched,
        left_out=left_out,
        short=short,
        usual=usual,
        long=long,
        budget=0.001 if readings >= 50_000 else 0.005 if readings >= 10_000 else 0.01,
        series=rows.frame.select(keys).n_unique() if keys else 1,
        unmet=tuple(table for table in tables if table is not rows),
        window=windows.watched(clock.values),
    )


def _nothing(rows: Table, what: str, fix: str) -> DataError:
    return DataError(what, where=rows.paths[0].name, fix=fix)


def _keys(
    rows: Table, columns: Sequence[Column], clock: Clock, entities: Sequence[str]
) -> tuple[tuple[str, ...], str]:
    """Return the columns that tell series apart, and why."""
    if entities:
        return tuple(dict.fromkeys(entities)), "as named"
    height = rows.frame.height
    open_columns = [c for c in columns if c.name not in clock.made_of]
    repeated = [c for c in open_columns if 2 <= c.distinct <= height / READINGS]
    called = [c.name for c in repeated if named_entity(c.name) and c.role in ("category", "number")]
    if called:
        return (called[0],), "it is called so"
    if rows.frame.select(clock.made_of).n_unique() < 0.9 * height:
        for column in repeated:
            pair = rows.frame.select(column.name, *clock.made_of)
            if column.role == "category" and pair.n_unique() >= 0.99 * height:
                return (column.name,), "each of its values has one reading at a time"
    return (), "each time has one reading"


def _watched(
    columns: Sequence[Column], taken: Collection[str]
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Return the numbers that are watched, and why the other columns are not."""
    watched: list[str] = []
    left_out: dict[str, str] = {}
    for column in columns:
        if column.name in taken:
            continue
        if column.role in ("nothing", "id"):
            left_out[column.name] = column.why
        elif column.role != "number" or named_id(column.name):
            left_out[column.name] = "not a number that is measured"
        elif column.distinct <= FEW:
            left_out[column.name] = f"only {column.distinct} values: a state, or a verdict"
        elif len(watched) == WATCHED:
            left_out[column.name] = f"{WATCHED} are watched already"
        else:
            watched.append(column.name)
    return tuple(watched), left_out


def _spans(rows: Table, clock: Clock, key: Sequence[str]) -> tuple[str, str, str]:
    """Return the windows of a shift, of what is usual and of a rarer record.

    In the proportions that were chosen by evidence (decision 13): 30 minutes, 2 days, 2 weeks.
    """
    gap = max(windows.typical_gap(rows.frame, key, clock.values), 1)
    placed = pl.DataFrame([*rows.frame.select(key), clock.values.cast(pl.Int64).alias("|at")])
    ends = placed.group_by(list(key) or pl.lit("all")).agg(pl.max("|at") - pl.min("|at"))
    span = int(ends["|at"].median() or 0)  # type: ignore[arg-type]
    if rows.share < 1:  # gaps between those that happen to be read say nothing
        gap = max(int(span * rows.share * ends.height / rows.frame.height), 1)
    usual = next((each for each in USUAL if READINGS * gap <= each <= span / PART), None)
    if usual is None:
        raise _nothing(
            rows,
            f"a series has about {span // gap + 1:,} readings: too few to say what is usual.",
            f"Give at least {READINGS * PART}, or name what tells series apart: --entity COLUMN.",
        )
    return spoken(max(usual // 96, 3 * gap)), spoken(usual), spoken(7 * usual)


def plain_names(watch: Watch) -> dict[str, str]:
    """Return what each watched column is called in the definition: as features may be."""
    found: dict[str, str] = {}
    for column in watch.watched:
        name, number = identifier(column, "value"), 2
        while name in found.values() or (name != column and name in watch.rows.frame.columns):
            name, number = f"{identifier(column, 'value')}_{number}", number + 1
        found[column] = name
    return found
