"""The fold over the log of each entity, in numba.

For every entity its observations and its queries are read in log order. A query first lets the
observations before it be seen, then slides each span's window to its own event time and reads the
aggregates. Nothing a query does is ever seen by another query: windows only cache, exactly.
This module knows nothing of how entities were grouped or who asked.
"""

from typing import NamedTuple

import numpy as np

from octavo.windows import compiling, entity, exact, log, machine, plan, ranks, reach, tile
from octavo.windows.compiling import entry, hot, inlined, once, part
from octavo.windows.plan import Aggregate
from octavo.windows.ranks import BITS, largest_block, node_of
from octavo.windows.reach import BEGINNING, Plan, bounds, edges

COUNT, SUM, MEAN, MIN, MAX, VAR, STD, FIRST, LAST, SINCE_FIRST, SINCE_LAST, LAG = (
    int(each) for each in Aggregate if each not in plan.HEAVY
)
AGGREGATES = len(Aggregate)

SUMS = 1 << SUM | 1 << MEAN | 1 << VAR | 1 << STD
TOTALS = 1 << SUM | 1 << MEAN
SPREADS = 1 << VAR | 1 << STD
EXTREMES = 1 << MIN | 1 << MAX
EARLIEST = 1 << FIRST | 1 << SINCE_FIRST
LATEST = 1 << LAST | 1 << SINCE_LAST | 1 << LAG

LONG = 1024
"""Observations from which an entity asked back and forth in time gets sums in its tree."""

AHEAD = 8
"""Queries whose answers' places are fetched before they are due."""


class Windows(NamedTuple):
    """Where each span of one entity stands, and what it holds."""

    low: np.ndarray
    high: np.ndarray
    """int64 (spans,): the window holds the active ranks in ``[low, high)``."""
    sums: np.ndarray
    """int64 (spans * form.width,): exact sums."""
    least: np.ndarray
    greatest: np.ndarray
    """float64 (spans,): extremes, unless stale."""
    stale: np.ndarray
    """bool (spans,): an extreme has left the window; find it again before reading."""
    form: exact.Form
    """Form of the sums."""
    words: np.ndarray
    """uint64: scratch for reading the sums."""
    answers: np.ndarray
    """float64 (aggregates,): scratch for the answers of one window."""


@inlined
def include(windows, span, least, greatest):
    """Widen a window's extremes."""
    windows.least[span] = min(windows.least[span], least)
    windows.greatest[span] = max(windows.greatest[span], greatest)


@inlined
def shift(windows, span, held, start, end, sign):
    """Add or remove the active ranks in ``[start, end)``; by blocks, if these hold sums."""
    form = windows.form
    depth = held.depth if held.form.width == form.width else 0
    rank = start
    while rank < end:
        level = largest_block(rank, end, depth)
        if level:
            node = node_of(held, rank, level)
            least, greatest = held.least[node], held.greatest[node]
            exact.merge(windows.sums, span * form.width, held.sums, node * form.width, form, sign)
        elif held.active[rank]:
            least = greatest = held.values[rank]
            exact.add(windows.sums, span * form.width, form, least, sign)
        else:
            rank += 1
            continue
        if sign > 0:
            include(windows, span, least, greatest)
        elif least <= windows.least[span] or greatest >= windows.greatest[span]:
            windows.stale[span] = True
        rank += 1 << (BITS * level)


@inlined
def clear(windows, span):
    """Empty a window."""
    for i in range(span * windows.form.width, (span + 1) * windows.form.width):
        windows.sums[i] = 0
    windows.least[span] = np.inf
    windows.greatest[span] = -np.inf
    windows.stale[span] = False


@once
def slide(windows, span, held, low, high):
    """Move a window to the ranks ``[low, high)``, by the shorter of two ways."""
    old_low, old_high = windows.low[span], windows.high[span]
    if high - low <= abs(low - old_low) + abs(high - old_high):
        clear(windows, span)
        old_low = old_high = low
    for start, end, sign in (
        (low, old_low, 1) if low < old_low else (old_low, low, -1),
        (old_high, high, 1) if high > old_high else (high, old_high, -1),
    ):
        shift(windows, span, held, start, end, sign)
    windows.low[span] = low
    windows.high[span] = high


@once
def read(windows, tiled, span, held, tiles, needs, time):
    """Compute the aggregates of one window that are needed into ``windows.answers``."""
    sums, at = windows.sums, span * windows.form.width
    answers = windows.answers
    count = observed = sums[at + exact.COUNT]
    if tiles.ends.size:
        tile.together(tiled, span, windows.form, sums)
        sums, at = tiled.row, 0
        count = sums[exact.COUNT]
    answers[COUNT] = count
    if count == 0:
        answers[COUNT + 1 :] = np.nan
        return
    if needs & TOTALS:
        answers[SUM], answers[MEAN] = exact.total(sums, at, windows.form, windows.words)
    if needs & SPREADS:
        answers[VAR], answers[STD] = exact.spread(sums, at, windows.form, windows.words)
    low, high = windows.low[span], windows.high[span]
    if needs & EXTREMES:
        if windows.stale[span]:
            windows.least[span], windows.greatest[span] = ranks.extremes(
                held, low, high, held.depth
            )
            windows.stale[span] = False
        least, greatest = windows.least[span], windows.greatest[span]
        if tiles.ends.size:
            others = tile.extremes(tiled, span, tiles)
            least, greatest = min(least, others[0]), max(greatest, others[1])
        # Adding +0.0 turns -0.0 into +0.0: which of the two was met first must not show.
        answers[MIN], answers[MAX] = least + 0.0, greatest + 0.0
    if needs & EARLIEST:
        moment, value = log.NEVER, np.nan
        if observed:
            rank = ranks.earliest(held, low)
            moment, value = held.times[rank], held.values[rank]
        if tiles.ends.size:
            moment, value = tile.earlier(tiled, span, tiles, moment, value)
        answers[FIRST], answers[SINCE_FIRST] = value, (time - moment) / 1e6
    if needs & LATEST:
        moment, value = BEGINNING, np.nan
        if observed:
            rank = ranks.latest(held, high - 1)
            moment, value = held.times[rank], held.values[rank]
        if tiles.ends.size:
            moment, value = tile.later(tiled, span, tiles, moment, value)
        answers[LAST], answers[SINCE_LAST] = value, (time - moment) / 1e6


@hot
def lag(windows, span, held, back):
    """Value of the observation ``back`` places before the latest of a window, or null."""
    if windows.sums[span * windows.form.width + exact.COUNT] <= back:
        return np.nan
    rank = ranks.latest(held, windows.high[span] - 1)
    for _ in range(back):
        rank = ranks.latest(held, rank - 1)
    return held.values[rank]


@once
def activate(rank, held, windows):
    """Let an observation be seen, by the windows too which already reach over its time."""
    ranks.activate(held, rank)
    value = held.values[rank]
    for span in range(windows.low.size):
        if windows.low[span] <= rank < windows.high[span]:
            exact.add(windows.sums, span * windows.form.width, windows.form, value, 1)
            include(windows, span, value, value)


@hot
def retract(rank, held, windows):
    """Let an observation be seen no more, nor by the windows which hold it."""
    for span in range(windows.low.size):
        if windows.low[span] <= rank < windows.high[span]:
            exact.add(windows.sums, span * windows.form.width, windows.form, held.values[rank], -1)
            windows.stale[span] = True
    ranks.retract(held, rank)


@hot
def answer(rows, steps, held, tiles, windows, tiled, asked, plan, out):
    """Read the log of one entity: let be seen what a query sees, then answer it."""
    reached = 0
    if tiles.ends.size:
        tile.clear(tiled, windows.form)
    for i in range(asked.rows.size):
        if i + AHEAD < asked.rows.size:
            machine.prefetch(out, asked.rows[i + AHEAD])
        while reached < rows.size and rows[reached] < asked.reach[i]:
            rank = steps[reached]
            if rank >= 0:
                activate(rank, held, windows)
            else:
                retract(~rank, held, windows)
            reached += 1
        found = out[asked.rows[i]]
        for span in range(plan.needs.size):
            start, end = edges(plan.spans, span, asked, i)
            low, high = bounds(held, windows.low[span], windows.high[span], start, end)
            slide(windows, span, held, low, high)
            if tiles.ends.size:
                tile.slide(tiled, span, windows.form, tiles, start, end)
            read(windows, tiled, span, held, tiles, plan.needs[span], asked.times[i])
            for j in range(plan.starts[span], plan.starts[span + 1]):
                place, aggregate, parameter = plan.columns[j]
                if aggregate == LAG:
                    found[place] = lag(windows, span, held, parameter)
                else:
                    found[place] = windows.answers[aggregate]


@part
def fold_entity(operations, tiles, tiled, asked, plan, out):
    """Answer the queries of one entity from its tiles and its operations, both in log order."""
    needs = 0
    for span in range(plan.needs.size):
        needs |= plan.needs[span]
    times, values = operations.times, operations.values
    form = tile.widened(exact.form_of(values, needs & SUMS, needs & SPREADS), tiles)
    # Windows that only move forward pass every observation once: sums in the tree would not pay.
    wandering = times.size > LONG and not ranks.ascending(asked.times)
    tree = wandering or needs & (EXTREMES | EARLIEST | LATEST) != 0
    held, places = ranks.ranked(times, values, tree, form if wandering else exact.counts_only())
    steps = entity.steps_of(operations, places)
    spans = plan.needs.size
    windows = Windows(
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans * form.width + exact.SLACK, np.int64),
        np.full(spans, np.inf),
        np.full(spans, -np.inf),
        np.zeros(spans, np.bool_),
        form,
        np.empty(exact.scratch_size(form.limbs), np.uint64),
        np.empty(AGGREGATES),
    )
    answer(operations.rows, steps, held, tiles, windows, tiled, asked, plan, out)


def _entry(source):
    @entry(entity.signature())
    def fold_entities(
        first, last, rows, starts, times, values, subject,
        asked_rows, asked_starts, asked_times, asked_known, asked_reach,
        spans, needs, plan_starts, columns, late, out,
        owned, tile_ends, tile_at, tile_words,
    ):  # fmt: skip
        """Fold the entities ``first`` to ``last`` of a grouped log; write each query's row."""
        _ = source  # makes the source of all modules a part of the cache key
        plan = Plan(spans, needs, plan_starts, columns)
        tiled = tile.sums_of(needs.size, tile_ends.size > 0)
        for i in range(first, last):
            here = asked_rows[asked_starts[i] : asked_starts[i + 1]]
            if here.size:
                asked = entity.asked_at(here, asked_times, asked_known, asked_reach, late)
                seen = rows[starts[i] : starts[i + 1]]
                operations = entity.operations_at(seen, times, values, subject)
                tiles = tile.tiles_at(i, owned, tile_ends, tile_at, tile_words)
                fold_entity(operations, tiles, tiled, asked, plan, out)

    return fold_entities


fold_entities = _entry(
    compiling.source_of([compiling, entity, exact, log, machine, plan, ranks, reach, tile])
)
