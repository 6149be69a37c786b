"""What a store holds of some entities: observations one by one, and tiles of older ones.

This module knows nothing of what is in a tile (`octavo.windows.tile` does), nor of stores.
"""

from typing import NamedTuple, Self

import numpy as np

from octavo.windows.first_use import steps
from octavo.windows.plan import TilePlan


class Tiles(NamedTuple):
    """Tiles of several entities, one after the other; of each in order of time."""

    entities: np.ndarray
    """uint64 (entities,): each once."""
    starts: np.ndarray
    """int64 (entities + 1,): entity ``i`` owns the tiles from ``starts[i]`` to
    ``starts[i + 1]``."""
    ends: np.ndarray
    """int64 (tiles,): event times at which they end, microseconds."""
    at: np.ndarray
    """int64 (tiles,): where the record of each begins."""
    words: np.ndarray
    """int64: the records."""

    @classmethod
    def none(cls) -> Self:
        """Make no tiles of no entity."""
        nothing = np.empty(0, np.int64)
        return cls(np.empty(0, np.uint64), np.zeros(1, np.int64), nothing, nothing, nothing)

    def owned_by(self, entities: np.ndarray) -> np.ndarray:
        """Return which tiles each of some entities, uint64 (n,), owns: int64 (n, 2), from and to.

        Not a row for any if there are no tiles at all.
        """
        if not self.ends.size:
            return np.empty((0, 2), np.int64)
        order = np.argsort(self.entities)
        known = self.entities[order]
        place = np.searchsorted(known, entities).clip(max=known.size - 1)
        found = order[place]
        owned = np.stack([self.starts[found], self.starts[found + 1]], axis=1)
        owned[known[place] != entities] = 0
        return owned


SPARE = 0
"""Words that a new tile may have more than its observations, which have two each."""


class Folded(NamedTuple):
    """The tiles of one entity, and which of the observations given are in none of them."""

    ends: np.ndarray
    """int64 (tiles,): event times at which they end, microseconds."""
    at: np.ndarray
    """int64 (tiles + 1,): where the record of each begins, and the last ends."""
    words: np.ndarray
    """int64: the records."""
    loose: np.ndarray
    """bool (rows,)."""


def fold_into(
    plan: TilePlan,
    ends: np.ndarray,
    at: np.ndarray,
    words: np.ndarray,
    times: np.ndarray,
    values: np.ndarray,
    fresh: np.ndarray,
) -> Folded:
    """Fold observations of one entity into its tiles, where that saves room.

    Parameters
    ----------
    plan
        What tiles keep.
    ends, at, words
        The tiles, as in `Folded`.
    times, values
        int64 (rows,) and float64 (rows,): observations by rank.
    fresh
        bool (rows,): which of them are looked at for the first time.
    """
    halflives = np.array(plan.halflives, np.int64)
    kept = (plan.sums, plan.values, int(plan.rounded), halflives, plan.category)
    tiles = (ends, at, words)
    found = steps("tiling").fold_into(plan.width, *kept, SPARE, *tiles, times, values, fresh)
    return Folded(*found)


class Past(NamedTuple):
    """All that is held of several entities, one after the other."""

    starts: np.ndarray
    """int64 (entities + 1,): entity ``i`` owns the rows from ``starts[i]`` to ``starts[i + 1]``."""
    times: np.ndarray
    """int64 (rows,): event times of observations by rank, microseconds."""
    values: np.ndarray
    """float64 (rows,)."""
    tiles: Tiles
    """Of the same entities; none where all observations are among the rows."""
