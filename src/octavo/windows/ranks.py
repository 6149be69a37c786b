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
from octavo.windows.compiling import hot, inlined, part, shared

BITS = 6
BLOCK = 1 << BITS
DEEPEST = 5
"""Levels of the tree at most: 64**5 exceeds the most values an accumulator holds."""


class Ranks(NamedTuple):
    """Arrays over the ranks and the tree of one entity."""

    times: np.ndarray
    """int64 (size,): event times, ascending."""
    values: np.ndarray
    """float64 (size,): the values in the same order."""
    active: np.ndarray
    """bool (size,): whether the log has reached the observation."""
    first: np.ndarray
    """int64 (DEEPEST,): level ``l`` of the tree begins at node ``first[l - 1]``."""
    least: np.ndarray
    """float64 (nodes,): smallest active value of each block."""
    greatest: np.ndarray
    """float64 (nodes,): largest active value of each block."""
    sums: np.ndarray
    """int64 (nodes * form.width,): exact sums of each block."""
    form: exact.Form
    """Form of the sums; it may be without limbs and keep the counts only."""
    depth: int
    """Levels of the tree."""


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
def node_of(held, rank, level):
    """Index of the node at ``level`` above ``rank``."""
    return held.first[level - 1] + (rank >> (BITS * level))


@part
def ranked(times, values, tree, sums):
    """Rank observations given in log order, none of them active yet.

    ``tree`` asks for the tree, ``sums`` is the form of the sums in it. Returns the ranks, and for
    every observation in log order its own.
    """
    size = times.size
    places = np.arange(size)
    if not ascending(times):
        order = np.argsort(times, kind="mergesort")
        for rank in range(size):
            places[order[rank]] = rank
        times, values = taken(times, order), taken(values, order)
    first = np.empty(DEEPEST, np.int64)
    depth, nodes = lay_levels(size, first) if tree else (0, 0)
    held = Ranks(
        times,
        values,
        np.zeros(size, np.bool_),
        first,
        np.full(nodes, np.inf),
        np.full(nodes, -np.inf),
        np.zeros(nodes * sums.width + exact.SLACK, np.int64),
        sums,
        depth,
    )
    return held, places


@shared
def taken(array, rows):
    """Elements of an array; numba's own indexing by an array is slow to compile and to run."""
    found = np.empty(rows.size, array.dtype)
    for i in range(rows.size):
        found[i] = array[rows[i]]
    return found


@part
def ascending(times):
    """Whether event times never step back."""
    for i in range(1, times.size):  # noqa: SIM110 - numba has no all() of a generator
        if times[i - 1] > times[i]:
            return False
    return True


@inlined
def activate(held, rank):
    """Let the observation at ``rank`` be seen."""
    held.active[rank] = True
    value = held.values[rank]
    for level in range(1, held.depth + 1):
        node = node_of(held, rank, level)
        held.least[node] = min(held.least[node], value)
        held.greatest[node] = max(held.greatest[node], value)
        exact.add(held.sums, node * held.form.width, held.form, value, 1)


@inlined
def seek(times, near, bound):
    """First rank whose event time is after ``bound``, searched outwards from ``near``."""
    size = times.size
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
def extremes(held, start, end, depth):
    """Smallest and largest active value in ``[start, end)``, read in blocks up to a level."""
    least, greatest = np.inf, -np.inf
    rank = start
    while rank < end:
        level = largest_block(rank, end, depth)
        if level:
            node = node_of(held, rank, level)
            least = min(least, held.least[node])
            greatest = max(greatest, held.greatest[node])
        elif held.active[rank]:
            least = min(least, held.values[rank])
            greatest = max(greatest, held.values[rank])
        rank += 1 << (BITS * level)
    return least, greatest


@hot
def retract(held, rank):
    """Let the observation at ``rank`` be seen no more."""
    held.active[rank] = False
    value = held.values[rank]
    for level in range(1, held.depth + 1):
        node = node_of(held, rank, level)
        exact.add(held.sums, node * held.form.width, held.form, value, -1)
        start = rank >> (BITS * level) << (BITS * level)
        end = min(start + (1 << (BITS * level)), held.times.size)
        held.least[node], held.greatest[node] = extremes(held, start, end, level - 1)


@inlined
def is_empty(held, rank, level):
    """Whether the block at ``level`` above ``rank`` has no active observation."""
    return held.sums[node_of(held, rank, level) * held.form.width + exact.COUNT] == 0


@hot
def earliest(held, rank):
    """First active rank from ``rank`` on; there must be one."""
    while not held.active[rank]:
        level = 0
        while level < held.depth and rank & ((1 << (BITS * (level + 1))) - 1) == 0:
            if not is_empty(held, rank, level + 1):
                break
            level += 1
        rank += 1 << (BITS * level)
    return rank


@hot
def latest(held, rank):
    """Last active rank up to ``rank``; there must be one."""
    while not held.active[rank]:
        level = 0
        while level < held.depth and (rank + 1) & ((1 << (BITS * (level + 1))) - 1) == 0:
            if not is_empty(held, rank, level + 1):
                break
            level += 1
        rank -= 1 << (BITS * level)
    return rank
