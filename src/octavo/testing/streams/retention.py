"""What is removed, what is kept, and when a topic is full."""

from collections.abc import Callable

import pytest

from octavo.errors import DataError
from octavo.streams import BacklogError, Extent, Retention, Stream, Topic
from octavo.testing.streams.base import Base, block, everything, names, put

Pass = Callable[[float], None]


def filled(stream: Stream, retention: Retention, groups: tuple[str, ...] = ()) -> None:
    """Make a topic ``kept`` of four blocks of 10 rows and 100 bytes."""
    stream.create(Topic("kept", retention=retention, groups=groups))
    put(stream, *(block(f"{number}" * 100, 10) for number in range(4)), topic="kept")


class RetentionSuite(Base):
    """Nothing is removed that a group needs; nothing is refused without a reason."""

    @pytest.mark.parametrize(
        ("retention", "begin"),
        [
            (Retention(), 0),
            (Retention(rows=40), 0),
            (Retention(rows=39), 10),
            (Retention(rows=10), 30),
            (Retention(rows=0), 40),
            (Retention(bytes=400), 0),
            (Retention(bytes=399), 10),
            (Retention(bytes=200), 20),
            (Retention(bytes=100, rows=30), 30),
            (Retention(seconds=5), 0),
        ],
    )
    def test_limits(self, stream: Stream, retention: Retention, begin: int) -> None:
        filled(stream, retention)
        assert stream.trim("kept") == begin
        assert stream.extents("kept") == [Extent(begin, 40)]
        assert everything(stream, "kept") == [[f"{each}" * 100 for each in range(begin // 10, 4)]]
        assert stream.trim("kept") == 0
        assert put(stream, block("new"), topic="kept") == [40]

    def test_age(self, stream: Stream, let_pass: Pass) -> None:
        filled(stream, Retention(seconds=self.seconds))
        let_pass(0.7 * self.seconds)
        put(stream, block("new"), topic="kept")
        assert stream.trim("kept") == 0
        let_pass(0.7 * self.seconds)
        assert stream.trim("kept") == 40
        assert everything(stream, "kept") == [["new"]]

    def test_many_blocks(self, stream: Stream) -> None:
        stream.create(Topic("kept", partitions=2, retention=Retention(rows=1)))
        put(stream, *(block(f"{each}", 1, each % 2) for each in range(1000)), topic="kept")
        assert stream.trim("kept") == 998
        assert everything(stream, "kept") == [["998"], ["999"]]

    def test_what_a_group_needs_is_kept(self, stream: Stream) -> None:
        filled(stream, Retention(rows=0), groups=("slow", "g"))
        slow, fast = stream.join("kept", "slow"), stream.join("kept", "g")
        for member in (slow, fast):
            member.renew()
        fast.commit({0: 40})
        assert stream.trim("kept") == 0
        slow.commit({0: 25})
        assert stream.trim("kept") == 20
        assert stream.extents("kept") == [Extent(20, 40)]
        stream.forget("kept", "slow")
        assert stream.trim("kept") == 20

    def test_unless_that_is_asked_for(self, stream: Stream) -> None:
        filled(stream, Retention(rows=10), groups=("g",))
        assert stream.trim("kept", uncommitted=True) == 30
        with pytest.raises(DataError, match="kept, partition 0: the rows from 5 to 29 have been"):
            stream.read("kept", {0: 5})
        assert stream.lags("kept") == {"g": [40]}
        member = stream.join("kept", "g")
        assert member.renew()[0].committed == 0
        member.commit({0: 35})
        assert names(stream.read("kept", {0: 30})) == ["3" * 100]

    def test_a_new_group_begins_at_what_is_left(self, stream: Stream) -> None:
        filled(stream, Retention(rows=10))
        stream.trim("kept")
        assert stream.join("kept", "late").renew()[0].committed == 30

    def test_a_declaration_changes_what_is_kept(self, stream: Stream) -> None:
        filled(stream, Retention())
        assert stream.trim("kept") == 0
        stream.create(Topic("kept", retention=Retention(rows=20)))
        assert stream.trim("kept") == 20

    def test_a_key_goes_with_its_block(self, stream: Stream) -> None:
        stream.create(Topic("kept", retention=Retention(rows=0)))
        put(stream, block("a", 1, key="k"), topic="kept")
        stream.trim("kept")
        assert put(stream, block("a", 1, key="k"), topic="kept") == [1]

    def bounded(self, stream: Stream, *groups: str) -> None:
        """Make a topic ``bounded`` to 1,000 bytes."""
        stream.create(Topic("bounded", partitions=2, bound=1000, groups=groups))

    def test_a_full_topic_refuses(self, stream: Stream) -> None:
        self.bounded(stream, "g")
        put(stream, block("a" * 999), topic="bounded")
        put(stream, block("b" * 999, 1, 1), topic="bounded")
        with pytest.raises(BacklogError, match=r"bounded: 1,998 bytes wait .* 1,000") as no:
            put(stream, block("c"), topic="bounded")
        assert f"Try again in {no.value.retry_after:g} s" in str(no.value)
        assert everything(stream, "bounded") == [["a" * 999], ["b" * 999]]

    def test_it_goes_on_when_the_slowest_has_consumed(self, stream: Stream) -> None:
        self.bounded(stream, "slow", "g")
        put(stream, block("a" * 600, 10), block("b" * 600, 10, 1), topic="bounded")
        slow, fast = stream.join("bounded", "slow"), stream.join("bounded", "g")
        for member in (slow, fast):
            member.renew()
        fast.commit({0: 10, 1: 10})
        for offset in (1, 9):
            slow.commit({0: offset})
            with pytest.raises(BacklogError):
                put(stream, block("c"), topic="bounded")
        slow.commit({0: 10})
        put(stream, block("c" * 600), topic="bounded")
        with pytest.raises(BacklogError, match="1,200 bytes"):
            put(stream, block("d"), topic="bounded")
        stream.forget("bounded", "slow")
        put(stream, block("d"), topic="bounded")

    def test_one_call_that_is_larger_than_the_bound(self, stream: Stream) -> None:
        self.bounded(stream, "g")
        put(stream, block("a" * 5000), block("b" * 5000), topic="bounded")
        with pytest.raises(BacklogError):
            put(stream, block("c"), topic="bounded")

    def test_what_is_there_is_told_when_it_is_full(self, stream: Stream) -> None:
        if not stream.deduplicates:
            pytest.skip("it cannot look a key up")
        self.bounded(stream, "g")
        put(stream, block("a" * 1000, key="k"), topic="bounded")
        assert stream.append("bounded", [block("a" * 1000, key="k")])[0].repeated

    def test_without_groups_all_that_is_retained_waits(self, stream: Stream) -> None:
        self.bounded(stream)
        put(stream, block("a" * 1000, 10), topic="bounded")
        with pytest.raises(BacklogError):
            put(stream, block("b"), topic="bounded")
        stream.create(Topic("bounded", partitions=2, bound=1000, retention=Retention(rows=0)))
        stream.trim("bounded")
        put(stream, block("b"), topic="bounded")

    def test_what_was_removed_waits_for_nobody(self, stream: Stream) -> None:
        self.bounded(stream, "g")
        put(stream, block("a" * 1000, 10), topic="bounded")
        retention = Retention(rows=0)
        stream.create(Topic("bounded", partitions=2, bound=1000, retention=retention))
        stream.trim("bounded", uncommitted=True)
        put(stream, block("b"), topic="bounded")

    def test_a_bound_can_be_raised(self, stream: Stream) -> None:
        self.bounded(stream, "g")
        put(stream, block("a" * 1000), topic="bounded")
        stream.create(Topic("bounded", partitions=2))
        put(stream, block("b"), topic="bounded")
