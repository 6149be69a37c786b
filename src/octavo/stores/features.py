"""The offline feature store: one Delta table per view and fingerprint, put together by event ID.

A table holds one row per predicted row. Rows written by a prep that the catalog does not know
(it was killed before its commit) carry a ``_prep`` that is in no feature version, and are unseen.
"""

from typing import Any

import polars as pl

from octavo.definition import Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, evaluate
from octavo.definition.versions import ROWS
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home


class FeatureStore:
    """Feature tables of one home."""

    def __init__(self, home: Home) -> None:
        self.home = home

    def append(self, name: str, fingerprint: str, frame: pl.DataFrame, position: int) -> None:
        """Write the rows prepped up to a position, once."""
        table = DeltaLog(self.home.features(name, fingerprint))
        frame = frame.with_columns(_prep=pl.lit(position, dtype=pl.Int64))
        table.append(frame, app_id="prep", version=position)

    def scan(self, name: str, version: dict[str, Any]) -> pl.LazyFrame:
        """Return one table as of a data version (``fingerprint`` and ``preps`` of this view)."""
        table = DeltaLog(self.home.features(name, version["fingerprint"])).scan()
        return table.filter(pl.col("_prep").is_in(version["preps"])).drop("_prep")

    def assembled(self, pipeline: Pipeline, versions: dict[str, Any]) -> pl.DataFrame:
        """Put rows together over all views, and compute derived features.

        Parameters
        ----------
        pipeline
            Names views and derived features.
        versions
            Name of view (and `ROWS`) to ``{"fingerprint", "preps"}``, from a data version.

        Returns
        -------
        polars.DataFrame
            Stamps, key columns, then the features in the pipeline's order; one row per predicted
            row, in log order.
        """
        frame = self.scan(ROWS, versions[ROWS]).collect()
        for view in pipeline.views:
            names = [feature.name for feature in view.features]
            # A row's position stands for its event ID: as unique, and an integer.
            found = self.scan(view.name, versions[view.name]).select(POSITION, *names).collect()
            frame = frame.join(found, on=POSITION, how="left", validate="1:1")
        frame = with_derived(pipeline, frame).sort(KNOWN_AT, POSITION)
        stamps = [EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION]
        keys = [c for c in frame.columns if c.startswith("key:")]
        return frame.select(*stamps, *keys, *pipeline.features)


def with_derived(pipeline: Pipeline, frame: pl.DataFrame) -> pl.DataFrame:
    """Add derived features; they may use features and the rows' own ``key:`` columns."""
    own = {c.removeprefix("key:"): c for c in frame.columns if c.startswith("key:")}
    lent = [name for name in own if name not in frame.columns]
    frame = frame.with_columns(pl.col(own[name]).alias(name) for name in lent)
    return evaluate(frame, list(pipeline.derived), where="Pipeline.derived").drop(
        [name for name in lent if name not in pipeline.derived_features]
    )


def row_features(pipeline: Pipeline, rows: pl.DataFrame) -> pl.DataFrame:
    """Add the features from the rows themselves, as types that tables hold unchanged."""
    frame = evaluate(rows, list(pipeline.row), where="Pipeline.row")
    return frame.with_columns(
        _storable(pl.col(name), frame.schema[name]) for name in pipeline.row_features
    )


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
