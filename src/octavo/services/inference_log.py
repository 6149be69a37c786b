"""The log of predictions that are served: none is answered before its record outlives the process.

A record is packed and written to a file while the client waits, which costs a few microseconds; it
goes through the stream to the prediction table afterwards (`octavo.streams.journal`,
`octavo.services.collecting`). A prediction whose record cannot be written is answered all the same;
it is counted and told.

It knows nothing of wires, nor of how predictions are made.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import count
from typing import Any

import numpy as np

from octavo.errors import ResourceError
from octavo.services.inferences import Inference, answered, context
from octavo.services.log_settings import POWER, LogSettings
from octavo.services.prediction_records import (
    Answered,
    Context,
    Parts,
    Positions,
    packed,
    size_of,
)
from octavo.stores.home import Home
from octavo.streams import Stream
from octavo.streams.journal import Journal
from octavo.streams.topics import predictions

SAMPLED, TOO_LARGE, DISK, BEHIND = "sampled", "too_large", "disk", "behind"
"""Why features were not kept (the first two), or predictions not logged."""
FRAME = 4 << 20
"""Bytes of records that are packed together, about."""
_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 over the golden ratio: spreads numbers evenly
_ALL = 1 << 64


class InferenceLog:
    """Logs what one process serves. Threads may share it.

    Parameters
    ----------
    tell
        Is told what goes wrong.
    """

    def __init__(
        self,
        home: Home,
        stream: Stream,
        settings: LogSettings | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        settings = settings or LogSettings()
        topic = predictions()
        stream.create(topic)
        self._waits = settings.outlives == POWER
        self._journal = Journal(home.journal, stream, topic.name, tell=tell, waits=self._waits)
        self._tell = tell
        self._largest = settings.largest
        self._kept = int(settings.features * _ALL)
        self._numbers = count(1)
        self._logged: dict[tuple[Any, ...], Logged] = {}
        self._counting = threading.Lock()
        self.logged = 0
        """Predictions whose record is written."""
        self.not_logged: Counter[str] = Counter()
        """The others, by reason: `DISK`, `BEHIND`."""
        self.without_features: Counter[str] = Counter()
        """Of those logged, the ones whose features were not kept: `SAMPLED`, `TOO_LARGE`."""

    def of(self, context: Context) -> "Logged":
        """Return the log of one deployment; to be asked for once, not with each request."""
        return Logged(self, context)

    def add(self, inference: Inference) -> Future[None] | None:
        """Write the records of what was predicted together; see `Logged.add`."""
        kind = inference.kind
        logged = self._logged.get(kind)
        if logged is None:
            logged = self._logged[kind] = self.of(context(inference))
        return logged.write(answered(inference, logged.context))

    def close(self) -> None:
        """Send what was written to the stream, and end."""
        self._journal.close()

    def write(self, context: Context, answered: Answered) -> Future[None] | None:
        """Write records that can be packed together; see `Logged.add`."""
        number, rows = next(self._numbers), len(answered.event_ids)
        if answered.features is not None and number * _GOLDEN % _ALL >= self._kept:
            answered = answered._replace(features=None)
            self._count(self.without_features, SAMPLED, rows)
        data = packed(self._journal.writer, number, context.mark, answered)
        if len(data) > self._largest and answered.features is not None:
            limited = self._limited(answered)
            if limited is not answered:
                data = packed(self._journal.writer, number, context.mark, limited)
        try:
            sent = self._journal.append(rows, data, context.head)
        except ResourceError as error:
            cause = error.__cause__
            self._count(self.not_logged, BEHIND if cause is None else DISK, rows)
            self._tell(f"predictions are answered and not logged: {error}")
            return _failed(error) if self._waits else None
        self._count(None, "", rows)
        return sent if self._waits else None

    def _limited(self, answered: Answered) -> Answered:
        """Leave out the features and keys of rows that are too large."""
        features, entities = answered.features, answered.entities
        if isinstance(features, np.ndarray):
            if features.shape[1] * features.itemsize <= self._largest:
                return answered
            self._count(self.without_features, TOO_LARGE, len(features))
            return answered._replace(features=None)
        assert features is not None, "only what has features is limited"
        keys = entities or [None] * len(features)
        fits = [
            size_of(row) + size_of(key) <= self._largest
            for row, key in zip(features, keys, strict=True)
        ]
        if all(fits):
            return answered
        self._count(self.without_features, TOO_LARGE, fits.count(False))
        return answered._replace(
            features=_only(features, fits), entities=entities and _only(entities, fits)
        )

    def _count(self, counter: Counter[str] | None, reason: str, rows: int) -> None:
        with self._counting:
            if counter is None:
                self.logged += rows
            else:
                counter[reason] += rows


class Logged:
    """The log of one deployment; see `InferenceLog.of`."""

    def __init__(self, log: InferenceLog, context: Context) -> None:
        self._log, self.context = log, context

    def add(
        self,
        event_ids: Sequence[str | None],
        event_times: Sequence[int | None],
        outputs: np.ndarray,
        features: np.ndarray | Sequence[Sequence[Any]] | None,
        entities: Sequence[Sequence[Any]] | None,
        positions: Positions,
        *,
        at: int,
        latency_us: int | None,
        parts: Parts | None = None,
        decisions: Sequence[bool] | None = None,
        flags: Sequence[Sequence[str] | None] | None = None,
    ) -> Future[None] | None:
        """Write the records of one request, or of rows that were answered together.

        Parameters
        ----------
        event_ids, event_times, outputs, features, entities, positions, at, latency_us, parts
            As in `octavo.services.prediction_records.Answered`; so are the others.

        Returns
        -------
        concurrent.futures.Future or None
            None: they may be answered. A future, where predictions outlive a loss of power: they
            may be answered when it is done; if it raises a ``ResourceError``, they are not on disk.
        """
        return self.write(
            Answered(
                event_ids, event_times, outputs, features, entities, positions,
                at, latency_us, parts, decisions, flags,
            )
        )  # fmt: skip

    def write(self, whole: Answered) -> Future[None] | None:
        """Write records; see `add`."""
        event_ids = whole.event_ids
        rows, most = len(event_ids), max(1, FRAME // (8 * len(self.context.schema) + 100))
        if not rows:
            return None
        if rows <= most:
            return self._log.write(self.context, whole)
        some = [whole.part(first, first + most) for first in range(0, rows, most)]
        sent = [self._log.write(self.context, each) for each in some]
        return next((each for each in sent if each and each.done() and each.exception()), sent[-1])


def _only(rows: Sequence[Any], wanted: Sequence[bool]) -> list[Any]:
    return [row if is_wanted else None for row, is_wanted in zip(rows, wanted, strict=True)]


def _failed(error: ResourceError) -> Future[None]:
    future: Future[None] = Future()
    future.set_exception(error)
    return future
