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


def to_json(schema: Mapping[str, Any]) -> dict[str, str]:
    """Return column name to the plain name of its type."""
    names = {str(dtype): name for name, dtype in _NAMED.items()}
    plain = {str(pl.Datetime("us")): "datetime"}
    return {column: (names | plain).get(str(dtype), str(dtype)) for column, dtype in schema.items()}


def from_json(schema: Mapping[str, str]) -> dict[str, Any]:
    """Return column name to Polars type."""
    return {column: _NAMED[name] for column, name in schema.items()}
