"""What every stream promises: topics of partitions, to which blocks of rows are appended.

A *topic* has a fixed number of *partitions*, each a log of its own. What is appended to a partition
is a *block of rows*: bytes that a stream does not look into (Arrow IPC, by convention of those who
write and read it), the number of rows in them, and a small header. *Offsets count rows*: the rows
of a block have consecutive offsets, and a later block's are higher. They need not be dense: there
may be offsets between two blocks that no row has. So whoever reads goes on at `Record.end`, and
never adds up rows.

A *consumer group* is whoever must see all rows of a topic once, such as one service in several
processes. Its *members* share the partitions evenly, and hold each by a *lease*. A group's
*committed offset* says what the log need not keep for it; it is not a place to resume from by
right. A consumer that stores its position together with its results, in one transaction of its own,
reads on from there, and commits afterwards.

What is promised
----------------
- **Durable.** When `Stream.append` returns, its blocks are on disk; no later crash loses them.
- **Ordered.** In a partition, blocks are read in the order of their offsets, which never changes;
  those of one ``append`` are in the order given. Between partitions there is no order.
- **Nothing is torn.** A block is read whole or not at all.
- **Fenced.** A lease has an *epoch*, which grows each time somebody claims the partition in that
  group. A commit under an older epoch is refused. It is also the fencing token of a consumer's own
  transactions: store it beside what is written, and refuse a lower one.
- **Kept.** What a registered group has not committed is not removed, unless that is asked for.
- **Bounded.** A topic with a bound refuses blocks while a group is too far behind.

What is not
-----------
- *Delivered once.* Offsets are given, not exactly-once delivery: a consumer that died before it
  stored its position reads the same rows again, and drops those that it has applied.
- *Held to the last instant.* A process may lose its lease between looking and writing. The epoch
  decides then, not the clock.
- *Append times that never decrease.* They are the wall clock of whoever appended. A consumer that
  needs a clock which does not go back keeps the largest that it has seen.
- *Idempotency everywhere.* A stream with `Stream.deduplicates` appends a key once in all that the
  topic still retains. Another one (Kafka cannot look a key up) carries the key in the header of
  each record, where a consumer finds it: it keeps the keys it has applied with its position, or, as
  the ingestion service does, goes by the identity of the events inside.
- *One transaction over partitions.* The embedded log appends all blocks of a call or none. Kafka
  may have appended some when it fails; to repeat the call under the same keys is right on both.

How Kafka fits: a block is one message, its header the message's headers, an offset the message's
offset × `MOST_ROWS` + the row's number in the block. A lease is a partition assigned to a member of
the group, its epoch the group's generation. `Stream.trim` deletes records up to an offset, in
topics without retention of their own; the bound is watched by whoever appends, from the group's
lag.
"""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, NamedTuple, Protocol

import msgspec

from octavo.errors import DataError, DefinitionError, ResourceError

MOST_ROWS = 1 << 20
"""Rows of a block, at the most."""
MOST_BYTES = 64 << 20
"""Bytes of a block, at the most."""


class LeaseLostError(ResourceError):
    """A partition is held by another member now, or the lease was released."""

    def __init__(self, topic: str, group: str, partition: int) -> None:
        super().__init__(
            f"this member of group {group!r} does not hold partition {partition} any more.",
            where=topic,
            fix="Drop what was not stored, and renew: whoever holds it goes on.",
        )


class BacklogError(ResourceError):
    """A topic has reached its bound: consumers are too far behind.

    Attributes
    ----------
    retry_after : float
        Seconds after which it is worth trying again.
    """

    def __init__(self, topic: str, waiting: int, bound: int, *, retry_after: float = 1.0) -> None:
        super().__init__(
            f"{waiting:,} bytes wait to be consumed; the bound is {bound:,}.",
            where=topic,
            fix=f"Try again in {retry_after:g} s; if it stays, see which group lags, and why.",
        )
        self.retry_after = retry_after


@dataclasses.dataclass(frozen=True)
class Retention:
    """What of a partition may be removed: blocks from its beginning that pass any of these limits.

    All None: nothing is removed.
    """

    seconds: float | None = None
    """Age by the wall clock."""
    rows: int | None = None
    """Rows that are kept, at the most."""
    bytes: int | None = None
    """Bytes of blocks that are kept, at the most."""


@dataclasses.dataclass(frozen=True)
class Topic:
    """What is declared of a topic.

    Raises
    ------
    DefinitionError
        If the name is no plain word, or it has no partition.
    """

    name: str
    """Letters, digits, ``.``, ``_`` and ``-``, at most 200; begins with a letter or a digit."""
    partitions: int = 1
    """How many; fixed for good."""
    retention: Retention = Retention()
    """What `Stream.trim` may remove."""
    bound: int | None = None
    """Bytes that may wait for the slowest group; from there on appends are refused. A call that
    begins below it is accepted whole. In a topic without groups all that is retained waits."""
    groups: tuple[str, ...] = ()
    """Groups that are registered with the topic, so that nothing is removed before they first run;
    others are when they first join."""

    def __post_init__(self) -> None:
        plain = self.name.replace(".", "").replace("_", "").replace("-", "")
        if not (plain.isascii() and plain.isalnum() and self.name[0].isalnum()) or (
            len(self.name) > 200
        ):
            fix = "Use letters, digits, '.', '_' and '-', at most 200."
            raise DefinitionError(f"a topic cannot be called {self.name!r}.", fix=fix)
        if self.partitions < 1:
            fix = "Give it one or more."
            raise DefinitionError(f"it has {self.partitions} partitions.", where=self.name, fix=fix)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Block:
    """Rows to append, together.

    Raises
    ------
    DataError
        If it has no rows, or more rows or bytes than a block may have, or its header is no JSON.
    """

    partition: int = 0
    rows: int
    """How many offsets it takes, 1 to `MOST_ROWS`. A reference to rows kept elsewhere, which has
    no data, takes as many as its writer likes."""
    data: bytes = b""
    """At most `MOST_BYTES`; Arrow IPC stream format by convention."""
    key: str | None = None
    """Idempotency key: names this content in its topic; None: it may be appended again. Contents
    are not compared. A caller that is not sure that equal keys mean equal content puts a hash of it
    into the key."""
    metadata: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    """A few plain JSON values for whoever reads, such as a batch ID."""

    def __post_init__(self) -> None:
        if not 1 <= self.rows <= MOST_ROWS:
            fix = f"Give it 1 to {MOST_ROWS:,}."
            raise DataError(f"a block of {self.rows} rows.", where=self.key or "", fix=fix)
        if len(self.data) > MOST_BYTES:
            fix = f"Divide it: a block has at most {MOST_BYTES:,}."
            raise DataError(f"a block of {len(self.data):,} bytes.", where=self.key or "", fix=fix)
        try:
            msgspec.json.encode((self.key, self.metadata))
        except (TypeError, ValueError) as error:
            what = f"the header of a block is no plain JSON: {error}."
            raise DataError(what, where=ascii(self.key), fix="Give it plain values.") from error


@dataclasses.dataclass(frozen=True, kw_only=True)
class Record(Block):
    """A block as it is in the log."""

    offset: int
    """Of its first row."""
    appended_at: int
    """Microseconds since the epoch, by the wall clock of whoever appended it."""

    @property
    def end(self) -> int:
        """The offset after its last row, where reading goes on."""
        return self.offset + self.rows


class Place(NamedTuple):
    """Where a block is."""

    partition: int
    offset: int
    """Of its first row."""
    repeated: bool
    """Whether its key was known, and nothing was appended."""


class Extent(NamedTuple):
    """What a partition retains."""

    begin: int
    """Offset of the first row that can be read."""
    end: int
    """The offset after the last one, which the next block gets."""


class Lease(NamedTuple):
    """A partition held by a member. The same partition under another epoch is another lease."""

    partition: int
    epoch: int
    """Grows with each claim of the partition in the group; the fencing token."""
    committed: int
    """The group's committed offset when the lease was last renewed."""


class Member(AbstractContextManager["Member"], Protocol):
    """One member of a consumer group; belongs to one thread. Closed when a ``with`` ends."""

    group: str
    name: str
    """Unique in the group, and new for each member that joins."""

    def renew(self) -> Mapping[int, Lease]:
        """Say that this member lives, and return the leases it holds, by partition.

        To be called all the time, such as with each turn of the loop that reads; most calls cost
        nothing. Partitions are claimed, and handed over, in these calls alone. A lease that was
        returned before and is not any more is to be handed over (somebody joined) or lost (this
        member was silent for too long). For handing over, it is released by the *next* call that
        finds it absent: until then, finish and commit, or drop it. The same partition under a new
        epoch may have been another's meanwhile: begin again at the stored position.

        Raises
        ------
        DefinitionError
            If the group was forgotten.
        ResourceError
            If the log cannot be written. The leases then run on, and out.
        """
        ...

    def commit(self, offsets: Mapping[int, int]) -> None:
        """Say that this group needs no rows before these offsets, by partition.

        All of them or none. An offset below the committed one changes nothing.

        Raises
        ------
        LeaseLostError
            If any of the partitions is not held, or was claimed by another since.
        DataError
            If an offset is beyond the end of its partition.
        """
        ...

    def close(self) -> None:
        """Release all leases, and leave the group."""
        ...


class Stream(Protocol):
    """Topics, in one place. Threads may share it; processes open their own, by the same URL.

    Every method that names a topic raises ``DefinitionError`` if there is none of that name, and
    ``ResourceError`` if the machine stands in the way (a full disk, a file that cannot be written).
    """

    deduplicates: bool
    """Whether a key that the topic retains is appended once only."""

    def create(self, topic: Topic) -> None:
        """See to it that a topic is there as declared.

        An existing one gets the retention and bound of this declaration, and the groups that it
        does not have.

        Raises
        ------
        DefinitionError
            If it is there with another number of partitions.
        """
        ...

    def topics(self) -> list[str]:
        """Return the names of all topics, sorted."""
        ...

    def append(self, topic: str, blocks: Sequence[Block]) -> list[Place]:
        """Append blocks, and return where each of them is. They are durable then.

        Raises
        ------
        BacklogError
            If the topic is at its bound; nothing was appended.
        DefinitionError
            If there is no such partition; nothing was appended.
        """
        ...

    def read(
        self,
        topic: str,
        positions: Mapping[int, int],
        *,
        max_rows: int = 100_000,
        max_bytes: int = 8 << 20,
        wait: float = 0.0,
    ) -> list[Record]:
        """Return what comes next in some partitions, in order of partition and offset.

        Needs no group and no lease; changes nothing.

        Parameters
        ----------
        positions
            For each partition wanted the offset of the first row wanted. The first record is the
            block that holds it, and may begin before it: whoever reads drops those rows.
        max_rows, max_bytes
            How much of each partition; at least one block, if there is one, however large.
        wait
            Seconds to wait if there is nothing at all. Others' blocks are seen within a few
            milliseconds.

        Raises
        ------
        DataError
            If a position is before the beginning of its partition (removed by retention), or after
            its end (the log was replaced): to go on would lose rows silently.
        """
        ...

    def extents(self, topic: str) -> list[Extent]:
        """Return beginning and end of each partition."""
        ...

    def lags(self, topic: str) -> dict[str, list[int]]:
        """Return for each registered group how many offsets it is behind, by partition."""
        ...

    def join(self, topic: str, group: str, *, seconds: float = 10.0) -> Member:
        """Return a new member of a group, which is registered if it is not.

        A group begins at the beginning of each partition.

        Parameters
        ----------
        seconds
            How long a lease outlives the last `Member.renew` or `Member.commit`. Measured by a
            clock that nobody sets and that stops while the machine sleeps.
        """
        ...

    def forget(self, topic: str, group: str) -> None:
        """Unregister a group: the log keeps nothing for it any more, nor waits for it.

        If it is registered again, its epochs go on from where they were.
        """
        ...

    def trim(self, topic: str, *, uncommitted: bool = False) -> int:
        """Remove what the topic's retention allows, and return how many rows that were.

        Parameters
        ----------
        uncommitted
            Also what registered groups have not committed; they meet an error where they read on.
        """
        ...

    def close(self) -> None:
        """Close files. Members are not closed: their leases run out."""
        ...


def checked_partitions(topic: str, partitions: Iterable[int], count: int) -> None:
    """Refuse a partition that a topic does not have.

    Raises
    ------
    DefinitionError
        For the first of them.
    """
    for partition in partitions:
        if not 0 <= partition < count:
            fix = f"It has {count}, from 0."
            raise DefinitionError(f"there is no partition {partition}.", where=topic, fix=fix)


def checked_count(topic: Topic, count: int) -> None:
    """Refuse to declare another number of partitions than a topic has.

    Raises
    ------
    DefinitionError
        If it has others.
    """
    if topic.partitions != count:
        raise DefinitionError(
            f"it has {count} partitions, not {topic.partitions}.",
            where=topic.name,
            fix="That cannot change: declare what it has, or a topic of another name.",
        )


def checked_position(topic: str, partition: int, position: int, extent: Extent) -> None:
    """Refuse a position from which rows would be missed.

    Raises
    ------
    DataError
        If it is outside what the partition retains.
    """
    where = f"{topic}, partition {partition}"
    if position < extent.begin:
        raise DataError(
            f"the rows from {position:,} to {extent.begin - 1:,} have been removed.",
            where=where,
            fix="Take them from the raw store; then read on from the beginning of the log.",
        )
    if position > extent.end:
        raise DataError(
            f"position {position:,} is beyond its end, {extent.end:,}: the log is another one.",
            where=where,
            fix="Restore the log, or start over with the state that has this position.",
        )
