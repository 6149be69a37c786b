"""Grouping a log by entity, in numba. Knows nothing of event time, values or windows."""

import numba as nb
import numpy as np

from octavo.windows.compiling import entry, hot, part

HASHES = nb.types.Array(nb.uint64, 1, "C", readonly=True)
FIELD = nb.types.Array(nb.int64, 1, "C", readonly=True)
EMPTY = -1


@hot
def slot_of(table, keys, entity, mask):
    """Slot of an entity in the open-addressing table, or the empty slot where it belongs."""
    # Entities are hashes already, but small integers must not be slow: spread them (Fibonacci).
    slot = np.int64((entity * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
    while table[slot] != EMPTY and keys[table[slot]] != entity:
        slot = (slot + 1) & mask
    return slot


@part
def grown(table, keys, known):
    """Table of twice the size with the same entities."""
    larger = np.full(table.size * 2, EMPTY, np.int64)
    for i in range(known):
        larger[slot_of(larger, keys, keys[i], larger.size - 1)] = i
    return larger


@part
def number(entities, table, keys, known, numbers):
    """Number every row's entity by first appearance, adding new ones to ``keys``."""
    before = EMPTY
    for row in range(entities.size):
        entity = entities[row]
        if before != EMPTY and keys[before] == entity:
            numbers[row] = before
            continue
        slot = slot_of(table, keys, entity, table.size - 1)
        if table[slot] == EMPTY:
            table[slot] = known
            if known == keys.size:
                longer = np.empty(keys.size * 2, np.uint64)
                longer[: keys.size] = keys
                keys = longer
            keys[known] = entity
            known += 1
            if 2 * known > table.size:
                before = known - 1
                numbers[row] = before
                table = grown(table, keys, known)
                continue
        before = table[slot]
        numbers[row] = before
    return table, keys, known


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


@entry(nb.types.UniTuple(nb.int64[::1], 5)(HASHES, FIELD, FIELD, HASHES, FIELD, FIELD, nb.int64))
def arrange(
    entity, known, position, asked_entity, asked_known, asked_position, include_current
):  # fmt: skip
    """Group observations and queries by entity, and merge the two; both are in log order.

    Returns the rows of observations by entity, where each entity starts, the same two of queries,
    and for every query how many observations are before it in the log: it sees, of its entity,
    the rows below that number.
    """
    table = np.full(1024, EMPTY, np.int64)
    keys = np.empty(512, np.uint64)
    numbers = np.empty(entity.size, np.int64)
    asked_numbers = np.empty(asked_entity.size, np.int64)
    table, keys, known_keys = number(entity, table, keys, 0, numbers)
    table, keys, known_keys = number(asked_entity, table, keys, known_keys, asked_numbers)
    rows, starts = collect(numbers, known_keys)
    asked_rows, asked_starts = collect(asked_numbers, known_keys)
    reach = merge(known, position, asked_known, asked_position, include_current)
    return rows, starts, asked_rows, asked_starts, reach
