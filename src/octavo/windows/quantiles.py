"""Order statistics of windows, in numba.

A window holds how often each dense code occurs in a tree of partial sums (P. Fenwick, "A new data
structure for cumulative frequency tables", 1994); the k-th smallest is found by one descent. This
module knows nothing of time.
"""

import math
from typing import NamedTuple

import numpy as np

from octavo.windows.compiling import hot, inlined, part

WHOLE = 1000
"""Quantiles are asked per mille."""


class Orders(NamedTuple):
    """The partial sums of all windows of one entity."""

    size: int
    """Places of each tree: codes + 1; place 0 is not used."""
    top: int
    """Largest power of two below ``size``."""
    sums: np.ndarray
    """int32 (windows * size,): one tree after the other."""


@part
def orders_of(windows, codes):
    """Make empty trees of a number of windows over codes below ``codes``."""
    top = 1
    while top * 2 <= codes:
        top *= 2
    return Orders(codes + 1, top, np.zeros(windows * (codes + 1), np.int32))


@inlined
def change(orders, window, code, times):
    """Count a code some times more, or less."""
    root = window * orders.size
    place = code + 1
    while place < orders.size:
        orders.sums[root + place] += times
        place += place & -place


@hot
def smallest(orders, window, k):
    """Return the code of the k-th smallest value of a window, from 0."""
    root = window * orders.size
    place = 0
    step = orders.top
    while step:
        if place + step < orders.size and orders.sums[root + place + step] <= k:
            place += step
            k -= orders.sums[root + place]
        step >>= 1
    return place


@hot
def quantile(orders, window, values, count, part):
    """Quantile at ``part`` per mille of a window that holds ``count`` values, at least one.

    Linear between the order statistics around ``(count - 1) * part / 1000`` (type 7 of R. Hyndman
    and Y. Fan, "Sample quantiles in statistical packages", 1996; the default of NumPy).
    """
    below = (count - 1) * part // WHOLE
    share = ((count - 1) * part % WHOLE) / WHOLE
    low = values[smallest(orders, window, below)]
    if share == 0:
        return low
    high = values[smallest(orders, window, below + 1)]
    if low == high:
        return low
    gap = high - low
    if math.isinf(gap):  # it overflowed, or an end is infinite
        return low * (1 - share) + high * share
    # From the nearer end, so that a quantile never leaves the interval.
    return low + gap * share if share < 0.5 else high - gap * (1 - share)
