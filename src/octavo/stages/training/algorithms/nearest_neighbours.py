"""Nearest neighbours: training rows are kept, and the nearest ones are averaged.

A row costs a look at every row kept, so no more than `MOST` are: of more, so many are drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import NeighboursModel
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError
from octavo.stages.training.algorithms.contract import (
    Task,
    count_classes,
    settings,
    unconstrained,
)

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

MOST = 20_000
"""Rows that are kept at the most."""


class NearestNeighbours:
    """The mean of the nearest rows.

    Parameters: ``n_neighbors``, and ``weights``, ``"uniform"`` or ``"distance"``, as scikit-learn
    calls them.
    """

    name = "nearest_neighbours"
    encoder = "linear"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return a middling number, the nearer ones counting more."""
        return {"n_neighbors": 15, "weights": "distance"}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw parameters."""
        return {
            "n_neighbors": trial.suggest_int("n_neighbors", 1, 200, log=True),
            "weights": trial.suggest_categorical("weights", ["uniform", "distance"]),
        }

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedNeighbours:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        classes = count_classes(self, y, task.kind)
        unconstrained(self, task)
        chosen = settings(self, params, {})
        k, weights = chosen["n_neighbors"], chosen["weights"]
        if weights not in ("uniform", "distance") or not k >= 1:
            raise DefinitionError(
                f"{k} neighbours with {weights!r} weights cannot be averaged.",
                where=f"parameters of {self.name!r}",
                fix='Give n_neighbors of at least 1, and weights="uniform" or "distance".',
            )
        told = np.eye(classes)[y.astype(int)] if task.kind == "multiclass" else y[:, None]
        weigh = np.ones(len(y)) if task.weights is None else task.weights
        if len(X) > MOST:
            drawn = np.random.default_rng(task.seed).choice(len(X), MOST, replace=False)
            drawn.sort()
            X, told, weigh = X[drawn], told[drawn], weigh[drawn]
        k = min(k, len(X))
        return FittedNeighbours(task.kind, X, told.astype(float), weigh, k, weights == "distance")


@dataclass(frozen=True)
class FittedNeighbours:
    """The rows kept."""

    kind: Kind
    points: np.ndarray
    told: np.ndarray
    weights: np.ndarray
    k: int
    by_distance: bool

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute the means with NumPy, row by row."""
        columns = np.ascontiguousarray(self.points.T)
        found = np.array([self._mean(row, columns) for row in X]).reshape(len(X), -1)
        return found if self.kind == "multiclass" else found[:, 0]

    def _mean(self, row: np.ndarray, columns: np.ndarray) -> np.ndarray:
        distances = np.zeros(len(self.points))
        for x, column in zip(row, columns, strict=True):
            distances += np.square(x - column)
        kth = np.partition(distances, self.k - 1)[self.k - 1]
        near = np.flatnonzero(distances <= kth)
        near = near[np.argsort(distances[near], kind="stable")][: self.k]
        weights = self.weights[near]
        if self.by_distance and distances[near[0]] > 0:
            weights = weights / np.sqrt(distances[near])
        elif self.by_distance:
            weights = weights * (distances[near] == 0)
        return weights @ self.told[near] / weights.sum()

    def model(self) -> NeighboursModel:
        """Take the rows as they are."""
        return NeighboursModel(
            kind=self.kind,
            n_features=self.points.shape[1],
            k=self.k,
            by_distance=self.by_distance,
            points=self.points.T,
            told=self.told,
            weights=self.weights,
        )
