"""Evaluation of trees with few leaves for many rows at once, node by node instead of walk by walk.

A tree's leaves are bits of one word, the leftmost the highest. All nodes are asked: one that sends
a row to the right clears the bits of the leaves on its left. The highest bit that remains is the
leaf (C. Lucchese et al., "QuickScorer", 2015; for rows side by side, R. Ye et al., "RapidScorer",
2018). Questions to 64 rows are one loop without branches, which the processor answers several at a
time; sums run over trees in their order, so that the bits are those of `evaluator.trees`. Knows
nothing of columns, encoders or files.

Importing this module imports numba and compiles (once per machine: the result is cached).
"""

from typing import NamedTuple

import numpy as np
from numba import njit, types

from octavo.bundle.evaluator import MATRIX, SCORES, VECTOR
from octavo.windows.machine import leading_zeros

LEAVES = 64
"""The most leaves a tree may have."""

ROWS = 64
"""Rows side by side."""

_ALL = np.uint64(2**64 - 1)


class Questions(NamedTuple):
    """The nodes of all trees, those of a tree together, and their leaves from left to right."""

    starts: np.ndarray
    """int64 (trees + 1,): where the nodes of each tree begin."""
    feature: np.ndarray
    threshold: np.ndarray
    default_left: np.ndarray
    """int32, float64 and uint8 (nodes,): as in `octavo.bundle.TreeModel`."""
    kept: np.ndarray
    """uint64 (nodes,): the leaves that a row sent to the right may still fall into."""
    leaf_value: np.ndarray
    """float64 (trees, LEAVES)."""


def questions(
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    default_left: np.ndarray,
    leaf_value: np.ndarray,
    roots: np.ndarray,
) -> Questions | None:
    """Lay out the trees of a model; None if one of them has too many leaves."""
    starts, order, kept = [0], [], []
    values = np.zeros((len(roots), LEAVES))
    for t, root in enumerate(roots.tolist()):
        leaves, waiting = 0, [(root, False)]
        first: dict[int, int] = {}
        while waiting:
            node, left_is_done = waiting.pop()
            if node < 0:
                if leaves == LEAVES:
                    return None
                values[t, leaves] = leaf_value[~node]
                leaves += 1
            elif left_is_done:
                order.append(node)
                cleared = (1 << (LEAVES - first[node])) - (1 << (LEAVES - leaves))
                kept.append(~cleared & int(_ALL))
                waiting.append((int(right[node]), False))
            else:
                first[node] = leaves
                waiting += [(node, True), (int(left[node]), False)]
        starts.append(len(order))
    return Questions(
        np.array(starts, np.int64),
        feature[order],
        threshold[order],
        default_left[order],
        np.array(kept, np.uint64),
        values,
    )


_INTS, _BYTES = types.int32[::1], types.uint8[::1]


@njit(
    types.void(
        MATRIX, types.int64[::1], _INTS, types.float64[::1], _BYTES, types.uint64[::1], SCORES,
        VECTOR, SCORES,
    ),
    nogil=True,
    cache=True,
)  # fmt: skip
def trees(X, starts, feature, threshold, default_left, kept, leaf_value, base_score, out):
    """Add up the leaves each row falls into, as `evaluator.trees` does."""
    outputs = base_score.size
    x = np.empty((X.shape[1], ROWS))
    reached = np.empty(ROWS, np.uint64)
    for begin in range(0, X.shape[0], ROWS):
        rows = min(ROWS, X.shape[0] - begin)
        for row in range(rows):
            for j in range(X.shape[1]):
                x[j, row] = X[begin + row, j]
            for k in range(outputs):
                out[begin + row, k] = base_score[k]
        for t in range(starts.size - 1):
            for row in range(ROWS):
                reached[row] = _ALL
            for node in range(starts[t], starts[t + 1]):
                asked, bound, rest = x[feature[node]], threshold[node], kept[node]
                if default_left[node]:
                    for row in range(ROWS):
                        goes_left = (asked[row] <= bound) | (asked[row] != asked[row])
                        reached[row] &= _ALL if goes_left else rest
                else:
                    for row in range(ROWS):
                        reached[row] &= _ALL if asked[row] <= bound else rest
            for row in range(rows):
                out[begin + row, t % outputs] += leaf_value[t, leading_zeros(reached[row])]
