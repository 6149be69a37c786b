"""A consumer group: who lives, who holds which partition, and what is committed.

Pure state and its rules, the same for every embedded log, which loads and stores it in a
transaction of its own. Members share without a coordinator: each, when it renews, claims what is
free of its share, or gives back what is over it. It knows nothing of blocks or of files.

Times are nanoseconds of a monotonic clock that the processes of one boot share. A time from before
the boot looks like the future, and counts as long ago.
"""

import contextlib
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple, Protocol

import msgspec

from octavo.errors import DefinitionError
from octavo.streams.contract import Lease, LeaseLostError, Member

Clock = Callable[[], int]
"""Gives nanoseconds of a monotonic clock, or microseconds since the epoch of the wall clock."""


def wall_clock() -> int:
    """Return microseconds since the epoch."""
    return time.time_ns() // 1000


class Claim(msgspec.Struct):
    """What a group knows of one partition."""

    committed: int = 0
    volume: int = 0
    """Bytes of blocks that were ever before the committed offset."""
    owner: str = ""
    epoch: int = 0


class Seen(NamedTuple):
    """When a member last gave a sign of life, and how long that holds."""

    at: int
    lasts: int

    def is_alive(self, now: int) -> bool:
        """Say whether its leases still hold."""
        return 0 <= now - self.at < self.lasts


class Group(msgspec.Struct):
    """The state of one group in one topic."""

    claims: list[Claim]
    """By partition."""
    members: dict[str, Seen] = msgspec.field(default_factory=dict)
    is_registered: bool = True
    """Whether the log keeps and waits for it. A forgotten group only keeps its epochs."""

    def renew(self, name: str, seen: Seen, released: Collection[int]) -> tuple[list[Lease], int]:
        """Take up a sign of life, give back and claim partitions.

        Returns
        -------
        leases : list
            All that the member holds.
        share : int
            How many of these it may keep; the others are to be handed over.
        """
        self.members = {each: of for each, of in self.members.items() if of.is_alive(seen.at)}
        self.members[name] = seen
        self.release(name, released)
        held = dict.fromkeys(self.members, 0)
        for claim in self.claims:
            if claim.owner in held:
                held[claim.owner] += 1
        share = fair_share(held, name, len(self.claims))
        for claim in self.claims:
            if held[name] < share and claim.owner not in self.members:
                claim.owner, claim.epoch = name, claim.epoch + 1
                held[name] += 1
        leases = [
            Lease(partition, claim.epoch, claim.committed)
            for partition, claim in enumerate(self.claims)
            if claim.owner == name
        ]
        return leases, share

    def release(self, name: str, partitions: Iterable[int]) -> None:
        """Give back those of the partitions that the member still holds."""
        for partition in partitions:
            if self.claims[partition].owner == name:
                self.claims[partition].owner = ""

    def is_held(self, name: str, lease: Lease) -> bool:
        """Say whether nobody has claimed the partition since."""
        claim = self.claims[lease.partition]
        return (claim.owner, claim.epoch) == (name, lease.epoch)

    def leave(self, name: str) -> None:
        """Forget a member, and give back all it holds."""
        self.members.pop(name, None)
        self.release(name, range(len(self.claims)))

    def forget(self) -> None:
        """Unregister the group, and with it all members."""
        self.is_registered, self.members = False, {}
        for claim in self.claims:
            claim.owner = ""

    def register(self, begins: Sequence[tuple[int, int]]) -> None:
        """Register it anew, at an offset and a volume of each partition."""
        self.is_registered = True
        for claim, (offset, volume) in zip(self.claims, begins, strict=True):
            claim.committed, claim.volume = offset, volume


def fair_share(held: Mapping[str, int], name: str, partitions: int) -> int:
    """Return how many partitions one of the members is entitled to.

    Where they do not divide evenly, those who hold most have one more, so that little moves.
    """
    least, over = divmod(partitions, len(held))
    order = sorted(held, key=lambda each: (-held[each], each))
    return least + (order.index(name) < over)


def live(groups: Mapping[str, Group]) -> dict[str, Group]:
    """Return those that are registered."""
    return {name: group for name, group in groups.items() if group.is_registered}


def registered(topic: str, groups: Mapping[str, Group], name: str) -> Group:
    """Return one of a topic's groups.

    Raises
    ------
    DefinitionError
        If it is not registered, or was forgotten.
    """
    known = live(groups)
    if name not in known:
        raise DefinitionError.unknown("group", name, known, where=topic)
    return known[name]


class GroupLog(Protocol):
    """What a member needs of the log of its topic."""

    def group(self, name: str) -> AbstractContextManager[Group]:
        """Give a group to change; what is changed is stored, durably, when the context ends well.

        Raises
        ------
        DefinitionError
            If there is no such group.
        """
        ...

    def look(self, name: str) -> Group:
        """Give a copy of the group as it is."""
        ...

    def volume_at(self, partition: int, offset: int) -> int:
        """Return the bytes before the block that holds an offset; inside `group` only.

        Raises
        ------
        DataError
            If the offset is outside what the partition has.
        """
        ...


class GroupMember(AbstractContextManager[Member]):
    """A member of a group in an embedded log; see `octavo.streams.contract.Member`."""

    def __init__(self, log: GroupLog, topic: str, group: str, seconds: float, clock: Clock) -> None:
        self.group = group
        self.name = uuid.uuid4().hex
        self._log = log
        self._topic = topic
        self._clock = clock
        self._lasts = int(seconds * 1e9)
        self._renewed = Seen(0, 0)
        self._held: dict[int, Lease] = {}
        self._leaving: list[int] = []

    def renew(self) -> Mapping[int, Lease]:
        """Say that this member lives; written after a third of the lease, or if shares change."""
        is_fresh = Seen(self._renewed.at, self._lasts // 3).is_alive(self._clock())
        if not is_fresh or self._leaving or self._changes():
            with self._log.group(self.group) as group:
                seen = self._seen()
                leases, share = group.renew(self.name, seen, self._leaving)
            self._renewed = seen
            self._held = {lease.partition: lease for lease in leases}
            self._leaving = [lease.partition for lease in leases[share:]]
        return {each: of for each, of in self._held.items() if each not in self._leaving}

    def _seen(self) -> Seen:
        """Return a sign of life; made after the group was read, so that no other is from later."""
        return Seen(self._clock(), self._lasts)

    def _changes(self) -> bool:
        """Say whether renewing would change what this member holds, or may keep."""
        group = self._log.look(self.group)
        leases, share = group.renew(self.name, self._seen(), ())
        held = {lease.partition: lease.epoch for lease in leases}
        return len(held) > share or held != {each: of.epoch for each, of in self._held.items()}

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Commit offsets of partitions that are held, all or none."""
        with self._log.group(self.group) as group:
            for partition, offset in offsets.items():
                lease = self._held.get(partition)
                if lease is None or not group.is_held(self.name, lease):
                    raise LeaseLostError(self._topic, self.group, partition)
                volume = self._log.volume_at(partition, offset)
                claim = group.claims[partition]
                claim.committed = max(claim.committed, offset)
                claim.volume = max(claim.volume, volume)
            group.members[self.name] = self._seen()

    def close(self) -> None:
        """Leave the group; if it was forgotten, there is nothing to leave."""
        with contextlib.suppress(DefinitionError), self._log.group(self.group) as group:
            group.leave(self.name)
        self._held, self._leaving = {}, []

    def __exit__(self, *error: object) -> None:
        """Leave the group."""
        self.close()
