"""Distinct values of one entity numbered in ascending order, in numba.

Numbers are ordered by size, and -0.0 equals 0.0; categories by their bits as uint64. This module
knows nothing of windows.
"""

import numpy as np

from octavo.windows.compiling import inlined, part, shared
from octavo.windows.exact import bits_of

LARGEST = 2**63 - 1


@inlined
def key_of(value, category):
    """Return an int64 that orders values as they are to be ordered."""
    if category:
        return bits_of(value) ^ -(LARGEST + 1)  # unsigned order
    bits = bits_of(value + 0.0)
    return bits ^ ((bits >> 63) & LARGEST)  # below zero the larger magnitude comes first


@shared
def joined(values, more):
    """Values, and then some more."""
    both = np.empty(values.size + more.size)
    for i in range(values.size):
        both[i] = values[i]
    for i in range(more.size):
        both[values.size + i] = more[i]
    return both


@part
def coded(values, category):
    """Give each distinct value a number: return the code of each value, the value of each code."""
    keys = np.empty(values.size, np.int64)
    for i in range(values.size):
        keys[i] = key_of(values[i], category)
    order = np.argsort(keys, kind="mergesort")
    codes = np.empty(values.size, np.int64)
    distinct = np.empty(values.size)
    known = 0
    for i in range(values.size):
        here = order[i]
        if i == 0 or keys[here] != keys[order[i - 1]]:
            distinct[known] = values[here] if category else values[here] + 0.0
            known += 1
        codes[here] = known - 1
    return codes, distinct[:known]
