"""scikit-learn's histogram gradient boosting: no library beyond scikit-learn.

Its trees are read from ``_predictors`` (``sklearn/ensemble/_hist_gradient_boosting/predictor.py``),
which has no public form.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import TreeModel
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms.contract import (
    Task,
    count_classes,
    least_in_leaf,
    of_two_classes,
    settings,
)
from octavo.stages.training.algorithms.rounds import EVERY, MOST, Rounds
from octavo.stages.training.algorithms.trees import Tree, join

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

_LARGEST = 1e300
"""Training values end here: scikit-learn interpolates between them, and so must not overflow."""


class HistGradientBoosting:
    """``HistGradientBoostingClassifier`` or ``…Regressor``; parameters by their names."""

    name = "hist_gradient_boosting"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return parameters that do well on 10³ to 10⁶ rows."""
        return {
            "max_iter": 300,
            "learning_rate": 0.05,
            "max_leaf_nodes": 31,
            "min_samples_leaf": 50,
            "l2_regularization": 1.0,
            "max_features": 0.7,
        }

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters; the number of rounds is left to watched rows."""
        return {
            "max_iter": 300,
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 4, 256, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 2, 256, log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 100.0, log=True),
            "max_features": trial.suggest_float("max_features", 0.2, 1.0),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedHistGradientBoosting:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        kind, threads = task.kind, task.threads
        count_classes(self, y, kind)
        fixed = {
            "loss": "squared_error" if kind == "regression" else "log_loss",
            "random_state": task.seed,
            "early_stopping": False,
            "categorical_features": None,
        }
        if task.monotone is not None:
            fixed["monotonic_cst"] = task.monotone
        form = (
            HistGradientBoostingRegressor
            if kind == "regression"
            else HistGradientBoostingClassifier
        )
        chosen = settings(self, params, fixed)
        chosen["min_samples_leaf"] = least_in_leaf(chosen["min_samples_leaf"], len(y))
        estimator = form(**chosen)
        X = np.clip(X, -_LARGEST, _LARGEST)
        X[:, np.isnan(X).all(axis=0)] = 0.0  # scikit-learn cannot bin a column without a value
        with threadpool_limits(threads):
            if task.watch is None:
                estimator.fit(X, y, task.weights)
                return FittedHistGradientBoosting(estimator, kind, threads, dict(params))
            watched = Rounds(kind, task.watch, chosen["learning_rate"])
            estimator = _following(form, watched)(
                **{**chosen, "max_iter": MOST, "early_stopping": True, "scoring": "loss"}
            )
            beside = np.clip(task.watch.X, -_LARGEST, _LARGEST)
            estimator.fit(X, y, task.weights, X_val=beside, y_val=task.watch.y)
        del estimator._predictors[watched.best :]
        return FittedHistGradientBoosting(
            estimator, kind, threads, {**params, "max_iter": watched.best}
        )


def _following(form: Any, watched: Rounds) -> Any:
    """Make the form of an estimator that shows its figures to a watch."""

    class Following(form):
        def _check_early_stopping_loss(self, *, raw_predictions_val: np.ndarray, **_: Any) -> bool:
            rounds = len(self._predictors)
            if not rounds or rounds % EVERY:
                return False
            # Of two classes scikit-learn has learned one score.
            pairs = watched.kind == "multiclass" and raw_predictions_val.shape[1] == 1
            raw = of_two_classes(raw_predictions_val[:, 0]) if pairs else raw_predictions_val
            return watched.after(rounds, watched.value(raw))

    return Following


@dataclass(frozen=True)
class FittedHistGradientBoosting:
    """A trained estimator."""

    estimator: Any
    kind: Kind
    threads: int
    params: dict[str, Any]
    """As they turned out: with the number of rounds that watched rows asked for."""

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute raw scores with scikit-learn."""
        from threadpoolctl import threadpool_limits

        regression = self.kind == "regression"
        score = self.estimator.predict if regression else self.estimator.decision_function
        with threadpool_limits(self.threads):
            found = score(X)
        return of_two_classes(found) if self._as_one_score else found

    @property
    def _as_one_score(self) -> bool:
        """Whether scikit-learn has learned two classes as a binary problem."""
        return self.kind == "multiclass" and self.estimator.n_trees_per_iteration_ == 1

    def model(self) -> TreeModel:
        """Read the trees from the estimator's predictors."""
        trees = [_tree(one.nodes) for round_ in self.estimator._predictors for one in round_]
        base_score = np.ravel(self.estimator._baseline_prediction)
        if self._as_one_score:
            both = [(tree, of_two_classes(tree.leaf_value, 0)) for tree in trees]
            trees = [replace(tree, leaf_value=leaf) for tree, pair in both for leaf in pair]
            base_score = of_two_classes(base_score[0])
        return join(
            trees,
            base_score,
            kind=self.kind,
            n_features=self.estimator.n_features_in_,
        )


def _tree(nodes: np.ndarray) -> Tree:
    return Tree.of_mixed(
        leaf=nodes["is_leaf"],
        feature=nodes["feature_idx"],
        threshold=nodes["num_threshold"],
        left=nodes["left"],
        right=nodes["right"],
        default_left=nodes["missing_go_to_left"],
        value=nodes["value"],
    )
