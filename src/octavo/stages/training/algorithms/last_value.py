"""What is predicted by the last known value of the label alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import LastModel
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


class LastValue:
    """The last value itself, or the shares of classes among training rows with it: a baseline.

    Where it is missing the answer is that of ``naive``.
    """

    name = "last_value"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"binary", "multiclass", "regression"})

    def defaults(self) -> dict[str, Any]:
        """Return nothing: there is no choice."""
        return {}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw nothing."""
        return {}

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
                "no column is the label's last known value.",
                where=f"algorithm {self.name!r}",
                fix="See octavo.definition.last_value for the window to declare; one of many "
                'classes needs Training(encodings={…: "categorical"}).',
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
