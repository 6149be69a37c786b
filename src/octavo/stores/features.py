"""The offline feature store: one Delta table per feature group, put together by event ID.

A table holds one row per predicted row. Rows written by a prep that the catalog does not know
(it was killed before its commit) carry a ``_prep`` that is in no feature version, and are unseen.
"""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import polars as pl

from octavo.definition import Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, evaluate
from octavo.definition.expressions import output_name
from octavo.definition.versions import ROWS
from octavo.errors import DataError
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.stores.raw import batch_sequence

STAMPS = (EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION)


class FeatureStore:
    """Feature tables of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def append(self, name: str, group_id: str, frame: pl.DataFrame, position: int) -> None:
        """Write the rows prepped up to a position, once.

        Columns that the group keeps up no longer may be left out.
        """
        table = DeltaLog(self.home.features(name, group_id))
        frame = frame.with_columns(_prep=pl.lit(position, dtype=pl.Int64))
        table.append(frame, app_id="prep", version=position, merge=True)

    def rows_of(self, name: str, group_id: str, position: int) -> int:
        """Count the rows that were prepped up to a position by one prep."""
        table = DeltaLog(self.home.features(name, group_id)).scan()
        return table.filter(pl.col("_prep") == position).select(pl.len()).collect().item()

    def scan(self, name: str, group: Mapping[str, Any]) -> pl.LazyFrame:
        """Return one group of a data version: stamps, and the columns under their wanted names."""
        table = DeltaLog(self.home.features(name, group["group"])).scan()
        columns = [pl.col(stored).alias(want) for want, stored in group["columns"].items()]
        return table.filter(pl.col("_prep").is_in(group["preps"])).select(*STAMPS, *columns)

    def assembled(self, pipeline: Pipeline, version: Mapping[str, Any]) -> pl.DataFrame:
        """Put rows together over all views, and compute derived features.

        Parameters
        ----------
        pipeline
            Names views and derived features.
        version
            A data version's document: ``groups`` of the rows and of each view, each with
            ``group``, ``columns`` and ``preps``; and the ``withdrawn`` batches, whose rows are
            left out.

        Returns
        -------
        polars.DataFrame
            Stamps, key columns, then the features in the pipeline's order; one row per predicted
            row, in log order.

        Raises
        ------
        DataError
            If the data version was made before the definition had one of the features.
        """
        _check_features(pipeline, version)
        frame = self._table(ROWS, version["groups"][ROWS])
        if version["withdrawn"]:
            gone = list(version["withdrawn"].values())
            frame = frame.filter(~batch_sequence(pl.col(POSITION)).is_in(gone))
        for view in pipeline.views:
            found = self._table(view.name, version["groups"][view.name])
            frame = _joined(frame, found)
        frame = with_derived(pipeline, frame, pipeline.derived_features).sort(KNOWN_AT, POSITION)
        keys = [c for c in frame.columns if c.startswith("key:")]
        return frame.select(*STAMPS, *keys, *pipeline.features)

    def _table(self, name: str, groups: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
        """Return the columns of one view, or of the rows, out of all groups that hold some."""
        first, *others = (self.scan(name, group).collect() for group in groups)
        for other in others:
            first = _joined(first, other)
        return first


def _joined(frame: pl.DataFrame, other: pl.DataFrame) -> pl.DataFrame:
    # A row's position stands for its event ID: as unique, and an integer.
    columns = [column for column in other.columns if column not in STAMPS]
    return frame.join(other.select(POSITION, *columns), on=POSITION, how="left", validate="1:1")


def _check_features(pipeline: Pipeline, version: Mapping[str, Any]) -> None:
    new = [name for name in pipeline.features if name not in version["features"]]
    if new:
        raise DataError(
            f"it has no {', '.join(map(repr, new))}, which the definition has now.",
            where=f"data version {version['data_version']}",
            fix="Run `octavo run`: it makes a new one.",
        )


def with_derived(
    pipeline: Pipeline, frame: pl.DataFrame, features: Collection[str]
) -> pl.DataFrame:
    """Add some derived features; they may use features and the rows' own ``key:`` columns."""
    own = {c.removeprefix("key:"): c for c in frame.columns if c.startswith("key:")}
    lent = [name for name in own if name not in frame.columns]
    frame = frame.with_columns(pl.col(own[name]).alias(name) for name in lent)
    wanted = _named(pipeline.derived, features, where="Pipeline.derived")
    return evaluate(frame, wanted, where="Pipeline.derived").drop(
        [name for name in lent if name not in features]
    )


def row_features(pipeline: Pipeline, rows: pl.DataFrame, features: Collection[str]) -> pl.DataFrame:
    """Add some features from the rows themselves, as types that tables hold unchanged."""
    wanted = _named(pipeline.row, features, where="Pipeline.row")
    frame = evaluate(rows, wanted, where="Pipeline.row")
    names = [output_name(expression, where="Pipeline.row") for expression in wanted]
    return frame.with_columns(_storable(pl.col(name), frame.schema[name]) for name in names)


def _named(expressions: Sequence[pl.Expr], names: Collection[str], *, where: str) -> list[pl.Expr]:
    return [e for e in expressions if output_name(e, where=where) in names]


def _storable(feature: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    if dtype.is_unsigned_integer():
        return feature.cast(pl.Int64)
    if isinstance(dtype, pl.Decimal):
        return feature.cast(pl.Float64)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return feature.cast(pl.String)
    if isinstance(dtype, pl.Duration):
        return feature.dt.total_microseconds() / 1e6
    return feature
