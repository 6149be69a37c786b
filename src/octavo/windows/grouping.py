"""Grouping a log by entity, in numba. Knows nothing of event time, values or windows."""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows.compiling import entry, hot, part

HASHES = nb.types.Array(nb.uint64, 1, "C", readonly=True)
FIELD = nb.types.Array(nb.int64, 1, "C", readonly=True)
EMPTY = -1

SPREAD = 0x9E3779B97F4A7C15
"""Entities are hashes already, but small integers must not be slow: this spreads them (Fibonacci).
"""


class Table(NamedTuple):
    """An open-addressing hash table from entities to numbers."""

    entities: np.ndarray
    """uint64 (a power of two,)."""
    numbers: np.ndarray
    """int64: number of the entity in the same slot, or ``EMPTY``."""


@hot
def slot_of(table, entity):
    """Slot of an entity, or the empty one where it belongs."""
    spread = (entity * np.uint64(SPREAD)) >> np.uint64(32)
    mask = table.numbers.size - 1
    slot = np.int64(spread) & mask
    while table.numbers[slot] != EMPTY and table.entities[slot] != entity:
        slot = (slot + 1) & mask
    return slot


@part
def sized(size):
    """Make an empty table."""
    return Table(np.empty(size, np.uint64), np.full(size, EMPTY, np.int64))


@part
def number_rows(entities, table, known):
    """Give the entity of every row a number by first appearance, after the ``known`` ones.

    Returns the numbers, the table (a larger one if it had to grow) and how many are known now.
    """
    numbers = np.empty(entities.size, np.int64)
    for row in range(entities.size):
        entity = entities[row]
        slot = slot_of(table, entity)
        if table.numbers[slot] == EMPTY:
            table.entities[slot] = entity
            table.numbers[slot] = known
            known += 1
        numbers[row] = table.numbers[slot]
        if 2 * known > table.numbers.size:
            small, table = table, sized(4 * table.numbers.size)
            for old in range(small.numbers.size):
                if small.numbers[old] != EMPTY:
                    slot = slot_of(table, small.entities[old])
                    table.entities[slot] = small.entities[old]
                    table.numbers[slot] = small.numbers[old]
    return numbers, table, known


@part
def own(entities, share, shares):
    """Rows of the entities that fall to one of some shares, and the entity of each."""
    rows = np.empty(entities.size, np.int64)
    found = np.empty(entities.size, np.uint64)
    size = 0
    for row in range(entities.size):
        entity = entities[row]
        rows[size] = row
        found[size] = entity
        # The highest bits of what `slot_of` takes the lower ones from.
        high = (entity * np.uint64(SPREAD)) >> np.uint64(48)
        size += np.int64(high * np.uint64(shares)) >> 16 == share
    return rows[:size], found[:size]


@part
def collect(rows, numbers, groups):
    """Rows by group, as they came within each: (order, starts)."""
    starts = np.zeros(groups + 1, np.int64)
    for number in numbers:
        starts[number + 1] += 1
    for group in range(groups):
        starts[group + 1] += starts[group]
    order = np.empty(numbers.size, np.int64)
    place = starts[:groups].copy()
    for i in range(numbers.size):
        group = numbers[i]
        order[place[group]] = rows[i]
        place[group] += 1
    return order, starts


@entry(nb.int64[::1](*[FIELD] * 4, nb.int64))
def merge(known, position, asked_known, asked_position, include_current):
    """Count for each query the observations before it; both are in log order.

    It sees, of its entity, the rows below that number.
    """
    reach = np.empty(asked_known.size, np.int64)
    row = 0
    for query in range(asked_known.size):
        now, place = asked_known[query], asked_position[query]
        while row < known.size and (
            known[row] < now
            or (
                known[row] == now
                and (position[row] < place or (include_current and position[row] == place))
            )
        ):
            row += 1
        reach[query] = row
    return reach


@entry(nb.types.UniTuple(nb.int64[::1], 4)(HASHES, HASHES, *[nb.int64] * 3))
def arrange(entity, asked_entity, same_rows, share, shares):
    """Group observations and queries, both in log order, by those entities that fall to a share.

    ``same_rows`` tells that the two entity arrays are one, so that half of the work is done.
    Returns the rows of observations by entity, where each entity starts, and the same of queries.
    """
    mine, found = own(entity, share, shares)
    numbers, table, entities = number_rows(found, sized(1024), 0)
    if same_rows:
        rows, starts = collect(mine, numbers, entities)
        return rows, starts, rows, starts
    asked, found = own(asked_entity, share, shares)
    asked_numbers, table, entities = number_rows(found, table, entities)
    rows, starts = collect(mine, numbers, entities)
    asked_rows, asked_starts = collect(asked, asked_numbers, entities)
    return rows, starts, asked_rows, asked_starts
