"""The prediction store: every prediction made, with the features as served."""

import json
from typing import Any

import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home

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
}
"""``origin`` is batch, score or http; ``outputs``, ``features``, ``entities`` and ``positions``
are JSON objects (positions: the log position each view had reached); ``latency_us`` is the time
the prediction took, in microseconds, null where rows are predicted together."""


class PredictionStore:
    """The Delta table of predictions of one home."""

    def __init__(self, home: Home) -> None:
        self.log = DeltaLog(home.predictions)

    def append(self, frame: pl.DataFrame, *, writer: str, version: int) -> None:
        """Write predictions, once per writer and version."""
        self.log.append(frame.select(list(SCHEMA)).cast(SCHEMA), app_id=writer, version=version)  # type: ignore[arg-type]

    def scan(self) -> pl.LazyFrame:
        """Return all predictions, lazily; a prediction ID written twice counts once."""
        if not self.log.exists():
            return pl.LazyFrame(schema=SCHEMA)
        return self.log.scan().unique("prediction_id", keep="any")


def as_json(values: dict[str, Any]) -> str:
    """Return values as one line of JSON."""
    return json.dumps(values, separators=(",", ":"), default=str)
