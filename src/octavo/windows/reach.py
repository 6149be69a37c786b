"""How far a query sees: the ranks between which its window lies, in numba.

This module knows nothing of what a window holds.
"""

from typing import NamedTuple

import numba as nb
import numpy as np

from octavo.windows import ranks
from octavo.windows.compiling import inlined, part
from octavo.windows.plan import UNBOUNDED

BEGINNING = -(2**63)
"""Before any event time."""

OVER, DELAY, RESOLUTION, HALFLIFE = 0, 1, 2, 3
"""Places in a row of ``PlanArrays.spans``."""


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


@inlined
def edges(spans, span, time):
    """Event times after which, and up to which, the window of a query at ``time`` reaches."""
    end = time - spans[span, DELAY]
    start = BEGINNING
    if spans[span, OVER] != UNBOUNDED:
        start = end - spans[span, OVER]
    resolution = spans[span, RESOLUTION]
    if resolution > 1:
        if start != BEGINNING:
            start -= start % resolution
        if spans[span, DELAY]:
            end -= end % resolution
    return start, end


@inlined
def length(spans, span):
    """How far apart the times in a window may be at most, microseconds."""
    return spans[span, OVER] + spans[span, RESOLUTION]


@inlined
def bounds(held, low, high, spans, span, asked, query):
    """Ranks ``[low, high)`` of a query's window, searched from those of an earlier one."""
    start, end = edges(spans, span, asked.times[query])
    if asked.floor.size:
        start = max(start, asked.floor[query])
    high = ranks.seek(held.times, high, end)
    return min(ranks.seek(held.times, low, start), high), high


ROWS = nb.types.Array(nb.int64, 1, "C", readonly=True)
TABLE = nb.types.Array(nb.int64, 2, "C", readonly=True)


def signature(*more: object) -> object:
    """Signature of an entry that folds entities: rows, queries, plan, result, and ``more``."""
    return nb.void(
        nb.int64, nb.int64, *[ROWS] * 3, nb.types.Array(nb.float64, 1, "C", readonly=True),
        *[ROWS] * 5, TABLE, ROWS, ROWS, TABLE, nb.int64, nb.float64[:, ::1], *more,
    )  # fmt: skip


@part
def asked_at(rows, times, known, reach, retain):
    """Collect the queries of one entity, given by their rows in log order."""
    floor = np.empty(0, np.int64)
    if retain != UNBOUNDED:
        floor = known[rows] - retain
    return Asked(rows, times[rows], reach[rows], floor)
