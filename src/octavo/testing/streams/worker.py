"""A process that uses a stream until it is killed; a script.

``append URL FOLDER NAME FIRST`` appends blocks whose content depends on their number alone, from
the number FIRST on, and tells each number when its blocks are acknowledged. ``consume URL FOLDER
RESULTS SECONDS`` copies what it reads into an SQLite file, the way consumers are meant to: rows,
position and epoch in one transaction, and reads on from there.
"""

import contextlib
import hashlib
import sqlite3
import sys
from collections.abc import Sequence
from pathlib import Path

from octavo.streams import Block, Lease, LeaseLostError, Record, Stream, open_stream

TOPIC, PARTITIONS, GROUP = "t", 4, "g"

_TABLES = """
create table if not exists positions (partition integer primary key, epoch, position);
create table if not exists results (partition, first, rows, data);
"""


def blocks(name: str, number: int) -> list[Block]:
    """Return what an appender appends in one call: two blocks, in two partitions."""
    text = f"{name} {number} "
    return [
        Block(
            partition=(number + part) % PARTITIONS,
            rows=1 + number % 7,
            data=(text + hashlib.sha256(text.encode()).hexdigest() * (1 + number % 50)).encode(),
            key=f"{name}-{number}-{part}",
        )
        for part in range(2)
    ]


def append(stream: Stream, name: str, first: int) -> None:
    """Append for ever."""
    for number in range(first, sys.maxsize):
        stream.append(TOPIC, blocks(name, number))
        print(number, flush=True)


def consume(stream: Stream, results: sqlite3.Connection, seconds: float) -> None:
    """Consume for ever."""
    with stream.join(TOPIC, GROUP, seconds=seconds) as member:
        while True:
            leases = member.renew()
            positions = {partition: _position(results, partition) for partition in leases}
            records = stream.read(TOPIC, positions, max_rows=50, wait=0.02)
            done = {
                partition: position
                for partition, lease in leases.items()
                if (position := _store(results, records, lease, positions[partition])) is not None
            }
            with contextlib.suppress(LeaseLostError):
                member.commit(done)
            print(len(records), flush=True)


def _position(results: sqlite3.Connection, partition: int) -> int:
    query = "select position from positions where partition = ?"
    found = results.execute(query, (partition,)).fetchone()
    return found[0] if found else 0


def _store(
    results: sqlite3.Connection, records: Sequence[Record], lease: Lease, position: int
) -> int | None:
    """Store what was read of one partition; return its new position, None if another moved it."""
    mine = [record for record in records if record.partition == lease.partition]
    end = mine[-1].end if mine else position
    with results:
        query = """insert into positions values (?1, ?2, ?3) on conflict (partition)
            do update set epoch = ?2, position = ?3 where epoch <= ?2 and position = ?4"""
        if not results.execute(query, (lease.partition, lease.epoch, end, position)).rowcount:
            return None
        rows = ((each.partition, each.offset, each.rows, each.data) for each in mine)
        results.executemany("insert into results values (?, ?, ?, ?)", rows)
    return end


def connect(file: Path) -> sqlite3.Connection:
    """Open the file of results."""
    connection = sqlite3.connect(file, timeout=60)
    connection.executescript(_TABLES)
    return connection


def main(what: str, url: str, folder: str, *rest: str) -> None:
    """Do one or the other."""
    stream = open_stream(url, Path(folder))
    if what == "append":
        append(stream, rest[0], int(rest[1]))
    else:
        consume(stream, connect(Path(rest[0])), float(rest[1]))


if __name__ == "__main__":
    main(*sys.argv[1:])
