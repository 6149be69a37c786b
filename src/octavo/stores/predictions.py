"""The prediction store: every prediction made, with the features as served."""

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.stores.staged import Shared

SCHEMA = {
    "prediction_id": pl.String,
    EVENT_ID: pl.String,
    EVENT_TIME: TIMESTAMP,
    "deployment_id": pl.String,
    "candidate_id": pl.String,
    "variant": pl.String,
    "origin": pl.String,
    "prediction": pl.Float64,
    "outputs": pl.String,
    "features": pl.String,
    "entities": pl.String,
    "positions": pl.String,
    "at": TIMESTAMP,
    "latency_us": pl.Int64,
    "decode_us": pl.Int64,
    "features_us": pl.Int64,
    "model_us": pl.Int64,
    "flags": pl.String,
}
"""``origin`` is batch, score or that of the request, such as http; ``outputs``, ``features``,
``entities`` and ``positions`` are JSON objects (positions: the log position each view had reached);
``features`` is null where it was not kept (`octavo.services.log_settings`). ``latency_us`` is the
time the prediction took, in microseconds, null where rows are predicted together, and the three
after it the parts of it that were measured. ``flags`` is a JSON list of what was found about the
row, null if nothing was. Earlier tables lack the last four."""


class PredictionStore:
    """The Delta table of predictions of one home."""

    def __init__(self, home: Home) -> None:
        self.log = DeltaLog(home.predictions)

    def append(self, frame: pl.DataFrame, *, writer: str, version: int) -> None:
        """Write predictions, once per writer and version; columns that are not given are null."""
        self.log.append(whole(frame), app_id=writer, version=version, merge=True)

    def share(self, files: Shared, *, writer: str, version: int) -> None:
        """Take in files of `whole` predictions, once per writer and version."""
        self.log.append(files, app_id=writer, version=version, merge=True)

    def collect(self, frame: pl.DataFrame, *, partition: int, begin: int | None, end: int) -> bool:
        """Write the predictions that a partition of the stream has between two offsets.

        Parameters
        ----------
        begin
            What `collected` gave.

        Returns
        -------
        bool
            False, and nothing is written, if somebody else has gone on from there.
        """
        rows, writer, after = whole(frame), _writer(partition), -1 if begin is None else begin
        return (
            self.log.append(rows, app_id=writer, version=end, after=after, merge=True) is not None
        )

    def collected(self, partition: int) -> int | None:
        """Return the offset up to which a partition of the stream is in the table."""
        return self.log.transaction_version(_writer(partition))

    def scan(self) -> pl.LazyFrame:
        """Return all predictions, lazily; a prediction ID written twice counts once."""
        if not self.log.exists():
            return pl.LazyFrame(schema=SCHEMA)
        found = self.log.scan().match_to_schema(SCHEMA, missing_columns="insert")
        return found.unique("prediction_id", keep="any")

    def find(
        self, column: str, value: str, columns: Collection[str] = tuple(SCHEMA)
    ) -> pl.DataFrame:
        """Return the predictions of an ID, or of an event's, without reading all the others.

        Parameters
        ----------
        column
            ``prediction_id`` or ``_event_id``.
        columns
            Those wanted besides the ID and ``at``; features take the longest.
        """
        schema = {n: t for n, t in SCHEMA.items() if n in {*columns, "prediction_id", "at"}}
        if not self.log.exists():
            return pl.DataFrame(schema=schema)
        found = self.log.matching(column, value, schema)
        found = found.match_to_schema(schema, missing_columns="insert")
        return found.unique("prediction_id", keep="any").sort("at", "prediction_id")

    def blocks(self, columns: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Give some columns of all predictions piece by piece; one written twice comes twice."""
        if self.log.exists():
            found = self.log.scan().match_to_schema(SCHEMA, missing_columns="insert")
            yield from found.select(columns).collect_batches()

    def answered(self) -> dict[str, int]:
        """Return how many predictions each deployment has made."""
        if not self.log.exists():
            return {}
        count = pl.col("prediction_id").n_unique()
        found = self.log.scan().group_by("deployment_id").agg(count).sort("deployment_id")
        return dict(found.collect().iter_rows())

    def scored(self, deployment_id: str) -> pl.DataFrame:
        """Return the event IDs of the rows that a deployment has predicted together."""
        if not self.log.exists():
            return pl.DataFrame(schema={EVENT_ID: SCHEMA[EVENT_ID]})
        of = (pl.col("deployment_id") == deployment_id) & (pl.col("origin") == "batch")
        return self.log.scan().filter(of).select(EVENT_ID).collect()

    def newest(self, deployment_id: str, rows: pl.Series) -> pl.DataFrame:
        """Return the newest prediction of a deployment for each of some rows.

        Parameters
        ----------
        rows
            Event IDs.

        Returns
        -------
        polars.DataFrame
            ``_event_id, prediction``; rows that were not predicted are left out.
        """
        if not self.log.exists():
            return pl.DataFrame(schema={name: SCHEMA[name] for name in (EVENT_ID, "prediction")})
        found = self.log.scan().filter(pl.col("deployment_id") == deployment_id)
        found = found.select(EVENT_ID, "prediction", "at", "prediction_id")
        found = found.join(rows.to_frame(EVENT_ID).lazy(), on=EVENT_ID, how="semi").collect()
        found = found.sort("at", "prediction_id").unique(EVENT_ID, keep="last", maintain_order=True)
        return found.select(EVENT_ID, "prediction")


def whole(frame: pl.DataFrame) -> pl.DataFrame:
    """Return predictions with all columns of the table; those that are not given are null."""
    return frame.cast({name: SCHEMA[name] for name in frame.columns}).match_to_schema(
        SCHEMA, missing_columns="insert"
    )


def _writer(partition: int) -> str:
    return f"served-{partition}"


def as_json(values: Any) -> str:
    """Return values as one line of JSON."""
    return json.dumps(values, separators=(",", ":"), default=str)
