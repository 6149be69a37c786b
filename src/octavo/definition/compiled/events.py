"""From source rows to events, as `octavo.definition.events.stamped` makes them, without a frame."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from octavo.definition.compiled.node import NotCompiledError
from octavo.definition.compiled.plain import reading
from octavo.definition.compiled.rows import RowExpressions
from octavo.definition.dataset import Dataset
from octavo.definition.events import EVENT_ID, EVENT_TIME, joined_id

_AVAILABLE, _IS_EVENT = "_available", "_is_event"


class EventRows:
    """Source rows of a dataset as events, for datasets whose events can be told from plain values.

    Parameters
    ----------
    schema
        Columns of a source row in their order, and their Polars types.

    Raises
    ------
    NotCompiledError
        They are left to Polars.
    polars.exceptions.PolarsError
        An expression cannot be computed of such columns.
    """

    def __init__(self, dataset: Dataset, schema: Mapping[str, Any]) -> None:
        self._readers = [(name, reading(dtype)) for name, dtype in schema.items()]
        self._steps: list[RowExpressions] = []
        self.schema: dict[str, Any] = dict(schema)
        """Columns of an event, and their types."""
        self._name(dataset)
        for each in dataset.treat:
            self._add(each.expression.alias(each.column))
        for name, expression in dataset.columns.items():
            if name in self.schema:
                raise NotCompiledError(f"two columns {name!r}")
            self._add(expression.alias(name))
        self._is_identified = bool(dataset.identity)
        self._stamp(dataset)

    def _name(self, dataset: Dataset) -> None:
        for given, name in dataset.source.renamed.items():
            if given not in self.schema:
                continue
            if name in self.schema and self.schema[name] != self.schema[given]:
                raise NotCompiledError(f"{name!r} of two types")
            known = [pl.col(each) for each in (name, given) if each in self.schema]
            self._add(pl.coalesce(known).alias(name))
            del self.schema[given]

    def _stamp(self, dataset: Dataset) -> None:
        schema = self.schema
        identity = joined_id(dataset.identity) if dataset.identity else pl.lit(None, pl.String)
        self._add(
            identity.alias(EVENT_ID),
            _utc(dataset.time_expression, schema).alias(EVENT_TIME),
            _utc(dataset.available_expression, schema).alias(_AVAILABLE),
            (pl.lit(True) if dataset.where is None else dataset.where).alias(_IS_EVENT),
        )

    def _add(self, *expressions: pl.Expr) -> None:
        step = RowExpressions(expressions, self.schema)
        self._steps.append(step)
        self.schema |= step.dtypes

    def of(self, sources: Sequence[Sequence[Any]], *, check: bool = False) -> list[dict[str, Any]]:
        """Return events, a row of plain values each, with `EVENT_ID` and `EVENT_TIME`.

        Parameters
        ----------
        sources
            Python values in the order of the schema.
        check
            Compare with Polars, see `RowExpressions.check`.

        Raises
        ------
        NotCompiledError
            One is no event, or is left to Polars.
        """
        try:
            rows = [
                {name: read(value) for (name, read), value in zip(self._readers, each, strict=True)}
                for each in sources
            ]
        except (OverflowError, TypeError) as error:
            raise NotCompiledError(str(error)) from error
        for step in self._steps:
            if check:
                step.check(rows)
            for row, found in zip(rows, step.of_rows(rows), strict=True):
                row |= found
        for row in rows:
            if row[EVENT_TIME] is None or row[_IS_EVENT] is not True:
                raise NotCompiledError("no event of the dataset")
            if self._is_identified and row[EVENT_ID] is None:
                raise NotCompiledError("an event without an ID")
        return rows


def _utc(expression: pl.Expr, schema: Mapping[str, Any]) -> pl.Expr:
    """Return a time as one of microseconds in UTC; a date is its midnight."""
    dtype = pl.LazyFrame(schema=dict(schema)).select(expression.alias("_")).collect_schema()["_"]
    zone = dtype.time_zone if isinstance(dtype, pl.Datetime) else None
    if not isinstance(dtype, pl.Datetime | pl.Date):
        raise NotCompiledError(f"a time that is {dtype}")
    at = expression.cast(pl.Datetime("us", zone))
    return at.dt.replace_time_zone("UTC") if zone is None else at.dt.convert_time_zone("UTC")
