"""Examples of what a model takes: from its types, and from the profile of its training data.

No row of anybody is shown: a number is the median, a text the most frequent one.
"""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle.profile import Profile, load_profile
from octavo.server.v2.datatypes import of_feature, sort_of
from octavo.services.models import Model
from octavo.stages.prep.entities import needed_columns


class Examples:
    """One row of a model, in each form that it may come in."""

    def __init__(self, model: Model) -> None:
        self._profile: Profile = {}
        with suppress(OSError):
            self._profile = load_profile(model.scorer.folder)["features"]
        self._moment = _newest(model)
        self._model = model

    @property
    def event(self) -> Mapping[str, Any]:
        """An event, at the newest time that the features have seen."""
        return {name: self._of(name, str(dtype)) for name, dtype in self._model.events.items()}

    @property
    def entity(self) -> Mapping[str, Any]:
        """Of an event what the features need: keys, and what else they are made of."""
        needed = needed_columns(self._model.scorer.features)
        return {name: value for name, value in self.event.items() if name in needed}

    @property
    def features(self) -> Mapping[str, Any]:
        """A row of features."""
        return {name: self._of(name, dtype) for name, dtype in self._model.features.items()}

    @property
    def tensors(self) -> Mapping[str, Any]:
        """The same as a request of the Open Inference Protocol."""
        told = []
        for name, dtype in self._model.features.items():
            is_time = sort_of(dtype) in ("moment", "duration")
            value = 0 if is_time else self._of(name, dtype)
            told.append(
                {"name": name, "datatype": of_feature(dtype), "shape": [1], "data": [value]}
            )
        return {"inputs": told}

    @property
    def csv(self) -> str:
        """The same as CSV."""
        return pl.DataFrame([self.features]).write_csv()

    def _of(self, name: str, dtype: str) -> Any:
        known = self._profile.get(name, {})
        sort = sort_of(dtype)
        if sort == "text":
            return _most_frequent(known) or "text"
        if sort == "boolean":
            return True
        if sort == "duration":
            return "PT1H"
        if sort == "moment":
            return self._moment.date() if dtype == "Date" else self._moment
        edges = known.get("edges") or [1.0]
        median = edges[len(edges) // 2]
        return round(median) if dtype.startswith(("Int", "UInt")) else median


def _most_frequent(known: Mapping[str, Any]) -> str:
    values, words = known.get("values", ()), known.get("words", ())
    if not values:
        return " ".join(words[:3])
    return values[int(np.argmax(known["shares"][: len(values)]))]


def _newest(model: Model) -> datetime:
    seen = [known_at for known_at, _ in model.scorer.features.positions.values()]
    newest = max(seen, default=0)
    return datetime.fromtimestamp(newest // 1_000_000, UTC) if newest else datetime.now(UTC)
