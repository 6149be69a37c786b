"""The fold over the log of each entity, in numba.

For every entity its observations and its queries are read in log order. A query first lets the
observations before it be seen, then slides each span's window to its own event time and reads the
aggregates. Nothing a query does is ever seen by another query: windows only cache, exactly.
This module knows nothing of how entities were grouped or who asked.
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows import compiling, exact, plan, ranks
from octavo.windows.compiling import entry, hot, inlined, part
from octavo.windows.exact import Form
from octavo.windows.plan import UNBOUNDED, Aggregate
from octavo.windows.ranks import Ranks

COUNT, SUM, MEAN, MIN, MAX, VAR, STD, FIRST, LAST, SINCE_FIRST, SINCE_LAST = map(int, Aggregate)

SUMS = 1 << SUM | 1 << MEAN | 1 << VAR | 1 << STD
TOTALS = 1 << SUM | 1 << MEAN
SPREADS = 1 << VAR | 1 << STD
EXTREMES = 1 << MIN | 1 << MAX
EARLIEST = 1 << FIRST | 1 << SINCE_FIRST
LATEST = 1 << LAST | 1 << SINCE_LAST

LONG = 1024
"""Observations from which an entity asked back and forth in time gets sums in its tree."""


class Asked(NamedTuple):
    """The queries of one entity in log order, as parallel int64 arrays."""

    rows: np.ndarray
    """Where each answer goes."""
    times: np.ndarray
    """Event times."""
    reach: np.ndarray
    """Rows of the log below this number are seen."""
    floor: np.ndarray
    """What happened at or before this event time is not retained; empty if everything is."""


class Plan(NamedTuple):
    """The arrays of a lane plan."""

    spans: np.ndarray
    needs: np.ndarray
    starts: np.ndarray
    columns: np.ndarray


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


@inlined
def include(windows, span, form, value):
    """Add one value to a window."""
    exact.add(windows.sums, span * form.width, form, value, 1)
    windows.least[span] = min(windows.least[span], value)
    windows.greatest[span] = max(windows.greatest[span], value)


@inlined
def shift(windows, span, held, form, depth, start, end, sign):
    """Add or remove the active ranks in ``[start, end)``, by whole blocks up to ``depth``."""
    at = span * form.width
    rank = start
    while rank < end:
        level = ranks.largest_block(rank, end, depth)
        if level:
            node = ranks.node_of(held, rank, level)
            exact.merge(windows.sums, at, held.sums, node * form.width, form.width, sign)
            least, greatest = held.least[node], held.greatest[node]
        elif held.active[rank]:
            least = greatest = held.values[rank]
            exact.add(windows.sums, at, form, least, sign)
        else:
            rank += 1
            continue
        if sign < 0:
            if least <= windows.least[span] or greatest >= windows.greatest[span]:
                windows.stale[span] = True
        else:
            windows.least[span] = min(windows.least[span], least)
            windows.greatest[span] = max(windows.greatest[span], greatest)
        rank += 1 << (ranks.BITS * level)


@inlined
def clear(windows, span, form):
    """Empty a window."""
    for i in range(span * form.width, (span + 1) * form.width):
        windows.sums[i] = 0
    windows.least[span] = np.inf
    windows.greatest[span] = -np.inf
    windows.stale[span] = False


@inlined
def slide(windows, span, held, form, depth, low, high):
    """Move a window to the ranks ``[low, high)``, by the shorter of two ways."""
    old_low, old_high = windows.low[span], windows.high[span]
    if high - low <= abs(low - old_low) + abs(high - old_high):
        clear(windows, span, form)
        old_low = old_high = low
    start, end, sign = (low, old_low, 1) if low < old_low else (old_low, low, -1)
    shift(windows, span, held, form, depth, start, end, sign)
    start, end, sign = (old_high, high, 1) if high > old_high else (high, old_high, -1)
    shift(windows, span, held, form, depth, start, end, sign)
    windows.low[span] = low
    windows.high[span] = high


@inlined
def read(windows, span, held, form, depth, tree_width, plan, time, digits, out, row):
    """Write the aggregates of one window into the columns that ask for them."""
    count = windows.sums[span * form.width + exact.COUNT]
    needs = plan.needs[span] if count else 0
    low, high = windows.low[span], windows.high[span]
    whole = mean = variance = deviation = least = greatest = np.nan
    early = late = 0
    if needs & TOTALS:
        whole, mean = exact.total(windows.sums, span * form.width, form, digits)
    if needs & SPREADS:
        variance, deviation = exact.spread(windows.sums, span * form.width, form, digits)
    if needs & EXTREMES:
        if windows.stale[span]:
            least, greatest = ranks.extremes(held, low, high, depth)
            windows.least[span], windows.greatest[span] = least, greatest
            windows.stale[span] = False
        # Adding +0.0 turns -0.0 into +0.0: which of the two was met first must not show.
        least, greatest = windows.least[span] + 0.0, windows.greatest[span] + 0.0
    if needs & EARLIEST:
        early = ranks.earliest(held, low, high, depth, tree_width)
    if needs & LATEST:
        late = ranks.latest(held, low, high, depth, tree_width)
    for i in range(plan.starts[span], plan.starts[span + 1]):
        aggregate = plan.columns[i, 1]
        number = np.nan
        if aggregate == COUNT:
            number = np.float64(count)
        elif count == 0:
            pass
        elif aggregate == SUM:
            number = whole
        elif aggregate == MEAN:
            number = mean
        elif aggregate == MIN:
            number = least
        elif aggregate == MAX:
            number = greatest
        elif aggregate == VAR:
            number = variance
        elif aggregate == STD:
            number = deviation
        elif aggregate == FIRST:
            number = held.values[early]
        elif aggregate == LAST:
            number = held.values[late]
        elif aggregate == SINCE_FIRST:
            number = (time - held.times[early]) / 1e6
        elif aggregate == SINCE_LAST:
            number = (time - held.times[late]) / 1e6
        out[row, plan.columns[i, 0]] = number


@part
def log_order(log, start, end):
    """Rows of one entity by (known, position); equal ones as they came."""
    rows = log.order[start:end]
    for i in range(1, rows.size):
        before, after = log.known[rows[i - 1]], log.known[rows[i]]
        if before > after or (
            before == after and log.position[rows[i - 1]] > log.position[rows[i]]
        ):
            rows = rows[np.argsort(log.position[rows], kind="mergesort")]
            return rows[np.argsort(log.known[rows], kind="mergesort")]
    return rows


@part
def time_order(times):
    """Log indices by event time; equal ones in log order."""
    for i in range(1, times.size):
        if times[i - 1] > times[i]:
            return np.argsort(times, kind="mergesort")
    return np.arange(times.size)


@part
def wanders(times):
    """Whether event times step back along the log."""
    for i in range(1, times.size):
        if times[i - 1] > times[i]:
            return True
    return False


@hot
def answer(
    rows, places, asked, windows, held, form, depth, tree_form, shift_depth, digits, plan, out
):
    """Read the log of one entity: activate what a query may see, then answer it."""
    spans = plan.needs.size
    size = rows.size
    reached = 0
    for i in range(asked.rows.size):
        while reached < size and rows[reached] < asked.reach[i]:
            rank = places[reached]
            ranks.activate(held, rank, depth, tree_form)
            for span in range(spans):
                if windows.low[span] <= rank < windows.high[span]:
                    include(windows, span, form, held.values[rank])
            reached += 1
        time = asked.times[i]
        for span in range(spans):
            over, end = plan.spans[span, 0], time - plan.spans[span, 1]
            high = ranks.seek(held.times, size, windows.high[span], end)
            low = 0
            if over != UNBOUNDED:
                low = ranks.seek(held.times, size, windows.low[span], end - over)
            if asked.floor.size:
                low = max(low, ranks.seek(held.times, size, windows.low[span], asked.floor[i]))
            slide(windows, span, held, form, shift_depth, min(low, high), high)
            read(
                windows, span, held, form, depth, tree_form.width, plan, time, digits,
                out, asked.rows[i],
            )  # fmt: skip


@part
def fold_entity(rows, times, values, asked, plan, out):
    """Answer the queries of one entity from its observations, both in log order."""
    needs = 0
    for span in range(plan.needs.size):
        needs |= plan.needs[span]
    size = rows.size
    places = np.arange(size)
    if not ascending(times):
        order = np.argsort(times, kind="mergesort")
        places[order] = np.arange(size)
        times, values = times[order], values[order]
    wandering = size > LONG and not ascending(asked.times)
    form = exact.form_of(values, size, needs & SUMS, needs & SPREADS)
    tree_form = form if wandering else Form(0, 0, exact.FIRST)
    tree = np.empty(ranks.DEEPEST + 1, np.int64)
    depth, nodes = 0, 0
    if wandering or needs & (EXTREMES | EARLIEST | LATEST):
        depth, nodes = ranks.lay_levels(size, tree)
    held = Ranks(
        times,
        values,
        np.zeros(size, np.bool_),
        tree,
        np.full(nodes, np.inf),
        np.full(nodes, -np.inf),
        np.zeros(nodes * tree_form.width, np.int64),
    )
    spans = plan.needs.size
    windows = Windows(
        np.zeros(spans, np.int64),
        np.zeros(spans, np.int64),
        np.zeros(spans * form.width, np.int64),
        np.full(spans, np.inf),
        np.full(spans, -np.inf),
        np.zeros(spans, np.bool_),
    )
    digits = np.empty(exact.scratch_size(form), np.int64)
    shift_depth = depth if wandering else 0
    answer(
        rows, places, asked, windows, held, form, depth, tree_form, shift_depth, digits, plan, out
    )


ROWS = nb.types.Array(nb.int64, 1, "C", readonly=True)
TABLE = nb.types.Array(nb.int64, 2, "C", readonly=True)


SIGNATURE = nb.void(
    nb.int64, nb.int64, *[ROWS] * 3, nb.types.Array(nb.float64, 1, "C", readonly=True),
    *[ROWS] * 5, TABLE, ROWS, ROWS, TABLE, nb.int64, nb.float64[:, ::1],
)  # fmt: skip


def _entry(source):
    @entry(SIGNATURE)
    def fold_entities(
        first, last, rows, starts, times, values,
        asked_rows, asked_starts, asked_times, asked_known, reach,
        spans, needs, plan_starts, columns, retain, out,
    ):  # fmt: skip
        """Fold the entities ``first`` to ``last`` of a grouped log; write each query's row."""
        _ = source  # makes the source of all modules a part of the cache key
        plan = Plan(spans, needs, plan_starts, columns)
        for entity in range(first, last):
            here = asked_rows[asked_starts[entity] : asked_starts[entity + 1]]
            if here.size == 0:
                continue
            floor = np.empty(0, np.int64)
            if retain != UNBOUNDED:
                floor = asked_known[here] - retain
            asked = Asked(here, asked_times[here], reach[here], floor)
            seen = rows[starts[entity] : starts[entity + 1]]
            fold_entity(seen, times[seen], values[seen], asked, plan, out)

    return fold_entities


fold_entities = _entry(compiling.source_of([compiling, exact, plan, ranks]))
