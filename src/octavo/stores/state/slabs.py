"""How old observations of an entity are written, of a lane that has tiles: slabs, each under a key.

A *slab* holds what happened in a stretch of time that begins and ends between tiles: tiles, and the
*loose* observations of the steps that have too few for a tile. What is newer than an entity's
slabs is in its chunks. Keys are those of chunks, in a table of their own; the time in a key is the
end of the slab's last step, and the ordinal 0.

A value is, little-endian: xxh3-64 of all that follows (uint64) · format version (uint16) · zero
(uint16) · number of loose observations (uint32) · number of tiles (int64) · the observations, as
in chunks · ends of the tiles (int64, microseconds) · where each tile's record begins among the
words, and where the last ends (int64) · the words (int64).

This module knows nothing of what is in a tile, nor of where keys and values are kept.
"""

from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np

from octavo.stores.state.chunks import FORMAT, HEADER, PAIR, Damaged, as_bytes, checked, opened

MOST = 16_000
"""Bytes from which a slab is cut into several."""


class Slab(NamedTuple):
    """The content of a slab."""

    loose: np.ndarray
    """`PAIR` (rows,): observations by rank."""
    ends: np.ndarray
    """int64 (tiles,): event times at which tiles end."""
    at: np.ndarray
    """int64 (tiles + 1,): where the record of each begins, and the last ends."""
    words: np.ndarray
    """int64: the records."""

    @classmethod
    def empty(cls) -> Self:
        """Nothing yet."""
        nothing = np.empty(0, np.int64)
        return cls(np.empty(0, PAIR), nothing, np.zeros(1, np.int64), nothing)

    def cut(self, width: int) -> "Iterator[tuple[int, Slab]]":
        """Yield it in pieces of at most `MOST` bytes, or one step: the end of each, and itself."""
        steps = -(-self.loose["time"] // width) * width
        ends = np.concatenate([steps, self.ends])
        sizes = np.concatenate([np.full(steps.size, 16), 8 * (np.diff(self.at) + 2)])
        if sizes.sum() <= MOST:
            yield int(ends.max()), self
            return
        order = np.argsort(ends, kind="stable")
        ends, piece = ends[order], np.cumsum(sizes[order]) // MOST
        after = None
        for end in np.unique(ends[np.append(piece[1:] != piece[:-1], True)]).tolist():
            first, low = 0, 0
            if after is not None:
                first = int(np.searchsorted(self.ends, after, "right"))
                low = int(np.searchsorted(steps, after, "right"))
            last = int(np.searchsorted(self.ends, end, "right"))
            rows = slice(low, int(np.searchsorted(steps, end, "right")))
            at = self.at[first : last + 1]
            words = self.words[at[0] : at[-1]]
            yield end, Slab(self.loose[rows], self.ends[first:last], at - at[0], words)
            after = end


def written(slab: Slab) -> bytes:
    """Return a slab as a value."""
    header = HEADER.pack(FORMAT, 0, slab.loose.size, slab.ends.size)
    arrays = (slab.ends, slab.at, slab.words)
    numbers = (np.ascontiguousarray(each, "<i8").tobytes() for each in arrays)
    return checked(b"".join((header, as_bytes(slab.loose), *numbers)))


def read(value: bytes | memoryview) -> Slab:
    """Return the slab in a value.

    Raises
    ------
    Damaged
        The value is not as it was written, or of another format version.
    """
    arrays, loose, tiles = opened(value, "slab")
    start = loose * PAIR.itemsize
    pairs = np.frombuffer(arrays[:start], PAIR)
    numbers = np.frombuffer(arrays[start:], "<i8")
    slab = Slab(pairs, *np.split(numbers, [tiles, 2 * tiles + 1]))
    if slab.at[-1] != slab.words.size:
        raise Damaged("a slab has another length than it says")
    return slab


def loose_in(value: bytes) -> int:
    """Return how many loose observations a slab has, unchecked."""
    return int(HEADER.unpack_from(value, 8)[2])
