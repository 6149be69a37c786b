"""A part of an expression as a function of a row, and how parts are told their types.

Which type a part has is asked of Polars. A part without columns is a constant, and is computed by
Polars once.
"""

import io
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.definition.compiled.plain import INTEGERS, is_plain, plain_values

Row = Mapping[str, Any]
"""Column to plain value."""
Value = Callable[[Row], Any]
"""Gives a plain value."""


class NotCompiledError(Exception):
    """An expression, or one of its values, is left to Polars."""


@dataclass(frozen=True)
class Node:
    """A part of an expression."""

    value: Value
    dtype: Any
    constant: bool = False
    """Whether it is the same for all rows: Polars computes with such in another way."""
    literal: Any = None
    """The value of a constant."""
    wavers: bool = False
    """Whether it may be a constant for the rows of one frame and not for those of another: Polars
    makes one where all rows choose the same literal."""

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.dtype in INTEGERS or self.dtype == pl.Float64

    @property
    def is_null(self) -> bool:
        """Whether it is null for every row."""
        return self.constant and self.literal is None


def constant_of(document: Any) -> Node:
    """Return a part that has no columns.

    Real numbers are taken from the document: where Polars reads one, its last bit may be lost.
    """
    reals = list(_reals(document))
    if reals:
        if document.keys() != {"Literal"} or reals == [None]:
            raise NotCompiledError("a computed real constant")
        return Node(lambda row: reals[0], pl.Float64(), constant=True, literal=reals[0])
    try:
        (series,) = pl.select(expression_of(document).alias("")).get_columns()
    except (PolarsError, PanicException) as error:
        raise NotCompiledError(str(error)) from error
    if series.len() != 1 or not is_plain(series.dtype):
        raise NotCompiledError(f"a constant of {series.dtype}")
    literal = plain_values(series)[0]
    return Node(lambda row: literal, series.dtype, constant=True, literal=literal)


def members(document: Any) -> pl.Series:
    """Return the values of a list that is written in an expression."""
    packed = document.get("Literal", {}).get("Scalar", {}).get("List")
    if packed is None:
        raise NotCompiledError("what is no list")
    return pl.read_ipc_stream(io.BytesIO(bytes(packed))).to_series()


def _reals(document: Any) -> Iterator[float | None]:
    """Give the real numbers in a document; None for one that JSON does not have."""
    if isinstance(document, list):
        for inner in document:
            yield from _reals(inner)
    if isinstance(document, dict):
        for name, inner in document.items():
            if name in ("Float", "Float32", "Float64"):
                yield None if name == "Float32" else inner
            else:
                yield from _reals(inner)


def dtype_of(document: Any, schema: Mapping[str, Any]) -> Any:
    """Return the type of a part, as Polars finds it."""
    expression = expression_of(document).alias("_")
    try:
        found = pl.LazyFrame(schema=dict(schema)).select(expression).collect_schema()["_"]
    except (PolarsError, PanicException) as error:
        raise NotCompiledError(str(error)) from error
    if not is_plain(found):
        raise NotCompiledError(f"a value of {found}")
    return found


def expression_of(document: Any) -> pl.Expr:
    """Return the expression that a document is of; JSON has no infinity."""
    try:
        return pl.Expr.deserialize(json.dumps(document).encode(), format="json")
    except PolarsError as error:
        raise NotCompiledError(str(error)) from error


def any_wavers(nodes: Sequence[Node]) -> bool:
    """Tell whether what is computed of some parts alone may be a constant, and may not."""
    return any(each.wavers for each in nodes) and all(e.wavers or e.constant for e in nodes)


def as_type(node: Node, dtype: Any) -> Value:
    """Return a part's values in another type that holds them all, as Polars widens them.

    Raises
    ------
    NotCompiledError
        It may not hold them, or is of another kind.
    """
    value, own = node.value, node.dtype
    if own == dtype or node.is_null:
        return value
    if dtype == pl.Float64 and (own in INTEGERS or own == pl.Boolean):
        return lambda row: None if (x := value(row)) is None else float(x)
    if dtype in INTEGERS and own in INTEGERS and _holds(dtype, node):
        return value
    if dtype in INTEGERS and own == pl.Boolean:
        return lambda row: None if (x := value(row)) is None else int(x)
    raise NotCompiledError(f"{own} as {dtype}")


def _holds(dtype: Any, node: Node) -> bool:
    least, most = INTEGERS[dtype]
    if node.constant:
        return least <= node.literal <= most
    return least <= INTEGERS[node.dtype][0] and INTEGERS[node.dtype][1] <= most
