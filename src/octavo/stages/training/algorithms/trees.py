"""Trees one by one, as the libraries list them, joined into one model.

Knows nothing of any library.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.bundle import ForestModel, TreeModel
from octavo.definition.problem import Kind


@dataclass(frozen=True)
class Tree:
    """One tree, numbered by itself. Nodes and leaves as in a model of `octavo.bundle`."""

    feature: np.ndarray
    threshold: np.ndarray
    left: np.ndarray
    right: np.ndarray
    default_left: np.ndarray
    leaf_value: np.ndarray

    @classmethod
    def of_mixed(
        cls,
        *,
        leaf: np.ndarray,
        feature: np.ndarray,
        threshold: np.ndarray,
        left: np.ndarray,
        right: np.ndarray,
        default_left: np.ndarray,
        value: np.ndarray,
    ) -> "Tree":
        """Build a tree from arrays that hold inner nodes and leaves together, the root first.

        Each array has shape (nodes + leaves,); ``leaf`` says which entries are leaves.
        """
        leaf = leaf.astype(bool)
        number = np.where(leaf, ~(np.cumsum(leaf) - 1), np.cumsum(~leaf) - 1)
        return cls(
            feature=feature[~leaf],
            threshold=threshold[~leaf],
            left=number[left[~leaf]],
            right=number[right[~leaf]],
            default_left=default_left[~leaf],
            leaf_value=value[leaf],
        )


def join(
    trees: Sequence[Tree], base_score: np.ndarray, *, kind: Kind, n_features: int
) -> TreeModel:
    """Put trees into a sum. They take turns over the outputs, as `TreeModel` says."""
    return TreeModel(kind=kind, n_features=n_features, base_score=base_score, **together(trees))


def forest(trees: Sequence[Tree], *, kind: Kind, n_features: int) -> ForestModel:
    """Put trees, whose leaves tell all outputs, into a mean."""
    return ForestModel(kind=kind, n_features=n_features, **together(trees))


def together(trees: Sequence[Tree]) -> dict[str, np.ndarray]:
    """Put the arrays of trees one after the other, and number nodes and leaves anew.

    Returns
    -------
    dict
        The arrays by which `octavo.bundle.model.Trees` calls them.
    """
    nodes = np.cumsum([0, *(len(tree.feature) for tree in trees)])
    leaves = np.cumsum([0, *(len(tree.leaf_value) for tree in trees)])

    def shifted(children: np.ndarray, t: int) -> np.ndarray:
        return np.where(children >= 0, children + nodes[t], children - leaves[t])

    def all_of(name: str) -> np.ndarray:
        return np.concatenate([getattr(tree, name) for tree in trees] or [np.empty(0)])

    def children_of(name: str) -> np.ndarray:
        shares = [shifted(getattr(tree, name), t) for t, tree in enumerate(trees)]
        return np.concatenate(shares or [np.empty(0)])

    roots = [nodes[t] if len(tree.feature) else ~leaves[t] for t, tree in enumerate(trees)]
    return {
        "feature": all_of("feature"),
        "threshold": all_of("threshold"),
        "left": children_of("left"),
        "right": children_of("right"),
        "default_left": all_of("default_left"),
        "leaf_value": all_of("leaf_value"),
        "roots": np.array(roots),
    }
