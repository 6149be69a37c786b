"""What is predicted without looking at a row: the base rate, or the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import TreeModel
from octavo.bundle.last import constant
from octavo.definition.problem import Kind
from octavo.stages.training.algorithms.contract import Task, count_classes, settings
from octavo.stages.training.algorithms.trees import join

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class Naive:
    """The share of each class among training rows, or the mean of their values: a baseline."""

    name = "naive"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return nothing: there is no choice."""
        return {}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw nothing."""
        return {}

    def fit(self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task) -> Constant:
        """Train; see `octavo.stages.training.algorithms.Algorithm`."""
        count_classes(self, y, task.kind)
        settings(self, params, {})
        return Constant(task.kind, constant(task.kind, y, task.weights), X.shape[1])


@dataclass(frozen=True)
class Constant:
    """The same scores for every row."""

    kind: Kind
    scores: np.ndarray
    width: int

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Repeat them."""
        found = np.tile(self.scores, (len(X), 1))
        return found if self.kind == "multiclass" else found[:, 0]

    def model(self) -> TreeModel:
        """Return a sum of no trees."""
        return join([], self.scores, kind=self.kind, n_features=self.width)
