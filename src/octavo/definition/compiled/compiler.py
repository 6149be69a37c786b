"""From an expression to a function of a row."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.definition.compiled import comparing
from octavo.definition.compiled.arithmetic import arithmetic
from octavo.definition.compiled.casting import cast
from octavo.definition.compiled.node import (
    Node,
    NotCompiledError,
    Value,
    any_wavers,
    constant_of,
    dtype_of,
    members,
)
from octavo.definition.compiled.numbers import NUMBERS, is_natural, number
from octavo.definition.compiled.plain import is_plain
from octavo.definition.compiled.texts import text
from octavo.definition.compiled.times import time

ARITHMETIC = ("Plus", "Minus", "Multiply", "TrueDivide", "FloorDivide", "Modulus")


def compiled(expression: pl.Expr, schema: Mapping[str, Any]) -> Node:
    """Return an expression as a function of a row of plain values.

    Parameters
    ----------
    schema
        Columns of the row, and their Polars types.

    Raises
    ------
    NotCompiledError
        It is left to Polars.
    """
    try:
        document = json.loads(expression.meta.serialize(format="json"))
    except (PolarsError, PanicException, ValueError) as error:
        raise NotCompiledError(str(error)) from error
    return _Compiler(schema).node(document)


class _Compiler:
    """Walks a document; every part knows its type."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        self.schema = schema

    def node(self, document: Any) -> Node:
        ((kind, inner),) = document.items()
        if kind == "Alias":
            return self.node(inner[0])
        if kind == "Column":
            return self._column(inner)
        if not _has_column(document):
            return constant_of(document)
        dtype = dtype_of(document, self.schema)
        value, parts = self._value(kind, inner, dtype)
        chooses = kind == "Ternary" or inner.get("function") in ("FillNull", "Coalesce")
        some = chooses and any(each.constant or each.wavers for each in parts)
        return Node(value, dtype, wavers=some or any_wavers(parts))

    def _column(self, name: str) -> Node:
        dtype = self.schema.get(name)
        if dtype is None or not is_plain(dtype):
            raise NotCompiledError(f"a column of {dtype}")
        return Node(lambda row: row[name], dtype)

    def _value(self, kind: str, inner: Any, dtype: Any) -> tuple[Value, Sequence[Node]]:
        """Return how a part is computed, and of which others."""
        if kind == "BinaryExpr":
            left, right = self.node(inner["left"]), self.node(inner["right"])
            return _binary(inner["op"], left, right, dtype), [left, right]
        if kind == "Ternary":
            names = ("predicate", "truthy", "falsy")
            predicate, truthy, falsy = (self.node(inner[name]) for name in names)
            chosen = comparing.chosen(predicate, truthy, falsy, dtype)
            return chosen, [predicate, truthy, falsy]
        if kind == "Cast" and inner["options"] == "Strict":
            part = self.node(inner["expr"])
            return cast(part, dtype), [part]
        name, options = _condition_of(inner) if kind == "Function" else ("", {})
        if name == "IsIn":
            part, listed = self.node(inner["input"][0]), members(inner["input"][1])
            return comparing.among(part, listed, nulls_equal=options["nulls_equal"]), [part]
        if kind == "Function":
            parts = [self.node(each) for each in inner["input"]]
            return _called(inner["function"], parts, dtype), parts
        raise NotCompiledError(kind)


def _has_column(document: Any) -> bool:
    if isinstance(document, list):
        return any(_has_column(each) for each in document)
    if not isinstance(document, dict):
        return False
    literal = document.keys() == {"Literal"}
    known = "Column" in document or (not literal and any(map(_has_column, document.values())))
    return known or "Selector" in document


def _binary(op: str, left: Node, right: Node, dtype: Any) -> Value:
    if op in ARITHMETIC:
        return arithmetic(op, left, right, dtype)
    if op in comparing.COMPARISONS:
        return comparing.comparison(op, left, right)
    if op.removeprefix("Logical") in ("And", "Or", "Xor"):
        return comparing.logic(op.removeprefix("Logical"), left, right)
    raise NotCompiledError(op)


def _called(function: Any, nodes: Sequence[Node], dtype: Any) -> Value:
    """Return the value of a function; its document is a name, or one with options."""
    name, options = _named(function)
    if name == "Boolean":
        return _condition(options, nodes)
    if name == "FillNull" or name == "Coalesce":
        return comparing.first_known(nodes, dtype)
    if name == "Clip":
        bounds = [each for each in ("min", "max") if options[f"has_{each}"]]
        return comparing.clipped(nodes, bounds)
    if name == "StringExpr":
        return text(_named(options), nodes)
    if name == "TemporalExpr":
        return time(_named(options), nodes)
    if name == "Pow" and options == "Sqrt":
        return number("Sqrt", nodes[0])
    if name == "Log" and not is_natural(nodes[1].literal):
        raise NotCompiledError("a logarithm to another base")
    if name in NUMBERS:
        return number(name, nodes[0])
    raise NotCompiledError(name)


def _condition_of(inner: Any) -> tuple[str, Any]:
    """Return name and options of a function that is a condition; of others nothing."""
    name, options = _named(inner["function"])
    return _named(options) if name == "Boolean" else ("", {})


def _condition(function: Any, nodes: Sequence[Node]) -> Value:
    name, options = _named(function)
    value = nodes[0].value
    if name == "IsNull":
        return lambda row: value(row) is None
    if name == "IsNotNull":
        return lambda row: value(row) is not None
    if name in ("AnyHorizontal", "AllHorizontal"):
        together = comparing.any_of if name == "AnyHorizontal" else comparing.all_of
        return together(comparing.as_conditions(nodes))
    if name == "Not":
        (met,) = comparing.as_conditions(nodes)
        return lambda row: None if (x := met(row)) is None else not x
    if name == "IsBetween":
        return comparing.between(nodes, options["closed"])
    if name in ("IsNan", "IsNotNan") and nodes[0].dtype == pl.Float64:
        wanted = name == "IsNan"
        return lambda row: None if (x := value(row)) is None else (x != x) is wanted
    raise NotCompiledError(name)


def _named(function: Any) -> tuple[str, Any]:
    """Return a function's name and its options."""
    if isinstance(function, str):
        return function, {}
    ((name, options),) = function.items()
    return name, options
