"""Compiled search for nearest neighbours: every training row is looked at.

Distances to a block of training rows are a loop without branches, feature by feature; each is the
same sum in the same order whether its row comes alone or among others. Knows nothing of columns,
encoders or files.

Importing this module imports numba and compiles (once per machine: the result is cached).
"""

import math

import numpy as np
from numba import njit, types

from octavo.bundle.evaluator import MATRIX, SCORES, VECTOR

BLOCK = 512
"""Training rows whose distances are computed together."""
TOGETHER = 16
"""Rows that are compared with a block while it is in the cache."""


@njit(nogil=True, cache=True)
def _add(distances, x, values):
    """Add the squared differences of one feature."""
    for j in range(distances.size):
        apart = x - values[j]
        distances[j] += apart * apart


@njit(nogil=True, cache=True)
def _keep(found, rows, distances, begin):
    """Put a block's distances among the nearest found so far, which are kept in order."""
    last = found.size - 1
    for j in range(distances.size):
        distance = distances[j]
        if distance < found[last]:
            place = last
            while place > 0 and found[place - 1] > distance:
                found[place] = found[place - 1]
                rows[place] = rows[place - 1]
                place -= 1
            found[place] = distance
            rows[place] = begin + j


@njit(nogil=True, cache=True)
def _mean(found, rows, told, weights, by_distance, out):
    """Average what the rows found tell, in the order of their distance."""
    total = 0.0
    out[:] = 0.0
    for place in range(rows.size):
        weight = weights[rows[place]]
        if by_distance and found[0] > 0.0:
            weight /= math.sqrt(found[place])
        elif by_distance and found[place] > 0.0:
            break
        total += weight
        for k in range(out.size):
            out[k] += weight * told[rows[place], k]
    for k in range(out.size):
        out[k] /= total


@njit(
    types.void(MATRIX, MATRIX, MATRIX, VECTOR, types.int64, types.boolean, SCORES),
    nogil=True,
    cache=True,
)
def mean(X, points, told, weights, k, by_distance, out):
    """Write the mean over the ``k`` nearest; see `octavo.bundle.NeighboursModel`."""
    features, known = points.shape
    distances = np.empty(BLOCK)
    for start in range(0, X.shape[0], TOGETHER):
        stop = min(start + TOGETHER, X.shape[0])
        found = np.full((TOGETHER, k), np.inf)
        rows = np.zeros((TOGETHER, k), np.int64)
        for begin in range(0, known, BLOCK):
            size = min(BLOCK, known - begin)
            for i in range(start, stop):
                near = distances[:size]
                near[:] = 0.0
                for feature in range(features):
                    _add(near, X[i, feature], points[feature, begin : begin + size])
                _keep(found[i - start], rows[i - start], near, begin)
        for i in range(start, stop):
            _mean(found[i - start], rows[i - start], told, weights, by_distance, out[i])
