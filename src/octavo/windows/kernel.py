"""The one window kernel: a fold over the log, the same in bulk and event by event.

The compiled code is imported on first use, so that importing Octavo costs nothing. This module
knows nothing of datasets, expressions or where state is kept.
"""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from octavo.errors import DataError, DefinitionError
from octavo.windows.log import Observations, Queries
from octavo.windows.plan import LIMIT, UNBOUNDED, LanePlan, PlanArrays

PARALLEL = 20_000
"""Operations from which threads pay for themselves."""

PARTS = 16
"""Parts per thread: enough for a thread that got a short part to take another."""


def fold(
    observations: Observations,
    queries: Queries,
    plan: LanePlan,
    retain: int | None = None,
    threads: int | None = None,
) -> np.ndarray:
    """Answer every query from the observations before it in the log.

    The log is ordered by ``(known_at, position)`` and by nothing else. A query sees the
    observations of its entity that are earlier in the log (or at its own place, with
    ``plan.include_current``), whose event time lies in the window and, with ``retain``, after
    ``known_at(query) - retain``. Every aggregate is a function of these observations alone.

    Parameters
    ----------
    observations, queries
        Rows in any order.
    plan
        The columns to compute.
    retain
        How far before its own ``known_at`` a query may see, microseconds; None for everything.
    threads
        Threads to use; None for one per available core. The result does not depend on it.

    Returns
    -------
    numpy.ndarray
        float64 (queries, columns), in the order given; NaN is null.
    """
    check_retain(retain)
    if not len(queries):
        return np.empty((0, len(plan.columns)))
    order = _log_order(observations)
    if order is not None:
        observations = observations.take(order)
    order = _log_order(queries)
    if order is None:
        return _fold_in_order(observations, queries, plan, retain, threads)
    out = np.empty((len(queries), len(plan.columns)))
    out[order] = _fold_in_order(observations, queries.take(order), plan, retain, threads)
    return out


def check_retain(retain: int | None) -> None:
    """Raise a DefinitionError unless ``retain`` is None or a duration above 0."""
    if retain is not None and not 0 < retain <= LIMIT:
        raise DefinitionError(
            f"state cannot be retained for {retain} µs.",
            where="retain",
            fix="Give a duration above 0, or None to keep everything.",
        )


def _log_order(rows: Queries) -> np.ndarray | None:
    """Order by (known_at, position), equal ones as they came; None where rows have it already."""
    known, position = rows.known_at, rows.position
    before, after = known[:-1], known[1:]
    if ((before < after) | ((before == after) & (position[:-1] <= position[1:]))).all():
        return None
    return np.lexsort((position, known))


def _fold_in_order(
    observations: Observations,
    queries: Queries,
    plan: LanePlan,
    retain: int | None,
    threads: int | None,
) -> np.ndarray:
    from octavo.windows import exact, grouping

    log, subject = observations.operations()
    rows, starts, asked_rows, asked_starts, reach = grouping.arrange(
        log.entity, log.known_at, log.position,
        queries.entity, queries.known_at, queries.position,
        queries.entity is log.entity, plan.include_current,
    )  # fmt: skip
    sizes = np.diff(starts)
    if sizes.max() > exact.MOST:
        raise DataError(
            f"one entity has {int(sizes.max())} observations; the most is {exact.MOST}.",
            where="entity",
            fix="Choose a finer key or a shorter history.",
        )
    out = np.empty((len(queries), len(plan.columns)))

    entries = list(_entries(plan))

    def run(part: tuple[int, int]) -> None:
        for fold_entities, arrays, more in entries:
            fold_entities(
                *part, rows, starts, log.event_time, log.value, subject,
                asked_rows, asked_starts, queries.event_time, queries.known_at, reach,
                *arrays, UNBOUNDED if retain is None else retain, out, *more,
            )  # fmt: skip

    work = sizes + np.diff(asked_starts)
    threads = 1 if work.sum() < PARALLEL else threads or _cores()
    if threads == 1:
        run((0, len(work)))
        return out
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(run, _parts(work, threads * PARTS)))
    return out


def _entries(plan: LanePlan) -> Iterator[tuple[Callable[..., None], PlanArrays, tuple[Any, ...]]]:
    """Compiled folds that a plan needs, each with its share of the columns."""
    if plan.arrays.needs.size:
        from octavo.windows import sweep

        yield sweep.fold_entities, plan.arrays, ()
    if plan.heavy.needs.size:
        from octavo.windows import heavy

        yield heavy.fold_entities, plan.heavy, (plan.category,)


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _parts(work: np.ndarray, parts: int) -> list[tuple[int, int]]:
    """Cut entities into runs of about equal work, the heaviest first."""
    done = np.cumsum(work)
    cuts = np.searchsorted(done, np.linspace(0, done[-1], parts + 1)[1:-1])
    edges = np.unique(np.concatenate([[0], cuts, cuts + 1, [len(work)]]))
    weights = np.add.reduceat(work, edges[:-1])
    heaviest = np.argsort(-weights, kind="stable")
    return [(int(edges[i]), int(edges[i + 1])) for i in heaviest]
