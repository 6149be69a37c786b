"""The features of a few events without a frame: the answer of `OnlineFeatures`, or none.

It answers only what it is sure of. Where a value is left to Polars, or the answer is an error, it
gives none, and `OnlineFeatures.answer` has the word.
"""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, Self

import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.definition.compiled import EventRows, NotCompiledError, RowExpressions, writing
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP
from octavo.definition.needed import row_keys
from octavo.errors import OctavoError
from octavo.stages.prep.asked import Positions
from octavo.stages.prep.request_time import OnlineFeatures
from octavo.stages.prep.row_windows import ViewRows
from octavo.stores.features import named, storable

_LOG = logging.getLogger("octavo")
_LEFT = (NotCompiledError, OctavoError, PolarsError, PanicException, KeyError)
"""What says that frames have the word."""
_TIME = writing(TIMESTAMP)


class RowAnswer(NamedTuple):
    """Features of events that were asked for, a row each in order."""

    ids: Sequence[str | None]
    """Event IDs."""
    times: Sequence[int]
    """Event times, microseconds since the epoch."""
    entities: Sequence[tuple[Any, ...]]
    """The values of `RowFeatures.keys`."""
    features: Sequence[tuple[Any, ...]]
    """The values of `RowFeatures.dtypes`, as Polars gives them; None where null."""
    positions: Positions
    """What the answer has seen: all of the log up to there, and the rows' own events."""
    keys: Mapping[str, Any]
    dtypes: Mapping[str, Any]

    @property
    def event_times(self) -> list[datetime]:
        """Event times, UTC."""
        return [_TIME(at) for at in self.times]

    def frame(self) -> pl.DataFrame:
        """Return the features as `octavo.stages.prep.request_time.Answer` has them."""
        entities = [(f"key:{name}", dtype) for name, dtype in self.keys.items()]
        columns = [*entities, *self.dtypes.items()]
        rows = [a + b for a, b in zip(self.entities, self.features, strict=True)]
        times = pl.Series(self.times, dtype=pl.Int64).cast(TIMESTAMP)
        stamps = [pl.Series(EVENT_ID, self.ids, dtype=pl.String), times.alias(EVENT_TIME)]
        found = pl.DataFrame(rows, schema=columns, orient="row")
        return pl.DataFrame([*stamps, *found.get_columns()])


class RowFeatures:
    """Features of a few events at a time; `over` makes it. Thread-safe, but for `check`.

    Parameters
    ----------
    features
        Whose answers it gives.
    schema
        Columns of an event in their order, typed as in the raw store.
    wanted
        The features to give, in order.

    Raises
    ------
    NotCompiledError
        They are left to frames; or another error, of which these will tell.
    """

    def __init__(
        self, features: OnlineFeatures, schema: Mapping[str, Any], wanted: Sequence[str]
    ) -> None:
        pipeline = features.pipeline
        self._events = EventRows(pipeline.rows, schema)
        events = self._events.schema
        self._views = [
            ViewRows(pipeline.view(name), parts, events, pipeline.rows.name)
            for name, parts in features.parts.items()
        ]
        own = [name for name in pipeline.row_features if name in features.features]
        self._row = RowExpressions(named(pipeline.row, own, where="Pipeline.row"), events)
        self._stored = RowExpressions(
            [storable(pl.col(name), dtype).alias(name) for name, dtype in self._row.dtypes.items()],
            self._row.dtypes,
        )
        self.keys: dict[str, Any] = {name: events[name] for name in row_keys(pipeline)}
        """The columns that name a row's entities, and their types."""
        given = self.keys | self._stored.dtypes
        for view in self._views:
            given |= {name: d for name, d in view.dtypes.items() if name in features.features}
        derived = named(pipeline.derived, features.features, where="Pipeline.derived")
        self._derived = RowExpressions(derived, given)
        given |= self._derived.dtypes
        self.dtypes: dict[str, Any] = {name: given[name] for name in wanted}
        """The features, and their types."""
        self._writers = [(name, writing(dtype)) for name, dtype in self.dtypes.items()]
        self._key_writers = [(name, writing(dtype)) for name, dtype in self.keys.items()]

    @classmethod
    def over(
        cls, features: OnlineFeatures, schema: Mapping[str, Any], wanted: Sequence[str]
    ) -> Self | None:
        """Return one; None where all is left to frames."""
        try:
            return cls(features, schema, wanted)
        except _LEFT as error:
            _LOG.info("requests are answered by frames: %s", error)
            return None

    def answer(self, events: Sequence[Sequence[Any]]) -> RowAnswer | None:
        """Return the features of events; None where frames have the word.

        Parameters
        ----------
        events
            Python values in the order of the schema, a row each; at least one.
        """
        try:
            return self._answer(events, check=False)
        except _LEFT:
            return None

    def check(self, events: Sequence[Sequence[Any]]) -> None:
        """Compare each expression with Polars on some events; what differs is left to Polars."""
        try:
            self._answer(events, check=True)
        except _LEFT as error:
            _LOG.info("nothing was compared: %s", error)

    def _answer(self, events: Sequence[Sequence[Any]], *, check: bool) -> RowAnswer:
        rows = self._events.of(events, check=check)
        found = _step(self._stored, _step(self._row, rows, check), check)
        for row, features in zip(rows, found, strict=True):
            features |= {name: row[name] for name in self.keys if name not in features}
        positions: Positions = {}
        for view in self._views:
            windows, seen = view.of(rows, check=check)
            positions |= seen
            for features, columns in zip(found, windows, strict=True):
                features |= columns
        for features, derived in zip(found, _step(self._derived, found, check), strict=True):
            features |= derived
        return RowAnswer(
            [row[EVENT_ID] for row in rows],
            [row[EVENT_TIME] for row in rows],
            [tuple(write(row[name]) for name, write in self._key_writers) for row in rows],
            [tuple(write(each[name]) for name, write in self._writers) for each in found],
            positions,
            self.keys,
            self.dtypes,
        )


def _step(
    expressions: RowExpressions, rows: Sequence[dict[str, Any]], check: bool
) -> list[dict[str, Any]]:
    if check:
        expressions.check(rows)
    return expressions.of_rows(rows)
