"""Fixtures and small words that the parts of the suite share."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import pytest

from octavo.streams import Block, Lease, Member, Record, Stream, Topic
from octavo.testing.clocks import ManualClock

Open = Callable[[], Stream]
NewLog = Callable[[ManualClock], Open]


class Base:
    """What every part of the suite needs."""

    seconds = 10.0
    """How long leases last in these tests."""

    @pytest.fixture
    def clock(self) -> ManualClock:
        """Give the clock that leases and append times go by."""
        return ManualClock()

    @pytest.fixture
    def let_pass(self, clock: ManualClock) -> Callable[[float], None]:
        """Give what makes seconds pass."""
        return clock.advance

    @pytest.fixture
    def new_log(self) -> NewLog:
        """Give what makes a new log without topics, and returns what opens it."""
        raise NotImplementedError

    @pytest.fixture
    def open_stream(self, new_log: NewLog, clock: ManualClock) -> Open:
        """Give what opens the stream under test, the same topics each time."""
        return new_log(clock)

    @pytest.fixture
    def stream(self, open_stream: Open) -> Iterator[Stream]:
        """Give the open stream, with a topic ``t`` of three partitions."""
        stream = open_stream()
        stream.create(Topic("t", partitions=3))
        yield stream
        stream.close()


def block(name: str, rows: int = 1, partition: int = 0, *, key: str | None = None) -> Block:
    """Return a block that is told by its data."""
    return Block(partition=partition, rows=rows, data=name.encode(), key=key)


def put(stream: Stream, *blocks: Block, topic: str = "t") -> list[int]:
    """Append blocks, and return their first offsets."""
    return [place.offset for place in stream.append(topic, blocks)]


def names(records: Iterable[Record]) -> list[str]:
    """Return what tells the blocks."""
    return [record.data.decode() for record in records]


def everything(stream: Stream, topic: str = "t") -> list[list[str]]:
    """Return what each partition retains."""
    found = []
    for partition, extent in enumerate(stream.extents(topic)):
        records, position = [], extent.begin
        while more := stream.read(topic, {partition: position}):
            records += more
            position = more[-1].end
        found.append(names(records))
    return found


def settled(members: Sequence[Member]) -> list[Mapping[int, Lease]]:
    """Return what each member holds when nothing moves any more."""
    before: list[Mapping[int, Lease]] = []
    for _ in range(20):
        now = [member.renew() for member in members]
        if now == before:
            return now
        before = now
    raise AssertionError(f"leases still move: {before}")
