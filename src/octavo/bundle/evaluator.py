"""Compiled evaluation of tree, forest and linear models, row by row.

Each result is computed by the same operations in the same order whether its row comes alone or
among others: sums run over trees (features) in their order, there is no ``fastmath``, no BLAS and
no loop over rows that the compiler could turn into vector code. Knows nothing of columns, encoders
or files.

Importing this module imports numba and compiles (once per machine: the result is cached), so
`octavo.bundle.model` imports it on first use only. What few models need is apart, as each function
takes milliseconds to load: `octavo.bundle.probabilities`, `octavo.bundle.surprise`.
"""

import math

from numba import types

from octavo.windows.compiling import entry, shared

ROWS = 64
"""Rows that walk a tree one after the other, while it is in the cache."""

LONG = 16_384
"""Rows from which more than one thread is worth its start."""


def given(dtype: types.Type, ndim: int = 1) -> types.Array:
    """Make the type of an argument that is only read: a frozen array is as good as another."""
    return types.Array(dtype, ndim, "C", readonly=True)


MATRIX = given(types.float64, 2)
VECTOR = given(types.float64)
_INTS = given(types.int32)
SCORES = types.Array(types.float64, 2, "C")
TOLD = types.Array(types.float64, 1, "C")
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


@entry(types.void(SCORES))
def share_below(scores):
    """Turn surprise into the share of rows that are less surprising, in place."""
    for i in range(scores.shape[0]):
        for k in range(scores.shape[1]):
            scores[i, k] = -math.expm1(-scores[i, k])
