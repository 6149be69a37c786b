"""The entities of a live lane in memory, in numba: arenas that grow, and the fold of one block.

Each entity owns a slice of the arenas: its observations by rank, the tree above them, the sums of
its windows. A slice that is full, or whose sums are too narrow for a new value, is laid out anew
without what is no longer retained; its windows then fill again when next asked. This module knows
nothing of what is computed from the observations: `sweep` does.
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows import (
    compiling,
    entity,
    exact,
    grouping,
    log,
    machine,
    plan,
    ranks,
    reach,
    sweep,
)
from octavo.windows.compiling import entry, hot, part, shared
from octavo.windows.entity import ROWS, TABLE, asked_at
from octavo.windows.reach import Plan
from octavo.windows.sweep import AGGREGATES, SPREADS, SUMS, Windows

START, SIZE, CAPACITY, NODES, WIDE, ROOM, BASE, LIMBS = range(8)
"""Fields of a head: first observation, how many, how many fit; first node; first place of the
sums and how many places; form of the sums."""

FEWEST = 16
"""Observations an entity has room for at first."""

MOST_WORDS = 3 * ((1024 + 1074) // 64 + 3)
"""Words of scratch for the longest form there is."""


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


def no_entities() -> tuple[np.ndarray, np.ndarray]:
    """Make an empty table of entities: (entities, numbers)."""
    return np.empty(1024, np.uint64), np.full(1024, grouping.EMPTY, np.int64)


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
    low[:] = lows
    high[:] = highs
    head[SIZE] = size + new
    if old + 1 < size:  # something moved
        sum_up(held_of(memory, number), old + 1)
    return places


HASHES = nb.types.Array(nb.uint64, 1, "C", readonly=True)
NUMBERS = nb.types.Array(nb.float64, 1, "C", readonly=True)
MEMORY = [
    nb.int64[:, ::1], nb.int64[:, ::1], nb.int64[:, ::1],
    nb.float64[:, ::1], nb.float64[:, ::1], nb.bool_[:, ::1],
    nb.int64[::1], nb.float64[::1], nb.bool_[::1],
    nb.float64[::1], nb.float64[::1], nb.int64[::1], nb.int64[::1],
]  # fmt: skip


@entry(HASHES(ROWS, ROWS, HASHES, ROWS, ROWS, HASHES))
def touched(rows, starts, entity, asked_rows, asked_starts, asked_entity):
    """Entities of the groups of a block."""
    found = np.empty(starts.size - 1, np.uint64)
    for group in range(found.size):
        if starts[group] < starts[group + 1]:
            found[group] = entity[rows[starts[group]]]
        else:
            found[group] = asked_entity[asked_rows[asked_starts[group]]]
    return found


@entry(
    nb.types.Tuple((nb.int64[::1], nb.uint64[::1], nb.int64[::1], nb.int64))(
        HASHES, nb.uint64[::1], nb.int64[::1], nb.int64
    )
)
def numbered(entities, known_entities, known_numbers, known):
    """Numbers of entities, new ones next in turn; the table; and how many are known now."""
    table = grouping.Table(known_entities, known_numbers)
    numbers, table, known = grouping.number_rows(entities, table, known)
    return numbers, table.entities, table.numbers, known


FOLD = nb.void(
    *[ROWS] * 4, NUMBERS, nb.int64, *[ROWS] * 5, TABLE, ROWS, ROWS, TABLE, nb.int64,
    *MEMORY, nb.int64[::1], nb.float64[:, ::1],
)  # fmt: skip


def _entries(source):
    @entry(nb.int64[::1](ROWS, ROWS, ROWS, ROWS, NUMBERS, nb.int64, ROWS, *MEMORY))
    def room(
        numbers, rows, starts, times, values, floor, span_needs,
        heads, low, high, smallest, largest, stale,
        held_times, held_values, active, least, greatest, counts, sums,
    ):  # fmt: skip
        """Observations, nodes and places of sums that a block takes at most."""
        _ = source
        needs = needs_of(span_needs)
        needed = np.zeros(3, np.int64)
        for group in range(numbers.size):
            head = heads[numbers[group]]
            new = ranks.taken(values, rows[starts[group] : starts[group + 1]])
            anew, _, capacity, _, limbs = layout(head, held_times, held_values, new, floor, needs)
            if anew:
                count_room(head, capacity, span_needs.size * width_of(limbs, needs), needed)
        return needed

    @entry(FOLD)
    def fold_block(
        numbers, rows, starts, times, values, floor,
        asked_rows, asked_starts, asked_times, asked_known, asked_reach,
        spans, span_needs, plan_starts, columns, late,
        heads, low, high, smallest, largest, stale,
        held_times, held_values, active, least, greatest, counts, sums, used, out,
    ):  # fmt: skip
        """Fold a block: entity by entity, let be seen what is new and answer what is asked."""
        _ = source
        plan = Plan(spans, span_needs, plan_starts, columns)
        memory = Memory(
            heads, low, high, smallest, largest, stale,
            held_times, held_values, active, least, greatest, counts, sums,
        )  # fmt: skip
        needs = needs_of(span_needs)
        words, answers = np.empty(MOST_WORDS, np.uint64), np.empty(AGGREGATES)
        for group in range(numbers.size):
            number = numbers[group]
            head = heads[number]
            seen = rows[starts[group] : starts[group + 1]]
            new = ranks.taken(values, seen)
            anew, kept, capacity, base, limbs = layout(
                head, held_times, held_values, new, floor, needs
            )
            if anew:
                lay(number, memory, used, span_needs.size, needs, kept, capacity, base, limbs)
            places = admit(number, memory, ranks.taken(times, seen), new)
            held = held_of(memory, number)
            windows = windows_of(memory, number, needs, words, answers)
            here = asked_rows[asked_starts[group] : asked_starts[group + 1]]
            if here.size:
                asked = asked_at(here, asked_times, asked_known, asked_reach, late)
                sweep.answer(seen, places, held, None, windows, None, asked, plan, out)
            for place in places:
                if not held.active[place]:
                    sweep.activate(place, held, windows)

    return room, fold_block


@part
def needs_of(span_needs):
    """Collect what any span needs."""
    needs = 0
    for span in range(span_needs.size):
        needs |= span_needs[span]
    return needs


@part
def count_room(head, capacity, wide, needed):
    """Add what laying an entity out anew takes from the arenas."""
    if capacity != head[CAPACITY]:
        needed[0] += capacity
        needed[1] += nodes_for(capacity)
    if wide > head[ROOM]:
        needed[2] += wide


@part
def windows_of(memory, number, needs, words, answers):
    """Windows of an entity, as `sweep` slides them."""
    head = memory.heads[number]
    width = width_of(head[LIMBS], needs)
    spans = memory.low.shape[1]
    return Windows(
        memory.low[number],
        memory.high[number],
        memory.sums[head[WIDE] : head[WIDE] + spans * width],
        memory.smallest[number],
        memory.largest[number],
        memory.stale[number],
        exact.Form(head[BASE], head[LIMBS], width),
        words,
        answers,
    )


room, fold_block = _entries(
    compiling.source_of(
        [compiling, entity, exact, grouping, log, machine, plan, ranks, reach, sweep]
    )
)


@entry(
    nb.types.Tuple((nb.int64[::1], nb.int64[::1], nb.float64[::1]))(
        ROWS, *MEMORY[:1], ROWS, NUMBERS
    )
)
def gather(numbers, heads, times, values):
    """Observations of some entities: starts, event times and values, by rank."""
    starts = np.zeros(numbers.size + 1, np.int64)
    for group in range(numbers.size):
        starts[group + 1] = starts[group] + heads[numbers[group], SIZE]
    found = np.empty(starts[-1], np.int64)
    observed = np.empty(starts[-1])
    for group in range(numbers.size):
        first, size = heads[numbers[group], START], heads[numbers[group], SIZE]
        found[starts[group] : starts[group + 1]] = times[first : first + size]
        observed[starts[group] : starts[group + 1]] = values[first : first + size]
    return starts, found, observed


@entry(nb.int64[::1](ROWS))
def stored_room(sizes):
    """Observations and nodes that stored entities of these sizes take."""
    needed = np.zeros(3, np.int64)
    for size in sizes:
        if size:
            capacity = capacity_for(size)
            needed[0] += capacity
            needed[1] += nodes_for(capacity)
    return needed


@entry(nb.void(ROWS, ROWS, ROWS, NUMBERS, *MEMORY, nb.int64[::1]))
def restore(
    numbers, starts, times, values,
    heads, low, high, smallest, largest, stale,
    held_times, held_values, active, least, greatest, counts, sums, used,
):  # fmt: skip
    """Take in stored observations, by rank; windows are laid when the entity is first folded."""
    for group in range(numbers.size):
        size = starts[group + 1] - starts[group]
        if size == 0:
            continue
        head = heads[numbers[group]]
        head[START], head[NODES], head[SIZE] = used[0], used[1], size
        head[CAPACITY] = capacity_for(size)
        used[0] += head[CAPACITY]
        used[1] += nodes_for(head[CAPACITY])
        for i in range(size):
            held_times[head[START] + i] = times[starts[group] + i]
            held_values[head[START] + i] = values[starts[group] + i]
            active[head[START] + i] = True
