"""The offline feature store: one Delta table per feature group, put together by event ID.

A table holds one row per predicted row. Rows written by a prep that the catalog does not know
(it was killed before its commit) carry a ``_prep`` that is in no feature version, and are unseen.
"""

import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
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
from octavo.stores.staged import Staged

STAMPS = (EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION)
WRITER = "prep"
"""The one writer of a feature table; the version of its append is the position of the prep."""


class FeatureStore:
    """Feature tables of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._tables: dict[Path, DeltaLog] = {}

    @contextmanager
    def receive(self) -> Iterator[Staged]:
        """Take in rows piece by piece, one group at a time; what was not appended is gone."""
        folder = self.home.incoming("features")  # whatever the group: the next one finds it
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
        try:
            yield Staged(folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def append(self, name: str, group_id: str, rows: pl.DataFrame | Staged, position: int) -> None:
        """Write the rows prepped up to a position, once; they are marked with it (`at_position`).

        Columns that the group keeps up no longer may be left out.
        """
        self.table(name, group_id).append(rows, app_id=WRITER, version=position, merge=True)

    def table(self, name: str, group_id: str) -> DeltaLog:
        """Return the table of a group."""
        path = self.home.features(name, group_id)
        return self._tables.setdefault(path, DeltaLog(path))

    def rows_of(self, name: str, group_id: str, first: int, last: int) -> int:
        """Count the rows that are marked with positions from a first to a last one."""
        rows = self.table(name, group_id).scan().filter(pl.col("_prep").is_between(first, last))
        return rows.select(pl.len()).collect().item()

    def scan(self, name: str, group: Mapping[str, Any]) -> pl.LazyFrame:
        """Return one group of a data version: stamps, and the columns under their wanted names."""
        table = self.table(name, group["group"]).scan()
        columns = [pl.col(stored).alias(want) for want, stored in group["columns"].items()]
        prep, spans = pl.col("_prep"), [span(each) for each in group["preps"]]
        ones = [last for first, last in spans if first == last]
        ranges = (prep.is_between(first, last) for first, last in spans if first < last)
        counts = pl.any_horizontal(prep.is_in(ones), *ranges)
        return table.filter(counts).select(*STAMPS, *columns)

    def assembled(
        self,
        pipeline: Pipeline,
        version: Mapping[str, Any],
        features: Collection[str] | None = None,
        positions: pl.Series | None = None,
    ) -> pl.DataFrame:
        """Put rows together over all views, and compute derived features.

        Parameters
        ----------
        pipeline
            Names views and derived features.
        version
            A data version's document: ``groups`` of the rows and of each view, each with
            ``group``, ``columns`` and ``preps``; the ``position`` that all have come to; and the
            ``withdrawn`` batches, whose rows are left out.
        features
            Those wanted; None for all of them. Nothing else is read but what they are derived from.
        positions
            Int64, the rows wanted; None for all of them.

        Returns
        -------
        polars.DataFrame
            Stamps, key columns, then the features wanted in the pipeline's order; one row per
            predicted row, in log order.

        Raises
        ------
        DataError
            If the data version was made before the definition had one of the features.
        """
        _check_features(pipeline, version)
        wanted = [f for f in pipeline.features if features is None or f in features]
        read = _read_for(pipeline, wanted)
        frame = self._table(ROWS, version["groups"][ROWS], read, positions)
        # Groups that are kept up live come on one by one: some know rows that others do not yet.
        frame = frame.filter(batch_sequence(pl.col(POSITION)) <= version["position"])
        if version["withdrawn"]:
            gone = list(version["withdrawn"].values())
            frame = frame.filter(~batch_sequence(pl.col(POSITION)).is_in(gone))
        for view in pipeline.views:
            groups = [g for g in version["groups"][view.name] if read & g["columns"].keys()]
            if groups:
                frame = _joined(frame, self._table(view.name, groups, read, positions))
        derived = [name for name in pipeline.derived_features if name in wanted]
        frame = with_derived(pipeline, frame, derived).sort(KNOWN_AT, POSITION)
        keys = [c for c in frame.columns if c.startswith("key:")]
        return frame.select(*STAMPS, *keys, *wanted)

    def _table(
        self,
        name: str,
        groups: Sequence[Mapping[str, Any]],
        read: Collection[str],
        positions: pl.Series | None,
    ) -> pl.DataFrame:
        """Return columns of one view, or of the rows, out of all groups that hold some."""
        found: list[pl.DataFrame] = []
        for group in groups:
            scan = self.scan(name, group)
            if positions is not None:
                scan = _at(scan, positions)
            held = [c for c in group["columns"] if c in read or c.startswith("key:")]
            found.append(scan.select(*STAMPS, *held).collect())
        first, *others = found
        for other in others:
            first = _joined(first, other)
        return first


def span(prep: int | Sequence[int]) -> Sequence[int]:
    """Return the first and last position of a prep; older data versions name the only one."""
    return (prep, prep) if isinstance(prep, int) else prep


def _at(scan: pl.LazyFrame, positions: pl.Series) -> pl.LazyFrame:
    """Return the rows at some positions, of the files between the first and the last of them."""
    if positions.is_empty():
        return scan.clear()
    near = pl.col(POSITION).is_between(positions.min(), positions.max())  # type: ignore[arg-type]
    return scan.filter(near).join(positions.to_frame(POSITION).lazy(), on=POSITION, how="semi")


def _read_for(pipeline: Pipeline, features: Collection[str]) -> set[str]:
    """Return the stored columns that some features are, or are derived from."""
    derived = named(pipeline.derived, features, where="Pipeline.derived")
    return {*features, *(name for expression in derived for name in expression.meta.root_names())}


def at_position(rows: pl.DataFrame, position: int) -> pl.DataFrame:
    """Mark rows with the position up to which their prep goes."""
    return rows.with_columns(_prep=pl.lit(position, dtype=pl.Int64))


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
    wanted = named(pipeline.derived, features, where="Pipeline.derived")
    return evaluate(frame, wanted, where="Pipeline.derived").drop(
        [name for name in lent if name not in features]
    )


def row_features(pipeline: Pipeline, rows: pl.DataFrame, features: Collection[str]) -> pl.DataFrame:
    """Add some features from the rows themselves, as types that tables hold unchanged."""
    wanted = named(pipeline.row, features, where="Pipeline.row")
    frame = evaluate(rows, wanted, where="Pipeline.row")
    names = [output_name(expression, where="Pipeline.row") for expression in wanted]
    stored = [storable(pl.col(name), frame.schema[name]).alias(name) for name in names]
    return evaluate(frame, stored, where="Pipeline.row")


def named(expressions: Sequence[pl.Expr], names: Collection[str], *, where: str) -> list[pl.Expr]:
    """Return the expressions that give some columns."""
    return [e for e in expressions if output_name(e, where=where) in names]


def storable(feature: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Return a row feature as a type that tables hold unchanged."""
    if dtype.is_unsigned_integer():
        return feature.cast(pl.Int64)
    if isinstance(dtype, pl.Decimal):
        return feature.cast(pl.Float64)
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return feature.cast(pl.String)
    if isinstance(dtype, pl.Duration):
        return feature.dt.total_microseconds() / 1e6
    return feature
