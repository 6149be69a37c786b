"""What each column of a table is good for: number, category, text, time, or nothing, and why.

It knows nothing of the target: what a column tells of it is a matter of leak detection.
"""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

Role = Literal["number", "boolean", "category", "text", "time", "id", "nothing"]

WORDS = 4
"""Mean number of words from which a column of texts that rarely repeat is prose."""

_IDS = re.compile(
    r"(^|[_ .-])(id|ids|uuid|guid|key|index|idx|nr|number|rowid|row)$|^(id|uuid|unnamed)"
    r"|[a-z](ID|Id)$",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Column:
    """One column.

    Attributes
    ----------
    name
        As in the file.
    role
        What it is good for; ``nothing`` and ``id`` are no features.
    why
        The evidence, where it is no feature.
    distinct
        Number of distinct values, null not counted.
    """

    name: str
    role: Role
    distinct: int
    why: str = ""


def describe(values: pl.Series) -> Column:
    """Say what a column is good for, from the rows that were read."""
    name, rows = values.name, values.len()
    known = values.drop_nulls()
    if values.dtype.is_float():
        known = known.filter(known.is_not_nan())
    distinct = known.n_unique()
    if not known.len():
        return Column(name, "nothing", 0, "empty in every row")
    if distinct == 1:
        only = f"{known[0]!r}"[:40]
        if known.len() == rows:
            return Column(name, "nothing", 1, f"the same in every row: {only}")
        if known.len() < rows * 0.01:
            return Column(
                name, "nothing", 1, f"{only} or empty, and empty in all but {known.len()}"
            )
    unique = distinct == known.len() and rows > 1
    if values.dtype == pl.Boolean:
        return Column(name, "boolean", distinct)
    if values.dtype.is_temporal():
        return Column(name, "time", distinct)
    if values.dtype.is_integer():
        if unique and (_counts(known) or (named_id(name) and known.len() == rows)):
            return Column(name, "id", distinct, "another number in every row")
        return Column(name, "number", distinct)
    if values.dtype.is_float():
        return Column(name, "number", distinct)
    return _of_texts(name, known, distinct, unique=unique)


def _of_texts(name: str, known: pl.Series, distinct: int, *, unique: bool) -> Column:
    if known.str.contains(r"^(\[\{.*\}\]|\[\]|\{.*\})$").all():
        said = "objects as JSON text"
        if known.str.starts_with("[").all():
            said = f"a list of objects; ov.Nested(rows={name!r}) makes each of them a row"
        return Column(name, "nothing", distinct, said)
    words = known.head(10_000).str.count_matches(r"\S+").mean() or 0
    rare = distinct > 0.5 * known.len() and distinct > 20
    if rare and float(words) >= WORDS:  # type: ignore[arg-type]
        return Column(name, "text", distinct)
    if unique and known.len() > 20:
        return Column(name, "id", distinct, "another text in every row")
    if rare and distinct > 0.9 * known.len():
        said = f"{distinct:,} texts in {known.len():,} rows: hardly one comes twice"
        return Column(name, "nothing", distinct, said)
    return Column(name, "category", distinct)


def _counts(known: pl.Series) -> bool:
    """Return whether distinct integers number the rows: nearly no gaps, or strictly in order."""
    low, high = int(known.min()), int(known.max())  # type: ignore[arg-type]
    dense = high - low + 1 <= 1.05 * known.len()
    return known.len() > 20 and dense and (known.is_sorted() or low in (0, 1))


def named_id(name: str) -> bool:
    """Return whether a column is called as identifiers are."""
    return bool(_IDS.search(name.strip()))
