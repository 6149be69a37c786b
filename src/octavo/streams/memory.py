"""A log in the memory of one process, for tests and trials: nothing of it outlives the process.

The same promises as the embedded log but durability, in the plainest code there is.
"""

import contextlib
import copy
import dataclasses
import threading
import time
from collections.abc import Iterator, Mapping, Sequence

from octavo.errors import DefinitionError
from octavo.streams.contract import (
    BacklogError,
    Block,
    Extent,
    Place,
    Record,
    Topic,
    checked_count,
    checked_partitions,
    checked_position,
)
from octavo.streams.groups import Claim, Clock, Group, GroupMember, live, registered, wall_clock


class MemoryStream:
    """Topics in memory; see `octavo.streams.contract.Stream`.

    Parameters
    ----------
    clock, wall
        For tests: nanoseconds of the monotonic clock, microseconds since the epoch.
    """

    deduplicates = True

    def __init__(self, *, clock: Clock = time.monotonic_ns, wall: Clock = wall_clock) -> None:
        self._clock = clock
        self._wall = wall
        self._topics: dict[str, _Topic] = {}
        self._changed = threading.Condition(threading.RLock())

    def create(self, topic: Topic) -> None:
        """See to it that a topic is there as declared."""
        with self._changed:
            found = self._topics.setdefault(topic.name, _Topic(topic, self._changed))
            checked_count(topic, found.declared.partitions)
            found.declared = topic
            for group in topic.groups:
                found.register(group)

    def topics(self) -> list[str]:
        """Return the names of all topics, sorted."""
        return sorted(self._topics)

    def append(self, topic: str, blocks: Sequence[Block]) -> list[Place]:
        """Append blocks, all or none."""
        with self._changed:
            places = self._topic(topic).append(blocks, self._wall())
            self._changed.notify_all()
            return places

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
        until = time.monotonic() + wait
        with self._changed:
            while True:
                found = self._topic(topic).read(positions, max_rows, max_bytes)
                left = until - time.monotonic()
                if found or left <= 0:
                    return found
                self._changed.wait(left)

    def extents(self, topic: str) -> list[Extent]:
        """Return beginning and end of each partition."""
        with self._changed:
            return self._topic(topic).extents()

    def lags(self, topic: str) -> dict[str, list[int]]:
        """Return how many offsets each registered group is behind, by partition."""
        with self._changed:
            return self._topic(topic).lags()

    def join(self, topic: str, group: str, *, seconds: float = 10.0) -> GroupMember:
        """Return a new member of a group."""
        with self._changed:
            found = self._topic(topic)
            found.register(group)
        return GroupMember(found, topic, group, seconds, self._clock)

    def forget(self, topic: str, group: str) -> None:
        """Unregister a group."""
        with self._topic(topic).group(group) as known:
            known.forget()

    def trim(self, topic: str, *, uncommitted: bool = False) -> int:
        """Remove what the topic's retention allows; return how many rows."""
        with self._changed:
            return self._topic(topic).trim(self._wall(), uncommitted=uncommitted)

    def close(self) -> None:
        """Do nothing: there is no file."""

    def _topic(self, name: str) -> "_Topic":
        if name not in self._topics:
            raise DefinitionError.unknown("topic", name, self._topics)
        return self._topics[name]


@dataclasses.dataclass
class _Partition:
    """What is retained, and where it begins."""

    records: list[Record] = dataclasses.field(default_factory=list)
    first: int = 0
    removed: int = 0
    """Bytes of blocks that were removed."""

    @property
    def next(self) -> int:
        return self.records[-1].end if self.records else self.first

    def volume_at(self, offset: int) -> int:
        """Return the bytes of blocks that were ever before the one that holds an offset."""
        before = (len(record.data) for record in self.records if record.end <= offset)
        return self.removed + sum(before)


class _Topic:
    """One topic. What takes a lock itself is for members; of the rest, whoever calls holds it."""

    def __init__(self, topic: Topic, lock: threading.Condition) -> None:
        self.declared = topic
        self._lock = lock
        self._groups: dict[str, Group] = {}
        self._partitions = [_Partition() for _ in range(topic.partitions)]

    def register(self, name: str) -> None:
        claims = [Claim() for _ in self._partitions]
        group = self._groups.setdefault(name, Group(claims, is_registered=False))
        if not group.is_registered:
            group.register([(each.first, each.removed) for each in self._partitions])

    @contextlib.contextmanager
    def group(self, name: str) -> Iterator[Group]:
        with self._lock:
            group = self.look(name)
            yield group
            self._groups[name] = group

    def look(self, name: str) -> Group:
        with self._lock:
            return copy.deepcopy(registered(self.declared.name, self._groups, name))

    def volume_at(self, partition: int, offset: int) -> int:
        at = self._partitions[partition]
        if offset > at.next:
            checked_position(self.declared.name, partition, offset, Extent(at.first, at.next))
        return at.volume_at(offset)

    def extents(self) -> list[Extent]:
        return [Extent(each.first, each.next) for each in self._partitions]

    def lags(self) -> dict[str, list[int]]:
        return {
            name: [
                at.next - claim.committed
                for at, claim in zip(self._partitions, group.claims, strict=True)
            ]
            for name, group in sorted(live(self._groups).items())
        }

    def append(self, blocks: Sequence[Block], now: int) -> list[Place]:
        numbers = (block.partition for block in blocks)
        checked_partitions(self.declared.name, numbers, len(self._partitions))
        bound, waiting = self.declared.bound, self._waiting()
        if bound is not None and waiting >= bound and not all(map(self._known, blocks)):
            raise BacklogError(self.declared.name, waiting, bound)
        return [self._known(block) or self._append(block, now) for block in blocks]

    def _append(self, block: Block, now: int) -> Place:
        at = self._partitions[block.partition]
        place = Place(block.partition, at.next, repeated=False)
        fields = {field.name: getattr(block, field.name) for field in dataclasses.fields(Block)}
        at.records.append(Record(**fields, offset=at.next, appended_at=now))
        return place

    def _known(self, block: Block) -> Place | None:
        if block.key is not None:
            for at in self._partitions:
                for record in at.records:
                    if record.key == block.key:
                        return Place(record.partition, record.offset, repeated=True)
        return None

    def _waiting(self) -> int:
        """Return the bytes that the slowest group, in each partition, has not consumed."""
        groups, waiting = live(self._groups).values(), 0
        for number, at in enumerate(self._partitions):
            consumed = (group.claims[number].volume for group in groups)
            waiting += at.volume_at(at.next) - max(at.removed, min(consumed, default=0))
        return waiting

    def read(self, positions: Mapping[int, int], max_rows: int, max_bytes: int) -> list[Record]:
        checked_partitions(self.declared.name, positions, len(self._partitions))
        found: list[Record] = []
        for number, position in sorted(positions.items()):
            at = self._partitions[number]
            extent = Extent(at.first, at.next)
            checked_position(self.declared.name, number, position, extent)
            mine: list[Record] = []
            rows = size = 0
            for record in (each for each in at.records if each.end > position):
                rows, size = rows + record.rows, size + len(record.data)
                if mine and (rows > max_rows or size > max_bytes):
                    break
                mine.append(record)
            found += mine
        return found

    def trim(self, now: int, *, uncommitted: bool) -> int:
        limits, total = self.declared.retention, 0
        for number, at in enumerate(self._partitions):
            groups = [] if uncommitted else live(self._groups).values()
            committed = (group.claims[number].committed for group in groups)
            until, end, volume = min([at.next, *committed]), at.next, at.volume_at(at.next)
            while at.records and at.records[0].end <= until:
                record = at.records[0]
                is_kept = (
                    (
                        limits.seconds is None
                        or record.appended_at >= now - int(limits.seconds * 1e6)
                    )
                    and (limits.rows is None or record.offset >= end - limits.rows)
                    and (limits.bytes is None or at.removed >= volume - limits.bytes)
                )
                if is_kept:
                    break
                at.records.pop(0)
                at.first, at.removed = record.end, at.removed + len(record.data)
                total += record.rows
        return total
