"""Linear models: logistic regression for classes, least squares for numbers, and a penalty.

``logistic`` and ``linear`` have one parameter, ``l2``: the weight of the squared coefficients
beside the loss summed over the rows (scikit-learn's ``1 / C`` and ``alpha``).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import LinearModel
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms.contract import (
    Task,
    count_classes,
    of_two_classes,
    settings,
    unconstrained,
)

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class _Penalized:
    encoder = "linear"

    def defaults(self) -> dict[str, Any]:
        """Return a light penalty."""
        return {"l2": 1.0}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw the penalty."""
        return {"l2": trial.suggest_float("l2", 1e-2, 1e4, log=True)}


class Logistic(_Penalized):
    """``LogisticRegression`` with L-BFGS; several classes by softmax.

    Parameters: ``l2``, and scikit-learn's ``class_weight``, ``tol``, ``max_iter``.
    """

    name = "logistic"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass"})

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedLinear:
        """Train; see `octavo.stages.training.algorithms.Algorithm`. Nothing is drawn at random."""
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        count_classes(self, y, task.kind)
        unconstrained(self, task)
        chosen = {"max_iter": 1000, **settings(self, params, {"solver": "lbfgs"})}
        estimator = LogisticRegression(C=1.0 / chosen.pop("l2"), **chosen)
        with threadpool_limits(task.threads):
            estimator.fit(X, y, task.weights)
        return FittedLinear(estimator, task.kind)


class Ridge(_Penalized):
    """``Ridge``, solved exactly. Parameter: ``l2``."""

    name = "linear"
    kinds: frozenset[Kind] = frozenset({"regression"})

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedLinear:
        """Train; see `octavo.stages.training.algorithms.Algorithm`. Nothing is drawn at random."""
        from sklearn.linear_model import Ridge as Estimator
        from threadpoolctl import threadpool_limits

        count_classes(self, y, task.kind)
        unconstrained(self, task)
        chosen = settings(self, params, {"solver": "cholesky"})
        estimator = Estimator(alpha=chosen.pop("l2"), **chosen)
        with threadpool_limits(task.threads):
            estimator.fit(X, y, task.weights)
        return FittedLinear(estimator, task.kind)


class ElasticNet:
    """Penalties on the squares and on the magnitudes, which makes coefficients 0.

    ``LogisticRegression`` with SAGA, or ``ElasticNet`` by coordinate descent over a target brought
    to the standard deviation 1. Parameters by the names of the latter: ``alpha``, the weight of the
    penalty beside the mean loss, and ``l1_ratio``.
    """

    name = "elastic_net"
    encoder = "linear"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return a light penalty, half and half."""
        return {"alpha": 1e-3, "l1_ratio": 0.5}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw the penalty."""
        return {
            "alpha": trial.suggest_float("alpha", 1e-6, 1.0, log=True),
            "l1_ratio": trial.suggest_float("l1_ratio", 0.05, 1.0),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedLinear:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        from sklearn.exceptions import ConvergenceWarning
        from threadpoolctl import threadpool_limits

        count_classes(self, y, task.kind)
        unconstrained(self, task)
        chosen = settings(self, params, {"random_state": task.seed})
        fit = _numbers if task.kind == "regression" else _classes
        with threadpool_limits(task.threads), warnings.catch_warnings():
            # Where it is after so many passes is a model as well.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return FittedLinear(fit(X, y, chosen, task.weights), task.kind)


def _classes(X: np.ndarray, y: np.ndarray, chosen: dict, weights: np.ndarray | None) -> Any:
    from sklearn.linear_model import LogisticRegression

    rows = len(y) if weights is None else weights.sum()
    C = 1.0 / (chosen.pop("alpha") * rows)
    estimator = LogisticRegression(C=C, solver="saga", max_iter=200, tol=1e-3, **chosen)
    return estimator.fit(X, y, weights)


def _numbers(X: np.ndarray, y: np.ndarray, chosen: dict, weights: np.ndarray | None) -> Any:
    from sklearn.linear_model import ElasticNet as Estimator

    mean, scale = y.mean(), y.std() or 1.0
    estimator = Estimator(**chosen).fit(X, (y - mean) / scale, weights)
    estimator.coef_ = estimator.coef_ * scale
    estimator.intercept_ = estimator.intercept_ * scale + mean
    return estimator


@dataclass(frozen=True)
class FittedLinear:
    """A trained estimator."""

    estimator: Any
    kind: Kind

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute raw scores with scikit-learn."""
        if self.kind == "regression":
            return self.estimator.predict(X)
        score = self.estimator.decision_function(X)
        return of_two_classes(score) if self.kind == "multiclass" and score.ndim == 1 else score

    def model(self) -> LinearModel:
        """Take the coefficients."""
        coef = np.atleast_2d(self.estimator.coef_)
        intercept = np.atleast_1d(self.estimator.intercept_)
        if self.kind == "multiclass" and len(coef) == 1:
            coef, intercept = of_two_classes(coef[0], 0), of_two_classes(intercept[0], 0)
        return LinearModel(kind=self.kind, n_features=coef.shape[1], coef=coef, intercept=intercept)
