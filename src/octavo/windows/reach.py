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
def edges(spans, span, asked, query):
    """Event times after which, and up to which, the window of a query reaches.

    A query that comes too late sees of the beginning what the oldest that does not would see; and
    by a resolution it is too late if its own step had passed: then the end is floored too.
    """
    time = oldest = asked.times[query]
    if asked.floor.size:
        oldest = max(time, asked.floor[query])
    end = time - spans[span, DELAY]
    start = BEGINNING
    if spans[span, OVER] != UNBOUNDED:
        start = oldest - spans[span, DELAY] - spans[span, OVER]
    resolution = spans[span, RESOLUTION]
    if resolution > 1:
        if start != BEGINNING:
            start -= start % resolution
        if spans[span, DELAY] or time < oldest - oldest % resolution:
            end -= end % resolution
    return start, end


@inlined
def length(spans, span):
    """How far apart two times in a window are less than, microseconds."""
    return spans[span, OVER] + spans[span, RESOLUTION]


@inlined
def bounds(held, low, high, start, end):
    """Ranks ``[low, high)`` of the event times in ``(start, end]``, searched from some others."""
    high = ranks.seek(held.times, high, end)
    return min(ranks.seek(held.times, low, start), high), high
