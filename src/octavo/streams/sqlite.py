"""The embedded durable log: a folder with one SQLite file for each topic.

It knows how threads and processes wait for what others append. What is in a file is the business of
`octavo.streams.topic_file`.

Readers look every few milliseconds whether anything was committed, by whichever process: it costs a
few microseconds, and no process has to know of another.
"""

import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from octavo.errors import DefinitionError
from octavo.streams.contract import Block, Extent, Place, Record, Topic
from octavo.streams.groups import Clock, GroupMember, wall_clock
from octavo.streams.topic_file import TopicFile

GLANCE = 0.005
"""Seconds between two looks of a reader that waits."""


class SqliteStream:
    """Topics in a folder of this machine; see `octavo.streams.contract.Stream`.

    Every append is one transaction, over all partitions of its topic. Any number of processes may
    have it open, if they run on one machine, with one monotonic clock. A process that is killed at
    any instant leaves nothing half done. Removed blocks leave space in the file that the next ones
    take; the file itself does not shrink.

    Parameters
    ----------
    folder
        Made when the first topic is.
    clock, wall
        For tests: nanoseconds of the monotonic clock, microseconds since the epoch.
    """

    deduplicates = True

    def __init__(
        self, folder: Path, *, clock: Clock = time.monotonic_ns, wall: Clock = wall_clock
    ) -> None:
        self.folder = folder
        self._clock = clock
        self._wall = wall
        self._open: dict[str, TopicFile] = {}
        self._opening = threading.Lock()

    def create(self, topic: Topic) -> None:
        """See to it that a topic is there as declared."""
        if not self._path(topic.name).exists():
            TopicFile.create(self._path(topic.name), topic)
        self._topic(topic.name).declare(topic)

    def topics(self) -> list[str]:
        """Return the names of all topics, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.db"))

    def append(self, topic: str, blocks: Sequence[Block]) -> list[Place]:
        """Append blocks, all or none, durably."""
        return self._topic(topic).append(blocks)

    def read(
        self,
        topic: str,
        positions: Mapping[int, int],
        *,
        max_rows: int = 100_000,
        max_bytes: int = 8 << 20,
        wait: float = 0.0,
    ) -> list[Record]:
        """Return what comes next in some partitions, or wait for it."""
        file, until = self._topic(topic), time.monotonic() + wait
        while True:
            seen = file.version()
            found = file.read(positions, max_rows, max_bytes)
            if found or time.monotonic() >= until:
                return found
            while file.version() == seen and (left := until - time.monotonic()) > 0:
                time.sleep(min(GLANCE, left))

    def extents(self, topic: str) -> list[Extent]:
        """Return beginning and end of each partition."""
        return self._topic(topic).extents()

    def lags(self, topic: str) -> dict[str, list[int]]:
        """Return how many offsets each registered group is behind, by partition."""
        return self._topic(topic).lags()

    def join(self, topic: str, group: str, *, seconds: float = 10.0) -> GroupMember:
        """Return a new member of a group."""
        file = self._topic(topic)
        file.register(group)
        return GroupMember(file, topic, group, seconds, self._clock)

    def forget(self, topic: str, group: str) -> None:
        """Unregister a group."""
        with self._topic(topic).group(group) as known:
            known.forget()

    def trim(self, topic: str, *, uncommitted: bool = False) -> int:
        """Remove what the topic's retention allows; return how many rows."""
        return self._topic(topic).trim(uncommitted=uncommitted)

    def close(self) -> None:
        """Close all files."""
        with self._opening:
            for file in self._open.values():
                file.close()
            self._open = {}

    def _path(self, topic: str) -> Path:
        return self.folder / f"{topic}.db"

    def _topic(self, name: str) -> TopicFile:
        with self._opening:
            if name not in self._open:
                if not self._path(name).exists():
                    raise DefinitionError.unknown("topic", name, self.topics())
                self._open[name] = TopicFile(self._path(name), self._wall)
            return self._open[name]
