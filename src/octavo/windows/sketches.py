"""What is kept of values where a window has a resolution, in numba.

Of distinct values those with the ``MOST`` smallest hashes: as hashes are uniform, the number of all
is estimated by where the largest of these lies (K. Beyer et al., "On synopses for distinct-value
estimation under multiset operations", 2007). For quantiles values are rounded to ``BITS``
significant bits, evenly within each power of two (as in G. Tene's HdrHistogram). Both are functions
of the set or multiset of values alone, so that parts may be joined in any order. This module knows
nothing of windows.
"""

import math

import numpy as np

from octavo.windows.compiling import hot, inlined
from octavo.windows.exact import bits_of

MOST = 1024
"""Distinct values from which their number is estimated."""

BITS = 8
"""Significant bits of a rounded value: it is within ``2**-BITS`` of the value, relatively."""

UNIT = 1 << (53 - BITS)


@inlined
def hash_of(value, category):
    """63 bits of a hash of a value: splitmix64 of its bits; -0.0 equals 0.0."""
    bits = np.uint64(bits_of(value) if category else bits_of(value + 0.0))
    bits += np.uint64(0x9E3779B97F4A7C15)
    bits = (bits ^ (bits >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    bits = (bits ^ (bits >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.int64((bits ^ (bits >> np.uint64(31))) >> np.uint64(1))


@inlined
def estimate(largest):
    """Estimate how many values there are of which ``largest`` is the ``MOST``-th smallest hash."""
    return max(np.float64(MOST), np.rint((MOST - 1) * 2.0**63 / np.float64(largest)))


@hot
def rounded(value):
    """Round a value to ``BITS`` significant bits, to nearest and then to even; zeros are +0.0.

    Above the largest number of so many bits it is that number, below the normal ones it is a
    multiple of ``UNIT`` of the smallest.
    """
    if math.isinf(value):
        return value
    bits = bits_of(value)
    half = UNIT // 2 - 1 + (1 if bits & UNIT else 0)
    nearest = np.int64((bits + half) & -UNIT).view(np.float64)
    if math.isinf(nearest):
        nearest = np.int64(bits & -UNIT).view(np.float64)
    return nearest + 0.0
