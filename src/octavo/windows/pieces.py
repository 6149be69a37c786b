"""In which order the queries of one entity are answered, in numba.

A query changes nothing that another sees, so that any order gives the same bits. In the order of
the log a window slides on with event time, except for late queries: those of a large batch, back
and forth in event time, would move it over all that lies between any two of them. A piece of the
log with such queries is answered in the order of event time instead; what becomes visible within
the piece is then shown to each query, and hidden again. This module knows nothing of windows.
"""

import numpy as np

from octavo.windows.compiling import part
from octavo.windows.ranks import seek

PIECE = 1024
"""Queries of a piece: many enough that one pass over the observations is cheap for each of them."""

SHOWN = 2
"""What it costs to show an observation and to hide it again, in observations passed."""


@part
def in_pieces(rows, times, asked):
    """Order the queries of an entity so that windows move little from one to the next.

    Parameters
    ----------
    rows
        int64: rows of the log with the entity's operations.
    times
        int64 (ranks,): event times of its observations, ascending.
    asked
        Its queries, in the order of the log.

    Returns
    -------
    order
        int64 (queries,): which query is answered first, and so on.
    lasting
        int64 (queries,), in that order: rows of the log below this number are seen by it and by
        all that are answered later.
    """
    order = np.arange(asked.rows.size)
    lasting = asked.reach.copy()
    for start in range(0, order.size, PIECE):
        end = min(start + PIECE, order.size)
        if not back_and_forth(rows, times, asked, start, end):
            continue
        by_time = np.argsort(asked.times[start:end], kind="mergesort")
        for i in range(start, end):
            order[i] = start + by_time[i - start]
            lasting[i] = asked.reach[start]
    return order, lasting


@part
def back_and_forth(rows, times, asked, start, end):
    """Whether some queries would pass more observations in log order than in that of time."""
    late = False
    for i in range(start + 1, end):
        late |= asked.times[i] < asked.times[i - 1]
    if not late:
        return False
    place = least = most = seek(times, 0, asked.times[start])
    first = seen = seek(rows, 0, asked.reach[start] - 1)
    passed = shown = 0
    for i in range(start + 1, end):
        before, place = place, seek(times, place, asked.times[i])
        least, most = min(least, place), max(most, place)
        passed += abs(place - before)
        seen = seek(rows, seen, asked.reach[i] - 1)
        shown += seen - first
    return passed > most - least + SHOWN * shown
