"""A stream beside the plainest model of one, in any order of calls that hypothesis thinks of."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from octavo.errors import DataError
from octavo.streams import (
    BacklogError,
    Block,
    Lease,
    LeaseLostError,
    Member,
    Place,
    Record,
    Retention,
    Stream,
    Topic,
)
from octavo.testing.clocks import ManualClock
from octavo.testing.streams.base import Base, NewLog, Open

PARTITIONS, GROUPS, BOUND = 3, ("g", "h"), 60
DECLARED = Topic("t", PARTITIONS, Retention(rows=12), BOUND, GROUPS)

blocks = st.builds(
    Block,
    partition=st.integers(0, PARTITIONS - 1),
    rows=st.integers(1, 6),
    data=st.binary(min_size=1, max_size=20),
    key=st.sampled_from([None, None, "a", "b", "c"]),
)
partitions = st.integers(0, PARTITIONS - 1)
shares = st.floats(0, 1)


class StreamMachine(RuleBasedStateMachine):
    """Calls a stream and a model of lists, and compares what they say.

    Of leases the model knows only what must hold: the newest epoch of each partition, and whose it
    is.
    """

    def __init__(self, open_stream: Open, clock: ManualClock) -> None:
        super().__init__()
        self.clock = clock
        self.open_stream = open_stream
        self.streams: list[Stream] = [open_stream()]
        self.streams[0].create(DECLARED)
        self.log: list[list[Record]] = [[] for _ in range(PARTITIONS)]
        self.begins = [0] * PARTITIONS
        self.committed = {group: [0] * PARTITIONS for group in GROUPS}
        self.members: list[Member] = []
        self.newest: dict[tuple[str, int], tuple[int, str]] = {}
        self.told: dict[str, Mapping[int, Lease]] = {}

    @property
    def stream(self) -> Stream:
        """The stream as it was last opened."""
        return self.streams[-1]

    def end(self, partition: int) -> int:
        """Return where the model's partition ends."""
        log = self.log[partition]
        return log[-1].end if log else 0

    def retained(self, partition: int) -> list[Record]:
        """Return the model's blocks that were not removed."""
        return [each for each in self.log[partition] if each.offset >= self.begins[partition]]

    def waiting(self) -> int:
        """Return the bytes of blocks that are not consumed whole by each group."""
        low = [min(offsets) for offsets in zip(*self.committed.values(), strict=True)]
        kept = (each for number in range(PARTITIONS) for each in self.retained(number))
        return sum(len(each.data) for each in kept if each.end > low[each.partition])

    def known(self, key: str | None) -> Place | None:
        """Return where a key is."""
        for number in range(PARTITIONS):
            for record in self.retained(number):
                if key is not None and record.key == key:
                    return Place(number, record.offset, repeated=True)
        return None

    @rule(given=st.lists(blocks, max_size=4))
    def append(self, given: list[Block]) -> None:
        """Append some blocks."""
        if self.waiting() >= BOUND and not all(self.known(block.key) for block in given):
            with pytest.raises(BacklogError):
                self.stream.append("t", given)
            return
        expected = []
        for block in given:
            place = self.known(block.key)
            if place is None:
                place = Place(block.partition, self.end(block.partition), repeated=False)
                told: dict[str, Any] = {"offset": place.offset, "partition": block.partition}
                told |= {"rows": block.rows, "data": block.data, "key": block.key}
                record = Record(**told, appended_at=self.clock.microseconds())
                self.log[block.partition].append(record)
            expected.append(place)
        assert self.stream.append("t", given) == expected

    @rule(partition=partitions, share=st.floats(0, 1.3), rows=st.integers(1, 20))
    def read(self, partition: int, share: float, rows: int) -> None:
        """Read from anywhere."""
        position = round(share * self.end(partition))
        if not self.begins[partition] <= position <= self.end(partition):
            with pytest.raises(DataError):
                self.stream.read("t", {partition: position})
            return
        rest = [each for each in self.retained(partition) if each.end > position]
        expected = [
            each
            for number, each in enumerate(rest)
            if number == 0 or sum(before.rows for before in rest[: number + 1]) <= rows
        ]
        assert self.stream.read("t", {partition: position}, max_rows=rows) == expected

    @rule(group=st.sampled_from(GROUPS))
    def join(self, group: str) -> None:
        """Let somebody join."""
        assume(len(self.members) < 6)
        self.members.append(self.stream.join("t", group, seconds=10))

    @rule(data=st.data())
    def renew(self, data: st.DataObject) -> None:
        """Let a member renew."""
        assume(self.members)
        member = data.draw(st.sampled_from(self.members))
        self.told[member.name] = member.renew()
        for partition, lease in self.told[member.name].items():
            newest, owner = self.newest.get((member.group, partition), (0, ""))
            assert lease.epoch > newest or (lease.epoch, member.name) == (newest, owner)
            assert lease.committed <= self.committed[member.group][partition]
            self.newest[member.group, partition] = lease.epoch, member.name

    @rule(data=st.data(), partition=partitions, share=shares)
    def commit(self, data: st.DataObject, partition: int, share: float) -> None:
        """Let a member commit; only who has the newest lease can, and does."""
        assume(self.members)
        member = data.draw(st.sampled_from(self.members))
        offset = round(share * self.end(partition))
        is_newest = self.newest.get((member.group, partition), (0, ""))[1] == member.name
        try:
            member.commit({partition: offset})
        except LeaseLostError:
            assert not (is_newest and partition in self.told[member.name])
            return
        assert is_newest
        committed = self.committed[member.group]
        committed[partition] = max(committed[partition], offset)

    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        """Let a member leave."""
        assume(self.members)
        member = data.draw(st.sampled_from(self.members))
        self.members.remove(member)
        member.close()

    @rule(seconds=st.sampled_from([1, 4, 11]))
    def let_pass(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.advance(seconds)

    @rule(uncommitted=st.booleans())
    def trim(self, uncommitted: bool) -> None:
        """Remove what may be removed."""
        removed = 0
        for number in range(PARTITIONS):
            until = self.end(number)
            if not uncommitted:
                until = min(offsets[number] for offsets in self.committed.values())
            for record in self.retained(number):
                if record.end > until or record.offset >= self.end(number) - 12:
                    break
                self.begins[number] = record.end
                removed += record.rows
        assert self.stream.trim("t", uncommitted=uncommitted) == removed

    @rule()
    def open_again(self) -> None:
        """Open it once more, as another process does."""
        assume(len(self.streams) < 4)
        self.streams.append(self.open_stream())

    @invariant()
    def is_as_far(self) -> None:
        """Beginnings, ends and lags are those of the model."""
        ends = [self.end(number) for number in range(PARTITIONS)]
        assert self.stream.extents("t") == list(zip(self.begins, ends, strict=True))
        assert self.stream.lags("t") == {
            group: [end - offset for end, offset in zip(ends, offsets, strict=True)]
            for group, offsets in self.committed.items()
        }

    def teardown(self) -> None:
        """Close what is open."""
        for stream in self.streams:
            stream.close()


class MachineSuite(Base):
    """Whatever is done, in whatever order."""

    examples = 20
    """How many sequences of calls are tried."""

    def test_any_sequence_of_calls(self, new_log: NewLog) -> None:
        class Machine(StreamMachine):
            def __init__(self) -> None:
                clock = ManualClock()
                super().__init__(new_log(clock), clock)

        run_state_machine_as_test(
            Machine,
            settings=settings(
                max_examples=self.examples,
                stateful_step_count=30,
                deadline=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            ),
        )
