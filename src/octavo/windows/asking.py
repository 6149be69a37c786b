"""Virtual queries: what a request sees.

A request is no operation of the log: it comes after all that was folded, sees its own event besides
and no other request's, and changes nothing. This module knows nothing of where the observations
come from.
"""

import math

import numpy as np

from octavo.windows.kernel import entries, fold
from octavo.windows.log import Observations, Queries
from octavo.windows.plan import LIMIT, UNBOUNDED, LanePlan
from octavo.windows.tiles import Tiles

FIRST = np.zeros(1, np.int64)
ALL = np.array([0, 1])
PLACES = np.arange(4096)
NOTHING = np.empty(0, np.int64)
NO_TILES = Tiles.none()


def ask(
    times: np.ndarray,
    values: np.ndarray,
    plan: LanePlan,
    event_time: int,
    known_at: int = LIMIT,
    late: int | None = None,
    own: float = math.nan,
    tiles: Tiles = NO_TILES,
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
    known_at
        When the request is made, microseconds; it matters with ``late``.
    late
        As in `fold`.
    own
        What the request's own event adds to the lane if the plan includes the current one; NaN
        for nothing.
    tiles
        As in `fold`, of this entity.

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
            0, 1, places, np.array([0, size]), times, values, NOTHING,
            FIRST, ALL, np.array([event_time]), np.array([known_at]), np.array([size]),
            *arrays, UNBOUNDED if late is None else late, out,
            np.array([[0, tiles.ends.size]]), tiles.ends, tiles.at, tiles.words, *more,
        )  # fmt: skip
    return out[0]


def evaluate(
    past: Observations,
    plan: LanePlan,
    entity: np.ndarray,
    event_time: np.ndarray,
    known_at: int,
    late: int | None = None,
    own: np.ndarray | None = None,
    tiles: Tiles | None = None,
) -> np.ndarray:
    """Compute the columns of a lane for many requests.

    Parameters
    ----------
    past
        All that was folded of these entities, as far back as the plan's windows reach.
    plan
        The columns to compute.
    entity, event_time
        uint64 and int64 (queries,): of which key, at what event time.
    known_at
        When the requests are made, microseconds.
    late
        As in `fold`.
    own
        float64 (queries,): what each request's own event adds to the lane if the plan includes the
        current one; NaN for nothing.
    tiles
        As in `fold`.

    Returns
    -------
    numpy.ndarray
        float64 (queries, columns), as from `fold`.
    """
    known = np.full(len(entity), known_at)
    places = 2 * np.arange(len(entity))
    queries = Queries(entity, event_time, known, places)
    if own is not None and plan.include_current:
        past = Observations.concatenate([past, own_events(queries, own)])
    return fold(past, queries, plan, late, tiles=tiles)


def own_events(queries: Queries, values: np.ndarray) -> Observations:
    """Return each request's event: in the log with it, and taken back before the next.

    Parameters
    ----------
    queries
        At places that leave room for one between any two of them.
    values
        float64 (queries,): what it adds to the lane; NaN for nothing.
    """
    given = ~np.isnan(values)
    now = queries.take(given)
    return Observations(
        **now.arrays(),
        value=values[given],
        gone_known_at=now.known_at,
        gone_position=now.position + 1,
    )
