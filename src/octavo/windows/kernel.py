"""The one window kernel: a fold over the log, the same in bulk and event by event.

The compiled code is imported on first use, so that importing Octavo costs nothing. This module
knows nothing of datasets, expressions or where state is kept.
"""

import mmap
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np

from octavo.errors import DataError, DefinitionError
from octavo.windows.first_use import steps
from octavo.windows.log import Observations, Queries
from octavo.windows.plan import LIMIT, UNBOUNDED, LanePlan, PlanArrays
from octavo.windows.tiles import Tiles

Rows = TypeVar("Rows", bound=Queries)

PARALLEL = 20_000
"""Operations from which threads pay for themselves."""

LARGE = 1 << 22
"""Bytes of results from which NumPy would ask for huge pages."""

PARTS = 16
"""Parts per thread: enough for a thread that got a short part to take another."""


def fold(
    observations: Observations,
    queries: Queries,
    plan: LanePlan,
    late: int | None = None,
    threads: int | None = None,
    tiles: Tiles | None = None,
) -> np.ndarray:
    """Answer every query from the observations before it in the log.

    The log is ordered by ``(known_at, position)`` and by nothing else. A query sees the
    observations of its entity that are earlier in the log (or at its own place, with
    ``plan.include_current``), whose event time lies in the window. With ``late`` a window
    of a length reaches no further back than that of a query at ``known_at(query) - late``: so far
    back state is kept; and one with a resolution, of a query from before the step which that falls
    into, ends at a step. Every aggregate is a function of these observations alone.

    Parameters
    ----------
    observations, queries
        Rows in any order.
    plan
        The columns to compute.
    late
        How long after its event time a query is still answered in full, microseconds; None: for
        ever.
    threads
        Threads to use; None for one per available core. The result does not depend on it.
    tiles
        Observations from before all of these that are not kept one by one; for windows whose
        resolution is a multiple of their width.

    Returns
    -------
    numpy.ndarray
        float64 (queries, columns), in the order given; NaN is null.
    """
    check_late(late)
    if not len(queries):
        return np.empty((0, len(plan.columns)))
    observations, _ = in_log_order(observations)
    queries, order = in_log_order(queries)
    tiles = Tiles.none() if tiles is None else tiles
    if order is None:
        return _fold_in_order(observations, queries, plan, late, threads, tiles)
    out = np.empty((len(queries), len(plan.columns)))
    out[order] = _fold_in_order(observations, queries, plan, late, threads, tiles)
    return out


def check_late(late: int | None) -> None:
    """Raise a DefinitionError unless ``late`` is None or a duration."""
    if late is not None and not 0 <= late <= LIMIT:
        raise DefinitionError(
            f"queries cannot come late by {late} µs.",
            where="late",
            fix="Give a duration of 0 or more, or None to keep everything.",
        )


def in_log_order(rows: Rows) -> tuple[Rows, np.ndarray | None]:
    """Sort by (known_at, position), equal ones as they came; also the order, if it changed."""
    known, position = rows.known_at, rows.position
    before, after = known[:-1], known[1:]
    if ((before < after) | ((before == after) & (position[:-1] <= position[1:]))).all():
        return rows, None
    order = np.lexsort((position, known))
    return rows.take(order), order


def _fold_in_order(
    observations: Observations,
    queries: Queries,
    plan: LanePlan,
    late: int | None,
    threads: int | None,
    tiles: Tiles,
) -> np.ndarray:
    log, subject = observations.operations()
    if len(log) + len(queries) < PARALLEL:
        threads = 1
    threads = threads or _cores()
    out = _blank(len(queries), len(plan.columns))
    needed = list(entries(plan))
    with _mapping(threads) as mapped:
        reach, shares = _arranged(log, queries, plan.include_current, threads, mapped)
        owned = [_owned(tiles, log, queries, *share) for share in shares]

        def run(part: tuple[int, int, int]) -> None:
            share, first, last = part
            rows, starts, asked_rows, asked_starts = shares[share]
            for fold_entities, arrays, more in needed:
                fold_entities(
                    first, last, rows, starts, log.event_time, log.value, subject,
                    asked_rows, asked_starts, queries.event_time, queries.known_at, reach,
                    *arrays, UNBOUNDED if late is None else late, out,
                    owned[share], tiles.ends, tiles.at, tiles.words, *more,
                )  # fmt: skip

        list(mapped(run, _parts(shares, threads * PARTS if threads > 1 else 1)))
    return out


def _blank(rows: int, columns: int) -> np.ndarray:
    """Make room for results, float64 (rows, columns), a large one in pages of the usual size.

    NumPy asks for huge pages, which virtual machines may have to fetch from their host one by one:
    the first fold of a process then waits longer for its room than it takes to fill it.
    """
    size = 8 * rows * columns
    if size < LARGE:
        return np.empty((rows, columns))
    room = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    return np.frombuffer(room).reshape(rows, columns)


@contextmanager
def _mapping(threads: int) -> Iterator[Callable[..., Iterator[Any]]]:
    """Give a ``map`` that runs on some threads."""
    if threads == 1:
        yield map
    else:
        with ThreadPoolExecutor(threads) as pool:
            yield pool.map


def _arranged(
    log: Observations, queries: Queries, include_current: bool, threads: int, mapped: Callable
) -> tuple[np.ndarray, list[tuple[np.ndarray, ...]]]:
    """Merge and group, each thread a share of the entities: see `grouping`."""
    grouping = steps("grouping")
    places = (log.known_at, log.position, queries.known_at, queries.position)
    entities = (log.entity, queries.entity, queries.entity is log.entity)
    tasks = [partial(grouping.merge, *places, include_current)]
    tasks += [partial(grouping.arrange, *entities, share, threads) for share in range(threads)]
    reach, *shares = mapped(lambda task: task(), tasks)
    return reach, shares


def entries(plan: LanePlan) -> Iterator[tuple[Callable[..., None], PlanArrays, tuple[Any, ...]]]:
    """Compiled folds that a plan needs, each with its share of the columns."""
    if plan.arrays.needs.size:
        yield steps("sweep").fold_entities, plan.arrays, ()
    if plan.heavy.needs.size:
        yield steps("heavy").fold_entities, plan.heavy, (plan.category,)


def _owned(
    tiles: Tiles,
    log: Observations,
    queries: Queries,
    rows: np.ndarray,
    starts: np.ndarray,
    asked_rows: np.ndarray,
    asked_starts: np.ndarray,
) -> np.ndarray:
    """Return which tiles the entity of each group of a share owns; see `Tiles.owned_by`.

    Raises
    ------
    DataError
        One has more observations than an exact sum may hold.
    """
    tile, exact = steps("tile"), steps("exact")
    sizes = np.diff(starts)
    owned = np.empty((0, 2), np.int64)
    if tiles.ends.size:
        entities = np.empty(sizes.size, np.uint64)
        some = sizes > 0  # others have only queries
        entities[some] = log.entity[rows[starts[:-1][some]]]
        entities[~some] = queries.entity[asked_rows[asked_starts[:-1][~some]]]
        owned = tiles.owned_by(entities)
        counts = np.cumsum(tiles.words[tiles.at + (tile.ROW + exact.COUNT)])
        done = np.concatenate([[0], counts])
        sizes = sizes + done[owned[:, 1]] - done[owned[:, 0]]
    most = int(sizes.max(initial=0))
    if most > exact.MOST:
        raise DataError(
            f"one entity has {most} observations; the most is {exact.MOST}.",
            where="entity",
            fix="Choose a finer key or a shorter history.",
        )
    return owned


def _cores() -> int:
    """Cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _parts(shares: list[tuple[np.ndarray, ...]], parts: int) -> list[tuple[int, int, int]]:
    """Cut entities into runs of about equal work, the heaviest first: (share, first, last)."""
    done = [starts + asked_starts for _, starts, _, asked_starts in shares]
    size = sum(int(each[-1]) for each in done) // parts + 1
    runs = []
    for share, each in enumerate(done):
        cuts = np.searchsorted(each, np.arange(size, each[-1], size))
        edges = np.unique(np.concatenate([[0], cuts - 1, cuts, [len(each) - 1]]))
        for first, last in pairwise(edges.tolist()):
            runs.append((each[last] - each[first], share, first, last))
    return [run[1:] for run in sorted(runs, reverse=True)]
