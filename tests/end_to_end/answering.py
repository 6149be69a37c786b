"""Asking what a server asks, without one."""

import asyncio

import polars as pl

from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.services.batching import Bounds
from octavo.services.inference_log import InferenceLog
from octavo.services.models import Model
from octavo.services.requests import Asked
from octavo.services.serving import Scorer


def score_events(scorer: Scorer, log: InferenceLog, asked: Asked) -> pl.DataFrame:
    """Predict for decoded events, and log it; return the table of answers."""
    model = Model("any", scorer, log, Bounds())
    found = asyncio.run(model.predict_events(asked))
    outputs = found.outputs if found.outputs.ndim == 2 else found.outputs[:, None]
    columns = {name: outputs[:, i] for i, name in enumerate(model.outputs)}
    stamps = {EVENT_ID: found.event_ids, EVENT_TIME: found.event_times}
    return pl.DataFrame(stamps | columns | scorer.bundle.decisions(found.outputs))
