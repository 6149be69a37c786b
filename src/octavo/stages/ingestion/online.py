"""The online ingestion service: streams to the same raw store as files, each row exactly once.

*Plan first*: that a range of offsets is a batch is written down before any of it is read. Then its
rows are written under the batch's ID, the batch is committed, its accepted rows are appended to the
second stream under that ID, and at last the offsets are committed to the first. Each of these steps
can be done again without changing anything, so whoever takes over, or starts after a kill, begins
with the batches that the stream does not know as done, and goes on after the last planned offset.

One loop serves all datasets. It knows nothing of processes, or of what a batch does with its rows.
"""

import io
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

import polars as pl

from octavo.definition import Dataset, Pipeline
from octavo.errors import OctavoError
from octavo.logs import about, also
from octavo.stages.ingestion.batches import check_stamps, commit, plan_again
from octavo.stages.ingestion.micro_batch import MicroBatches
from octavo.stages.ingestion.ranges import Range, after, end_of, plan, range_of
from octavo.stages.ingestion.sent import family
from octavo.stores.catalog import Catalog, Row, name_of, now
from octavo.stores.home import Home
from octavo.stores.raw import RawStore
from octavo.streams import MOST_BYTES, MOST_ROWS, Block, Lease, LeaseLostError, Record, Stream
from octavo.streams.topics import GROUP, accepted, incoming

IDLE = 0.02
"""Seconds between two looks where nothing has come."""
LEASE = 5.0
"""Seconds for which a process that is silent holds its partitions."""
PATIENCE = 2.0
"""Seconds after which a dataset is tried again that could not go on."""
DRAIN = 20.0
"""Seconds to go on with what has come, once told to stop."""
TRIMMED_EVERY = 60.0
"""Seconds between two looks at what a topic need not keep."""
BYTES = 8 << 20
"""Of blocks in a micro-batch, at the most; one block, however large."""

Tell = Callable[[str], None]
"""Takes what a person must know at once."""


class OnlineIngestion:
    """Takes what is sent to all datasets with a stream into the raw store.

    Any number of processes may do so: they share partitions. What is left by one that was killed is
    completed by whoever takes over.

    Parameters
    ----------
    tell
        Is told why a dataset cannot go on for now.
    notify
        Is called when a batch was committed; the catalog has events that tell of it.
    clock
        Microseconds since the epoch.

    Raises
    ------
    DefinitionError
        If stamps or types are declared otherwise than those of earlier batches.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        home: Home,
        catalog: Catalog,
        stream: Stream,
        *,
        tell: Tell,
        notify: Callable[[], None],
        clock: Callable[[], int] = now,
    ) -> None:
        self.datasets = [each for each in pipeline.datasets if each.online is not None]
        for dataset in self.datasets:
            check_stamps(catalog, dataset)
        self._feeds = [
            _Feed(pipeline, dataset, home, catalog, stream, tell=tell, clock=clock)
            for dataset in self.datasets
        ]
        self._notify = notify

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; then take in what has come, and give back all leases.

        Then only what it can at once, for `DRAIN` seconds: the rest waits in the stream.
        """
        with ExitStack() as leaving:
            for feed in self._feeds:
                leaving.callback(feed.close)
            while not stop.is_set():
                if not self.turn():
                    stop.wait(min((feed.idle() for feed in self._feeds), default=IDLE))
            until = time.monotonic() + DRAIN
            while self.turn(flush=True) and time.monotonic() < until:
                pass

    def turn(self, *, flush: bool = False) -> bool:
        """Take in, of each partition, at most one micro-batch; return whether any was taken.

        Parameters
        ----------
        flush
            Also what could wait for more.
        """
        took = sum(feed.turn(flush) for feed in self._feeds) > 0  # each has its turn
        if took:
            self._notify()
        return took


class _Feed:
    """One dataset: its two topics, its place in each partition, its batches."""

    def __init__(
        self,
        pipeline: Pipeline,
        dataset: Dataset,
        home: Home,
        catalog: Catalog,
        stream: Stream,
        *,
        tell: Tell,
        clock: Callable[[], int],
    ) -> None:
        assert dataset.online is not None, "only those that come by a stream are fed"
        self._dataset, self._online = dataset, dataset.online
        self._home, self._catalog, self._stream = home, catalog, stream
        self._tell, self._now = tell, clock
        self._from, self._to = incoming(dataset), accepted(dataset)
        for topic in (self._from, self._to):
            stream.create(topic)
        self._member = stream.join(self._from.name, GROUP, seconds=LEASE)
        self._batches = MicroBatches(pipeline, dataset, RawStore(home), catalog)
        self._places: dict[int, tuple[int, int]] = {}
        """By partition: the epoch under which it was begun, and the offset to go on at."""
        self._since: dict[int, float] = {}
        """By partition: no row that waits has come before."""
        self._pause = 0.0
        self._trimmed = time.monotonic()

    def turn(self, flush: bool) -> bool:
        """Take in at most one micro-batch of each partition that is held."""
        if time.monotonic() < self._pause:
            return False
        with about(stage="ingestion", dataset=self._dataset.name):
            return self._turn(flush)

    def _turn(self, flush: bool) -> bool:
        try:
            leases = self._member.renew()
            self._places = {p: at for p, at in self._places.items() if p in leases}
            self._trim()
            return sum(self._advance(lease, flush) for lease in leases.values()) > 0
        except LeaseLostError:
            self._places = {}  # begun again, from what the catalog says
        except OctavoError as error:
            self._places = {}
            self._pause = time.monotonic() + PATIENCE
            self._tell(f"{self._dataset.name}: {error}")
        return False

    def idle(self) -> float:
        """Return the seconds until the next look: `IDLE`, or less if rows are due before."""
        now = time.monotonic()
        due = (since + self._online.oldest - now for since in self._since.values())
        return min((left for left in due if 0 < left < IDLE), default=IDLE)

    def close(self) -> None:
        """Leave the group; if that cannot be written, its leases end by themselves."""
        try:
            self._member.close()
        except OctavoError as error:
            self._tell(f"{self._dataset.name}: {error}")

    def _advance(self, lease: Lease, flush: bool) -> bool:
        """Complete what was planned before, or plan a range and take it in."""
        partition, began = lease.partition, time.monotonic()
        end = self._stream.extents(self._from.name)[partition].end
        epoch, at = self._places.get(partition, (-1, 0))
        is_begun = epoch == lease.epoch
        if is_begun and not self._is_due(partition, at, end, flush):
            return False
        with self._home.receiving(self._dataset.name, wait=False) as is_alone:
            if not is_alone:  # a file is taken in, or another partition
                return False
            if not is_begun:
                at = self._begin(lease)
            elif end > at:
                at = self._take_in(lease, at)
            self._places[partition] = lease.epoch, at
        self._since[partition] = began
        return True

    def _is_due(self, partition: int, at: int, end: int, flush: bool) -> bool:
        if end <= at:
            self._since.pop(partition, None)
            return False
        waited = time.monotonic() - self._since.setdefault(partition, time.monotonic())
        return flush or end - at >= self._online.rows or waited >= self._online.oldest

    def _begin(self, lease: Lease) -> int:
        """Complete the batches that the stream does not know as done; return where to go on."""
        topic, partition = self._from.name, lease.partition
        for batch in after(self._catalog, topic, partition, lease.committed):
            records: list[Record] = []
            if batch["state"] == "planned":
                # What was written of it was compared with what counted then; that may be more now.
                batch = plan_again(self._catalog, batch, self._now())
                records = self._records(range_of(batch))
            self._complete(batch, records)
        end = end_of(self._catalog, topic, partition)
        return self._stream.extents(topic)[partition].begin if end is None else end

    def _take_in(self, lease: Lease, at: int) -> int:
        """Plan the next range and take it in; return where it ends."""
        limits = {"max_rows": self._online.rows, "max_bytes": BYTES}
        records = self._stream.read(self._from.name, {lease.partition: at}, **limits)
        one = family(records[0].metadata)
        mine = next((i for i, r in enumerate(records) if family(r.metadata) != one), len(records))
        records = records[:mine]
        offsets = Range(
            self._from.name,
            lease.partition,
            at,
            records[-1].end,
            lease.epoch,
            records[0].appended_at,
        )
        batch = plan(self._catalog, self._dataset.name, offsets, self._now())
        self._complete(batch, records)
        return offsets.end

    def _records(self, offsets: Range) -> list[Record]:
        """Return the blocks of a range that was planned before."""
        found: list[Record] = []
        at = offsets.begin
        while at < offsets.end:
            found += self._stream.read(self._from.name, {offsets.partition: at}, max_rows=MOST_ROWS)
            at = found[-1].end
        return [record for record in found if record.offset < offsets.end]

    def _complete(self, batch: Row, records: Sequence[Record]) -> None:
        """Do what is still to be done of a planned batch."""
        also(batch_id=batch["batch_id"])
        while batch["state"] == "planned":
            written = self._batches.write(batch, records)
            told = {"name": name_of(batch), "now": self._now}
            if commit(self._catalog, self._dataset, batch, written, **told):
                batch = batch | {"state": "committed", "delta_version": written.version}
            else:
                batch = plan_again(self._catalog, batch, self._now(), rows=written.rows)
        if batch["state"] == "committed":  # and not withdrawn since
            self._pass_on(batch)
        self._member.commit({batch["partition"]: batch["end_offset"]})

    def _pass_on(self, batch: Row) -> None:
        """Append accepted rows to the second stream; what was appended before is left out."""
        rows = self._batches.accepted(batch)
        blocks = [
            Block(
                rows=part.height,
                data=data,
                key=batch["batch_id"] if not number else f"{batch['batch_id']}/{number}",
                metadata={"format": "arrow", "batch_id": batch["batch_id"]},
            )
            for number, (part, data) in enumerate(_in_blocks(rows))
        ]
        if blocks:
            self._stream.append(self._to.name, blocks)

    def _trim(self) -> None:
        if time.monotonic() - self._trimmed >= TRIMMED_EVERY:
            self._trimmed = time.monotonic()
            for topic in (self._from, self._to):
                self._stream.trim(topic.name)


def _in_blocks(rows: pl.DataFrame) -> list[tuple[pl.DataFrame, bytes]]:
    """Divide rows until each part fits into a block; the same rows always in the same parts."""
    if not rows.height:
        return []
    buffer = io.BytesIO()
    rows.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    if (rows.height <= MOST_ROWS and len(buffer.getvalue()) <= MOST_BYTES) or rows.height == 1:
        return [(rows, buffer.getvalue())]
    middle = rows.height // 2
    return [*_in_blocks(rows[:middle]), *_in_blocks(rows[middle:])]
