"""Conditions on rows as text: ``column operator value``, the same in Python, commands and HTTP.

Nothing is evaluated: a column is one of those that are known, an operator one of seven, and a value
is read as the column's type. A comparison with null is not met.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Any

import polars as pl

from octavo.errors import DefinitionError

COMPARISONS: dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]] = {
    "<=": pl.Expr.le,
    ">=": pl.Expr.ge,
    "!=": pl.Expr.ne,
    "=": pl.Expr.eq,
    "<": pl.Expr.lt,
    ">": pl.Expr.gt,
}
NULLS = re.compile(r"is\s+(not\s+)?null")
FORM = "Write COLUMN = VALUE (or != < <= > >=), COLUMN in A,B or COLUMN is [not] null."


def condition_of(text: str, schema: Mapping[str, Any]) -> pl.Expr:
    """Return a filter as an expression.

    Parameters
    ----------
    text
        ``amount >= 10``, ``channel = online``, ``carrier in AA,UA``, ``price is not null``.
        Times are ISO 8601; without an offset they are UTC.
    schema
        The columns that may be named, with their dtypes.

    Raises
    ------
    DefinitionError
        If the text has not this form, the column is unknown, or the value is of another type.
    """
    where = f"filter {text!r}"
    stripped = text.strip()
    known = [name for name in schema if re.match(rf"{re.escape(name)}(?=[\s<>=!])", stripped)]
    if not known:
        word = re.split(r"[\s<>=!]", stripped, maxsplit=1)[0]
        if not word or word in schema:
            raise DefinitionError("it is no condition.", where=where, fix=FORM)
        raise DefinitionError.unknown("column", word, schema, where=where)
    name = max(known, key=len)
    column, rest = pl.col(name), stripped[len(name) :].strip()
    if nulls := NULLS.fullmatch(rest):
        return column.is_not_null() if nulls[1] else column.is_null()
    if listed := re.match(r"in\s+(.+)", rest):
        values = [_value(each, schema[name], where) for each in listed[1].split(",")]
        return pl.any_horizontal(column == value for value in values)
    for operator, compare in COMPARISONS.items():
        if rest.startswith(operator):
            value = _value(rest[len(operator) :], schema[name], where)
            return compare(column, value)
    raise DefinitionError("it is no condition.", where=where, fix=FORM)


def _value(text: str, dtype: Any, where: str) -> pl.Expr:
    text = text.strip()
    try:
        return _read(text, dtype)
    except (ValueError, KeyError) as error:
        raise DefinitionError(
            f"{text!r} is not of the column's type, {dtype}.", where=where, fix="Correct the value."
        ) from error


def _read(text: str, dtype: Any) -> pl.Expr:
    if dtype == pl.Boolean:
        return pl.lit({"true": True, "false": False}[text.lower()])
    if dtype.is_integer() and re.fullmatch(r"[+-]?[0-9]{1,18}", text):
        return pl.lit(int(text))
    if dtype.is_numeric():
        return pl.lit(float(text))
    if dtype == pl.Date:
        return pl.lit(date.fromisoformat(text))
    if isinstance(dtype, pl.Datetime):
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        moment = moment.astimezone(UTC) if dtype.time_zone else moment.replace(tzinfo=None)
        return pl.lit(moment, dtype=dtype)
    return pl.lit(text, dtype=pl.String)
