"""Answering with the live deployment: events in, features looked up, predictions out, all logged.

Serves one event over HTTP and a file of millions by the same path; knows nothing of wires.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.model import MANY
from octavo.bundle.profile import load_profile
from octavo.bundle.support import Support
from octavo.definition import Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.errors import DataError
from octavo.services.flags import Flags
from octavo.services.requests import EventDecoder, Mark
from octavo.services.waiting import wait_for
from octavo.stages.prep.by_row import RowAnswer, RowFeatures
from octavo.stages.prep.request_time import Answer, OnlineFeatures, Positions
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home
from octavo.stores.raw import RawStore
from octavo.stores.schemas import from_json

FEW = 64
"""Events of a request that are answered one by one; a frame takes less time for more of them."""
CHECKED = 8
"""Newest rows over which compiled expressions are compared with Polars before they are served."""


@dataclass(frozen=True)
class Scored:
    """Predictions and the features they were made from, a row each."""

    predictions: np.ndarray
    """float64, shape (rows,), or (rows, classes)."""
    features: pl.DataFrame
    positions: Positions
    """What the features have seen."""


class Scorer:
    """A deployment as a function from source rows to predictions. Thread-safe.

    Parameters
    ----------
    deployment
        Its row in the catalog; None: the live one.

    Raises
    ------
    DataError
        If nothing is deployed, or what is deployed was trained on a feature that the definition
        no longer gives. Features it does not need may be added, changed or removed.
    """

    def __init__(
        self, pipeline: Pipeline, home: Home, catalog: Catalog, deployment: Row | None = None
    ) -> None:
        live = deployment or catalog.live_deployment()
        if live is None:
            raise DataError("nothing is deployed.", fix="Run `octavo run` until a model is ready.")
        self.pipeline = pipeline
        self.deployment_id: str = live["deployment_id"]
        self.candidate_id: str = live["candidate_id"]
        self.folder = home.candidate(self.candidate_id)
        self.bundle = Bundle.load(self.folder)
        wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
        if lacking := self.bundle.lacking(feature_fingerprints(pipeline, wanted)):
            raise DataError(
                "it was trained on features that the definition no longer gives, or defines "
                f"otherwise: {', '.join(lacking)}.",
                where=f"deployed {self.candidate_id}",
                fix="Run `octavo run` to train on the new ones, or put them back in pipeline.py.",
            )
        support = load_profile(home.candidate(self.candidate_id)).get("support")
        self.flags = Flags(pipeline.deployment, self.bundle, support and Support.of(support))
        """Finds what is to be said of a row beside its prediction."""
        self.features = OnlineFeatures(pipeline, home, catalog, self.bundle.schema)
        self.schema = from_json(catalog.schemas()[pipeline.rows.name])
        self._rows = RowFeatures.over(self.features, self.schema, list(self.bundle.schema))
        self._catalog = catalog
        self.decoder = EventDecoder(self.schema, pipeline.rows.source.nested)

    def wait_for(self, marks: Sequence[Mark]) -> None:
        """Return when the features have seen some rows; see `octavo.services.waiting`."""
        wait_for(marks, self.pipeline, self._catalog, self.features)

    def answer(self, events: Sequence[Any]) -> Answer | RowAnswer:
        """Return the features of decoded events, each a virtual query at its own event time.

        Of a few, where that is possible, without a frame; of many, or where an error has to be
        told, with one.

        Raises
        ------
        DataError
            If a row has no event ID or time, or is older than the state can answer.
        """
        if self._rows is not None and len(events) <= FEW:
            found = self._rows.answer([self.decoder.values(event) for event in events])
            if found is not None:
                return found
        return self.features.answer(self.decoder.frame(events))

    def score(self, source: pl.DataFrame) -> Scored:
        """Predict for source rows, each a virtual query at its own event time.

        Raises
        ------
        DataError
            If a row has no event ID or time, or is older than the state can answer.
        """
        features, positions = self.features.answer(source)
        return Scored(self.bundle.predict(features), features, positions)

    def warm_up(self, batches: Sequence[Row], home: Home) -> None:
        """Score one row of some batches, so that no request waits for a first time.

        And nothing, alone and as many rows: large batches are computed otherwise.
        """
        for rows in (1, MANY):
            self.bundle.predict_encoded(np.full((rows, self.bundle.model.n_features), np.nan))
        newest = (
            RawStore(home)
            .scan(self.pipeline.rows.name, batches)
            .filter(pl.col(EVENT_TIME).is_not_null())
        )
        source = newest.sort(EVENT_TIME).tail(CHECKED).select(list(self.schema)).collect()
        with suppress(DataError):  # the newest row may be older than the state can answer
            self.score(source.tail(1))
        if self._rows is not None and source.height:
            self._rows.check(source.rows())

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
