"""The fold of aggregates that keep more than a few numbers per window, in numba.

It reads the log of each entity as the sweep does, but a window keeps tallies, order statistics or
a decaying sum, and slides by single observations: each enters once and leaves once as time goes
on. Only a plan that asks for such aggregates compiles and runs it. This module knows nothing of how
entities were grouped or who asked.
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows import (
    codes,
    compiling,
    decay,
    entity,
    exact,
    log,
    machine,
    pieces,
    plan,
    quantiles,
    ranks,
    reach,
    sketches,
    tallies,
    tile,
)
from octavo.windows.compiling import entry, hot, inlined, once, part, shared
from octavo.windows.plan import DECAYED, Aggregate
from octavo.windows.reach import DELAY, HALFLIFE, RESOLUTION, Plan, bounds, edges

N_UNIQUE, TOP, QUANTILE, DECAYED_COUNT, DECAYED_SUM, DECAYED_MEAN = (
    int(each) for each in Aggregate if each in plan.HEAVY
)
TALLIED = 1 << N_UNIQUE | 1 << TOP
ORDERED = 1 << QUANTILE
WEIGHED = sum(1 << each for each in DECAYED)


class Windows(NamedTuple):
    """Where each span of one entity stands, and what it holds."""

    low: np.ndarray
    high: np.ndarray
    """int64 (spans,): the window holds the active ranks in ``[low, high)``."""
    first: np.ndarray
    last: np.ndarray
    """int64 (spans,): and the tiles in ``[first, last)``."""
    sizes: np.ndarray
    """int64 (spans,): how many observations these are."""
    places: np.ndarray
    """int64 (spans,): number of the window among those that keep the same."""
    codes: np.ndarray
    """int64 (ranks,): dense code of each value."""
    tile_codes: np.ndarray
    tile_counts: np.ndarray
    """int64: codes of the values that tiles keep, and how often each occurs."""
    kept: np.ndarray
    """int64 (tiles + tiles + 1,): where of each tile the values begin, and the rounded ones."""
    distinct: np.ndarray
    """float64 (codes,): the values."""
    rounded: np.ndarray
    """float64 (codes,): the values rounded, for quantiles with a resolution."""
    hashes: np.ndarray
    """int64 (codes,): hashes of the values, ascending; empty if none is ever estimated by."""
    by_hash: np.ndarray
    """int64 (codes,): for each code the place of its hash."""
    present: quantiles.Orders
    """Which hashes occur in the windows that keep tallies; empty without hashes."""
    tallies: tallies.Tallies
    orders: quantiles.Orders
    decays: decay.Decays


@inlined
def count(windows, place, code, times, ranked):
    """Count a value some times more, or less, in a window that keeps tallies."""
    before = windows.tallies.distinct[place]
    tallies.change(windows.tallies, place, code, times, ranked)
    after = windows.tallies.distinct[place]
    if before != after and windows.hashes.size:
        quantiles.change(windows.present, place, windows.by_hash[code], after - before)


@hot
def shift(windows, span, held, plan, start, end, sign):
    """Add (``sign`` 1) or remove (-1) the active ranks in ``[start, end)``."""
    needs, place = plan.needs[span], windows.places[span]
    for rank in range(start, end):
        if not held.active[rank]:
            continue
        windows.sizes[span] += sign
        if needs & TALLIED:
            count(windows, place, windows.codes[rank], sign, needs & (1 << TOP) != 0)
        elif needs & ORDERED:
            quantiles.change(windows.orders, place, windows.codes[rank], sign)
        else:
            halflife = plan.spans[span, HALFLIFE]
            decay.change(windows.decays, place, held.times[rank], held.values[rank], halflife, sign)


@once
def shift_tiles(windows, span, tiles, plan, start, end, sign):
    """Add or remove the tiles in ``[start, end)``."""
    needs, place = plan.needs[span], windows.places[span]
    for each in range(start, end):
        windows.sizes[span] += sign * tile.count_of(tiles, each)
        values, rounded, past = windows.kept[2 * each : 2 * each + 3]
        if needs & TALLIED:
            for i in range(values, rounded):
                times = sign * windows.tile_counts[i]
                count(windows, place, windows.tile_codes[i], times, needs & (1 << TOP) != 0)
        elif needs & ORDERED:
            for i in range(rounded, past):
                times = sign * windows.tile_counts[i]
                quantiles.change(windows.orders, place, windows.tile_codes[i], times)
        else:
            found = tile.decay_in(tiles, each, plan.spans[span, HALFLIFE])
            decay.merge(windows.decays, place, tiles.words, found, sign)


@once
def slide_tiles(windows, span, tiles, plan, start, end):
    """Move a window over the tiles to those of the event times in ``(start, end]``."""
    old_first, old_last = windows.first[span], windows.last[span]
    last = ranks.seek(tiles.ends, old_last, end)
    first = min(ranks.seek(tiles.ends, old_first, start), last)
    for begin, past, sign in (
        (old_first, min(first, old_last), -1),
        (max(last, old_first), old_last, -1),
        (first, min(last, old_first), 1),
        (max(first, old_last), last, 1),
    ):
        shift_tiles(windows, span, tiles, plan, begin, past, sign)
    windows.first[span] = first
    windows.last[span] = last


@once
def slide(windows, span, held, plan, low, high):
    """Move a window to the ranks ``[low, high)``; what leaves goes before what enters."""
    old_low, old_high = windows.low[span], windows.high[span]
    for start, end, sign in (
        (old_low, min(low, old_high), -1),
        (max(high, old_low), old_high, -1),
        (low, min(high, old_low), 1),
        (max(low, old_high), high, 1),
    ):
        if start < end:
            shift(windows, span, held, plan, start, end, sign)
    windows.low[span] = low
    windows.high[span] = high


@once
def weighed(windows, span, held, tiles, plan, time):
    """Weighted count, sum and mean of a window; what is null or 0 of any other kind of window."""
    if windows.sizes[span] == 0 or plan.needs[span] & WEIGHED == 0:
        return 0.0, np.nan, np.nan
    earliest, latest = log.NEVER, reach.BEGINNING
    if windows.low[span] < windows.high[span]:
        earliest, latest = held.times[windows.low[span]], held.times[windows.high[span] - 1]
    if windows.first[span] < windows.last[span]:
        earliest = min(earliest, tile.first_time(tiles, windows.first[span]))
        latest = max(latest, tile.last_time(tiles, windows.last[span] - 1))
    end, halflife = time - plan.spans[span, DELAY], plan.spans[span, HALFLIFE]
    return decay.weighed(windows.decays, windows.places[span], earliest, latest, end, halflife)


@once
def counted(windows, span, resolution, aggregate, parameter):
    """Compute one aggregate of a window that keeps tallies or order statistics."""
    place, size = windows.places[span], windows.sizes[span]
    if aggregate == N_UNIQUE:
        found = windows.tallies.distinct[place]
        if resolution == 1 or found < sketches.MOST:
            return np.float64(found)
        last = quantiles.smallest(windows.present, place, sketches.MOST - 1)
        return sketches.estimate(windows.hashes[last])
    if size == 0:
        return np.nan
    if aggregate == TOP:
        return windows.distinct[tallies.most_frequent(windows.tallies, place)]
    values = windows.distinct if resolution == 1 else windows.rounded
    return quantiles.quantile(windows.orders, place, values, size, parameter)


@hot
def show(step, held, windows, plan, back):
    """Let windows that reach over an operation's time see what it does; or take it ``back``."""
    rank = max(step, ~step)
    seen = (step >= 0) != back
    held.active[rank] = True
    for span in range(windows.low.size):
        if windows.low[span] <= rank < windows.high[span]:
            shift(windows, span, held, plan, rank, rank + 1, 1 if seen else -1)
    held.active[rank] = seen


@hot
def answer(rows, steps, held, tiles, windows, asked, order, lasting, plan, out):
    """Read the log of one entity: let be seen what a query sees, then answer it.

    What those that are answered later must not see is hidden again.
    """
    reached = 0
    for turn in range(order.size):
        i = order[turn]
        while reached < rows.size and rows[reached] < lasting[turn]:
            show(steps[reached], held, windows, plan, False)
            reached += 1
        lent = reached
        while lent < rows.size and rows[lent] < asked.reach[i]:
            show(steps[lent], held, windows, plan, False)
            lent += 1
        for span in range(plan.needs.size):
            start, end = edges(plan.spans, span, asked, i)
            low, high = bounds(held, windows.low[span], windows.high[span], start, end)
            slide(windows, span, held, plan, low, high)
            if tiles.ends.size:
                slide_tiles(windows, span, tiles, plan, start, end)
            count, total, mean = weighed(windows, span, held, tiles, plan, asked.times[i])
            for j in range(plan.starts[span], plan.starts[span + 1]):
                place, aggregate, parameter = plan.columns[j]
                if aggregate == DECAYED_COUNT:
                    value = count
                elif aggregate == DECAYED_SUM:
                    value = total
                elif aggregate == DECAYED_MEAN:
                    value = mean
                else:
                    resolution = plan.spans[span, RESOLUTION]
                    value = counted(windows, span, resolution, aggregate, parameter)
                out[asked.rows[i], place] = value
        while lent > reached:
            lent -= 1
            show(steps[lent], held, windows, plan, True)


@shared
def hashed(distinct, category):
    """Hashes of distinct values in ascending order, and for each value the place of its own."""
    found = np.empty(distinct.size, np.int64)
    for i in range(distinct.size):
        found[i] = sketches.hash_of(distinct[i], category)
    order = np.argsort(found, kind="mergesort")
    places = np.empty(distinct.size, np.int64)
    for i in range(distinct.size):
        places[order[i]] = i
    return ranks.taken(found, order), places


@part
def windows_of(held, tiles, plan, category):
    """Make the empty windows of one entity."""
    spans = plan.needs.size
    places = np.empty(spans, np.int64)
    tallied, ordered, weighed, half_lives, estimated = 0, 0, 0, 0, False
    for span in range(spans):
        if plan.needs[span] & TALLIED:
            if plan.needs[span] & (1 << N_UNIQUE) and plan.spans[span, RESOLUTION] > 1:
                estimated = True
            places[span] = tallied
            tallied += 1
        elif plan.needs[span] & ORDERED:
            places[span] = ordered
            ordered += 1
        else:
            places[span] = weighed
            weighed += 1
            half_lives = max(
                half_lives, reach.length(plan.spans, span) // plan.spans[span, HALFLIFE]
            )
    known, distinct, rounded = np.empty(0, np.int64), np.empty(0), np.empty(0)
    kept_values, kept_counts, kept = np.empty(0), np.empty(0, np.int64), np.zeros(1, np.int64)
    values = held.values
    if tiles.ends.size:
        kept_values, kept_counts, kept = tile.values_of(tiles)
        values = codes.joined(values, kept_values)
    hashes, by_hash = np.empty(0, np.int64), np.empty(0, np.int64)
    lowest, highest = decay.exponents(held.values)
    if tiles.ends.size and weighed:
        lowest, highest = tile.exponents(tiles, lowest, highest)
    if tallied or ordered:
        known, distinct = codes.coded(values, category)
        if estimated and distinct.size >= sketches.MOST:
            hashes, by_hash = hashed(distinct, category)
        if ordered:
            rounded = np.empty(distinct.size)
            for i in range(distinct.size):
                rounded[i] = sketches.rounded(distinct[i])
    return Windows(
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        places,
        known,
        known[held.values.size :],
        kept_counts,
        kept,
        distinct,
        rounded,
        hashes,
        by_hash,
        quantiles.orders_of(tallied if hashes.size else 0, hashes.size),
        tallies.tallies_of(tallied, distinct.size),
        quantiles.orders_of(ordered, distinct.size),
        decay.decays_of(weighed, lowest, highest, half_lives + 1),
    )


@part
def fold_entity(operations, tiles, category, asked, plan, out):
    """Answer the queries of one entity from its tiles and its operations, both in log order."""
    held, places = ranks.ranked(operations.times, operations.values, False, exact.counts_only())
    windows = windows_of(held, tiles, plan, category)
    steps = entity.steps_of(operations, places)
    order, lasting = pieces.in_pieces(operations.rows, held.times, asked)
    answer(operations.rows, steps, held, tiles, windows, asked, order, lasting, plan, out)


def _entry(source):
    @entry(entity.signature(nb.boolean))
    def fold_entities(
        first, last, rows, starts, times, values, subject,
        asked_rows, asked_starts, asked_times, asked_known, asked_reach,
        spans, needs, plan_starts, columns, late, out,
        owned, tile_ends, tile_at, tile_words, category,
    ):  # fmt: skip
        """Fold the entities ``first`` to ``last`` of a grouped log; write each query's row."""
        _ = source  # makes the source of all modules a part of the cache key
        plan = Plan(spans, needs, plan_starts, columns)
        for i in range(first, last):
            here = asked_rows[asked_starts[i] : asked_starts[i + 1]]
            if here.size:
                asked = entity.asked_at(here, asked_times, asked_known, asked_reach, late)
                seen = rows[starts[i] : starts[i + 1]]
                operations = entity.operations_at(seen, times, values, subject)
                tiles = tile.tiles_at(i, owned, tile_ends, tile_at, tile_words)
                fold_entity(operations, tiles, category, asked, plan, out)

    return fold_entities


fold_entities = _entry(
    compiling.source_of([
        codes, compiling, decay, entity, exact, log, machine, pieces, plan, quantiles, ranks,
        reach, sketches, tallies, tile,
    ])
)  # fmt: skip
