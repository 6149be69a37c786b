"""How other tables meet the predicted rows: by which columns, and as what.

A table whose key is unique is a *lookup* (what an aircraft is); one with a time of its own is a
*history* (the weather at an airport). It knows nothing of windows.
"""

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import polars as pl

from octavo.services.drafting.clock import Clock, find_clock
from octavo.services.drafting.columns import Column, describe, named_id
from octavo.services.drafting.tables import Table

MET = 0.5
"""Share of the rows' distinct keys that must be found in the other table."""

_ENTITY = re.compile(
    r"^(customer|client|user|account|card|terminal|merchant|device|machine|sensor|unit|store|shop|"
    r"patient|subject|person|household|product|item|vehicle|series|station|site)$"
    r"|[_ .]id$|[a-z]I[dD]$",
    re.IGNORECASE,
)
_KEY_TYPES = (pl.Int64, pl.String, pl.Boolean, pl.Date)


@dataclass(frozen=True)
class Link:
    """A table, and the columns by which it meets the rows.

    Attributes
    ----------
    table
        The other table.
    key
        Its columns.
    rows_key
        The rows' columns, in the same order.
    clock
        Its event time; None for a lookup.
    columns
        What of it may say something, by name.
    met
        Share of the rows that find an entry.
    """

    table: Table
    key: tuple[str, ...]
    rows_key: tuple[str, ...]
    clock: Clock | None
    columns: tuple[Column, ...]
    met: float


def find_links(rows: Table, others: Sequence[Table], clock: Clock | None) -> list[Link]:
    """Return how other tables meet the rows; a table may do so by several columns."""
    links: list[Link] = []
    for other in others:
        found = _same_parts(other, clock) or find_clock(other, None)
        found = found if clock is not None else None
        single = _single_keys(rows, other, found.made_of if found else ())
        unique = [pair for pair in single if _identifies(other.frame, [pair[1]])]
        if unique:
            links += [_link(rows, other, [pair], None) for pair in unique]
        elif found is not None and single:
            own = [pair for pair in single if pair[0] == pair[1]] or single[:1]
            links += [_link(rows, other, own, found)]
        elif found is None and len(single) > 1:
            shared = [pair for pair in single if pair[0] == pair[1]]
            key = [theirs for _, theirs in shared]
            if len(shared) > 1 and _identifies(other.frame, key):
                links += [_link(rows, other, shared, None)]
    return links


def _same_parts(other: Table, clock: Clock | None) -> Clock | None:
    """Tell a table's time by the same columns as the rows' time, as far as it has them.

    A file may tell its time twice, once by another clock (local hours, and UTC): the one that it
    shares with the rows is theirs.
    """
    if clock is None or len(clock.made_of) < 3:
        return None
    if not set(clock.made_of) <= set(other.frame.columns):
        return None
    times = [name for name in other.frame.columns if other.frame[name].dtype.is_temporal()]
    return find_clock(other, None, not_of=times)


def _single_keys(rows: Table, other: Table, not_of: Collection[str]) -> list[tuple[str, str]]:
    """Return pairs of columns, of the rows and of the other table, with the same values."""
    found = []
    for theirs in other.frame.columns:
        if theirs in not_of or not isinstance(other.frame[theirs].dtype, _KEY_TYPES):
            continue
        for own in rows.frame.columns:
            same_type = rows.frame[own].dtype == other.frame[theirs].dtype
            named_alike = own == theirs
            if not same_type or not (named_alike or rows.frame[own].dtype == pl.String):
                continue
            if _share_met(rows.frame[own], other.frame[theirs]) < (MET if named_alike else 0.9):
                continue
            if named_alike or _identifies(other.frame, [theirs]):
                found.append((own, theirs))
    return found


def _identifies(frame: pl.DataFrame, key: Sequence[str]) -> bool:
    """Return whether a key is that of one row each, but for a few."""
    return frame.select(key).n_unique() >= 0.99 * frame.height


def _share_met(own: pl.Series, theirs: pl.Series) -> float:
    known = own.drop_nulls().unique()
    if known.len() < (2 if own.name == theirs.name else 5):
        return 0.0  # so few are found by chance, and an entry for each says little
    return float(known.is_in(theirs.drop_nulls().unique().implode()).mean() or 0.0)  # type: ignore[arg-type]


def _link(rows: Table, other: Table, pairs: Sequence[tuple[str, str]], clock: Clock | None) -> Link:
    own, key = tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
    known = rows.frame.select(own).drop_nulls()
    met = known.join(other.frame.select(key).unique(), left_on=own, right_on=key, how="semi")
    taken = (*key, *(clock.made_of if clock else ()))
    columns = [describe(other.frame[name]) for name in other.frame.columns if name not in taken]
    useful = [c for c in columns if _says_something(c, other.frame)]
    useful = [c for c in useful if other.frame[c.name].null_count() < other.frame.height * 0.9]
    useful = [c for c in useful if not _names_it(other.frame, key, c)]
    if clock is not None:  # what it shares with the rows is a part of a key, or of a time
        useful = [c for c in useful if c.name not in rows.frame.columns]
    share = met.height / max(rows.frame.height, 1)
    return Link(other, key, own, clock, tuple(useful), share)


def _says_something(column: Column, frame: pl.DataFrame) -> bool:
    if column.role == "id":  # each entry has a number of its own; it may be a measure
        return frame[column.name].dtype.is_numeric() and not named_id(column.name)
    return column.role in ("number", "boolean", "category")


def _names_it(frame: pl.DataFrame, key: tuple[str, ...], column: Column) -> bool:
    """Return whether a column of texts says no more than the key."""
    if column.role != "category" or len(key) > 1:
        return False
    return column.distinct >= 0.9 * frame.select(key).n_unique()


def entities_of(
    rows: Table, columns: Sequence[Column], links: Sequence[Link], not_of: Collection[str]
) -> list[str]:
    """Return the columns of the rows that identify something met again and again."""
    found = [link.rows_key[0] for link in links if len(link.rows_key) == 1]
    for column in columns:
        repeated = 2 <= column.distinct <= rows.frame.height / 3
        if named_entity(column.name) and repeated and column.role in ("category", "number"):
            found.append(column.name)
    right = [name for name in found if isinstance(rows.frame[name].dtype, _KEY_TYPES)]
    return [name for name in dict.fromkeys(right) if name not in not_of]


def named_entity(name: str) -> bool:
    """Return whether a column is called as what identifies something met again and again is."""
    return bool(_ENTITY.search(name))
