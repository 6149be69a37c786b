"""Isolation forests: unusual is what random questions set apart soon.

How soon is compared with the training rows, as `tails` does with its sums, so that a score of 0.999
is one that a row in a thousand reached. Source: Liu, Ting and Zhou, Isolation Forest (2008).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import IsolationModel
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms.contract import (
    Task,
    settings,
    unconstrained,
    unweighed,
)
from octavo.stages.training.algorithms.forests import LARGEST, tree_of
from octavo.stages.training.algorithms.singles import within
from octavo.stages.training.algorithms.tails import KNOTS, LEAST_TAIL, Tail, enough_rows
from octavo.stages.training.algorithms.trees import together

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_TAIL = 0.01
"""The share of rows from which on the tail is a straight line."""


class IsolationForest:
    """``sklearn.ensemble.IsolationForest``; parameters by its names. No label is looked at."""

    name = "isolation_forest"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"anomaly"})

    def defaults(self) -> dict[str, Any]:
        """Return the authors' parameters, with more trees."""
        return {"n_estimators": 200, "max_samples": 256}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters."""
        return {
            "n_estimators": trial.suggest_int("n_estimators", 100, 400, step=50),
            "max_samples": trial.suggest_int("max_samples", 64, 2048, log=True),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedIsolationForest:
        """Train; see `octavo.stages.training.algorithms.Algorithm`. ``y`` is not looked at."""
        from sklearn.ensemble import IsolationForest as Estimator

        unconstrained(self, task)
        unweighed(self, task)
        enough_rows(X)
        fixed = {"random_state": task.seed, "n_jobs": task.threads, "max_features": 1.0}
        chosen = settings(self, params, fixed)
        chosen["max_samples"] = min(chosen["max_samples"], len(X))
        X = np.clip(X, -LARGEST, LARGEST)
        estimator = Estimator(**chosen).fit(X)
        fitted = FittedIsolationForest(estimator.set_params(n_jobs=1), None)
        rows = max(int(_TAIL * len(X)), LEAST_TAIL)
        levels = np.geomspace(1.0, rows / len(X), KNOTS)
        tail = Tail.of(fitted.unusual(X), rows, levels, np.positive)
        return FittedIsolationForest(estimator, (tail, levels))


@dataclass(frozen=True)
class FittedIsolationForest:
    """A trained estimator, and how training rows fared. It predicts on one thread."""

    estimator: Any
    tail: tuple[Tail, np.ndarray] | None
    """The tail and the shares of its knots."""

    def unusual(self, X: np.ndarray) -> np.ndarray:
        """Return the negative mean way to each row, to 9 digits, from scikit-learn's score.

        The score is −2 to the power of −mean way ÷ the mean way in a tree of as many rows.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            score = self.estimator.score_samples(within(X))
        usual = _usual_way(np.array([self.estimator.max_samples_]))[0]
        return np.floor(np.log2(-score) * usual * 1e9 + 0.5) / 1e9

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute raw scores from scikit-learn's."""
        assert self.tail is not None
        tail, levels = self.tail
        return tail.surprise(self.unusual(X), levels)

    def model(self) -> IsolationModel:
        """Read the trees of the estimators, and the tail."""
        assert self.tail is not None
        tail, levels = self.tail
        trees = [tree_of(each.tree_, _way(each.tree_)) for each in self.estimator.estimators_]
        return IsolationModel(
            kind="anomaly",
            n_features=self.estimator.n_features_in_,
            knots=tail.knots,
            surprise=np.abs(np.log(levels)),
            slope=np.array([tail.slope]),
            **together(trees),
        )


def _usual_way(rows: np.ndarray) -> np.ndarray:
    """Return the mean way in a random tree of so many rows (the paper's equation 1)."""
    rows = np.maximum(rows.astype(float), 1.0)
    more = np.maximum(rows, 3.0)
    way = 2 * (np.log(more - 1) + np.euler_gamma) - 2 * (more - 1) / more
    return np.where(rows <= 1, 0.0, np.where(rows <= 2, 1.0, way))


def _way(tree: Any) -> np.ndarray:
    """Return the way to each node, and on through the rows that were not divided further."""
    way = tree.compute_node_depths() - 1 + _usual_way(tree.n_node_samples)
    return way[:, None]
