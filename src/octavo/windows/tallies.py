"""How often each value occurs in a window, and which occurs most, in numba.

Values are dense codes. A window's counts are the leaves of a binary tree whose nodes hold the
largest count below them, so that the most frequent value is found, and a count changed, in as many
steps as the tree is high. This module knows nothing of time or of what a code stands for.
"""

from typing import NamedTuple

import numpy as np

from octavo.windows.compiling import inlined, part


class Tallies(NamedTuple):
    """The counts of all windows of one entity."""

    leaves: int
    """Leaves of each tree, a power of two; node ``i`` is above ``2 * i`` and ``2 * i + 1``."""
    counts: np.ndarray
    """int32 (windows * 2 * leaves,): one tree after the other, its root in place 1."""
    distinct: np.ndarray
    """int64 (windows,): codes that occur at all."""


@part
def tallies_of(windows, codes):
    """Make empty tallies of a number of windows over codes below ``codes``."""
    leaves = 1
    while leaves < codes:
        leaves *= 2
    if windows == 0:
        leaves = 0
    return Tallies(leaves, np.zeros(windows * 2 * leaves, np.int32), np.zeros(windows, np.int64))


@inlined
def change(tallies, window, code, times, ranked):
    """Count a code some times more, or less; keep the nodes above if ``ranked``."""
    counts = tallies.counts
    root = window * 2 * tallies.leaves
    node = tallies.leaves + code
    before = counts[root + node]
    counts[root + node] += times
    if before == 0:
        tallies.distinct[window] += 1
    elif counts[root + node] == 0:
        tallies.distinct[window] -= 1
    while ranked and node > 1:
        most = max(counts[root + node], counts[root + (node ^ 1)])
        node >>= 1
        if counts[root + node] == most:
            break
        counts[root + node] = most


@inlined
def most_frequent(tallies, window):
    """Return the code that occurs most in a window, of several the smallest."""
    root = window * 2 * tallies.leaves
    node = 1
    while node < tallies.leaves:
        node *= 2
        if tallies.counts[root + node] < tallies.counts[root + node + 1]:
            node += 1
    return node - tallies.leaves
