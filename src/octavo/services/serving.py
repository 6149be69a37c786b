"""Answering with the live deployment: events in, features looked up, predictions out, all logged.

Serves one event over HTTP and a file of millions by the same path; knows nothing of wires.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.definition import Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DataError
from octavo.services.inference_log import InferenceLog
from octavo.services.prediction_records import Context
from octavo.services.requests import Asked, EventDecoder, Mark
from octavo.services.waiting import wait_for
from octavo.stages.prep.request_time import OnlineFeatures, Positions
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home
from octavo.stores.raw import RawStore
from octavo.stores.schemas import from_json


@dataclass(frozen=True)
class Scored:
    """Predictions and the features they were made from, a row each."""

    predictions: np.ndarray
    """float64, shape (rows,), or (rows, classes)."""
    features: pl.DataFrame
    positions: Positions
    """What the features have seen."""


class Scorer:
    """The live deployment as a function from source rows to predictions. Thread-safe.

    Raises
    ------
    DataError
        If nothing is deployed, or what is deployed was trained on a feature that the definition
        no longer gives. Features it does not need may be added, changed or removed.
    """

    def __init__(self, pipeline: Pipeline, home: Home, catalog: Catalog) -> None:
        live = catalog.live_deployment()
        if live is None:
            raise DataError("nothing is deployed.", fix="Run `octavo run` until a model is ready.")
        self.pipeline = pipeline
        self.deployment_id: str = live["deployment_id"]
        self.candidate_id: str = live["candidate_id"]
        self.bundle = Bundle.load(home.candidate(self.candidate_id))
        wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
        if lacking := self.bundle.lacking(feature_fingerprints(pipeline, wanted)):
            raise DataError(
                "it was trained on features that the definition no longer gives, or defines "
                f"otherwise: {', '.join(lacking)}.",
                where=f"deployed {self.candidate_id}",
                fix="Run `octavo run` to train on the new ones, or put them back in pipeline.py.",
            )
        self.features = OnlineFeatures(pipeline, home, catalog, self.bundle.schema)
        self.schema = from_json(catalog.schemas()[pipeline.rows.name])
        self._catalog = catalog
        self.decoder = EventDecoder(self.schema, pipeline.rows.source.nested)

    def wait_for(self, marks: Sequence[Mark]) -> None:
        """Return when the features have seen some rows; see `octavo.services.waiting`."""
        wait_for(marks, self.pipeline, self._catalog, self.features)

    def score(self, source: pl.DataFrame) -> Scored:
        """Predict for source rows, each a virtual query at its own event time.

        Raises
        ------
        DataError
            If a row has no event ID or time, or is older than the state can answer.
        """
        features, positions = self.features.answer(source)
        return Scored(self.bundle.predict(features), features, positions)

    @cached_property
    def context(self) -> Context:
        """What the records of its answers share."""
        bundle = self.bundle
        nothing = self.score(pl.DataFrame(schema=self.schema))
        types = nothing.features.schema
        return Context(
            self.deployment_id,
            self.candidate_id,
            "champion",
            "http",
            {name: types[name] for name in bundle.schema},
            {c.removeprefix("key:"): t for c, t in types.items() if c.startswith("key:")},
            [bundle.target] if nothing.predictions.ndim == 1 else list(map(str, bundle.classes)),
            next(iter(bundle.decisions(nothing.predictions)), None),
        )

    def warm_up(self, batches: Sequence[Row], home: Home) -> None:
        """Score one row of some batches, so that no request waits for a first time."""
        newest = (
            RawStore(home)
            .scan(self.pipeline.rows.name, batches)
            .filter(pl.col(EVENT_TIME).is_not_null())
        )
        source = newest.sort(EVENT_TIME).tail(1).select(list(self.schema)).collect()
        with suppress(DataError):  # the newest row may be older than the state can answer
            self.score(source)

    def as_table(self, scored: Scored) -> pl.DataFrame:
        """Return event ID, event time and prediction (one column for each class), yes or no."""
        found = scored.predictions
        if found.ndim == 1:
            columns = {self.bundle.target: found, **self.bundle.decisions(found)}
        else:
            names = [f"{self.bundle.target}={name}" for name in self.bundle.classes]
            columns = {name: found[:, i] for i, name in enumerate(names)}
        return scored.features.select(EVENT_ID, EVENT_TIME).with_columns(
            pl.Series(name, values) for name, values in columns.items()
        )


def score_events(scorer: Scorer, log: InferenceLog, asked: Asked) -> pl.DataFrame:
    """Predict for decoded events and log it; return the table of answers.

    Raises
    ------
    DataError
        As `Scorer.score` does, and for rows to be waited for that cannot be.
    ResourceError
        If the features have not seen these in time, or answers must be on disk and are not.
    """
    began = time.perf_counter_ns()
    scorer.wait_for(asked.wait_for)
    scored = scorer.score(scorer.decoder.frame(asked.events))
    latency = (time.perf_counter_ns() - began) // 1000
    found, features, context = scored.predictions, scored.features, scorer.context
    sent = log.of(context).add(
        features[EVENT_ID].to_list(),
        features[EVENT_TIME].cast(pl.Int64).to_list(),
        found,
        features.select(list(context.schema)).rows(),
        features.select(f"key:{name}" for name in context.entities).rows(),
        scored.positions,
        at=tables.now(),
        latency_us=latency,
        decisions=next((each.tolist() for each in scorer.bundle.decisions(found).values()), None),
    )
    if sent is not None:
        sent.result()
    return scorer.as_table(scored)
