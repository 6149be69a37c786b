"""Where new observations of an entity go: to the end of its head, or into the chunk they fall in.

What is old is dropped where it costs nothing: an entity that is written to loses its sealed chunks
when they have all expired or when one more is sealed, and what expired in its head when that is
more than half of it. In a lane that has tiles it is folded into these instead, when one comes that
is as old or when a chunk is full. This module knows nothing of transactions beyond the one it
writes in.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from octavo.stores.state import chunks
from octavo.stores.state.chunks import NEVER, PAIR
from octavo.stores.state.folding import Folding


class Placing:
    """Puts observations into one lane.

    Parameters
    ----------
    transaction, table
        A write transaction of LMDB, and the table of observations.
    lane
        Number of the lane.
    horizon
        Event time up to which nothing will be asked for any more, microseconds; None: all will.
    folding
        Where old observations go instead, in a lane that has tiles.
    edge
        Event time up to which they are old, microseconds, between tiles; None: none is.
    """

    def __init__(
        self,
        transaction: Any,
        table: Any,
        lane: int,
        horizon: int | None,
        folding: Folding | None = None,
        edge: int | None = None,
    ) -> None:
        self.transaction = transaction
        self.table = table
        self.lane = lane
        self.horizon = NEVER if horizon is None else horizon
        self.folding = folding
        self.edge = NEVER if edge is None else edge
        self._dropped = 0

    def append(self, entity: np.ndarray, event_time: np.ndarray, value: np.ndarray) -> int:
        """Put observations; return how many more there are than before.

        They are sorted by entity and, within one, by event time; among those of one time they come
        after what is there.
        """
        if not entity.size:
            return 0
        if self._is_empty():
            old = event_time <= self.edge
            if self.folding is None or not old.any():
                return self._fill(entity, event_time, value)
            folded = 0
            for key, pairs in _by_entity(self.lane, entity[old], event_time[old], value[old]):
                folded += self.folding.fold(chunks.entity_of(key), pairs)
            return folded + self._fill(entity[~old], event_time[~old], value[~old])
        for key, pairs in _by_entity(self.lane, entity, event_time, value):
            self._append(key, pairs)
        return entity.size - self._dropped

    def _is_empty(self) -> bool:
        with self.transaction.cursor(self.table) as cursor:
            return not (
                cursor.set_range(chunks.first_key(self.lane))
                and cursor.key() < chunks.first_key(self.lane + 1)
            )

    def _fill(self, entity: np.ndarray, event_time: np.ndarray, value: np.ndarray) -> int:
        """Put the first observations of the lane: sequentially, where it is the last one."""
        kept = event_time > self.horizon
        if not kept.all():
            entity, event_time, value = entity[kept], event_time[kept], value[kept]
        if not entity.size:
            return 0
        with self.transaction.cursor(self.table) as cursor:
            last = not cursor.last() or cursor.key() < chunks.first_key(self.lane)
            for items in chunks.chunked(self.lane, entity, event_time, value):
                cursor.putmulti(items, append=last)
        return entity.size

    def _append(self, key: bytes, new: np.ndarray) -> None:
        """Put the observations of one entity, by the key of its head."""
        old = self.transaction.get(key, db=self.table)
        held, newest = chunks.read(old) if old is not None else (b"", NEVER)
        piece = chunks.as_bytes(new)
        ordered = not held or chunks.time_at(held, -1) <= new["time"][0]
        count = (len(held) + len(piece)) // PAIR.itemsize
        young = new["time"][0] > self.edge
        if ordered and young and count <= 2 * chunks.CHUNK and not self._has_expired(held, newest):
            value = chunks.written((held, piece), count, newest)
            self.transaction.put(key, value, db=self.table)
        else:
            self._place(key, chunks.pairs_of(held), newest, new)

    def _has_expired(self, held: bytes | memoryview, newest: int) -> bool:
        """Tell whether all sealed chunks, or most of the head, are no longer needed."""
        if newest != NEVER:
            return newest <= self.horizon
        return bool(held) and chunks.time_at(held, len(held) // 32) <= self.horizon

    def _place(self, key: bytes, head: np.ndarray, newest: int, new: np.ndarray) -> None:
        """Put observations into an entity's sealed chunks and head, and seal what is too much."""
        entity = chunks.entity_of(key)
        late = int(np.searchsorted(new["time"], newest))
        if late:
            late = self._place_late(entity, new[:late])
        head = merged(head, new[late:])
        if self.folding and (new["time"][0] <= self.edge or head.size > 2 * chunks.CHUNK):
            head, newest = self._fold(self.folding, entity, head, newest)
        if newest <= self.horizon:
            newest = self._expire(entity, newest)
            old = int(np.searchsorted(head["time"], self.horizon, "right"))
            head = head[old:]
            self._dropped += old
        if head.size > 2 * chunks.CHUNK:
            self._expire(entity, newest)
            head, newest = self._seal(entity, head, newest)
        if head.size:
            self._put(key, head, newest)
        else:
            self.transaction.delete(key, db=self.table)

    def _fold(
        self, folding: Folding, entity: int, head: np.ndarray, newest: int
    ) -> tuple[np.ndarray, int]:
        """Fold all that is old of an entity; return what is left of the head, and its *newest*."""
        pieces, rest = [], None
        with self.transaction.cursor(self.table) as cursor:
            found = newest != NEVER and cursor.set_range(chunks.first_key(self.lane, entity))
            while found and (key := cursor.key()) != chunks.head_key(self.lane, entity):
                pairs = chunks.pairs_of(chunks.read(cursor.value())[0])
                size = int(np.searchsorted(pairs["time"], self.edge, "right"))
                pieces.append(pairs[:size])
                if size < pairs.size:
                    rest = (key, pairs[size:]) if size else None
                    break
                found = cursor.delete()
        if rest:
            self._put(*rest, NEVER)
        size = int(np.searchsorted(head["time"], self.edge, "right"))
        old = np.concatenate([*pieces, head[:size]])
        self._dropped += old.size - folding.fold(entity, old) + folding.expire(entity)
        return head[size:], newest if newest > self.edge else NEVER

    def sweep(self) -> int:
        """Fold all that is old of all entities; return how many fewer are kept one by one."""
        assert self.folding is not None, "there are no tiles"
        heads = []
        with self.transaction.cursor(self.table) as cursor:
            found = cursor.set_range(chunks.first_key(self.lane))
            while found and (key := cursor.key()) < chunks.first_key(self.lane + 1):
                heads.append(chunks.head_key(self.lane, chunks.entity_of(key)))
                found = cursor.set_range(heads[-1]) and cursor.next()
        for key in heads:
            held, newest = chunks.read(self.transaction.get(key, db=self.table))
            head = chunks.pairs_of(held)
            left, bound = self._fold(self.folding, chunks.entity_of(key), head, newest)
            if (left.size, bound) == (head.size, newest):
                continue
            if left.size:
                self._put(key, left, bound)
            else:
                self.transaction.delete(key, db=self.table)
        return self._dropped

    def _place_late(self, entity: int, new: np.ndarray) -> int:
        """Put observations from before the head into sealed chunks; return how many are there.

        One falls into the first chunk that ends after it, and comes after its equals. The rest is
        for the head: chunks in which it would have fallen are gone.
        """
        done = 0
        while done < new.size:
            key = self._key_from(chunks.chunk_key(self.lane, entity, int(new["time"][done]) + 1))
            if key == chunks.head_key(self.lane, entity):
                break
            last = chunks.last_of(key)
            until = int(np.searchsorted(new["time"], last))
            held, _ = chunks.read(self.transaction.get(key, db=self.table))
            chunk = merged(chunks.pairs_of(held), new[done:until])
            # Those at `last` were at most a chunk when it was sealed, and stay together at the end.
            chunk, _ = self._seal(entity, chunk, NEVER)
            self._put(key, chunk, NEVER)
            done = until
        return done

    def _seal(self, entity: int, pairs: np.ndarray, newest: int) -> tuple[np.ndarray, int]:
        """Cut chunks off the front while there are two; return the rest, and where it begins."""
        while pairs.size > 2 * chunks.CHUNK:
            newest = int(pairs["time"][chunks.CHUNK - 1])
            self._put(self._free_key(entity, newest), pairs[: chunks.CHUNK], NEVER)
            pairs = pairs[chunks.CHUNK :]
        return pairs, newest

    def _free_key(self, entity: int, last: int) -> bytes:
        """Return the key after those of the sealed chunks that end at the same time."""
        with self.transaction.cursor(self.table) as cursor:
            found = cursor.set_range(chunks.chunk_key(self.lane, entity, last + 1))
            key = cursor.key() if (cursor.prev() if found else cursor.last()) else b""
        same = chunks.chunk_key(self.lane, entity, last)
        ordinal = chunks.ordinal_of(key) + 1 if key[:-4] == same[:-4] else 0
        return chunks.chunk_key(self.lane, entity, last, ordinal)

    def _expire(self, entity: int, newest: int) -> int:
        """Drop sealed chunks that are not needed; return what *newest* is then."""
        if self.horizon > NEVER and newest != NEVER:
            end = chunks.chunk_key(self.lane, entity, self.horizon + 1)
            with self.transaction.cursor(self.table) as cursor:
                found = cursor.set_range(chunks.first_key(self.lane, entity))
                while found and cursor.key() < end:
                    self._dropped += chunks.count_of(cursor.value())
                    found = cursor.delete() and bool(cursor.key())
        return newest if newest > self.horizon else NEVER

    def _key_from(self, key: bytes) -> bytes:
        """Return the first key from one on."""
        with self.transaction.cursor(self.table) as cursor:
            cursor.set_range(key)
            return cursor.key()

    def _put(self, key: bytes, pairs: np.ndarray, newest: int) -> None:
        value = chunks.written((chunks.as_bytes(pairs),), pairs.size, newest)
        self.transaction.put(key, value, db=self.table)


def _by_entity(
    lane: int, entity: np.ndarray, event_time: np.ndarray, value: np.ndarray
) -> Iterator[tuple[bytes, np.ndarray]]:
    """Yield the key of each entity's head and its observations, as pairs."""
    edges = np.flatnonzero(entity[1:] != entity[:-1]) + 1
    starts = np.concatenate([[0], edges])
    pairs = chunks.paired(event_time, value)
    keys = chunks.head_keys(lane, entity[starts])
    ends = [*edges.tolist(), entity.size]
    for key, start, end in zip(keys, starts.tolist(), ends, strict=True):
        yield key, pairs[start:end]


def merged(old: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Return pairs in rank order: new ones after old ones of the same time."""
    if not old.size or not new.size or old["time"][-1] <= new["time"][0]:
        return np.concatenate([old, new])
    return np.insert(old, np.searchsorted(old["time"], new["time"], "right"), new)


def sweep(transaction: Any, table: Any, lane: int, horizon: int) -> int:
    """Drop the chunks of a lane in which all has expired; return how many observations that were.

    The observations of an entity expire chunk by chunk, its head last.
    """
    dropped = 0
    with transaction.cursor(table) as cursor:
        found = cursor.set_range(chunks.first_key(lane))
        while found and (key := cursor.key()) < chunks.first_key(lane + 1):
            head = chunks.head_key(lane, chunks.entity_of(key))
            if key == head:
                last = chunks.time_at(chunks.read(cursor.value())[0], -1)
            else:
                last = chunks.last_of(key)
            if last <= horizon:
                dropped += chunks.count_of(cursor.value())
                found = cursor.delete() and bool(cursor.key())
            else:
                found = cursor.next() if key == head else cursor.set_range(head)
    return dropped
