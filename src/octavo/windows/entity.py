"""The share of one entity in a grouped log: its operations and its queries, in numba.

This module knows nothing of plans, or of what is computed.
"""

from typing import Any, NamedTuple

import numba as nb
import numpy as np

from octavo.windows.compiling import part
from octavo.windows.log import UPDATE
from octavo.windows.plan import UNBOUNDED
from octavo.windows.ranks import seek, taken


class Operations(NamedTuple):
    """What changes the observations of one entity, in log order."""

    rows: np.ndarray
    """int64: rows of the log."""
    times: np.ndarray
    values: np.ndarray
    """int64 and float64 (updates,): event time and value of the updates among them."""
    subjects: np.ndarray
    """int64: for a retraction which of the updates it concerns, else ``UPDATE``; empty if there
    are no retractions."""


class Asked(NamedTuple):
    """The queries of one entity in log order, as parallel int64 arrays."""

    rows: np.ndarray
    """Where each answer goes."""
    times: np.ndarray
    """Event times."""
    reach: np.ndarray
    """Rows of the log below this number are seen."""
    floor: np.ndarray
    """``known_at`` less how late a query is still answered in full; empty: however late."""


@part
def operations_at(rows, times, values, subject):
    """Collect the operations in some rows of the log; ``subject`` is empty, or one per row."""
    if subject.size == 0:
        return Operations(rows, taken(times, rows), taken(values, rows), np.empty(0, np.int64))
    updates = np.empty(rows.size, np.int64)
    subjects = np.full(rows.size, UPDATE)
    known = 0
    for i in range(rows.size):
        if subject[rows[i]] == UPDATE:
            updates[known] = rows[i]
            known += 1
        else:
            subjects[i] = seek(updates[:known], 0, subject[rows[i]] - 1)
    updates = updates[:known]
    return Operations(rows, taken(times, updates), taken(values, updates), subjects)


@part
def steps_of(operations, places):
    """Tell for each operation the rank of its update, or of the one it retracts as ``~rank``.

    ``places`` are the ranks of the updates in log order.
    """
    if operations.subjects.size == 0:
        return places
    steps = np.empty(operations.rows.size, np.int64)
    updates = 0
    for i in range(steps.size):
        subject = operations.subjects[i]
        if subject == UPDATE:
            steps[i] = places[updates]
            updates += 1
        else:
            steps[i] = ~places[subject]
    return steps


@part
def asked_at(rows, times, known, reach, late):
    """Collect the queries in some rows."""
    floor = np.empty(0, np.int64)
    if late != UNBOUNDED:
        floor = taken(known, rows) - late
    return Asked(rows, taken(times, rows), taken(reach, rows), floor)


ROWS = nb.types.Array(nb.int64, 1, "C", readonly=True)
TABLE = nb.types.Array(nb.int64, 2, "C", readonly=True)
VALUES = nb.types.Array(nb.float64, 1, "C", readonly=True)


def signature(*more: Any) -> object:
    """Signature of an entry that folds entities: log, queries, plan, result, tiles, ``more``."""
    return nb.void(
        *[nb.int64] * 2, *[ROWS] * 3, VALUES, ROWS, *[ROWS] * 5,
        TABLE, ROWS, ROWS, TABLE, nb.int64, nb.float64[:, ::1], TABLE, *[ROWS] * 3, *more,
    )  # fmt: skip
