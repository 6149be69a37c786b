"""What was answered, as it is kept until it is written: no frame is made while a client waits.

An `Inference` is one batch of one version; many of them become one table of prediction records.
Knows nothing of where records go.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.arrays import Arrays
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.stages.deployment.offline import outputs
from octavo.stages.prep.asked import Positions
from octavo.stages.prep.by_row import RowAnswer
from octavo.stages.prep.request_time import Answer
from octavo.stores.predictions import SCHEMA, as_json


@dataclass(frozen=True, slots=True)
class Inference:
    """Rows that were predicted together, and what became of them."""

    bundle: Bundle
    deployment_id: str
    candidate_id: str
    features: np.ndarray | Arrays | Answer | RowAnswer
    """A matrix of the bundle's features in their order, an array for each, or the answer to
    events."""
    predictions: np.ndarray
    """As `Bundle.predict` gives them."""
    at: int
    """Microseconds since the epoch."""
    latency_us: int | None
    """Microseconds that the batch took; None: of rows that nobody waited for."""
    positions: Positions | None = None
    """What features of events have seen."""
    origin: str = "http"

    @property
    def rows(self) -> int:
        """How many were predicted."""
        return len(self.predictions)


def as_records(inferences: Iterable[Inference]) -> pl.DataFrame:
    """Return the prediction records of what was answered, in order."""
    blocks = [_records(alike) for alike in _alike(inferences)]
    return pl.concat(blocks) if blocks else pl.DataFrame(schema=SCHEMA)


def _alike(inferences: Iterable[Inference]) -> Iterator[Sequence[Inference]]:
    """Give runs of inferences that are one block: of one version, all of them matrices."""
    for key, each in groupby(inferences, key=_kind):
        if key is None:
            yield from ([one] for one in each)
        else:
            yield list(each)


def _kind(inference: Inference) -> tuple[str, str] | None:
    is_matrix = isinstance(inference.features, np.ndarray)
    return (inference.deployment_id, inference.origin) if is_matrix else None


def _records(alike: Sequence[Inference]) -> pl.DataFrame:
    first, sizes = alike[0], [each.rows for each in alike]
    frame = _features(alike)
    found = np.concatenate([each.predictions for each in alike])
    keys = [c for c in frame.columns if c.startswith("key:")]
    named = pl.struct(pl.col(c).alias(c.removeprefix("key:")) for c in keys) if keys else None
    latencies = [each.latency_us for each in alike for _ in range(each.rows)]
    return frame.select(
        pl.format("{}:{}", pl.lit(uuid.uuid4().hex[:16]), pl.int_range(pl.len())).alias(
            "prediction_id"
        ),
        EVENT_ID,
        EVENT_TIME,
        pl.lit(first.deployment_id).alias("deployment_id"),
        pl.lit(first.candidate_id).alias("candidate_id"),
        pl.lit("champion").alias("variant"),
        pl.lit(first.origin).alias("origin"),
        pl.Series("prediction", found if found.ndim == 1 else found.max(axis=1)),
        outputs(first.bundle, found).alias("outputs"),
        pl.struct(list(first.bundle.schema)).struct.json_encode().alias("features"),
        (pl.lit("{}") if named is None else named.struct.json_encode()).alias("entities"),
        pl.lit(as_json(first.positions or {})).alias("positions"),
        pl.Series("at", np.repeat([each.at for each in alike], sizes)).cast(TIMESTAMP),
        pl.Series("latency_us", latencies, dtype=pl.Int64),
    ).select(list(SCHEMA))


def _features(alike: Sequence[Inference]) -> pl.DataFrame:
    """Return features by name; with event ID and time, null where there is no event."""
    features, schema = alike[0].features, alike[0].bundle.schema
    if isinstance(features, RowAnswer):
        return features.frame()
    if isinstance(features, Answer):
        return features.features
    if isinstance(features, np.ndarray):
        matrix = np.concatenate([each.features for each in alike])  # type: ignore[misc]
        frame = pl.DataFrame(matrix, schema=list(schema), orient="row")
        frame = frame.with_columns(pl.all().fill_nan(None))
        whole = [name for name, dtype in schema.items() if "Int" in dtype]
        yes = [name for name, dtype in schema.items() if dtype == "Boolean"]
        frame = frame.with_columns(
            pl.col(whole).cast(pl.Int64, strict=False), pl.col(yes).cast(pl.Boolean)
        )
    else:
        frame = pl.DataFrame({name: _series(features[name]) for name in schema})
    return frame.with_columns(
        pl.lit(None, pl.String).alias(EVENT_ID), pl.lit(None, TIMESTAMP).alias(EVENT_TIME)
    )


def _series(values: np.ndarray) -> pl.Series:
    given = values.tolist() if values.dtype.kind in "OU" else values
    return pl.Series(given, nan_to_null=True)
