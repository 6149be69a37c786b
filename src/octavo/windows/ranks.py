"""The observations of one entity in order of event time, in numba.

All observations of an entity are ranked once by (event time, log order). They become *active* as
the log is read, so that a late one takes its place without moving any other. Above the ranks
stands a 64-ary tree: each node summarizes the active observations of its block (their number,
extremes and, where asked, exact sums), so that no question costs more than a few hundred steps
however long the window. This module knows nothing of queries or plans.
"""

from typing import NamedTuple

import numpy as np

from octavo.windows import exact
from octavo.windows.compiling import hot, inlined, part

BITS = 6
BLOCK = 1 << BITS
DEEPEST = 6
"""Levels above the ranks: 64**5 exceeds the most values an accumulator holds."""


class Ranks(NamedTuple):
    """Arrays over the ranks and the tree of one entity."""

    times: np.ndarray
    """int64 (size,): event times, ascending."""
    values: np.ndarray
    """float64 (size,): the values in the same order."""
    active: np.ndarray
    """bool (size,): whether the log has reached the observation."""
    first: np.ndarray
    """int64 (DEEPEST + 1,): level ``l`` of the tree begins at node ``first[l - 1]``."""
    least: np.ndarray
    """float64 (nodes,): smallest active value of each block."""
    greatest: np.ndarray
    """float64 (nodes,): largest active value of each block."""
    sums: np.ndarray
    """int64 (nodes * form.width,): exact sums of each block, or its count alone."""


@part
def lay_levels(size, first):
    """Lay out the tree over ``size`` ranks; return its depth and its number of nodes."""
    depth = 0
    nodes = 0
    while size > BLOCK:
        size = (size + BLOCK - 1) >> BITS
        first[depth] = nodes
        nodes += size
        depth += 1
    return depth, nodes


@inlined
def largest_block(rank, end, depth):
    """Level of the largest block that begins at ``rank`` and ends by ``end``; 0 is one rank."""
    level = 0
    while level < depth:
        span = 1 << (BITS * (level + 1))
        if rank & (span - 1) or rank + span > end:
            break
        level += 1
    return level


@inlined
def node_of(ranks, rank, level):
    """Index of the node at ``level`` above ``rank``."""
    return ranks.first[level - 1] + (rank >> (BITS * level))


@inlined
def activate(ranks, rank, depth, form):
    """Let the observation at ``rank`` be seen."""
    ranks.active[rank] = True
    value = ranks.values[rank]
    for level in range(1, depth + 1):
        node = node_of(ranks, rank, level)
        ranks.least[node] = min(ranks.least[node], value)
        ranks.greatest[node] = max(ranks.greatest[node], value)
        exact.add(ranks.sums, node * form.width, form, value, 1)


@hot
def seek(times, size, near, bound):
    """First rank whose event time is after ``bound``, searched outwards from ``near``."""
    step = 1
    if near < size and times[near] <= bound:
        low, high = near, near + 1
        while high < size and times[high] <= bound:
            low = high
            high += step
            step *= 2
        high = min(high, size)
    else:
        low, high = near - 1, near
        while low >= 0 and times[low] > bound:
            high = low
            low -= step
            step *= 2
        low = max(low, -1)
    while high - low > 1:
        middle = (low + high) >> 1
        if times[middle] <= bound:
            low = middle
        else:
            high = middle
    return high


@hot
def extremes(ranks, start, end, depth):
    """Smallest and largest active value in ``[start, end)``."""
    least, greatest = np.inf, -np.inf
    rank = start
    while rank < end:
        level = largest_block(rank, end, depth)
        if level:
            node = node_of(ranks, rank, level)
            least = min(least, ranks.least[node])
            greatest = max(greatest, ranks.greatest[node])
        elif ranks.active[rank]:
            least = min(least, ranks.values[rank])
            greatest = max(greatest, ranks.values[rank])
        rank += 1 << (BITS * level)
    return least, greatest


@hot
def earliest(ranks, start, end, depth, width):
    """First active rank in ``[start, end)``, which must hold one."""
    rank = start
    while rank < end:
        level = largest_block(rank, end, depth)
        while level and ranks.sums[node_of(ranks, rank, level) * width + exact.COUNT]:
            level -= 1
        if level == 0 and ranks.active[rank]:
            break
        rank += 1 << (BITS * level)
    return rank


@hot
def latest(ranks, start, end, depth, width):
    """Last active rank in ``[start, end)``, which must hold one."""
    rank = end
    while rank > start:
        level = 0
        while level < depth:
            span = 1 << (BITS * (level + 1))
            if rank & (span - 1) or rank - span < start:
                break
            if ranks.sums[node_of(ranks, rank - 1, level + 1) * width + exact.COUNT]:
                break
            level += 1
        rank -= 1 << (BITS * level)
        if level == 0 and ranks.active[rank]:
            break
    return rank
