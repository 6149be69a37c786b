"""Compiled evaluation of tree, forest, linear and tail models and calibrations, row by row.

Each result is computed by the same operations in the same order whether its row comes alone or
among others: sums run over trees (features) in their order, there is no ``fastmath``, no BLAS and
no loop over rows that the compiler could turn into vector code. Knows nothing of columns, encoders
or files.

Importing this module imports numba and compiles (once per machine: the result is cached), so
`octavo.bundle.model` imports it on first use only.
"""

import math

from numba import types

from octavo.bundle.model import MOST_SURPRISE
from octavo.windows.compiling import entry, shared

ROWS = 64
"""Rows that walk a tree one after the other, while it is in the cache."""

LONG = 16_384
"""Rows from which more than one thread is worth its start."""


def given(dtype: types.Type, ndim: int = 1) -> types.Array:
    """Make the type of an argument that is only read: a frozen array is as good as another."""
    return types.Array(dtype, ndim, "C", readonly=True)


CLOSEST = 1e-12
"""How near a probability may come to 0 and 1 before its log-odds are taken."""

MATRIX = given(types.float64, 2)
VECTOR = given(types.float64)
_INTS = given(types.int32)
SCORES = types.Array(types.float64, 2, "C")
_TOLD = types.Array(types.float64, 1, "C")
_NODES = (_INTS, VECTOR, _INTS, _INTS, given(types.uint8))


@shared(forceinline=True)
def _leaf(X, i, feature, threshold, left, right, default_left, node):
    """Walk down from a node to the leaf that a row falls into."""
    while node >= 0:
        x = X[i, feature[node]]
        if x <= threshold[node]:
            node = left[node]
        elif x == x or not default_left[node]:
            node = right[node]
        else:
            node = left[node]
    return ~node


@entry(types.void(MATRIX, *_NODES, VECTOR, _INTS, VECTOR, SCORES))
def trees(X, feature, threshold, left, right, default_left, leaf_value, roots, base_score, out):
    """Add up the leaves each row falls into: ``out[i, t % n_outputs] += leaf``, tree by tree.

    See `octavo.bundle.TreeModel` for the arrays.
    """
    n_outputs = base_score.size
    for begin in range(0, X.shape[0], ROWS):
        end = min(begin + ROWS, X.shape[0])
        for i in range(begin, end):
            for k in range(n_outputs):
                out[i, k] = base_score[k]
        k = 0
        for t in range(roots.size):
            for i in range(begin, end):
                leaf = _leaf(X, i, feature, threshold, left, right, default_left, roots[t])
                out[i, k] += leaf_value[leaf]
            k += 1
            if k == n_outputs:
                k = 0


@entry(types.void(MATRIX, *_NODES, MATRIX, _INTS, SCORES))
def forest(X, feature, threshold, left, right, default_left, leaf_value, roots, out):
    """Average the leaves each row falls into, tree by tree: one sum, divided once.

    See `octavo.bundle.ForestModel` for the arrays.
    """
    for begin in range(0, X.shape[0], ROWS):
        end = min(begin + ROWS, X.shape[0])
        out[begin:end] = 0.0
        for t in range(roots.size):
            for i in range(begin, end):
                leaf = _leaf(X, i, feature, threshold, left, right, default_left, roots[t])
                for k in range(out.shape[1]):
                    out[i, k] += leaf_value[leaf, k]
        for i in range(begin, end):
            for k in range(out.shape[1]):
                out[i, k] /= roots.size


@entry(types.void(MATRIX, MATRIX, VECTOR, SCORES))
def linear(X, coef, intercept, out):
    """Compute ``out[i, k] = X[i] · coef[k] + intercept[k]``, features in their order."""
    for i in range(X.shape[0]):
        for k in range(intercept.size):
            total = 0.0
            for j in range(X.shape[1]):
                total += X[i, j] * coef[k, j]
            out[i, k] = total + intercept[k]


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


@entry(types.void(SCORES))
def share_below(scores):
    """Turn surprise into the share of rows that are less surprising, in place."""
    for i in range(scores.shape[0]):
        for k in range(scores.shape[1]):
            scores[i, k] = -math.expm1(-scores[i, k])


@entry(types.void(SCORES))
def logistic(scores):
    """Turn log-odds into probabilities in place, without overflow at either end."""
    for i in range(scores.shape[0]):
        for k in range(scores.shape[1]):
            if scores[i, k] >= 0.0:
                scores[i, k] = 1.0 / (1.0 + math.exp(-scores[i, k]))
            else:
                odds = math.exp(scores[i, k])
                scores[i, k] = odds / (1.0 + odds)


@entry(types.void(SCORES))
def log_odds(p):
    """Turn probabilities into log-odds in place, none nearer than `CLOSEST` to 0 or 1."""
    for i in range(p.shape[0]):
        for k in range(p.shape[1]):
            x = min(max(p[i, k], CLOSEST), 1.0 - CLOSEST)
            p[i, k] = math.log(x / (1.0 - x))


@entry(types.void(SCORES))
def logarithms(p):
    """Turn probabilities into their logarithms in place, none below `CLOSEST`."""
    for i in range(p.shape[0]):
        for k in range(p.shape[1]):
            p[i, k] = math.log(max(p[i, k], CLOSEST))


@entry(types.void(SCORES))
def softmax(scores):
    """Turn each row of scores into probabilities in place."""
    for i in range(scores.shape[0]):
        highest = scores[i, 0]
        for k in range(1, scores.shape[1]):
            highest = max(highest, scores[i, k])
        total = 0.0
        for k in range(scores.shape[1]):
            scores[i, k] = math.exp(scores[i, k] - highest)
            total += scores[i, k]
        for k in range(scores.shape[1]):
            scores[i, k] /= total


@entry(types.void(VECTOR, types.float64, types.float64, _TOLD))
def sigmoid(p, slope, intercept, out):
    """Compute the logistic function of a line over the log-odds of ``p``."""
    for i in range(p.size):
        x = min(max(p[i], CLOSEST), 1.0 - CLOSEST)
        score = slope * math.log(x / (1.0 - x)) + intercept
        if score >= 0.0:
            out[i] = 1.0 / (1.0 + math.exp(-score))
        else:
            odds = math.exp(score)
            out[i] = odds / (1.0 + odds)


@entry(types.void(VECTOR, VECTOR, VECTOR, _TOLD))
def isotonic(p, at, told, out):
    """Compute what straight lines between knots are at each ``p``, which lies among them."""
    for i in range(p.size):
        low, high = 0, at.size - 1
        while high - low > 1:
            middle = (low + high) // 2
            if at[middle] <= p[i]:
                low = middle
            else:
                high = middle
        share = (p[i] - at[low]) / (at[high] - at[low])
        out[i] = told[low] + share * (told[high] - told[low])


@entry(types.void(MATRIX, types.float64, SCORES))
def tempered(p, power, out):
    """Compute ``p ** power`` of each class, brought to a sum of 1."""
    for i in range(p.shape[0]):
        highest = 0.0
        for k in range(p.shape[1]):
            highest = max(highest, p[i, k])
        total = 0.0
        for k in range(p.shape[1]):
            out[i, k] = (p[i, k] / highest) ** power
            total += out[i, k]
        for k in range(p.shape[1]):
            out[i, k] /= total
