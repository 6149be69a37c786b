"""Where old observations of an entity go, of a lane that has tiles: into its slabs.

This module knows nothing of chunks, nor of transactions beyond the one it writes in.
"""

from typing import Any

import numpy as np

from octavo.stores.state import chunks, slabs
from octavo.stores.state.chunks import NEVER
from octavo.stores.state.slabs import Slab
from octavo.windows.plan import TilePlan
from octavo.windows.tiles import fold_into


class Folding:
    """Folds observations into one lane.

    Parameters
    ----------
    transaction, table
        A write transaction of LMDB, and the table of slabs.
    lane
        Number of the lane.
    plan
        What its tiles keep.
    horizon
        Event time up to which nothing will be asked for any more, microseconds; None: all will.
    """

    def __init__(
        self, transaction: Any, table: Any, lane: int, plan: TilePlan, horizon: int | None
    ) -> None:
        self.transaction = transaction
        self.table = table
        self.lane = lane
        self.plan = plan
        self.horizon = NEVER if horizon is None else horizon

    def fold(self, entity: int, pairs: np.ndarray) -> int:
        """Take in observations by rank, newer in the log than what is there.

        Returns how many more are kept one by one than before.
        """
        pairs = pairs[np.searchsorted(pairs["time"], self.horizon, "right") :]
        more = 0
        while pairs.size:
            key, slab, until = self._found(entity, int(pairs["time"][0]))
            size = pairs.size if until is None else np.searchsorted(pairs["time"], until, "right")
            found = self._joined(slab, pairs[:size])
            more += found.loose.size - slab.loose.size
            pairs = pairs[size:]
            if key is not None:
                self.transaction.delete(key, db=self.table)
            for end, piece in found.cut(self.plan.width):
                place = chunks.chunk_key(self.lane, entity, end)
                self.transaction.put(place, slabs.written(piece), db=self.table)
        return more

    def _found(self, entity: int, time: int) -> tuple[bytes | None, Slab, int | None]:
        """Return the slab which a time falls into, or the last: key, content, and its end.

        No end means that all that is later falls into it too, no key that there is none yet.
        """
        with self.transaction.cursor(self.table) as cursor:
            first = chunks.first_key(self.lane, entity)
            wanted = chunks.chunk_key(self.lane, entity, time)
            if cursor.set_range(wanted) and cursor.key()[:10] == first[:10]:
                return cursor.key(), slabs.read(cursor.value()), chunks.last_of(cursor.key())
            found = cursor.prev() if cursor.key() else cursor.last()
            if found and cursor.key()[:10] == first[:10]:
                return cursor.key(), slabs.read(cursor.value()), None
        return None, Slab.empty(), None

    def _joined(self, slab: Slab, pairs: np.ndarray) -> Slab:
        """Return a slab that has some more observations."""
        both, fresh = pairs, np.ones(pairs.size, np.bool_)
        if slab.loose.size:
            both = np.concatenate([slab.loose, pairs])
            order = np.argsort(both["time"], kind="stable")
            both, fresh = both[order], order >= slab.loose.size
        times, values = both["time"].astype(np.int64), both["value"].astype(np.float64)
        found = fold_into(self.plan, slab.ends, slab.at, slab.words, times, values, fresh)
        return Slab(both[found.loose], found.ends, found.at, found.words)

    def expire(self, entity: int) -> int:
        """Drop an entity's slabs in which all has expired; return the loose observations."""
        if self.horizon == NEVER:
            return 0
        past = chunks.chunk_key(self.lane, entity, self.horizon + 1)
        dropped = 0
        with self.transaction.cursor(self.table) as cursor:
            found = cursor.set_range(chunks.first_key(self.lane, entity))
            while found and cursor.key() < past:
                dropped += slabs.loose_in(cursor.value())
                found = cursor.delete() and bool(cursor.key())
        return dropped


def sweep(transaction: Any, table: Any, lane: int, horizon: int) -> int:
    """Drop all slabs of a lane in which all has expired; return the loose observations."""
    dropped = 0
    with transaction.cursor(table) as cursor:
        found = cursor.set_range(chunks.first_key(lane))
        while found and cursor.key() < chunks.first_key(lane + 1):
            if chunks.last_of(cursor.key()) <= horizon:
                dropped += slabs.loose_in(cursor.value())
                found = cursor.delete() and bool(cursor.key())
            else:
                found = cursor.next()
    return dropped
