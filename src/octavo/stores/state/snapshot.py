"""Reading a state: the observations of one entity or many, as of one moment.

This module knows nothing of windows; what it returns is read by the fold like any observations.
"""

from collections.abc import Iterator
from typing import Any, Self

import lmdb
import numpy as np

from octavo.stores.state import chunks, fresh, slabs
from octavo.stores.state.chunks import NEVER, PAIR, Damaged
from octavo.stores.state.records import (
    CATEGORIES,
    CATEGORY,
    FRESH,
    OBSERVATIONS,
    OUTBOX,
    RECORDS,
    TILES,
    Opened,
    Place,
    Progress,
    read_progress,
)
from octavo.stores.state.slabs import Slab
from octavo.windows import Past, Tiles


class Snapshot:
    """One moment of a state, as a context: what is read in it belongs together.

    Not to be shared between threads, nor kept longer than a request: the pages it sees are not
    used again before it ends.
    """

    def __init__(self, opened: Opened) -> None:
        self._opened = opened
        self._transaction: Any = None
        self._observations: Any = None

    def __enter__(self) -> Self:
        environment = self._opened.environment
        self._transaction = environment.begin()
        self._observations = environment.tables[OBSERVATIONS]
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.environment.end(self._transaction)

    @property
    def place(self) -> Place:
        """How far the state had come."""
        return self._progress().place

    @property
    def too_late(self) -> dict[str, int]:
        """Observations by lane that came when nothing could see them: counted, not kept."""
        return dict(zip(self._opened.identity.lanes, self._progress().too_late, strict=True))

    @property
    def held(self) -> dict[str, int]:
        """Observations by lane that the state holds one by one; some may have expired."""
        return dict(zip(self._opened.identity.lanes, self._progress().held, strict=True))

    def history(self, lane: str, entity: int, after: int = NEVER) -> tuple[np.ndarray, np.ndarray]:
        """Return the observations of one entity in rank order: times, int64, and values, float64.

        Of a lane that has tiles these are not all there is: see `observations_of`.

        Parameters
        ----------
        lane
            Name of the lane.
        entity
            Hash of the key.
        after
            Leave out what happened at or before this event time, microseconds.

        Raises
        ------
        DataError
            They are damaged.
        """
        number = self._opened.number(lane)
        try:
            head = self._transaction.get(chunks.head_key(number, entity), db=self._observations)
            pieces = [] if head is None else self._pieces(number, entity, head, after)
            table = self._opened.environment.tables[FRESH]
            new = fresh.rows_of_one(self._transaction, table, number, entity)
        except (Damaged, lmdb.Error) as error:
            raise self._opened.explained(error) from error
        times, values = chunks.apart(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if new.time.size and (not times.size or times[-1] <= new.time[0]):
            times, values = np.append(times, new.time), np.append(values, new.value)
        elif new.time.size:
            at = np.searchsorted(times, new.time, "right")
            times, values = np.insert(times, at, new.time), np.insert(values, at, new.value)
        if times.size and times[0] <= after:
            old = int(np.searchsorted(times, after, "right"))
            return times[old:], values[old:]
        return times, values

    def observations_of(
        self, lane: str, entities: np.ndarray, after: int | np.ndarray = NEVER
    ) -> Past:
        """Return what there is of many entities: observations one by one, and tiles.

        Parameters
        ----------
        lane
            Name of the lane.
        entities
            uint64 (n,): hashes of keys, in any order, each once.
        after
            Leave out what happened at or before this event time, microseconds; an int64 (n,) has
            one for each entity. Tiles may be left out that end by then.

        Raises
        ------
        DataError
            They are damaged.
        """
        number = self._opened.number(lane)
        entities = np.ascontiguousarray(entities, np.uint64)
        bounds = np.broadcast_to(np.asarray(after, np.int64), entities.shape)
        try:
            old: list[list[Slab]] = [[] for _ in range(entities.size)]
            if lane in self._opened.identity.tiles:
                pairs = zip(entities.tolist(), bounds.tolist(), strict=True)
                old = [self._slabs(number, entity, bound) for entity, bound in pairs]
            starts, times, values = self._many(number, entities, bounds.tolist(), old)
        except (Damaged, lmdb.Error) as error:
            raise self._opened.explained(error) from error
        tiles = _tiles(entities, old)
        new = times > np.repeat(bounds, np.diff(starts))
        if new.all():
            return Past(starts, times, values, tiles)
        starts = np.concatenate([[0], np.cumsum(new)])[starts]
        return Past(starts, times[new], values[new], tiles)

    def _slabs(self, lane: int, entity: int, after: int) -> list[Slab]:
        """Return the slabs of an entity that end after a time."""
        table = self._opened.environment.tables[TILES]
        first = chunks.first_key(lane, entity)
        found = []
        with self._transaction.cursor(table) as cursor:
            here = cursor.set_range(chunks.chunk_key(lane, entity, after + (after != NEVER)))
            while here and cursor.key()[:10] == first[:10]:
                found.append(slabs.read(cursor.value()))
                here = cursor.next()
        return found

    def _many(
        self, lane: int, entities: np.ndarray, bounds: list[int], old: list[list[Slab]]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the observations of many entities: where each one's begin, times and values.

        ``old`` are their slabs.
        """
        keys = chunks.head_keys(lane, entities)
        with self._transaction.cursor(self._observations) as cursor:
            heads = dict(cursor.getmulti(sorted(keys)))  # neighbours share their pages
        found: list[bytes | memoryview] = []
        sizes = []
        for key, entity, after, slabs_of in zip(keys, entities.tolist(), bounds, old, strict=True):
            head = heads.get(key)
            pieces = [chunks.as_bytes(each.loose) for each in slabs_of]
            pieces += [] if head is None else self._pieces(lane, entity, head, after)
            found += pieces
            sizes.append(sum(map(len, pieces)))
        times, values = chunks.apart(b"".join(found))
        starts = np.concatenate([[0], np.cumsum(np.array(sizes, np.int64) // PAIR.itemsize)])
        new, owner = self._fresh(lane, entities)
        if not new.size:
            return starts, times, values
        at = _behind(starts, times, owner, new["time"])
        starts = starts + np.append(0, np.cumsum(np.bincount(owner, minlength=entities.size)))
        return starts, np.insert(times, at, new["time"]), np.insert(values, at, new["value"])

    def _fresh(self, lane: int, entities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return what waits of some entities, as triples sorted by these; and whose each is."""
        table = self._opened.environment.tables[FRESH]
        waiting = fresh.triples_of(self._transaction, table, lane, entities)
        by_hash = np.argsort(entities)
        known = entities[by_hash]
        place = np.searchsorted(known, waiting["entity"])
        mine = np.flatnonzero(known[np.minimum(place, known.size - 1)] == waiting["entity"])
        owner, found = by_hash[place[mine]], waiting[mine]
        order = np.lexsort((found["time"], owner))
        return found[order], owner[order]

    def _pieces(self, lane: int, entity: int, head: bytes, after: int) -> list[bytes | memoryview]:
        """Return the chunks of an entity with observations after a time, as bytes."""
        last, newest = chunks.read(head)
        if newest <= after:
            return [last]
        pieces: list[bytes | memoryview] = []
        with self._transaction.cursor(self._observations) as cursor:
            cursor.set_range(chunks.chunk_key(lane, entity, after + (after != NEVER)))
            while cursor.key() != chunks.head_key(lane, entity):
                pieces.append(chunks.read(cursor.value())[0])
                cursor.next()
        return [*pieces, last]

    def counts(self, lane: str, entities: np.ndarray) -> np.ndarray:
        """Return how many observations the state holds of each entity: uint64 (n,), int64 (n,)."""
        number, entities = self._opened.number(lane), np.ascontiguousarray(entities, np.uint64)
        keys = chunks.head_keys(number, entities)
        counts = dict.fromkeys(keys, 0)
        with self._transaction.cursor(self._observations) as cursor:
            for key, head in cursor.getmulti(sorted(counts)):
                counts[key] = chunks.count_of(head)
                if chunks.newest_of(head) != NEVER:
                    first = chunks.first_key(number, chunks.entity_of(key))
                    counts[key] += sum(chunks.count_of(v) for _, v in _from(cursor, first, key))
        _, owner = self._fresh(number, entities)
        found = np.array([counts[key] for key in keys], np.int64)
        return found + np.bincount(owner, minlength=entities.size)

    def categories(self, lane: str, hashes: np.ndarray | None = None) -> dict[int, str]:
        """Return the texts of a lane's categories by hash: all, or those of some uint64."""
        number = self._opened.number(lane)
        table = self._opened.environment.tables[CATEGORIES]
        try:
            with self._transaction.cursor(table) as cursor:
                if hashes is None:
                    items = _from(cursor, CATEGORY.pack(number, 0), CATEGORY.pack(number + 1, 0))
                else:
                    wanted = np.unique(np.asarray(hashes, np.uint64)).tolist()
                    items = cursor.getmulti([CATEGORY.pack(number, each) for each in wanted])
                return {
                    CATEGORY.unpack(key)[1]: str(chunks.verified(value), "utf-8")
                    for key, value in items
                }
        except (Damaged, lmdb.Error) as error:
            raise self._opened.explained(error) from error

    def outbox(self) -> Iterator[tuple[int, bytes]]:
        """Yield what was emitted and not yet drained, in order: first offset and blob."""
        try:
            with self._transaction.cursor(self._opened.environment.tables[OUTBOX]) as cursor:
                for key, value in cursor:
                    yield int.from_bytes(key, "big"), bytes(chunks.verified(value))
        except (Damaged, lmdb.Error) as error:
            raise self._opened.explained(error) from error

    def _progress(self) -> Progress:
        table = self._opened.environment.tables[RECORDS]
        try:
            return read_progress(self._transaction, table, len(self._opened.identity.lanes))
        except (Damaged, lmdb.Error) as error:
            raise self._opened.explained(error) from error


def _behind(
    starts: np.ndarray, times: np.ndarray, owner: np.ndarray, time: np.ndarray
) -> np.ndarray:
    """Return before which row each new observation goes: behind its owner's of the same time.

    All are searched at once, by halves: sorting would go through what is old as well.
    """
    low, high = starts[owner], starts[owner + 1]
    while (low < high).any():
        middle = (low + high) // 2
        is_behind = (low < high) & (times[middle.clip(max=times.size - 1)] <= time)
        low, high = np.where(is_behind, middle + 1, low), np.where(is_behind, high, middle)
    return low


def _tiles(entities: np.ndarray, old: list[list[Slab]]) -> Tiles:
    """Return the tiles in the slabs of some entities."""
    every = [slab for each in old for slab in each]
    if not every:
        return Tiles.none()
    starts = np.cumsum([0, *(sum(slab.ends.size for slab in each) for each in old)])
    begins = np.cumsum([0, *(slab.words.size for slab in every)])
    places = [slab.at[:-1] + begin for slab, begin in zip(every, begins.tolist(), strict=False)]
    ends, words = ([getattr(slab, name) for slab in every] for name in ("ends", "words"))
    return Tiles(
        entities, starts, np.concatenate(ends), np.concatenate(places), np.concatenate(words)
    )


def _from(cursor: Any, first: bytes, end: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the items of a table from one key to before another."""
    found = cursor.set_range(first)
    while found and cursor.key() < end:
        yield cursor.item()
        found = cursor.next()
