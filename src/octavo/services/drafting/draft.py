"""All that `octavo init` decides, in the order in which one decision needs another.

What is decided is a `Draft`; `script` writes it as Python, `words` tells it. Nothing here looks at
a file or writes one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import polars as pl

from octavo.errors import DataError, DefinitionError
from octavo.services.drafting import code, windows
from octavo.services.drafting.clock import Clock, find_clock
from octavo.services.drafting.columns import Column, describe, named_id
from octavo.services.drafting.hints import empty_with_target, telling
from octavo.services.drafting.joins import Link, entities_of, find_links
from octavo.services.drafting.prose import skill_of_words
from octavo.services.drafting.tables import Table, check_column, identifier
from octavo.services.drafting.target import Target, column_of, find_target

HISTORIES = 4
"""Entities at the most that get windows over the rows' past, and columns averaged in them."""


@dataclass(frozen=True)
class Past:
    """Windows over the predicted rows' own past.

    Attributes
    ----------
    entities
        The keys, each a view; empty: all rows are one series.
    over
        Lengths.
    averaged
        Columns of numbers.
    target
        Whether earlier outcomes are seen.
    delay
        How long after a row its outcome is taken to be known.
    """

    entities: tuple[str, ...]
    over: tuple[str, ...]
    averaged: tuple[str, ...]
    target: bool
    delay: str


@dataclass(frozen=True)
class Draft:
    """A definition before it is written.

    Attributes
    ----------
    rows
        The table whose rows are predicted.
    target, clock
        What is predicted; when rows happened, if that can be told.
    event_id
        The column that identifies a row, if one does.
    features
        The columns that are features as they stand, or as their role asks, in the file's order.
    texts
        Those of them that are prose whose words tell of the target, with their skill.
    left_out
        The columns that are none, with the evidence.
    leaky
        Those of them that tell the target.
    suspected
        Features that predict so well that they may be written after the outcome, and why.
    links
        How other tables meet the rows.
    unmet
        Tables that do not.
    past
        Windows over earlier rows.
    split
        ``time``, ``stratified`` or the entity that is kept together.
    why_split
        What it was chosen from.
    watched
        The monitor's window; None: the usual one.
    """

    rows: Table
    target: Target
    clock: Clock | None
    event_id: str | None
    features: tuple[Column, ...]
    texts: Mapping[str, float]
    left_out: Mapping[str, str]
    leaky: tuple[str, ...]
    suspected: Mapping[str, str]
    links: tuple[Link, ...]
    unmet: tuple[Table, ...]
    past: Past | None
    split: str
    why_split: str
    watched: str | None


def make_draft(
    tables: Sequence[Table], target: str, time: str | None, entities: Sequence[str]
) -> Draft:
    """Decide on a whole definition.

    Raises
    ------
    DataError
        If nothing can be learned from these data, or a named column is not there.
    """
    rows, others = _rows_of(tables, target)
    for entity in entities:
        check_column(rows, entity, what="--entity")
    columns = [describe(rows.frame[name]) for name in rows.frame.columns]
    wanted, clock, leaky, suspected = _outcome(rows, columns, target, time, entities)
    parts = clock.made_of if clock else ()
    event_id = _event_id(rows, columns, (wanted.column, *leaky, *parts))
    met = [
        link
        for link in find_links(rows, others, clock)
        if not {wanted.column, *leaky} & set(link.rows_key)
    ]
    links = [link for link in met if link.columns]
    split, why_split = _split(rows, wanted, clock, entities, columns)
    taken = {wanted.column, event_id, *parts}
    known = [c for c in columns if c.name not in {wanted.column, event_id, *leaky}]
    keys = list(dict.fromkeys([*entities, *entities_of(rows, known, met, taken)]))
    left_out = _left_out(columns, taken, leaky, split, keys)
    left_out |= _same_times(rows, columns, clock, taken)
    features = tuple(c for c in columns if c.name not in {*taken, *left_out})
    if clock is not None and not clock.is_calendar:
        features += tuple(c for c in columns if c.name in parts[1:])
    past = _past(rows, wanted, clock, keys, features) if split == "time" else None
    if not features and not links and past is None:
        raise DataError(
            "no column is left to learn from: " + _reasons(left_out),
            where=rows.paths[0].name,
            fix="Give a file with columns that are known before the target is.",
        )
    return Draft(
        rows=rows,
        target=_unlike(wanted, rows),
        clock=clock,
        event_id=event_id,
        features=features,
        texts=_telling_texts(rows, wanted, features),
        left_out=left_out,
        leaky=tuple(leaky),
        suspected={n: why for n, why in suspected.items() if n in {c.name for c in features}},
        links=tuple(links),
        unmet=tuple(t for t in others if t.name not in {link.table.name for link in links}),
        past=past,
        split=split,
        why_split=why_split,
        watched=windows.watched(clock.values) if clock else None,
    )


def _outcome(
    rows: Table,
    columns: Sequence[Column],
    target: str,
    time: str | None,
    entities: Sequence[str],
) -> tuple[Target, Clock | None, dict[str, str], dict[str, str]]:
    """Return what is predicted, when rows happened, and which columns tell it, or may.

    Each is needed to find the next: a time written with the outcome is not the row's.
    """
    wanted = find_target(rows, target, None, None)
    leaky = empty_with_target(rows.frame, wanted.column, wanted.labels)
    clock = find_clock(rows, time, [wanted.column, *leaky])
    if clock is not None:
        wanted = find_target(rows, target, clock.values, code.column(clock.name))
    surely, suspected = _telling(rows, columns, wanted, clock, leaky)
    leaky = {n: why for n, why in (leaky | surely).items() if n not in (time, *entities)}
    return wanted, clock, leaky, suspected


def _telling(
    rows: Table,
    columns: Sequence[Column],
    target: Target,
    clock: Clock | None,
    known: Mapping[str, str],
) -> tuple[dict[str, str], dict[str, str]]:
    """Return the columns left that tell the target, and those that are suspected of it."""
    passed = {target.column, *known, *(clock.made_of if clock else ())}
    names = [c.name for c in columns if c.role not in ("nothing", "text") and c.name not in passed]
    time = None if clock is None else clock.values
    regression = target.kind == "regression"
    return telling(rows.frame, target.labels, names, time, is_number=regression)


def _telling_texts(rows: Table, target: Target, features: Sequence[Column]) -> dict[str, float]:
    found = {}
    for column in features:
        if column.role == "text":
            texts, is_number = rows.frame[column.name], target.kind == "regression"
            found[column.name] = skill_of_words(texts, target.labels, is_number=is_number)
    return {name: skill for name, skill in found.items() if skill}


def _reasons(left_out: Mapping[str, str]) -> str:
    shown = [f"{name} ({why})" for name, why in list(left_out.items())[:5]]
    return ", ".join(shown) + ("." if len(left_out) <= 5 else ", ….")


def _rows_of(tables: Sequence[Table], target: str) -> tuple[Table, list[Table]]:
    """Return the table that has the target, and the others; of several, the longest."""
    name = column_of(target)
    having = [t for t in tables if target in t.frame.columns or name in t.frame.columns]
    if not having:
        known = [column for table in tables for column in table.frame.columns]
        raise DefinitionError.unknown("column", name, known, where="--target")
    rows = max(having, key=lambda table: table.frame.height)
    return rows, [table for table in tables if table is not rows]


def _unlike(target: Target, rows: Table) -> Target:
    """Give the label a name that no feature has."""
    others = [name for name in rows.frame.columns if name != target.column]
    if target.name not in others:
        return target
    return replace(target, name=identifier(f"{target.name}_target", "target"))


def _event_id(rows: Table, columns: Sequence[Column], not_of: Sequence[str]) -> str | None:
    """Return the column that identifies a row, if one does in all rows there are."""
    ids = [c.name for c in columns if c.role == "id" and c.name not in not_of]
    ids = [name for name in ids if named_id(name) or rows.frame[name].dtype == pl.Int64]
    best = sorted(ids, key=lambda name: not named_id(name))
    if best and rows.identifies(best[0]):
        return best[0]
    return _repeated_id(rows, [c.name for c in columns if c.name not in not_of])


def _repeated_id(rows: Table, names: Sequence[str]) -> str | None:
    """Return the column called an ID that identifies a row, or one that repeats it as a whole."""
    called = [name for name in names if named_id(name)]
    if not rows.whole or not called:
        return None
    once = rows.frame.unique()
    if once.height == rows.frame.height:
        return None
    columns = [once[name] for name in called]
    alone = (v for v in columns if not v.dtype.is_float() and v.drop_nulls().n_unique() == v.len())
    return next((values.name for values in alone), None)


def _split(
    rows: Table,
    target: Target,
    clock: Clock | None,
    entities: Sequence[str],
    columns: Sequence[Column],
) -> tuple[str, str]:
    if clock is not None:
        why = _no_time_split(target, clock)
        if why is None:
            return "time", "the newest rows test what was learned from older ones"
        return "stratified", f"not by time: {why}"
    named = entities_of(rows, columns, (), (target.column,))
    repeated = [e for e in (*entities, *named) if rows.frame[e].n_unique() <= rows.frame.height / 2]
    if repeated and rows.frame[repeated[0]].n_unique() >= LEAST_ENTITIES:
        said = f"each {repeated[0]} has several rows, which belong into one part"
        return repeated[0], said
    return "stratified", "the rows have no time"


LEAST_ENTITIES = 20
"""Entities from which they can be divided."""


def _no_time_split(target: Target, clock: Clock) -> str | None:
    """Return why the rows cannot be divided by time; None if they can."""
    frame = pl.DataFrame({"at": clock.values, "label": target.labels}).drop_nulls().sort("at")
    if frame["at"].n_unique() < 10:
        return f"there are only {frame['at'].n_unique()} different times"
    cuts = [frame["at"][min(int(frame.height * share), frame.height - 1)] for share in (0.7, 0.85)]
    parts = [
        frame.filter(pl.col("at") < cuts[0])["label"],
        frame.filter(pl.col("at").is_between(cuts[0], cuts[1], closed="left"))["label"],
        frame.filter(pl.col("at") >= cuts[1])["label"],
    ]
    if min(part.n_unique() for part in parts) < 2:
        return "a part would have one outcome only"
    if target.kind == "multiclass" and set(pl.concat(parts[1:])) - set(parts[0]):
        return "some classes only come up later"
    return None


def _left_out(
    columns: Sequence[Column],
    taken: set[str | None],
    leaky: Mapping[str, str],
    split: str,
    keys: Sequence[str],
) -> dict[str, str]:
    """Return the columns that are no features, each with the evidence."""
    found: dict[str, str] = {}
    for column in columns:
        if column.name in taken:
            continue
        if column.name in leaky:
            found[column.name] = leaky[column.name]
        elif column.role in ("nothing", "id"):
            found[column.name] = column.why
        elif column.name == split:
            found[column.name] = "identifies the entity: no model meets it again in another part"
        elif split == "time" and column.name in keys and column.role == "number":
            found[column.name] = "a number that names something: the windows speak of it"
    return found


def _same_times(
    rows: Table, columns: Sequence[Column], clock: Clock | None, taken: set[str | None]
) -> dict[str, str]:
    """Return the times that are the row's own told once more, less than two days from it."""
    if clock is None or not clock.is_calendar:
        return {}
    found: dict[str, str] = {}
    for column in columns:
        if column.role == "time" and column.name not in taken:
            other = rows.frame[column.name].cast(pl.Datetime("us")).cast(pl.Int64)
            apart = (clock.values.cast(pl.Int64) - other).abs().max()
            if apart is None or int(apart) < 2 * windows.DAY:  # type: ignore[arg-type]
                found[column.name] = "the time of the row once more"
    return found


def _past(
    rows: Table,
    target: Target,
    clock: Clock | None,
    keys: Sequence[str],
    features: Sequence[Column],
) -> Past | None:
    """Choose windows over the rows' own past: of entities, or of all rows if they are a series."""
    if clock is None:
        return None
    numbers = [c.name for c in features if c.role == "number" and not named_id(c.name)]
    numbers = [name for name in numbers if name not in keys and name not in clock.made_of]
    measured = [name for name in numbers if rows.frame[name].dtype.is_float()]
    numbers = measured or numbers  # a whole number may be a code
    seen = target.kind != "multiclass"
    if keys:
        chosen = tuple(keys[:HISTORIES])
        over = windows.spans(rows.frame, [chosen[0]], clock.values, rows.share)
        late = "1d" if clock.step >= windows.DAY or clock.span > 60 * windows.DAY else "1h"
        return Past(chosen, tuple(over), tuple(numbers[:HISTORIES]), seen, late)
    if not windows.is_regular(rows.frame, [], clock.values):
        return None
    over = windows.spans(rows.frame, [], clock.values)
    gap = windows.typical_gap(rows.frame, [], clock.values)
    return Past((), tuple(over), tuple(numbers[: 2 * HISTORIES]), seen, windows.spoken(gap))
