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
    tallies,
)
from octavo.windows.compiling import entry, hot, once, part
from octavo.windows.plan import DECAYED, Aggregate
from octavo.windows.reach import DELAY, HALFLIFE, Plan, bounds

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
    sizes: np.ndarray
    """int64 (spans,): how many these are."""
    places: np.ndarray
    """int64 (spans,): number of the window among those that keep the same."""
    codes: np.ndarray
    """int64 (ranks,): dense code of each value."""
    distinct: np.ndarray
    """float64 (codes,): the values."""
    tallies: tallies.Tallies
    orders: quantiles.Orders
    decays: decay.Decays


@hot
def shift(windows, span, held, plan, start, end, sign):
    """Add (``sign`` 1) or remove (-1) the active ranks in ``[start, end)``."""
    needs, place = plan.needs[span], windows.places[span]
    for rank in range(start, end):
        if not held.active[rank]:
            continue
        windows.sizes[span] += sign
        if needs & TALLIED:
            ranked = needs & (1 << TOP) != 0
            tallies.change(windows.tallies, place, windows.codes[rank], sign, ranked)
        elif needs & ORDERED:
            quantiles.change(windows.orders, place, windows.codes[rank], sign)
        else:
            halflife = plan.spans[span, HALFLIFE]
            decay.change(windows.decays, place, held.times[rank], held.values[rank], halflife, sign)


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


@hot
def weighed(windows, span, held, plan, time):
    """Weighted count, sum and mean of a window; what is null or 0 of any other kind of window."""
    if windows.sizes[span] == 0 or plan.needs[span] & WEIGHED == 0:
        return 0.0, np.nan, np.nan
    earliest, latest = held.times[windows.low[span]], held.times[windows.high[span] - 1]
    end, halflife = time - plan.spans[span, DELAY], plan.spans[span, HALFLIFE]
    return decay.weighed(windows.decays, windows.places[span], earliest, latest, end, halflife)


@hot
def counted(windows, span, aggregate, parameter):
    """Compute one aggregate of a window that keeps tallies or order statistics."""
    place, size = windows.places[span], windows.sizes[span]
    if aggregate == N_UNIQUE:
        return np.float64(windows.tallies.distinct[place])
    if size == 0:
        return np.nan
    if aggregate == TOP:
        return windows.distinct[tallies.most_frequent(windows.tallies, place)]
    return quantiles.quantile(windows.orders, place, windows.distinct, size, parameter)


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
def answer(rows, steps, held, windows, asked, order, lasting, plan, out):
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
            low, high = windows.low[span], windows.high[span]
            low, high = bounds(held, low, high, plan.spans, span, asked, i)
            slide(windows, span, held, plan, low, high)
            count, total, mean = weighed(windows, span, held, plan, asked.times[i])
            for j in range(plan.starts[span], plan.starts[span + 1]):
                place, aggregate, parameter = plan.columns[j]
                if aggregate == DECAYED_COUNT:
                    value = count
                elif aggregate == DECAYED_SUM:
                    value = total
                elif aggregate == DECAYED_MEAN:
                    value = mean
                else:
                    value = counted(windows, span, aggregate, parameter)
                out[asked.rows[i], place] = value
        while lent > reached:
            lent -= 1
            show(steps[lent], held, windows, plan, True)


@part
def windows_of(held, plan, category):
    """Make the empty windows of one entity."""
    spans = plan.needs.size
    places = np.empty(spans, np.int64)
    tallied, ordered, weighed, half_lives = 0, 0, 0, 0
    for span in range(spans):
        if plan.needs[span] & TALLIED:
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
    known, distinct = np.empty(0, np.int64), np.empty(0)
    if tallied or ordered:
        known, distinct = codes.coded(held.values, category)
    return Windows(
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        places,
        known,
        distinct,
        tallies.tallies_of(tallied, distinct.size),
        quantiles.orders_of(ordered, distinct.size),
        decay.decays_of(weighed, held.values, half_lives + 1),
    )


@part
def fold_entity(operations, category, asked, plan, out):
    """Answer the queries of one entity from its operations, both in log order."""
    held, places = ranks.ranked(operations.times, operations.values, False, exact.counts_only())
    windows = windows_of(held, plan, category)
    steps = entity.steps_of(operations, places)
    order, lasting = pieces.in_pieces(operations.rows, held.times, asked)
    answer(operations.rows, steps, held, windows, asked, order, lasting, plan, out)


def _entry(source):
    @entry(entity.signature(nb.boolean))
    def fold_entities(
        first, last, rows, starts, times, values, subject,
        asked_rows, asked_starts, asked_times, asked_known, asked_reach,
        spans, needs, plan_starts, columns, late, out, category,
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
                fold_entity(operations, category, asked, plan, out)

    return fold_entities


fold_entities = _entry(
    compiling.source_of([
        codes, compiling, decay, entity, exact, log, machine, pieces, plan, quantiles, ranks,
        reach, tallies,
    ])
)  # fmt: skip
