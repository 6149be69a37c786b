"""One topic of the embedded log: one SQLite file.

It knows how blocks, offsets and groups are laid out in tables, and what is one transaction. It
knows nothing of leases, or of waiting.

Two connections: one writes, one reads, each used by one thread at a time. Appends that wait for the
one that writes are committed together (*group commit*), so that they share one wait for the disk.
"""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apsw
import msgspec

from octavo.errors import ResourceError
from octavo.streams.contract import (
    BacklogError,
    Block,
    Extent,
    Place,
    Record,
    Retention,
    Topic,
    checked_count,
    checked_partitions,
    checked_position,
)
from octavo.streams.database import connect, create, explained, transaction
from octavo.streams.groups import Claim, Clock, Group, live, registered
from octavo.streams.together import Together

FORMAT = 1
"""Version of the tables, kept as the file's ``user_version``."""
TRIMMED_AT_ONCE = 256
"""Blocks that one transaction removes, at the most, so that appends need not wait for long."""

_TABLES = f"""
create table topic (declared text not null);
create table partitions (
    number integer primary key,
    first integer not null,    -- offset at which it begins
    next integer not null,     -- offset at which it ends
    removed integer not null,  -- bytes of blocks that were before its beginning
    volume integer not null    -- bytes of blocks that were before its end
);
create table blocks (
    partition integer not null,
    first integer not null,    -- offset of its first row
    rows integer not null,
    volume integer not null,   -- bytes of blocks that were ever before it
    appended_at integer not null,
    key text,
    metadata text not null,
    data blob not null
);
create unique index places on blocks (partition, first);
create unique index keys on blocks (key) where key is not null;
create table groups (name text primary key, state text not null);
pragma user_version = {FORMAT};
"""


@dataclass
class _Request:
    """One call of append that waits for its turn."""

    blocks: Sequence[Block]
    places: list[Place] | None = None
    error: BaseException | None = None


@dataclass
class _Partition:
    """A row of the table of partitions."""

    number: int
    first: int
    next: int
    removed: int
    volume: int


class TopicFile:
    """An open topic. Threads may share it.

    Parameters
    ----------
    path
        The file, which exists.
    wall
        Microseconds since the epoch.

    Raises
    ------
    ResourceError
        If it cannot be opened, or was written by another version of Octavo.
    """

    def __init__(self, path: Path, wall: Clock) -> None:
        self.path = path
        self.name = path.stem
        self._wall = wall
        self._writing, self._reading = threading.Lock(), threading.Lock()
        self._together = Together(self._commit, self._writing)
        with explained(path):
            self._writer, self._reader = connect(path), connect(path)
            version = self._reader.pragma("user_version")
        if version != FORMAT:
            raise ResourceError(
                f"the log has version {version}, this Octavo knows {FORMAT}.",
                where=str(path),
                fix="Read it with the Octavo that wrote it.",
            )
        self._count = len(self.extents())

    @staticmethod
    def create(path: Path, topic: Topic) -> None:
        """Make the file of a topic; if another process was quicker, its file stays."""

        def fill(connection: apsw.Connection) -> None:
            connection.execute(_TABLES)
            numbers = ((number,) for number in range(topic.partitions))
            connection.executemany("insert into partitions values (?, 0, 0, 0, 0)", numbers)
            connection.execute("insert into topic values (?)", (_text(topic),))

        create(path, fill)

    def declare(self, topic: Topic) -> None:
        """Take over a declaration, and register its groups.

        Raises
        ------
        DefinitionError
            If it has another number of partitions.
        """
        checked_count(topic, self._count)
        with self._changes() as writer:
            writer.execute("update topic set declared = ?", (_text(topic),))
            for group in topic.groups:
                self._register(group)

    def register(self, group: str) -> None:
        """See to it that a group is registered."""
        with self._changes():
            self._register(group)

    @contextlib.contextmanager
    def group(self, name: str) -> Iterator[Group]:
        """Give a registered group to change, in a transaction."""
        with self._changes() as writer:
            group = registered(self.name, _groups(writer), name)
            yield group
            _put(writer, name, group)

    def look(self, name: str) -> Group:
        """Give a copy of a registered group."""
        with self._snapshot() as reader:
            return registered(self.name, _groups(reader), name)

    def volume_at(self, partition: int, offset: int) -> int:
        """Return the bytes before the block that holds an offset; in a transaction only."""
        at = _partitions(self._writer)[partition]
        if offset <= at.first:
            return at.removed
        if offset >= at.next:
            checked_position(self.name, partition, offset, Extent(at.first, at.next))
            return at.volume
        query = """select volume from blocks where partition = ? and first <= ?
            order by first desc limit 1"""
        return self._writer.execute(query, (partition, offset)).get

    def append(self, blocks: Sequence[Block]) -> list[Place]:
        """Append blocks, together with what other threads are about to append."""
        checked_partitions(self.name, (block.partition for block in blocks), self._count)
        request = _Request(blocks)
        self._together.do(request)
        if request.error is not None:
            raise request.error
        assert request.places is not None, "it was served"
        return request.places

    def read(self, positions: Mapping[int, int], max_rows: int, max_bytes: int) -> list[Record]:
        """Return what is there now from these positions on."""
        checked_partitions(self.name, positions, self._count)
        found: list[Record] = []
        with self._snapshot() as reader:
            known = _partitions(reader)
            for number, position in sorted(positions.items()):
                at = known[number]
                checked_position(self.name, number, position, Extent(at.first, at.next))
                if position < at.next:
                    found += _records(reader, number, position, max_rows, max_bytes)
        return found

    def version(self) -> int:
        """Return a number that is another one after each commit, by whichever process."""
        with self._reading, explained(self.path):
            return self._reader.execute("pragma data_version").get

    def extents(self) -> list[Extent]:
        """Return beginning and end of each partition."""
        with self._snapshot() as reader:
            return [Extent(each.first, each.next) for each in _partitions(reader)]

    def lags(self) -> dict[str, list[int]]:
        """Return how many offsets each registered group is behind, by partition."""
        with self._snapshot() as reader:
            ends = [each.next for each in _partitions(reader)]
            return {
                name: [end - of.committed for end, of in zip(ends, group.claims, strict=True)]
                for name, group in live(_groups(reader)).items()
            }

    def trim(self, *, uncommitted: bool) -> int:
        """Remove blocks that retention allows to remove; return how many rows these had."""
        total = 0
        with self._snapshot() as reader:
            now, limits = self._wall(), _declared(reader).retention
            allowed = [_allowed(reader, at, limits, now) for at in _partitions(reader)]
        for number, until in enumerate(allowed):
            while rows := self._trim_some(number, until, uncommitted):
                total += rows
        return total

    def close(self) -> None:
        """Close the file."""
        with self._writing, self._reading:
            self._reader.close()
            self._writer.close()

    @contextlib.contextmanager
    def _changes(self) -> Iterator[apsw.Connection]:
        with self._writing, explained(self.path), transaction(self._writer, writes=True) as writer:
            yield writer

    @contextlib.contextmanager
    def _snapshot(self) -> Iterator[apsw.Connection]:
        with self._reading, explained(self.path), transaction(self._reader, writes=False) as reader:
            yield reader

    def _commit(self, requests: Sequence[_Request]) -> None:
        """Serve several calls of append in one transaction; this thread holds the writer."""
        try:
            with explained(self.path), transaction(self._writer, writes=True) as writer:
                places = self._append(writer, requests)
        except BaseException as error:
            for request in requests:
                request.error = error
            raise
        for request, found in zip(requests, places, strict=True):
            request.places = found

    def _append(
        self, writer: apsw.Connection, requests: Sequence[_Request]
    ) -> list[list[Place] | None]:
        """Return the places of each request; None where it was refused."""
        at, bound = _partitions(writer), _declared(writer).bound
        waiting = 0 if bound is None else _waiting(writer, at)
        places: list[list[Place] | None] = []
        for request in requests:
            is_full = bound is not None and waiting >= bound
            if is_full and not all(_known(writer, block) for block in request.blocks):
                assert bound is not None, "what has no bound is never full"
                request.error = BacklogError(self.name, waiting, bound)
                places.append(None)
                continue
            before = sum(each.volume for each in at)
            now = self._wall()
            places.append([_append(writer, at, block, now) for block in request.blocks])
            waiting += sum(each.volume for each in at) - before
        update = "update partitions set next = ?, volume = ? where number = ?"
        writer.executemany(update, ((each.next, each.volume, each.number) for each in at))
        return places

    def _register(self, name: str) -> None:
        known, at = _groups(self._writer), _partitions(self._writer)
        group = known.get(name) or Group([Claim() for _ in at], is_registered=False)
        if not group.is_registered:
            group.register([(each.first, each.removed) for each in at])
            _put(self._writer, name, group)

    def _trim_some(self, number: int, until: int, uncommitted: bool) -> int:
        """Remove some blocks before an offset in one transaction; return how many rows they had."""
        with self._changes() as writer:
            at = _partitions(writer)[number]
            groups = {} if uncommitted else live(_groups(writer))
            committed = (group.claims[number].committed for group in groups.values())
            until = min([until, *committed])
            query = """select first + rows, volume + length(data) from blocks
                where partition = ? and first + rows <= ? order by first limit ?"""
            bounds = (number, until, TRIMMED_AT_ONCE)
            gone: list[Any] = writer.execute(query, bounds).fetchall()
            if not gone:
                return 0
            first, removed = gone[-1]
            writer.execute("delete from blocks where partition = ? and first < ?", (number, first))
            update = "update partitions set first = ?, removed = ? where number = ?"
            writer.execute(update, (first, removed, number))
            return first - at.first


def _append(writer: apsw.Connection, at: Sequence[_Partition], block: Block, now: int) -> Place:
    """Append a block, unless its key is known, and move the end of its partition."""
    known = _known(writer, block)
    if known is not None:
        return known
    end = at[block.partition]
    row = (block.partition, end.next, block.rows, end.volume, now, block.key)
    insert = "insert into blocks values (?, ?, ?, ?, ?, ?, ?, ?)"
    writer.execute(insert, (*row, _text(block.metadata), block.data))
    place = Place(block.partition, end.next, repeated=False)
    end.next += block.rows
    end.volume += len(block.data)
    return place


def _known(reader: apsw.Connection, block: Block) -> Place | None:
    """Return where the key of a block is; None: nowhere, or it has none."""
    if block.key is None:
        return None
    found = reader.execute("select partition, first from blocks where key = ?", (block.key,)).get
    return None if found is None else Place(*found, repeated=True)


def _records(
    reader: apsw.Connection, number: int, position: int, max_rows: int, max_bytes: int
) -> list[Record]:
    """Return the block that holds a position, and those after it that are not too much."""
    begin = "select max(first) from blocks where partition = ? and first <= ?"
    first = last = reader.execute(begin, (number, position)).get
    rows = size = 0
    sizes = """select first, rows, length(data) from blocks
        where partition = ? and first >= ? order by first"""
    for each, more_rows, more in reader.execute(sizes, (number, first)):
        rows, size = rows + more_rows, size + more
        if each > first and (rows > max_rows or size > max_bytes):
            break
        last = each
    query = """select first, rows, appended_at, key, metadata, data from blocks
        where partition = ? and first between ? and ? order by first"""
    return [
        Record(
            partition=number,
            offset=offset,
            rows=rows,
            appended_at=appended_at,
            key=key,
            metadata=msgspec.json.decode(metadata),
            data=data,
        )
        for offset, rows, appended_at, key, metadata, data in reader.execute(
            query, (number, first, last)
        )
    ]


def _allowed(reader: apsw.Connection, at: _Partition, limits: Retention, now: int) -> int:
    """Return the offset up to which retention allows to remove: that of the first block kept."""
    kept = {
        "number": at.number,
        "since": None if limits.seconds is None else now - int(limits.seconds * 1e6),
        "first": None if limits.rows is None else at.next - limits.rows,
        "volume": None if limits.bytes is None else at.volume - limits.bytes,
    }
    query = """select first from blocks where partition = :number
        and (:since is null or appended_at >= :since)
        and (:first is null or first >= :first)
        and (:volume is null or volume >= :volume)
        order by first limit 1"""
    found = reader.execute(query, kept).get
    return at.next if found is None else found


def _waiting(reader: apsw.Connection, at: Sequence[_Partition]) -> int:
    """Return the bytes that the slowest group, in each partition, has not consumed."""
    groups, waiting = live(_groups(reader)).values(), 0
    for each in at:
        consumed = (group.claims[each.number].volume for group in groups)
        waiting += each.volume - max(each.removed, min(consumed, default=0))
    return waiting


def _declared(reader: apsw.Connection) -> Topic:
    return msgspec.json.decode(reader.execute("select declared from topic").get, type=Topic)


def _partitions(reader: apsw.Connection) -> list[_Partition]:
    return [_Partition(*row) for row in reader.execute("select * from partitions order by number")]


def _groups(reader: apsw.Connection) -> dict[str, Group]:
    """Return all groups, also those that were forgotten."""
    rows = reader.execute("select name, state from groups order by name")
    return {name: msgspec.json.decode(state, type=Group) for name, state in rows}


def _put(writer: apsw.Connection, name: str, group: Group) -> None:
    writer.execute("insert or replace into groups values (?, ?)", (name, _text(group)))


def _text(value: object) -> str:
    return msgspec.json.encode(value).decode()
