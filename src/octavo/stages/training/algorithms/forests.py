"""scikit-learn's forests: trees grown apart from each other, and averaged.

Their trees round inputs to float32 and go left where ``x <= threshold``; they are taken over so
that float64 decides the same for every x. A leaf holds shares of classes, or a mean, in float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import ForestModel
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms.contract import (
    Task,
    count_classes,
    least_in_leaf,
    settings,
    unconstrained,
)
from octavo.stages.training.algorithms.singles import highest_up_to, within
from octavo.stages.training.algorithms.trees import Tree, forest

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


LARGEST = 1e30
"""Training values end here: scikit-learn adds up a column in float32 to see what is missing."""


class _Forest:
    name: str
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})
    estimator: str
    """How the class of scikit-learn begins."""

    def defaults(self) -> dict[str, Any]:
        """Return parameters that do well on 10² to 10⁵ rows; a model grows with its rows."""
        return {"n_estimators": 200, "min_samples_leaf": 3, "max_features": 0.4}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters."""
        return {
            "n_estimators": trial.suggest_int("n_estimators", 100, 400, step=50),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedForest:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        from sklearn import ensemble

        kind = task.kind
        count_classes(self, y, kind)
        unconstrained(self, task)
        suffix = "Regressor" if kind == "regression" else "Classifier"
        chosen = settings(self, params, {"random_state": task.seed, "n_jobs": task.threads})
        chosen["min_samples_leaf"] = least_in_leaf(chosen["min_samples_leaf"], len(y))
        estimator = getattr(ensemble, self.estimator + suffix)(**chosen)
        estimator.fit(np.clip(X, -LARGEST, LARGEST), y, task.weights)
        return FittedForest(estimator.set_params(n_jobs=1), kind)


class RandomForest(_Forest):
    """``RandomForestClassifier`` or ``…Regressor``; parameters by their names."""

    name = "random_forest"
    estimator = "RandomForest"


class ExtraTrees(_Forest):
    """``ExtraTreesClassifier`` or ``…Regressor``: thresholds are drawn at random."""

    name = "extra_trees"
    estimator = "ExtraTrees"


@dataclass(frozen=True)
class FittedForest:
    """A trained estimator. It predicts on one thread: several add up in any order."""

    estimator: Any
    kind: Kind

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute shares, or values, with scikit-learn."""
        # scikit-learn adds up all values to see whether one is missing.
        with np.errstate(over="ignore", invalid="ignore"):
            if self.kind == "regression":
                return self.estimator.predict(within(X))
            shares = self.estimator.predict_proba(within(X))
        return shares if self.kind == "multiclass" else shares[:, 1]

    def model(self) -> ForestModel:
        """Read the trees of the estimators."""
        trees = [
            tree_of(each.tree_, _outputs(each.tree_, self.kind))
            for each in self.estimator.estimators_
        ]
        return forest(trees, kind=self.kind, n_features=self.estimator.n_features_in_)


def _outputs(tree: Any, kind: Kind) -> np.ndarray:
    """Return what each node tells, shape (nodes, outputs)."""
    return tree.value[:, 0, 1:] if kind == "binary" else tree.value[:, 0, :]


def tree_of(tree: Any, value: np.ndarray) -> Tree:
    """Read one of scikit-learn's trees.

    Parameters
    ----------
    tree
        Its ``tree_``.
    value
        Shape (nodes, outputs): what its leaves tell.
    """
    return Tree.of_mixed(
        leaf=tree.children_left < 0,
        feature=tree.feature,
        threshold=highest_up_to(tree.threshold),
        left=tree.children_left,
        right=tree.children_right,
        default_left=tree.missing_go_to_left,
        value=value,
    )
