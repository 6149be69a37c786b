"""How far a query sees: the ranks between which its window lies, in numba.

This module knows nothing of what a window holds.
"""

from typing import NamedTuple

import numpy as np

from octavo.windows import ranks
from octavo.windows.compiling import inlined
from octavo.windows.plan import UNBOUNDED

BEGINNING = -(2**63)
"""Before any event time."""

OVER, DELAY, RESOLUTION, HALFLIFE = 0, 1, 2, 3
"""Places in a row of ``PlanArrays.spans``."""


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
