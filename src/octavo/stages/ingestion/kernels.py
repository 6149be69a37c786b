"""Compiled loops of ingestion: over the bytes of a block, and over the hashes of event IDs.

Importing this module imports numba and compiles (once per machine: the result is cached), so it is
imported on first use only. It knows nothing of columns or types.
"""

import numpy as np
from numba import njit, types

_LF, _CR = 0x0A, 0x0D


def _given(dtype: types.Type) -> types.Array:
    """Make the type of an argument that is only read: a frozen array is as good as another."""
    return types.Array(dtype, 1, "C", readonly=True)


@njit(
    types.int64(
        _given(types.uint8), types.int64, _given(types.int64), types.Array(types.int64, 2, "C")
    ),
    nogil=True,
    cache=True,
)
def split(text, delimiter, marks, found):
    """Write begin, end and number of fields of each record into ``found``; return how many.

    What lies between two ``marks`` is quoted.
    """
    count = begin = at = mark = 0
    fields = 1
    while at < text.size:
        stop = marks[mark] if mark + 1 < marks.size else text.size
        while at < stop:
            if text[at] == delimiter:
                fields += 1
            elif text[at] == _LF:
                end = at - 1 if at > begin and text[at - 1] == _CR else at
                if end > begin:
                    found[0, count], found[1, count], found[2, count] = begin, end, fields
                    count += 1
                begin = at + 1
                fields = 1
            at += 1
        if mark + 1 < marks.size:
            at = marks[mark + 1] + 1
            mark += 2
    return count


@njit
def _slot(wanted, table, mask):
    slot = np.int64(wanted >> np.uint64(20)) & mask
    while table[slot] != 0 and table[slot] != wanted:
        slot = (slot + 1) & mask
    return slot


@njit(
    types.int64(
        _given(types.uint64), types.Array(types.uint64, 1, "C"), types.Array(types.boolean, 1, "C")
    ),
    nogil=True,
    cache=True,
)
def enter(hashes, table, known):
    """Put hashes into a table where they are not yet; tell which were. Returns how many were not.

    The table is open-addressing, of a power of two; 0 is an empty slot, so no hash may be 0.
    """
    new = 0
    mask = table.size - 1
    for row in range(hashes.size):
        slot = _slot(hashes[row], table, mask)
        known[row] = table[slot] != 0
        if not known[row]:
            table[slot] = hashes[row]
            new += 1
    return new


@njit(
    types.void(_given(types.uint64), _given(types.uint64), types.Array(types.boolean, 1, "C")),
    nogil=True,
    cache=True,
)
def find(hashes, table, known):
    """Tell which hashes are in a table that `enter` filled."""
    for row in range(hashes.size):
        known[row] = table[_slot(hashes[row], table, table.size - 1)] != 0
