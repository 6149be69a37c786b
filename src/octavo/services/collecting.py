"""Predictions from the stream to their table, each once, whoever is killed at whatever instant.

The offset that a partition has been taken in up to is in the commit of the table with its rows. So
whoever goes on begins there; of two that begin at the same offset one is refused. What killed
servers have left in files is sent to the stream first. A block that cannot be read, as one of
another version, is put aside as it is: it must not be in the way of all that come after it.

It knows nothing of processes, or of what a prediction says.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import polars as pl
from polars.exceptions import PanicException

from octavo.errors import OctavoError, ResourceError
from octavo.services.prediction_records import Context, unpacked
from octavo.stores.home import Home
from octavo.stores.predictions import SCHEMA, PredictionStore
from octavo.streams import Lease, LeaseLostError, Record, Stream
from octavo.streams.journal import frames, recover
from octavo.streams.topics import COLLECTORS, predictions

EVERY = 1.0
"""Seconds from one look to the next: each may be a file of the table."""
LEASE = 3.0
"""Seconds for which a process that is silent holds its partitions."""
LAST = 5.0
"""Seconds to wait for another one that collects, when what is left is to be in the table."""
ROWS, BYTES = 100_000, 16 << 20
"""Of an append to the table, at the most."""
TRIMMED_EVERY = 60.0
"""Seconds between two looks at what the topic need not keep."""


class Collecting:
    """Takes predictions of a home into their table. For one thread; any number of processes.

    Parameters
    ----------
    tell
        Is told what went wrong.
    """

    def __init__(self, home: Home, stream: Stream, tell: Callable[[str], None]) -> None:
        self._home, self._stream, self._tell = home, stream, tell
        self._store = PredictionStore(home)
        self._topic = predictions()
        stream.create(self._topic)
        self._member = stream.join(self._topic.name, COLLECTORS, seconds=LEASE)
        self._trimmed = time.monotonic()

    def run(self, stop: threading.Event) -> None:
        """Collect until told to stop, and then what is there. What goes wrong is tried again."""
        is_last = False
        while not is_last:
            is_last = stop.wait(EVERY)
            try:
                self.turn()
            except OctavoError as error:
                self._tell(f"predictions: {error}")
        self.close()

    def turn(self) -> bool:
        """Take in all that is there now, and return whether that was anything.

        What comes meanwhile is left to the next look: else, of many servers, there always would be
        some, each in a file of its own, and nobody would look whether to stop.

        Raises
        ------
        ResourceError
            If the disk is full, or a file out of reach.
        DataError
            If the stream or the table was replaced by another one.
        """
        taken = False
        try:
            recover(self._home.journal, self._stream, self._topic.name)
            extents = self._stream.extents(self._topic.name)
            for partition, lease in self._member.renew().items():
                at, end = -1, extents[partition].end
                while at < end and (found := self._next(lease)) is not None:
                    at, taken = found, True
                    self._member.renew()
        except LeaseLostError:
            pass  # whoever has it goes on
        if time.monotonic() - self._trimmed > TRIMMED_EVERY:
            self._stream.trim(self._topic.name)
            self._trimmed = time.monotonic()
        return taken

    def finish(self) -> None:
        """Return when the table has all that is in the stream now, or after `LAST` seconds."""
        until = time.monotonic() + LAST
        try:
            recover(self._home.journal, self._stream, self._topic.name)
            ends = [each.end for each in self._stream.extents(self._topic.name)]
            while any(map(int.__lt__, self._committed(), ends)) and time.monotonic() < until:
                if not self.turn():
                    time.sleep(0.05)
        except OctavoError as error:
            self._tell(f"predictions: {error}")
        self.close()

    def close(self) -> None:
        """Let others go on at once; if that cannot be written, the lease ends by itself."""
        with suppress(ResourceError):
            self._member.close()

    def _committed(self) -> list[int]:
        """Return how far each partition is in the table."""
        name = self._topic.name
        extents, lags = self._stream.extents(name), self._stream.lags(name)[COLLECTORS]
        return [extent.end - lag for extent, lag in zip(extents, lags, strict=True)]

    def _next(self, lease: Lease) -> int | None:
        """Take in the next of a partition, and return the offset after it; None: there is none."""
        name, partition = self._topic.name, lease.partition
        begin = self._store.collected(partition)
        at = self._stream.extents(name)[partition].begin if begin is None else begin
        records = self._stream.read(name, {partition: at}, max_rows=ROWS, max_bytes=BYTES)
        if not records:
            if at > lease.committed:  # whoever took them in was killed before it said so
                self._member.commit({partition: at})
            return None
        end, rows = records[-1].end, self._rows(partition, records)
        if not self._store.collect(rows, partition=partition, begin=begin, end=end):
            return None
        self._member.commit({partition: end})
        return end

    def _rows(self, partition: int, records: Sequence[Record]) -> pl.DataFrame:
        """Return the predictions of some blocks; of one that cannot be read none."""
        try:
            return _predictions(records)
        except MemoryError:  # it would not be so the next time
            raise
        except (Exception, PanicException) as error:  # noqa: BLE001  as it would, whatever it is
            if len(records) > 1:
                return pl.concat([self._rows(partition, [each]) for each in records])
            (record,) = records
            aside = self._home.unread / f"{self._topic.name}-{partition}-{record.offset}"
            try:
                aside.parent.mkdir(exist_ok=True)
                aside.write_bytes(record.data)
            except OSError as fault:
                raise ResourceError.refused(fault, where=str(aside)) from fault
            told = f"{record.rows:,} cannot be read ({error!r}); they are put aside in {aside}"
            self._tell(f"predictions: {told}")
            return pl.DataFrame(schema=SCHEMA)


def _predictions(records: Sequence[Record]) -> pl.DataFrame:
    """Return the predictions of some blocks."""
    contexts: dict[int, Context] = {}
    found = []
    for record in records:
        for frame in frames(record.data):
            if frame.rows:
                found.append(frame.data)
            else:
                context = Context.read(frame.data)
                contexts[context.mark] = context
    return unpacked(found, contexts)
