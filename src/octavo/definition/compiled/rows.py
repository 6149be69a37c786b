"""Expressions over rows of plain values: compiled where they can be, by Polars where not."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from octavo.definition.compiled.compiler import compiled
from octavo.definition.compiled.node import NotCompiledError, Row, Value
from octavo.definition.compiled.plain import plain_values, to_series
from octavo.definition.expressions import output_name, with_expressions

_LOG = logging.getLogger("octavo")


class RowExpressions:
    """Named expressions over the same row. Immutable but for `check`; safe to use from threads.

    Parameters
    ----------
    expressions
        Each gives a column, see `octavo.definition.expressions.check_row_expression`.
    schema
        Columns of a row, and their Polars types.

    Raises
    ------
    polars.exceptions.PolarsError
        If one cannot be computed of such columns.
    """

    def __init__(self, expressions: Sequence[pl.Expr], schema: Mapping[str, Any]) -> None:
        self.schema = dict(schema)
        self._expressions = {output_name(each, where="row"): each for each in expressions}
        self.dtypes: dict[str, Any] = {}
        """What each gives."""
        if expressions:
            empty = pl.LazyFrame(schema=self.schema).select(expressions)
            self.dtypes = dict(empty.collect_schema())
        self._compiled: dict[str, Value] = {}
        for name, expression in self._expressions.items():
            try:
                node = compiled(expression, self.schema)
            except NotCompiledError:
                continue
            if node.dtype == self.dtypes[name]:
                self._compiled[name] = node.value

    @property
    def left_to_polars(self) -> list[str]:
        """The names of those that are not compiled."""
        return [name for name in self._expressions if name not in self._compiled]

    def of_rows(self, rows: Sequence[Row]) -> list[dict[str, Any]]:
        """Return the values of each row, by the expressions' names.

        Raises
        ------
        NotCompiledError
            Of one of the values only Polars knows what becomes.
        """
        found = [{name: value(row) for name, value in self._compiled.items()} for row in rows]
        if len(self._compiled) < len(self._expressions):
            names = self.left_to_polars
            for name, values in self._by_polars(rows, names).items():
                for row, value in zip(found, values, strict=True):
                    row[name] = value
        return found

    def _by_polars(self, rows: Sequence[Row], names: Sequence[str]) -> dict[str, list[Any]]:
        """Compute some of them over one frame of all rows."""
        expressions = [self._expressions[name] for name in names]
        read = dict.fromkeys(name for each in expressions for name in each.meta.root_names())
        read = read or dict.fromkeys(list(self.schema)[:1])
        frame = pl.DataFrame(
            [to_series(name, [row[name] for row in rows], self.schema[name]) for name in read]
        )
        computed = with_expressions(frame, expressions)
        return {name: plain_values(computed[name]) for name in names}

    def check(self, rows: Sequence[Row]) -> None:
        """Compare with Polars on some rows; what differs is left to Polars from now on, and told.

        Raises
        ------
        NotCompiledError
            As `of_rows` does.
        """
        names = list(self._compiled)
        if not names or not rows:
            return
        found = self.of_rows(rows)
        for name, values in self._by_polars(rows, names).items():
            if not all(map(_same, values, (row[name] for row in found))):
                del self._compiled[name]
                _LOG.warning(
                    "%s: compiled, it gives other values than by Polars, which computes it from "
                    "now on; please report the expression %s",
                    name,
                    self._expressions[name],
                )


def _same(one: Any, other: Any) -> bool:
    """Tell whether two plain values are the same to the bit; all NaN are one."""
    return type(one) is type(other) and repr(one) == repr(other)
