"""Consumer groups: shares, leases, fencing, committed offsets."""

from collections.abc import Callable

import pytest

from octavo.errors import DataError, DefinitionError
from octavo.streams import Lease, LeaseLostError, Member, Stream, Topic
from octavo.testing.streams.base import Base, Open, block, everything, names, put, settled

Join = Callable[[], Member]
Pass = Callable[[float], None]


class GroupSuite(Base):
    """Members share partitions; each is held by one of them."""

    @pytest.fixture
    def join(self, stream: Stream) -> Join:
        """Give what joins group ``g`` of topic ``t``."""
        return lambda: stream.join("t", "g", seconds=self.seconds)

    def test_one_member_holds_all(self, join: Join) -> None:
        held = join().renew()
        assert held == {each: Lease(each, epoch=held[each].epoch, committed=0) for each in range(3)}

    @pytest.mark.parametrize(("members", "partitions"), [(2, 4), (2, 3), (3, 7), (3, 2), (4, 16)])
    def test_members_share_evenly(self, stream: Stream, members: int, partitions: int) -> None:
        stream.create(Topic("many", partitions=partitions))
        joined = [stream.join("many", "g", seconds=self.seconds) for _ in range(members)]
        shares = settled(joined)
        assert sorted(each for share in shares for each in share) == list(range(partitions))
        sizes = sorted(map(len, shares))
        assert sizes[-1] - sizes[0] <= 1

    def test_little_moves_when_somebody_joins(self, join: Join) -> None:
        members = [join(), join()]
        before = settled(members)
        after = settled([*members, join()])
        assert sum(map(len, after)) == 3
        stayed = [
            lease
            for old, new in zip(before, after, strict=False)
            for lease in old.values()
            if lease in new.values()
        ]
        assert len(stayed) == 2

    def test_nothing_is_handed_over_before_the_next_call(self, stream: Stream, join: Join) -> None:
        put(stream, *(block("a", 5, partition) for partition in range(3)))
        old, new = join(), join()
        before = old.renew()
        assert new.renew() == {}
        (leaving,) = set(before) - set(old.renew())
        assert new.renew() == {}
        old.commit({leaving: 5})
        old.renew()
        assert new.renew()[leaving].committed == 5
        with pytest.raises(LeaseLostError, match=f"does not hold partition {leaving}"):
            old.commit({leaving: 5})

    def test_a_silent_member_loses_its_leases(
        self, stream: Stream, join: Join, let_pass: Pass
    ) -> None:
        put(stream, block("a", 5))
        silent, other = join(), join()
        old = silent.renew()
        let_pass(0.6 * self.seconds)
        assert other.renew() == {}
        let_pass(0.6 * self.seconds)
        new = other.renew()
        assert set(new) == {0, 1, 2}
        assert all(new[each].epoch > old[each].epoch for each in old)
        for late in ({0: 5}, {1: 0}):
            with pytest.raises(LeaseLostError, match="Drop what was not stored, and renew"):
                silent.commit(late)
        assert silent.renew() == {}
        assert stream.lags("t")["g"] == [5, 0, 0]

    def test_who_was_silent_and_alone_goes_on(
        self, stream: Stream, join: Join, let_pass: Pass
    ) -> None:
        put(stream, block("a", 5))
        member = join()
        before = member.renew()
        let_pass(10 * self.seconds)
        member.commit({0: 5})
        assert {each: of.epoch for each, of in member.renew().items()} == {
            each: of.epoch for each, of in before.items()
        }

    def test_who_renews_keeps_its_leases(self, join: Join, let_pass: Pass) -> None:
        member, other = join(), join()
        settled([member, other])
        before = member.renew()
        for _ in range(10):
            let_pass(0.4 * self.seconds)
            other.renew()
            assert member.renew() == before

    def test_to_commit_is_to_live(self, join: Join, let_pass: Pass) -> None:
        member, other = join(), join()
        settled([member, other])
        (mine, *_) = member.renew()
        for _ in range(5):
            let_pass(0.4 * self.seconds)
            member.commit({mine: 0})
            assert mine not in other.renew()

    def test_close_hands_over_at_once(self, join: Join) -> None:
        member, other = join(), join()
        first, second = settled([member, other])
        member.close()
        after = other.renew()
        assert set(after) == {0, 1, 2}
        assert all(after[each] == second[each] for each in second)
        assert all(after[each].epoch > first[each].epoch for each in first)
        with pytest.raises(LeaseLostError):
            member.commit({next(iter(first)): 0})

    def test_the_next_owner_sees_what_is_committed(self, stream: Stream, join: Join) -> None:
        put(stream, block("a", 5), block("b", 5))
        with join() as member:
            member.renew()
            member.commit({0: 7})
            member.commit({0: 3})
        assert join().renew()[0].committed == 7
        assert names(stream.read("t", {0: 7})) == ["b"]

    def test_commits_are_all_or_none(self, stream: Stream, join: Join) -> None:
        put(stream, block("a", 5), block("b", 5, 1))
        member = join()
        member.renew()
        with pytest.raises(DataError, match="t, partition 1: position 6 is beyond its end, 5"):
            member.commit({0: 5, 1: 6})
        assert stream.lags("t") == {"g": [5, 5, 0]}
        member.commit({0: 5, 1: 2})
        assert stream.lags("t") == {"g": [0, 3, 0]}

    def test_only_what_is_held_is_committed(self, join: Join) -> None:
        with pytest.raises(LeaseLostError):
            join().commit({0: 0})

    def test_reading_needs_no_lease(self, stream: Stream, join: Join) -> None:
        put(stream, block("a", 5), block("b", 5))
        member = join()
        member.renew()
        member.commit({0: 10})
        assert names(stream.read("t", {0: 2})) == ["a", "b"]

    def test_groups_do_not_see_each_other(self, stream: Stream, join: Join) -> None:
        put(stream, block("a", 5))
        other = stream.join("t", "other", seconds=self.seconds)
        member = join()
        assert set(member.renew()) == set(other.renew()) == {0, 1, 2}
        member.commit({0: 5})
        assert stream.lags("t") == {"g": [0, 0, 0], "other": [5, 0, 0]}

    def test_groups_are_declared_with_the_topic(self, stream: Stream) -> None:
        stream.create(Topic("u", groups=("a",)))
        put(stream, block("a", 5), topic="u")
        stream.create(Topic("u", groups=("b",)))
        assert stream.lags("u") == {"a": [5], "b": [5]}

    def test_a_forgotten_group(self, stream: Stream, join: Join) -> None:
        put(stream, block("a", 5))
        member = join()
        before = member.renew()
        member.commit({0: 5})
        stream.forget("t", "g")
        assert stream.lags("t") == {}
        for call in (member.renew, lambda: member.commit({0: 5})):
            with pytest.raises(DefinitionError, match="there is no group 'g'"):
                call()
        member.close()
        again = join().renew()
        assert again[0].committed == 0
        assert all(again[each].epoch > before[each].epoch for each in range(3))

    def test_the_clock_of_another_boot(self, join: Join, let_pass: Pass) -> None:
        join().renew()
        if self.seconds < 10:
            pytest.skip("its clock cannot be set back")
        let_pass(-1e6)
        assert set(join().renew()) == {0, 1, 2}

    def test_members_of_several_processes(self, open_stream: Open) -> None:
        streams = [open_stream(), open_stream()]
        streams[0].create(Topic("t", partitions=4))
        members = [stream.join("t", "g", seconds=self.seconds) for stream in streams]
        assert sorted(map(len, settled(members))) == [2, 2]
        assert everything(streams[1]) == [[], [], [], []]
