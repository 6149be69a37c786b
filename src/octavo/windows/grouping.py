"""Grouping a log by entity, in numba. Knows nothing of event time, values or windows."""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows.compiling import entry, hot, part

HASHES = nb.types.Array(nb.uint64, 1, "C", readonly=True)
FIELD = nb.types.Array(nb.int64, 1, "C", readonly=True)
EMPTY = -1


class Table(NamedTuple):
    """An open-addressing hash table from entities to numbers."""

    entities: np.ndarray
    """uint64 (a power of two,)."""
    numbers: np.ndarray
    """int64: number of the entity in the same slot, or ``EMPTY``."""


@hot
def slot_of(table, entity):
    """Slot of an entity, or the empty one where it belongs."""
    # Entities are hashes already, but small integers must not be slow: spread them (Fibonacci).
    spread = (entity * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)
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
def collect(numbers, groups):
    """Rows by group, as they came within each: (order, starts)."""
    starts = np.zeros(groups + 1, np.int64)
    for row in range(numbers.size):
        starts[numbers[row] + 1] += 1
    for group in range(groups):
        starts[group + 1] += starts[group]
    order = np.empty(numbers.size, np.int64)
    place = starts[:groups].copy()
    for row in range(numbers.size):
        group = numbers[row]
        order[place[group]] = row
        place[group] += 1
    return order, starts


@part
def merge(known, position, asked_known, asked_position, include_current):
    """Count for each query the observations before it; both are in log order."""
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


@entry(
    nb.types.UniTuple(nb.int64[::1], 5)(HASHES, FIELD, FIELD, HASHES, FIELD, FIELD, *[nb.int64] * 2)
)
def arrange(
    entity, known, position, asked_entity, asked_known, asked_position, same_rows, include_current
):
    """Group observations and queries by entity, and merge the two; both are in log order.

    ``same_rows`` tells that the two entity arrays are one, so that half of the work is done.
    Returns the rows of observations by entity, where each entity starts, the same two of queries,
    and for every query how many observations are before it in the log: it sees, of its entity,
    the rows below that number.
    """
    reach = merge(known, position, asked_known, asked_position, include_current)
    numbers, table, entities = number_rows(entity, sized(1024), 0)
    if same_rows:
        rows, starts = collect(numbers, entities)
        return rows, starts, rows, starts, reach
    asked_numbers, table, entities = number_rows(asked_entity, table, entities)
    rows, starts = collect(numbers, entities)
    asked_rows, asked_starts = collect(asked_numbers, entities)
    return rows, starts, asked_rows, asked_starts, reach
