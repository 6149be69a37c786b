"""The arenas in which a live lane keeps its entities, in numba.

Each entity owns a slice of the arenas: its observations by rank, the tree above them, the sums of
its windows. A slice that is full, or whose sums are too narrow for a new value, is laid out anew
without what is no longer retained; its windows then fill again when next asked. This module knows
nothing of what is computed from the observations.
"""

from typing import NamedTuple

import numpy as np

from octavo.windows import exact, ranks
from octavo.windows.compiling import hot, part, shared
from octavo.windows.sweep import SPREADS, SUMS

START, SIZE, CAPACITY, NODES, WIDE, ROOM, BASE, LIMBS = range(8)
"""Fields of a head: first observation, how many, how many fit; first node; first place of the
sums and how many places; form of the sums."""

FEWEST = 16
"""Observations an entity has room for at first."""


class Memory(NamedTuple):
    """Heads and windows by entity; arenas of observations, nodes and sums."""

    heads: np.ndarray
    """int64 (entities, 8)."""
    low: np.ndarray
    high: np.ndarray
    """int64 (entities, spans): where each window stands."""
    smallest: np.ndarray
    largest: np.ndarray
    """float64 (entities, spans): its extremes."""
    stale: np.ndarray
    """bool (entities, spans): an extreme must be found again."""
    times: np.ndarray
    values: np.ndarray
    active: np.ndarray
    """int64, float64, bool: observations by rank."""
    least: np.ndarray
    greatest: np.ndarray
    """float64: extremes of the nodes above them."""
    counts: np.ndarray
    """int64 (FIRST a node): how many are active below each node."""
    sums: np.ndarray
    """int64: exact sums of the windows."""


BY_ENTITY = ("heads", "low", "high", "smallest", "largest", "stale")


def empty(spans: int) -> Memory:
    """Memory without entities."""
    shape = (0, spans)
    return Memory(
        np.zeros((0, 8), np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape, np.int64),
        np.zeros(shape),
        np.zeros(shape),
        np.zeros(shape, np.bool_),
        np.empty(0, np.int64),
        np.empty(0),
        np.empty(0, np.bool_),
        np.empty(0),
        np.empty(0),
        np.empty(0, np.int64),
        np.empty(0, np.int64),
    )


def with_entities(memory: Memory, entities: int) -> Memory:
    """Make room for so many entities; new ones are all zeros."""
    grown = {name: _longer(getattr(memory, name), entities) for name in BY_ENTITY}
    return memory._replace(**grown)


def with_room(memory: Memory, used: np.ndarray) -> Memory:
    """Make room for so many observations, nodes and places of sums."""
    sizes = dict.fromkeys(("times", "values", "active"), int(used[0]))
    sizes |= dict.fromkeys(("least", "greatest"), int(used[1]))
    sizes |= {"counts": int(used[1]) * exact.FIRST, "sums": int(used[2]) + exact.SLACK}
    return memory._replace(**{name: _longer(getattr(memory, name), n) for name, n in sizes.items()})


def _longer(array: np.ndarray, size: int) -> np.ndarray:
    if len(array) >= size:
        return array
    longer = np.zeros((max(size, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


@hot
def capacity_for(size):
    """Room for so many observations and at least a third more."""
    capacity = FEWEST
    while 4 * size > 3 * capacity:
        capacity *= 2
    return capacity


@shared
def nodes_for(capacity):
    """Nodes of the tree over so many ranks."""
    return ranks.lay_levels(capacity, np.empty(ranks.DEEPEST, np.int64))[1]


@hot
def reach_of(values, lowest, highest):
    """Widen a range of binary places so that it holds the bits of all values."""
    for value in values:
        fraction, power = exact.parts_of(value)
        if fraction and power < exact.INFINITE:
            highest = max(highest, power + exact.bit_length(fraction))
            lowest = min(lowest, power + exact.bit_length(fraction & -fraction) - 1)
    return lowest, highest


@hot
def form_for(lowest, highest, squares):
    """Choose a form that holds a range of bits, with some to spare below."""
    if highest < lowest:
        lowest, highest = 0, 1
    base = lowest & ~31
    limbs = (highest - base + 31) >> 5
    return exact.Form(base, limbs, exact.FIRST + limbs * (3 if squares else 1))


@hot
def width_of(limbs, needs):
    """Places of one window's sums."""
    return exact.FIRST + limbs * (3 if needs & SPREADS else 1)


@shared
def layout(head, times, values, new, floor, needs):
    """How an entity must lie to take new values: (anew, first kept, capacity, base, limbs)."""
    size = head[SIZE]
    lowest, highest = 4000, -4000
    if needs & SUMS:
        lowest, highest = reach_of(new, lowest, highest)
    base, limbs = head[BASE], head[LIMBS]
    if size + new.size <= head[CAPACITY] or size + new.size == 0:
        narrow = lowest <= highest and (lowest < base or highest > base + 32 * limbs)
        if head[ROOM] and not narrow:
            return False, 0, head[CAPACITY], base, limbs
    here = times[head[START] : head[START] + size]
    kept = ranks.seek(here, 0, floor)
    left = size - kept + new.size
    capacity = head[CAPACITY]
    if 4 * left > 3 * capacity:
        capacity = capacity_for(left)
    limbs = 0
    if needs & SUMS:
        old = values[head[START] + kept : head[START] + size]
        lowest, highest = reach_of(old, lowest, highest)
        form = form_for(lowest, highest, needs & SPREADS)
        base, limbs = form.base, form.limbs
    return True, kept, capacity, base, limbs


@part
def lay(number, memory, used, spans, needs, kept, capacity, base, limbs):
    """Lay an entity out anew, its windows empty; there must be room."""
    head = memory.heads[number]
    start, size = head[START] + kept, head[SIZE] - kept
    if capacity != head[CAPACITY]:
        head[START], head[NODES] = used[0], used[1]
        used[0] += capacity
        used[1] += nodes_for(capacity)
        head[CAPACITY] = capacity
    to = head[START]
    for i in range(size):  # forwards: when it moves within its slice, it moves down
        memory.times[to + i] = memory.times[start + i]
        memory.values[to + i] = memory.values[start + i]
        memory.active[to + i] = True
    head[SIZE], head[BASE], head[LIMBS] = size, base, limbs
    wide = spans * width_of(limbs, needs)
    if wide > head[ROOM]:
        head[WIDE], head[ROOM] = used[2], wide
        used[2] += wide
    memory.sums[head[WIDE] : head[WIDE] + wide] = 0
    memory.low[number] = 0
    memory.high[number] = 0
    memory.smallest[number] = np.inf
    memory.largest[number] = -np.inf
    memory.stale[number] = False
    sum_up(held_of(memory, number), 0)


@shared
def held_of(memory, number):
    """Ranks of an entity, as `sweep` reads them."""
    head = memory.heads[number]
    start, end = head[START], head[START] + head[SIZE]
    first = np.empty(ranks.DEEPEST, np.int64)
    depth, nodes = ranks.lay_levels(head[CAPACITY], first)
    above, past = head[NODES], head[NODES] + nodes
    return ranks.Ranks(
        memory.times[start:end],
        memory.values[start:end],
        memory.active[start:end],
        first,
        memory.least[above:past],
        memory.greatest[above:past],
        memory.counts[exact.FIRST * above : exact.FIRST * past],
        exact.counts_only(),
        depth,
    )


@shared
def sum_up(held, rank):
    """Compute the nodes above ``rank`` and all later ranks from what is active."""
    for level in range(1, held.depth + 1):
        begin = ranks.node_of(held, rank, level)
        end = held.first[level] if level < held.depth else held.least.size
        held.least[begin:end] = np.inf
        held.greatest[begin:end] = -np.inf
        held.sums[begin * exact.FIRST : end * exact.FIRST] = 0
    if held.depth == 0:
        return
    low = rank & ~(ranks.BLOCK - 1)
    for each in range(low, held.times.size):
        if held.active[each]:
            node = ranks.node_of(held, each, 1)
            held.least[node] = min(held.least[node], held.values[each])
            held.greatest[node] = max(held.greatest[node], held.values[each])
            held.sums[node * exact.FIRST] += 1
    blocks = (held.times.size + ranks.BLOCK - 1) >> ranks.BITS
    for level in range(2, held.depth + 1):
        low = (rank >> (ranks.BITS * level)) << ranks.BITS
        for each in range(low, blocks):
            child = held.first[level - 2] + each
            node = held.first[level - 1] + (each >> ranks.BITS)
            held.least[node] = min(held.least[node], held.least[child])
            held.greatest[node] = max(held.greatest[node], held.greatest[child])
            held.sums[node * exact.FIRST] += held.sums[child * exact.FIRST]
        blocks = (blocks + ranks.BLOCK - 1) >> ranks.BITS


@part
def admit(number, memory, times, values):
    """Rank new observations, given in log order, none of them active yet; return their ranks."""
    head = memory.heads[number]
    start, size = head[START], head[SIZE]
    new = times.size
    places = np.empty(new, np.int64)
    order = np.arange(new)
    if not ranks.ascending(times):
        order = np.argsort(times, kind="mergesort")
    low, high = memory.low[number], memory.high[number]
    lows, highs = low.copy(), high.copy()
    old = size - 1
    place = size + new - 1
    j = new - 1
    while j >= 0:
        time = times[order[j]]
        if old >= 0 and memory.times[start + old] > time:
            memory.times[start + place] = memory.times[start + old]
            memory.values[start + place] = memory.values[start + old]
            memory.active[start + place] = memory.active[start + old]
            old -= 1
        else:
            memory.times[start + place] = time
            memory.values[start + place] = values[order[j]]
            memory.active[start + place] = False
            places[order[j]] = place
            for span in range(low.size):
                lows[span] += old + 1 < low[span]
                highs[span] += old + 1 < high[span]
            j -= 1
        place -= 1
    for span in range(low.size):
        low[span], high[span] = lows[span], highs[span]
    head[SIZE] = size + new
    if old + 1 < size:  # something moved
        sum_up(held_of(memory, number), old + 1)
    return places


@part
def count_room(head, capacity, wide, needed):
    """Add what laying an entity out anew takes from the arenas."""
    if capacity != head[CAPACITY]:
        needed[0] += capacity
        needed[1] += nodes_for(capacity)
    if wide > head[ROOM]:
        needed[2] += wide
