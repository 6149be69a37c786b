"""What is not there, what is there twice, and what says nothing.

Missing values are a note, not a fault: only their pattern says something.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from octavo.quality.finding import Finding, counted, enumerated, percent
from octavo.quality.table import Table

_KEY = {"text": 0.9, "number": 0.99}
"""Share of rows that must have a value of their own for a column to be a key with repetitions."""


def missing(table: Table, keys: Sequence[str] = ()) -> Iterator[Finding]:
    """Find columns without values, columns that are missing together, and all other nulls."""
    empty = [name for name, count in table.nulls.items() if count == table.height > 0]
    if empty:
        yield table.finding(
            "missing",
            "empty",
            empty,
            np.ones(table.height, bool),
            f"{_ticked(empty)} {'has' if len(empty) == 1 else 'have'} no value at all.",
        )
    partly = {n: c for n, c in table.nulls.items() if 0 < c < table.height}
    lacking = [name for name in keys if name in partly]
    if lacking:
        bad = table.where(pl.any_horizontal(pl.col(lacking).is_null()))
        yield table.finding(
            "missing",
            "key",
            lacking,
            bad,
            f"The key {_ticked(lacking)} is missing in {table.counted(bad)}.",
        )
    alone = []
    for names in _together(table, partly):
        if len(names) == 1:
            alone += names
            continue
        bad = table.frame[names[0]].is_null()
        yield table.finding(
            "missing",
            "together",
            names,
            bad,
            f"{_ticked(names)} are missing together, in {table.counted(bad)}.",
            None,
            "note",
        )
    if alone:
        alone.sort(key=lambda name: -table.nulls[name])
        bad = table.where(pl.any_horizontal(pl.col(alone).is_null()))
        said = [f"`{n}` in {counted(table.nulls[n], table.height)}" for n in alone]
        yield table.finding(
            "missing", "values", alone, bad, f"Missing: {enumerated(said, 8)}.", None, "note"
        )


def _together(table: Table, partly: dict[str, int]) -> list[list[str]]:
    """Return the columns with nulls, those with nulls in the same rows together."""
    groups: list[list[str]] = []
    masks: list[tuple[int, pl.Series]] = []
    for name, count in sorted(partly.items(), key=lambda item: -item[1]):
        mask = table.frame[name].is_null()
        for place, (size, other) in enumerate(masks):
            if size == count and (mask == other).all():
                groups[place].append(name)
                break
        else:
            masks.append((count, mask))
            groups.append([name])
    return groups


def constant(table: Table) -> Iterator[Finding]:
    """Find columns that have one value throughout."""
    if table.height < 2:
        return
    found = []
    for values in table.frame.get_columns():
        name = values.name
        if not table.nulls[name] and table.varied[name] == 1 and values.n_unique() == 1:
            found.append(name)
    if found:
        yield table.finding(
            "missing",
            "constant",
            found,
            np.zeros(table.height, bool),
            f"{_ticked(found)} {'has' if len(found) == 1 else 'have'} the same value in all rows.",
            None,
            "note",
        )


def duplicates(table: Table, keys: Sequence[str] = ()) -> Iterator[Finding]:
    """Find rows that are there twice, and keys that should be unique and are not.

    Parameters
    ----------
    keys
        The columns that identify a row, where declared: then ingestion has sorted repetitions out.
    """
    if keys or table.frame.width == 0:
        return
    again = ~table.frame.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    if again.any():
        yield table.finding(
            "duplicate",
            "rows",
            list(table.frame.columns),
            again,
            f"{table.counted(again)} repeat an earlier row in every column.",
            "event_id=[…]  # the columns that identify a row; repetitions are then left out",
        )
    for name in table.of_type("text", "number"):
        values = table.frame[name]
        if values.dtype.is_float() or table.nulls[name] or table.height < 100:
            continue
        if values.dtype == pl.String and values.str.contains(r"\d[.,]\d|\s").mean() > 0.1:  # type: ignore[operator]
            continue  # numbers, or words
        least = _KEY["text" if values.dtype == pl.String else "number"]
        if table.varied[name] < least * table.sample.height:
            continue
        bad = ~values.is_first_distinct() & ~again
        repeated = int(bad.sum())
        if 0 < repeated <= (1 - least) * table.height:
            yield table.finding(
                "duplicate",
                "key",
                name,
                bad,
                f"`{name}` is different in {percent(1 - repeated / table.height)} of the rows, "
                f"but {table.counted(bad)} repeat one, with other content.",
                f'event_id="{name}"',
            )


def _ticked(names: Sequence[str]) -> str:
    return enumerated([f"`{name}`" for name in names], 8)
