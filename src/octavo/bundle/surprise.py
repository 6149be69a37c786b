"""Compiled functions of how unusual a row is, for models of anomalies. See `evaluator`."""

import math

from numba import types

from octavo.bundle.evaluator import MATRIX, SCORES, VECTOR
from octavo.bundle.model import MOST_SURPRISE
from octavo.windows.compiling import entry, shared


@shared
def _knot(x, knots):
    """Return the first knot at or above ``x``, which is not NaN; their number if none is."""
    low, high = 0, knots.size
    while low < high:
        middle = (low + high) // 2
        if knots[middle] < x:
            low = middle + 1
        else:
            high = middle
    return low


@shared
def _between(x, left, right, low, high):
    """Return what a straight line from (left, low) to (right, high) is at ``x``."""
    return low + (x - left) / (right - left) * (high - low)


@shared
def _measured(total, knots, surprise, slope):
    """Return the surprise of a sum, taken to 9 digits: linear between knots and beyond."""
    x = math.floor(total * 1e9 + 0.5) / 1e9
    at, last = _knot(x, knots), surprise.size - 1
    if at == 0:
        return 0.0
    if at > last:
        return min(surprise[last] + slope * (x - knots[last]), MOST_SURPRISE)
    return _between(x, knots[at - 1], knots[at], surprise[at - 1], surprise[at])


@entry(types.void(MATRIX, MATRIX, VECTOR, VECTOR, SCORES))
def tails(X, knots, surprise, slope, out):
    """Add up the surprise of each feature, in their order, and measure the sum likewise.

    See `octavo.bundle.TailModel` for the arrays.
    """
    features, last = X.shape[1], surprise.size - 1
    for i in range(X.shape[0]):
        total = 0.0
        for j in range(features):
            x = X[i, j]
            if x != x:
                continue
            at = _knot(x, knots[j])
            if at == 0:
                continue  # every training row reached it
            left, right = math.asinh(knots[j, at - 1]), math.asinh(knots[j, min(at, last)])
            x = math.asinh(x)
            if at > last:
                total += min(surprise[last] + slope[j] * (x - left), MOST_SURPRISE)
            else:
                total += _between(x, left, right, surprise[at - 1], surprise[at])
        out[i, 0] = _measured(total, knots[features], surprise, slope[features])


@entry(types.void(SCORES, VECTOR, VECTOR, VECTOR))
def set_apart(ways, knots, surprise, slope):
    """Turn mean ways to rows into surprise, in place.

    See `octavo.bundle.IsolationModel` for the arrays.
    """
    for i in range(ways.shape[0]):
        ways[i, 0] = _measured(-ways[i, 0], knots, surprise, slope[0])
