"""Which predictions used a batch: of features that may have seen it, or about an event of it.

A prediction *may have seen* a batch through a view if the batch lay before the place in the log
that it saw, and had an event of its entity within reach of the view's windows. That is as near as
can be told of a million predictions at once; what one of them saw exactly is recomputed for it.

Predictions are read piece by piece. This module knows nothing of graphs.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import NamedTuple

import polars as pl

from octavo.definition import Pipeline, View
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    KNOWN_AT,
    POSITION,
    TIMESTAMP,
    evaluate,
    joined_id,
)
from octavo.services.lineage.records import Records
from octavo.services.lineage.sight import Place, could_see, just_before, prepped, recorded
from octavo.stages.prep.lanes import event_schemas
from octavo.stores.catalog import Catalog, Row
from octavo.stores.predictions import PredictionStore
from octavo.stores.raw import RawStore

COLUMNS = (
    *("prediction_id", EVENT_ID, EVENT_TIME, "deployment_id"),
    *("origin", "entities", "positions", "at"),
)
"""What is read of the predictions."""
USED = {
    "prediction_id": pl.String,
    EVENT_ID: pl.String,
    "deployment_id": pl.String,
    "at": TIMESTAMP,
    "features": pl.Boolean,
    "event": pl.Boolean,
}
"""What is found: its ``features`` may have seen the batch; its ``event`` came with it."""

_KEY, _TIME, _UNTIL = "_key", "_time", "_until"


class Reach(NamedTuple):
    """How far before an event the windows of a view look at a dataset, microseconds."""

    nearest: int
    farthest: int | None
    """None: to the beginning."""


class Uses:
    """Finds the predictions that used a batch."""

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: Catalog,
        records: Records,
        raw: RawStore,
        predictions: PredictionStore,
    ) -> None:
        self._pipeline, self._catalog, self._records = pipeline, catalog, records
        self._raw, self._predictions = raw, predictions

    def of(self, batch: Row) -> pl.DataFrame:
        """Return the predictions that used a batch, each once: the columns of `USED`."""
        known = batch["dataset"] in [each.name for each in self._pipeline.datasets]
        if not known or not (batch["rows"] or batch["restated"]):
            return pl.DataFrame(schema=USED)
        finder = _Finder(self, batch)
        found = [finder.used(block) for block in self._predictions.blocks(COLUMNS)]
        return pl.concat([pl.DataFrame(schema=USED), *found]).unique("prediction_id", keep="any")

    def views_of(self, dataset: str) -> list[View]:
        """Return the views that observe a dataset."""
        return [view for view in self._pipeline.views if dataset in view.datasets]

    def versions(self, batch: Row) -> pl.DataFrame:
        """Return all rows that a batch brought, as events of its dataset."""
        dataset = self._pipeline.dataset(batch["dataset"])
        scans = self._raw.versions(dataset.name, [batch])
        rows = pl.concat([scan.collect() for scan in scans], how="diagonal_relaxed")
        return self._raw.events_of(dataset, rows)

    def rebuilt_at(self, batch: Row, view: View) -> int | None:
        """As of `Records`."""
        return self._records.rebuilt_at(batch, view.name)

    def is_predicted(self, batch: Row) -> bool:
        """Say whether a batch brought rows that are predicted."""
        return batch["dataset"] == self._pipeline.rows.name

    @cached_property
    def rows(self) -> pl.DataFrame:
        """All predicted rows, with the keys that they ask views for, and where they are."""
        dataset = self._pipeline.rows
        keys = {column for view in self._pipeline.views for column in view.query_key}
        batches = self._catalog.batches(dataset.name)
        found = self._raw.events(dataset, batches, keys) if batches else None
        return pl.DataFrame() if found is None else found.unique(EVENT_ID, keep="first")

    @cached_property
    def types(self) -> Mapping[str, pl.DataType]:
        """Types of the columns of predicted rows."""
        return event_schemas(self._pipeline, self._catalog).get(self._pipeline.rows.name, {})


class _Finder:
    """Finds, piece by piece, the predictions that used one batch."""

    def __init__(self, uses: Uses, batch: Row) -> None:
        self._uses, self._batch = uses, batch
        rows = uses.versions(batch)
        self._ids = rows[EVENT_ID].unique() if uses.is_predicted(batch) else None
        self._views = [(v, _facts(v, rows)) for v in uses.views_of(batch["dataset"])]

    def used(self, block: pl.DataFrame) -> pl.DataFrame:
        block = block.with_row_index("_row")
        seen = [self._seen(view, facts, block) for view, facts in self._views]
        found = pl.concat([pl.Series("_row", [], pl.UInt32), *seen]).unique()
        event = pl.lit(False)
        if self._ids is not None:
            event = pl.col(EVENT_ID).is_in(self._ids.implode()).fill_null(False)
        marked = block.with_columns(
            pl.col("_row").is_in(found.implode()).alias("features"), event.alias("event")
        )
        return marked.filter(pl.col("features") | pl.col("event")).select(list(USED))

    def _seen(self, view: View, facts: pl.DataFrame, block: pl.DataFrame) -> pl.Series:
        """Return the numbers of the predictions that may have seen it through a view."""
        asked = pl.concat([self._served(view, block), self._of_rows(view, block)])
        return _within(asked, facts, _reach(view, self._batch["dataset"]))

    def _served(self, view: View, block: pl.DataFrame) -> pl.DataFrame:
        """Return row, entity and event time of the served predictions that came late enough."""
        served = block.filter(pl.col("origin") != "batch")
        places = {text: recorded(text).get(view.name) for text in _distinct(served, "positions")}
        late = _could(self._batch, places, served, self._uses.rebuilt_at(self._batch, view))
        types = {c: _json_type(self._uses.types.get(c)) for c in view.query_key}
        keys = pl.col("entities").str.json_decode(pl.Struct(types)).struct.unnest()
        return _asking(view, served.filter(late).select("_row", EVENT_TIME, keys))

    def _of_rows(self, view: View, block: pl.DataFrame) -> pl.DataFrame:
        """Return the same of predictions for prepped rows, which saw what is before the row."""
        of_rows = block.filter(pl.col("origin") == "batch")
        through = {
            text: prepped(text).get(view.name, 0) >= self._batch["sequence"]
            for text in _distinct(of_rows, "positions")
        }
        came = [text for text, has_come in through.items() if has_come]
        of_rows = of_rows.filter(pl.col("positions").is_in(came))
        if not of_rows.height or self._uses.rows.is_empty():
            return _asking(view, None)
        asked = of_rows.select("_row", EVENT_ID, EVENT_TIME, _at=pl.col("at").cast(pl.Int64))
        asked = asked.join(self._uses.rows.drop(EVENT_TIME), on=EVENT_ID, how="inner")
        gone = self._uses.rebuilt_at(self._batch, view)
        places = asked.select("_at", pl.col(KNOWN_AT).cast(pl.Int64), POSITION).iter_rows()
        late = [could_see(self._batch, just_before(*place), at, gone) for at, *place in places]
        return _asking(view, asked.filter(pl.Series(late, dtype=pl.Boolean)))


def _could(
    batch: Row, places: Mapping[str, Place | None], served: pl.DataFrame, gone: int | None
) -> pl.Series:
    """Return of which served predictions a batch lay before the place."""
    at = served["at"].cast(pl.Int64)
    last = at.max() if served.height else 0  # a bound that is not there lets all pass
    can = [
        text
        for text, place in places.items()
        if place is not None and could_see(batch, place, last, None)  # type: ignore[arg-type]
    ]
    found = served["positions"].is_in(can)
    if batch["clock"] is None:
        found &= at >= batch["planned_at"]
    return found if gone is None else found & (at < gone)


def _distinct(block: pl.DataFrame, column: str) -> Iterator[str]:
    yield from block[column].drop_nulls().unique()


def _json_type(dtype: pl.DataType | None) -> pl.DataType:
    """Return as what a part of a key is read from JSON: its text is what counts."""
    plain = dtype is not None and (dtype.is_numeric() or dtype == pl.Boolean())
    return dtype if dtype is not None and plain else pl.String()


def _asking(view: View, rows: pl.DataFrame | None) -> pl.DataFrame:
    """Return number, key and event time, microseconds, of predictions."""
    if rows is None:
        return pl.DataFrame(schema={"_row": pl.UInt32, _KEY: pl.String, _TIME: pl.Int64})
    key = joined_id(tuple(view.query_key)).alias(_KEY)
    return rows.select("_row", key, pl.col(EVENT_TIME).cast(pl.Int64).alias(_TIME)).drop_nulls()


def _facts(view: View, rows: pl.DataFrame) -> pl.DataFrame:
    """Return key and event time, microseconds, of what a view observes in a batch, by time."""
    key = joined_id(tuple(view.key)).alias(_KEY)
    found = evaluate(rows, [key], where=f"view {view.name!r}, key")
    time = pl.col(EVENT_TIME).cast(pl.Int64).alias(_TIME)
    return found.select(_KEY, time, time.alias("_fact")).drop_nulls().sort(_TIME)


def _reach(view: View, dataset: str) -> Reach:
    """Return how far the windows of a view look at a dataset; rounded ones a step farther."""
    of = [f for w in view.windows if w.dataset.name == dataset for f in w.features(view.name)]
    nearest = min(feature.delay for feature in of)
    if any(feature.over is None for feature in of):
        return Reach(nearest, None)
    far = (f.delay + (f.over or 0) + (f.resolution or 0) for f in of)
    return Reach(nearest, max(far))


def _within(asked: pl.DataFrame, facts: pl.DataFrame, reach: Reach) -> pl.Series:
    """Return which predictions had an event of their entity within reach."""
    until = asked.with_columns((pl.col(_TIME) - reach.nearest).alias(_UNTIL)).sort(_UNTIL)
    found = until.join_asof(facts, left_on=_UNTIL, right_on=_TIME, by=_KEY, check_sortedness=False)
    within = pl.col("_fact").is_not_null()
    if reach.farthest is not None:
        within &= pl.col("_fact") > pl.col(_TIME) - reach.farthest
    return found.filter(within)["_row"]
