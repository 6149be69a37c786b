"""Features as they were served, held against the raw store: the same bits, or why not.

Each vector that a request was answered from is computed again from the raw rows up to the positions
that it recorded, and compared as it is logged: numbers as the shortest text that is theirs alone.
"""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from octavo.bundle import Bundle
from octavo.definition import Pipeline
from octavo.definition.events import EVENT_ID, EVENT_TIME, POSITION
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.stages.prep.recorded import RecordedFeatures
from octavo.stages.prep.request_time import OnlineFeatures
from octavo.stores.catalog import Catalog
from octavo.stores.features import FeatureStore
from octavo.stores.home import Home
from octavo.stores.predictions import PredictionStore
from octavo.stores.raw import RawStore
from octavo.stores.schemas import from_json
from octavo.stores.versions import current

AT_A_TIME = 20_000
"""Predictions that are computed again together; it bounds memory."""


@dataclass
class Verified:
    """What became of the predictions that were looked at."""

    equal: int = 0
    """Vectors that are the same bit for bit."""
    differing: list[dict[str, Any]] = field(default_factory=list)
    """The others: ``prediction_id``, and ``features``, name to value served and value again."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Why others could not be computed again, and how many."""
    prepped: int = 0
    """Of all vectors, those whose row has been prepped."""
    as_prepped: int = 0
    """Of these, the ones that are bit for bit the prepped row."""
    apart: Counter[str] = field(default_factory=Counter)
    """Of the others, how many differ in each feature."""


def verify(pipeline: Pipeline, home: Home, catalog: Catalog, last: int | None = None) -> Verified:
    """Compute served features again, at the positions that they saw, and compare them.

    Parameters
    ----------
    last
        Only the newest so many; None: all that were ever served over HTTP.
    """
    served = (
        PredictionStore(home).scan().filter(pl.col("origin") == "http").sort("at", "prediction_id")
    )
    found = (served if last is None else served.tail(last)).collect()
    verified = Verified()
    for (candidate_id,), of in found.group_by("candidate_id", maintain_order=True):
        bundle = Bundle.load(home.candidate(str(candidate_id)))
        tables = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
        if bundle.lacking(feature_fingerprints(pipeline, tables)):
            verified.left_out["its features are defined otherwise now"] += of.height
            continue
        one = _Verifier(pipeline, home, catalog, list(bundle.schema), verified)
        for part in of.iter_slices(AT_A_TIME):
            one.verify(part)
    return verified


class _Verifier:
    """Verifies predictions of one candidate."""

    def __init__(
        self,
        pipeline: Pipeline,
        home: Home,
        catalog: Catalog,
        features: Sequence[str],
        verified: Verified,
    ) -> None:
        self._pipeline, self._home, self._catalog = pipeline, home, catalog
        self._features, self._verified = list(features), verified
        self._raw = RawStore(home)
        online = OnlineFeatures(pipeline, home, catalog, features)
        self._recorded = RecordedFeatures(online, self._raw, catalog)

    def verify(self, served: pl.DataFrame) -> None:
        """Compare some predictions, and count them."""
        rows = self._ingested(served)
        has_features = served["features"].is_not_null()
        served = self._only(served, has_features, "its features were not kept")
        served = self._with_positions(
            self._only(
                served,
                served[EVENT_ID].is_in(rows[EVENT_ID].implode()),
                "its event has not been ingested",
            )
        )
        if not served.height:
            return
        source = served.select(EVENT_ID).join(rows, on=EVENT_ID, how="left", maintain_order="left")
        positions = [json.loads(each) for each in served["positions"]]
        again = self._recorded.features(source.drop(EVENT_ID, POSITION), positions)
        for number, (now, then) in enumerate(
            zip(self._texts(again), served["features"], strict=True)
        ):
            if now == then:
                self._verified.equal += 1
                continue
            features = _differing(then, now)
            about = {"prediction_id": served["prediction_id"][number], "features": features}
            self._verified.differing.append(about)
        self._hold_against_prepped(served, rows[POSITION])

    def _ingested(self, served: pl.DataFrame) -> pl.DataFrame:
        """Return the source rows of the events that were asked for, as far as they came.

        Beside their columns they have event ID and position.
        """
        dataset, catalog = self._pipeline.rows, self._catalog
        rows = self._raw.scan(dataset.name, catalog.committed(dataset.name))
        columns = list(from_json(catalog.schemas()[dataset.name]))
        rows = rows.filter(pl.col(EVENT_TIME).is_not_null()).select(EVENT_ID, POSITION, *columns)
        asked = served.select(EVENT_ID).drop_nulls().unique().lazy()
        return rows.join(asked, on=EVENT_ID, how="semi").unique(EVENT_ID).collect()

    def _with_positions(self, served: pl.DataFrame) -> pl.DataFrame:
        """Leave out what was answered by groups that are not those of today."""
        needed = set(self._recorded.names())
        known = [needed <= json.loads(each).keys() for each in served["positions"]]
        return self._only(
            served, pl.Series(known, dtype=pl.Boolean), "its features were made anew since"
        )

    def _only(self, served: pl.DataFrame, which: pl.Series, reason: str) -> pl.DataFrame:
        kept = served.filter(which.fill_null(False))
        if kept.height < served.height:
            self._verified.left_out[reason] += served.height - kept.height
        return kept

    def _texts(self, features: pl.DataFrame) -> pl.Series:
        """Return rows as they are logged."""
        return features.select(pl.struct(self._features).struct.json_encode()).to_series()

    def _hold_against_prepped(self, served: pl.DataFrame, positions: pl.Series) -> None:
        pipeline, catalog = self._pipeline, self._catalog
        wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
        version = current(catalog, wanted, feature_fingerprints(pipeline, wanted))
        rows = FeatureStore(self._home).assembled(pipeline, version, self._features, positions)
        texts = rows.select(
            EVENT_ID, pl.struct(self._features).struct.json_encode().alias("_prepped")
        )
        both = served.select(EVENT_ID, "features").join(texts, on=EVENT_ID, how="inner")
        self._verified.prepped += both.height
        for then, prepped in both.select("features", "_prepped").iter_rows():
            if then == prepped:
                self._verified.as_prepped += 1
            else:
                self._verified.apart.update(_differing(then, prepped).keys())


def _differing(then: str, now: str) -> dict[str, tuple[Any, Any]]:
    """Return which features are not the same in two rows as they are logged; numbers as texts."""
    one, other = (json.loads(each, parse_float=str) for each in (then, now))
    return {name: (one[name], other[name]) for name in one if one[name] != other[name]}
