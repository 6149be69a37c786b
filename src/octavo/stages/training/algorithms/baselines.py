"""What hardly looks at a row: the base rate or the mean, and the last known value of the label."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import LastModel, TreeModel
from octavo.bundle.last import constant
from octavo.definition import LAST_VALUE
from octavo.definition.problem import Kind
from octavo.errors import DefinitionError
from octavo.stages.training.algorithms.contract import (
    Task,
    count_classes,
    settings,
    unconstrained,
)
from octavo.stages.training.algorithms.trees import join

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


class _Baseline:
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return nothing: there is no choice."""
        return {}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw nothing."""
        return {}


class Naive(_Baseline):
    """The share of each class among training rows, or the mean of their values."""

    name = "naive"

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


class LastValue(_Baseline):
    """The last value itself, or the shares of classes among training rows with it.

    Where it is missing the answer is that of ``naive``.
    """

    name = LAST_VALUE

    def fit(self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task) -> Last:
        """Train; see `octavo.stages.training.algorithms.Algorithm`.

        Raises
        ------
        DefinitionError
            If no column is the label's last value.
        """
        count_classes(self, y, task.kind)
        unconstrained(self, task)
        settings(self, params, {})
        if task.last is None:
            raise DefinitionError(
                "no encoded column is the label's last known value.",
                where=f"algorithm {self.name!r}",
                fix="Leave it out, or see it as a number or a category: Training(encodings={…}).",
            )
        return Last(LastModel.learned(task.kind, X, task.last, y, task.weights))


@dataclass(frozen=True)
class Last:
    """A table, which has no library of its own."""

    table: LastModel

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Look rows up one by one."""
        table, x = self.table, X[:, self.table.column]
        if table.kind == "regression":
            return np.array([each if abs(each) < np.inf else table.otherwise[0] for each in x])
        known = dict(zip(table.values.tolist(), table.scores, strict=True))
        found = np.array([known.get(each, table.otherwise) for each in x.tolist()])
        return found if table.kind == "multiclass" else found[:, 0]

    def model(self) -> LastModel:
        """Return the table."""
        return self.table
