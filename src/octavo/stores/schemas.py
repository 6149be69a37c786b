"""Schemas as JSON: the column types that the raw store knows."""

from collections.abc import Mapping
from typing import Any

import polars as pl

_NAMED: dict[str, Any] = {
    "integer": pl.Int64,
    "number": pl.Float64,
    "boolean": pl.Boolean,
    "text": pl.String,
    "date": pl.Date,
    "datetime": pl.Datetime("us", "UTC"),
    "duration": pl.Duration("us"),
}

WIDENED = "widened"
"""A column that was of whole numbers in earlier batches, and is of numbers since: Float64."""


def to_json(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return column name to the plain name of its type."""
    names = {str(dtype): name for name, dtype in _NAMED.items()}
    plain = {str(pl.Datetime("us")): "datetime"}
    return {column: (names | plain).get(str(dtype), str(dtype)) for column, dtype in schema.items()}


def from_json(schema: Mapping[str, str]) -> dict[str, Any]:
    """Return column name to Polars type."""
    types = _NAMED | {WIDENED: pl.Float64}
    return {column: types[name] for column, name in schema.items()}


def joined(known: Mapping[str, str], new: Mapping[str, str]) -> dict[str, str]:
    """Return what the columns of a dataset are after another batch, both as from `to_json`.

    Columns that the batch has not stay; whole numbers become `WIDENED` by numbers.
    """
    found = dict(known)
    for column, name in new.items():
        before = found.setdefault(column, name)
        if (before, name) == ("integer", "number"):
            found[column] = WIDENED
    return found


def widened(schema: Mapping[str, str], renamed: Mapping[str, str]) -> list[str]:
    """Return the columns that were of whole numbers before they were of numbers.

    Parameters
    ----------
    renamed
        Other names of columns, see `octavo.definition.Files`: one may have brought whole numbers,
        and another numbers.
    """
    kinds: dict[str, set[str]] = {}
    for column, name in schema.items():
        kinds.setdefault(renamed.get(column, column), set()).add(name)
    return [c for c, found in kinds.items() if WIDENED in found or {"integer", "number"} <= found]
