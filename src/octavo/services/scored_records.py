"""The prediction records of a batch score: of all rows, a share of them with their features.

Their source is at hand, and the positions that they saw are kept, so features can be computed
again; kept for all rows they would take many times the space and time of the answers. It knows
nothing of files.
"""

import numpy as np
import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.services.log_settings import LogSettings
from octavo.services.serving import Scored, Scorer
from octavo.stages.deployment.offline import outputs
from octavo.stores import catalog as tables
from octavo.stores.predictions import as_json, whole


def records(scorer: Scorer, scored: Scored, call: str, settings: LogSettings) -> pl.DataFrame:
    """Return scored rows in the prediction table's form.

    Parameters
    ----------
    call
        Names the rows: the prediction ID is this and the row's number.
    """
    predicted, frame = scored.predictions, scored.features
    keys = [c for c in frame.columns if c.startswith("key:")]
    named = pl.struct(pl.col(c).alias(c.removeprefix("key:")) for c in keys) if keys else None
    entities = pl.lit("{}") if named is None else named.struct.json_encode()
    found = frame.select(
        pl.format("{}:{}", pl.lit(call), pl.int_range(pl.len())).alias("prediction_id"),
        EVENT_ID,
        EVENT_TIME,
        pl.lit(scorer.deployment_id).alias("deployment_id"),
        pl.lit(scorer.candidate_id).alias("candidate_id"),
        pl.lit("champion").alias("variant"),
        pl.lit("score").alias("origin"),
        pl.Series("prediction", predicted if predicted.ndim == 1 else predicted.max(axis=1)),
        outputs(scorer.bundle, predicted).alias("outputs"),
        _features(scorer, frame, settings).alias("features"),
        entities.alias("entities"),
        pl.lit(as_json(scored.positions)).alias("positions"),
        pl.lit(tables.now(), dtype=pl.Int64).cast(TIMESTAMP).alias("at"),
    )
    return whole(found)


def _features(scorer: Scorer, frame: pl.DataFrame, settings: LogSettings) -> pl.Series:
    """Return the features of a share of rows, evenly, as JSON objects; null for the others."""
    until = np.floor(np.arange(frame.height + 1) * settings.scored)
    at = np.flatnonzero(np.diff(until))
    texts = frame[at].select(pl.struct(list(scorer.bundle.schema)).struct.json_encode()).to_series()
    short = texts.set(texts.str.len_bytes() > settings.largest, None)
    return pl.repeat(None, frame.height, dtype=pl.String, eager=True).scatter(at, short)
