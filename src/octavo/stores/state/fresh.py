"""What has come lately, of many entities together: one value for each range of entities.

Two thousand events fall on nearly as many entities. To rewrite the head of each would write pages
a hundred times as large as what is new, in a thousand places. So new observations first go to the
end of the value of their range, and to their entities when there are many: then the fullest range
alone is placed, its entities with several observations each, side by side in the table. That
happens a little in every transaction, never for all at once.

A key is, big-endian, lane (uint16) · range (uint16): the range is the first bits of the entity's
hash. A value is written as a chunk is (see `octavo.stores.state.chunks`), of triples in the order
of arrival. Lanes that have tiles have none of this, as what folds them reads its entities back at
once. This module knows nothing of where observations of an entity go.
"""

import struct
from typing import Any, NamedTuple, Self

import numpy as np

from octavo.stores.state import chunks

BITS = 5
"""Of an entity's hash that tell its range: more ranges have smaller values, in more places."""

MOST = 1 << 15
"""Observations of a lane that wait at the most: with their ranges they are read by each request."""

TRIPLE = np.dtype([("entity", "<u8"), ("time", "<i8"), ("value", "<f8")])
"""One observation."""

_KEY = struct.Struct(">HH")


class Rows(NamedTuple):
    """Observations of many entities, in columns."""

    entity: np.ndarray
    """uint64 (rows,)."""
    time: np.ndarray
    """Event times, int64 (rows,)."""
    value: np.ndarray
    """float64 (rows,)."""

    @classmethod
    def none(cls) -> Self:
        """No observation."""
        return cls(np.empty(0, np.uint64), np.empty(0, np.int64), np.empty(0))

    @classmethod
    def of(cls, observations: memoryview | bytes) -> Self:
        """Return observations that were written as triples."""
        triples = np.frombuffer(observations, TRIPLE)
        return cls(*(np.ascontiguousarray(triples[name]) for name in TRIPLE.names or ()))

    @classmethod
    def joined(cls, parts: "list[Rows]") -> Self:
        """Return parts as one, sorted by entity and event time, equal ones as they came."""
        entity, time, value = (np.concatenate(columns) for columns in zip(*parts, strict=True))
        same = entity[:-1] == entity[1:]
        if (np.where(same, time[:-1] <= time[1:], entity[:-1] < entity[1:])).all():
            return cls(entity, time, value)
        order = np.lexsort((time, entity))
        return cls(entity[order], time[order], value[order])

    def part(self, first: int, end: int) -> "Rows":
        """Return some of them, one after the other."""
        return Rows(*(column[first:end] for column in self))

    def as_bytes(self) -> bytes:
        """Return them as triples."""
        triples = np.empty(self.entity.size, TRIPLE)
        triples["entity"], triples["time"], triples["value"] = self
        return triples.tobytes()


def take_in(transaction: Any, table: Any, lane: int, rows: Rows, most: int) -> Rows:
    """Let rows wait; return, of all that wait, what is to be placed now.

    Parameters
    ----------
    transaction, table
        A write transaction of LMDB, and the table of what is fresh.
    lane
        Number of the lane.
    rows
        Sorted as `Rows.joined` does; so is what is returned.
    most
        How many may wait after that.
    """
    waiting = _waiting(transaction, table, lane, range(1 << BITS))
    if not most and not any(map(len, waiting)):
        return rows
    firsts = np.arange(1 << BITS, dtype=np.uint64) << np.uint64(64 - BITS)
    edges = [*np.searchsorted(rows.entity, firsts).tolist(), rows.entity.size]
    sizes = np.diff(edges) + [len(old) // TRIPLE.itemsize for old in waiting]
    left, now = int(sizes.sum()), [Rows.none()]
    for number in np.argsort(-sizes, kind="stable").tolist():
        old, new = waiting[number], rows.part(edges[number], edges[number + 1])
        if left > most:
            left -= int(sizes[number])
            now += [Rows.of(old), new]
            if len(old):
                transaction.delete(_KEY.pack(lane, number), db=table)
        elif new.entity.size:
            value = chunks.written((old, new.as_bytes()), int(sizes[number]))
            transaction.put(_KEY.pack(lane, number), value, db=table)
    return Rows.joined(now)


def triples_of(transaction: Any, table: Any, lane: int, entities: np.ndarray) -> np.ndarray:
    """Return what waits of some entities, and of some others, in the order of arrival of each."""
    ranges = np.unique(entities >> np.uint64(64 - BITS)).tolist()
    return np.frombuffer(b"".join(_waiting(transaction, table, lane, ranges)), TRIPLE)


def rows_of_one(transaction: Any, table: Any, lane: int, entity: int) -> Rows:
    """Return what waits of an entity by event time, equal ones as they came."""
    value = transaction.get(_KEY.pack(lane, entity >> (64 - BITS)), db=table)
    if value is None:
        return Rows.none()
    triples = np.frombuffer(chunks.read(value, TRIPLE)[0], TRIPLE)
    mine = triples[triples["entity"] == np.uint64(entity)]
    mine = mine[np.argsort(mine["time"], kind="stable")]
    return Rows(mine["entity"], mine["time"], mine["value"])


def _waiting(transaction: Any, table: Any, lane: int, ranges: Any) -> list[memoryview | bytes]:
    """Return what waits of some ranges, as bytes."""
    keys = [_KEY.pack(lane, number) for number in ranges]
    with transaction.cursor(table) as cursor:
        found = dict(cursor.getmulti(keys))
    return [chunks.read(found[key], TRIPLE)[0] if key in found else b"" for key in keys]
