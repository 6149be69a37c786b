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
from numba import types

from octavo.bundle.evaluator import MATRIX, SCORES, VECTOR
from octavo.windows.compiling import entry
from octavo.windows.machine import leading_zeros

LEAVES = 64
"""The most leaves a tree may have."""

ROWS = 64
"""Rows side by side."""

TOGETHER = 4
"""Nodes that are asked in one pass over the rows."""

_ALL = np.uint64(2**64 - 1)


class Questions(NamedTuple):
    """The nodes of all trees, those of a tree together, and their leaves from left to right."""

    starts: np.ndarray
    """int64 (trees + 1,): where the nodes of each tree begin; each has a multiple of `TOGETHER`."""
    value: np.ndarray
    """int64 (nodes,): the feature asked for; beyond the last feature the same with −inf for NaN,
    where that goes to the left."""
    threshold: np.ndarray
    """float64 (nodes,): as in `octavo.bundle.TreeModel`."""
    kept: np.ndarray
    """uint64 (nodes,): the leaves that a row sent to the right may still fall into."""
    leaf_value: np.ndarray
    """float64 (trees, LEAVES)."""


def questions(
    n_features: int,
    feature: np.ndarray,
    threshold: np.ndarray,
    left: np.ndarray,
    right: np.ndarray,
    default_left: np.ndarray,
    leaf_value: np.ndarray,
    roots: np.ndarray,
) -> Questions | None:
    """Lay out the trees of a model; None if one of them has too many leaves.

    Or if a node sends NaN, and nothing else, to the left: then −inf cannot stand for it.
    """
    if (np.isnan(threshold) & (default_left == 1)).any():
        return None
    starts, nodes, kept = [0], [], []
    values = np.zeros((len(roots), LEAVES))
    for t, root in enumerate(roots.tolist()):
        laid = _laid(root, left, right)
        if laid is None:
            return None
        leaves, asked = laid
        values[t, : len(leaves)] = leaf_value[leaves]
        nodes += [node for node, _ in asked]
        kept += [word for _, word in asked]
        empty = -len(asked) % TOGETHER  # they clear nothing
        nodes += [0] * empty
        kept += [int(_ALL)] * empty
        starts.append(len(nodes))
    value = feature + n_features * default_left.astype(np.int64)
    return Questions(
        np.array(starts, np.int64),
        value[nodes],
        threshold[nodes],
        np.array(kept, np.uint64),
        values,
    )


def _laid(
    root: int, left: np.ndarray, right: np.ndarray
) -> tuple[list[int], list[tuple[int, int]]] | None:
    """Return the leaves of a tree from left to right, and its nodes with what each keeps."""
    leaves: list[int] = []
    asked: list[tuple[int, int]] = []
    first: dict[int, int] = {}
    waiting = [(root, False)]
    while waiting:
        node, left_is_done = waiting.pop()
        if node < 0:
            leaves.append(~node)
        elif left_is_done:
            cleared = (1 << (LEAVES - first[node])) - (1 << max(LEAVES - len(leaves), 0))
            asked.append((node, ~cleared & int(_ALL)))
            waiting.append((int(right[node]), False))
        else:
            first[node] = len(leaves)
            waiting += [(node, True), (int(left[node]), False)]
        if len(leaves) > LEAVES:
            return None
    return leaves, asked


@entry(
    types.void(
        MATRIX, types.int64[::1], types.int64[::1], types.float64[::1], types.uint64[::1], SCORES,
        VECTOR, SCORES,
    )
)  # fmt: skip
def trees(X, starts, value, threshold, kept, leaf_value, base_score, out):
    """Add up the leaves each row falls into, as `evaluator.trees` does."""
    outputs, features = base_score.size, X.shape[1]
    x = np.empty((2 * features, ROWS))
    reached = np.empty(ROWS, np.uint64)
    for begin in range(0, X.shape[0], ROWS):
        rows = min(ROWS, X.shape[0] - begin)
        for row in range(rows):
            for j in range(features):
                number = X[begin + row, j]
                x[j, row] = number
                x[features + j, row] = number if number == number else -np.inf
            for k in range(outputs):
                out[begin + row, k] = base_score[k]
        for t in range(starts.size - 1):
            reached[:] = _ALL
            for node in range(starts[t], starts[t + 1], TOGETHER):
                x0, t0, k0 = x[value[node]], threshold[node], kept[node]
                x1, t1, k1 = x[value[node + 1]], threshold[node + 1], kept[node + 1]
                x2, t2, k2 = x[value[node + 2]], threshold[node + 2], kept[node + 2]
                x3, t3, k3 = x[value[node + 3]], threshold[node + 3], kept[node + 3]
                for row in range(ROWS):
                    left = reached[row]
                    left &= _ALL if x0[row] <= t0 else k0
                    left &= _ALL if x1[row] <= t1 else k1
                    left &= _ALL if x2[row] <= t2 else k2
                    left &= _ALL if x3[row] <= t3 else k3
                    reached[row] = left
            for row in range(rows):
                out[begin + row, t % outputs] += leaf_value[t, leading_zeros(reached[row])]
