"""The entities of a live lane in memory, in numba: what is folded block by block, and stored.

This module knows nothing of how entities lie in memory (`arenas` does), nor of what is computed
from their observations (`sweep` does).
"""

import numba as nb
import numpy as np

from octavo.windows import (
    arenas,
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
    tile,
)
from octavo.windows.arenas import (
    BASE,
    CAPACITY,
    LIMBS,
    NODES,
    SIZE,
    START,
    WIDE,
    Memory,
    admit,
    capacity_for,
    count_room,
    held_of,
    lay,
    layout,
    nodes_for,
    width_of,
)
from octavo.windows.compiling import entry, part
from octavo.windows.entity import ROWS, TABLE, asked_at
from octavo.windows.reach import Plan
from octavo.windows.sweep import AGGREGATES, Windows

MOST_WORDS = 3 * ((1024 + 1074) // 64 + 3)
"""Words of scratch for the longest form there is."""


def no_entities() -> tuple[np.ndarray, np.ndarray]:
    """Make an empty table of entities: (entities, numbers)."""
    return np.empty(1024, np.uint64), np.full(1024, grouping.EMPTY, np.int64)


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


FOLD = nb.void(
    *[ROWS] * 4, NUMBERS, nb.int64, *[ROWS] * 5, TABLE, ROWS, ROWS, TABLE, nb.int64,
    *MEMORY, nb.int64[::1], nb.float64[:, ::1],
)  # fmt: skip


def _entries_of_blocks(source):
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
        tiles, tiled = tile.Tiles(rows[:0], rows[:0], rows[:0]), tile.sums_of(0, False)
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
                sweep.answer(seen, places, held, tiles, windows, tiled, asked, plan, out)
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


def _entries_of_entities(source):
    @entry(
        nb.types.Tuple((nb.int64[::1], nb.uint64[::1], nb.int64[::1], nb.int64))(
            HASHES, nb.uint64[::1], nb.int64[::1], nb.int64
        )
    )
    def numbered(entities, known_entities, known_numbers, known):
        """Numbers of entities, new ones next in turn; the table; and how many are known now."""
        _ = source
        table = grouping.Table(known_entities, known_numbers)
        numbers, table, known = grouping.number_rows(entities, table, known)
        return numbers, table.entities, table.numbers, known

    @entry(nb.int64[::1](ROWS))
    def stored_room(sizes):
        """Observations and nodes that stored entities of these sizes take."""
        _ = source
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
        """Take in stored observations by rank; an entity's windows are laid at its first fold."""
        _ = source
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

    @entry(
        nb.types.Tuple((nb.int64[::1], nb.int64[::1], nb.float64[::1]))(
            ROWS, *MEMORY[:1], ROWS, NUMBERS
        )
    )
    def gather(numbers, heads, times, values):
        """Observations of some entities: starts, event times and values, by rank."""
        _ = source
        starts = np.zeros(numbers.size + 1, np.int64)
        for group in range(numbers.size):
            starts[group + 1] = starts[group] + heads[numbers[group], SIZE]
        found = np.empty(starts[-1], np.int64)
        observed = np.empty(starts[-1])
        for group in range(numbers.size):
            first, size = heads[numbers[group], START], heads[numbers[group], SIZE]
            for i in range(size):
                found[starts[group] + i] = times[first + i]
                observed[starts[group] + i] = values[first + i]
        return starts, found, observed

    return numbered, stored_room, restore, gather


SOURCE = compiling.source_of([
    arenas, compiling, entity, exact, grouping, log, machine, plan, ranks, reach, sweep, tile,
])  # fmt: skip

room, fold_block = _entries_of_blocks(SOURCE)
numbered, stored_room, restore, gather = _entries_of_entities(SOURCE)
