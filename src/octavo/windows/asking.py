"""One virtual query: what a request sees of one entity, at the cost of a few microseconds.

A request is no operation of the log: it comes after all that was folded, and changes nothing. This
module knows nothing of where the observations come from.
"""

import math

import numpy as np

from octavo.windows.kernel import entries
from octavo.windows.plan import LIMIT, LanePlan

FIRST = np.zeros(1, np.int64)
ALL = np.array([0, 1])
PLACES = np.arange(4096)


def ask(
    times: np.ndarray,
    values: np.ndarray,
    plan: LanePlan,
    event_time: int,
    floor: int = -LIMIT,
    own: float = math.nan,
) -> np.ndarray:
    """Compute the columns of a lane for one entity at one time.

    Parameters
    ----------
    times, values
        int64 microseconds and float64: all observations folded so far, by event time and then
        log order, or those at least that the plan's windows reach.
    plan
        The columns to compute.
    event_time
        When the request is for, microseconds.
    floor
        Event time up to which nothing is retained any more, microseconds.
    own
        What the request's own event adds to the lane if the plan includes the current one; NaN
        for nothing.

    Returns
    -------
    numpy.ndarray
        float64 (columns,); NaN is null.
    """
    if plan.horizon is not None:
        start = np.searchsorted(times, event_time - plan.horizon, "right")
        times, values = times[start:], values[start:]
    if plan.include_current and own == own:
        times, values = np.append(times, event_time), np.append(values, own)
    size = len(times)
    out = np.empty((1, len(plan.columns)))
    places = PLACES[:size] if size <= len(PLACES) else np.arange(size)
    for fold_entities, arrays, more in entries(plan):
        fold_entities(
            0, 1, places, np.array([0, size]), times, values,
            FIRST, ALL, np.array([event_time]), np.array([floor]), np.array([size]),
            *arrays, 0, out, *more,
        )  # fmt: skip
    return out[0]
