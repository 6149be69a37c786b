"""Persistence: what was last known of the outcome, as a baseline that a model must beat.

Knows nothing of encoders or files, nor of which feature it is.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from octavo.bundle.model import FORMS, Model, broken


@dataclass(frozen=True, eq=False)
class LastModel(Model):
    """What one column tells, and nothing else.

    Of values the column itself is the answer. Of classes each value that training saw there has
    scores of its own.
    """

    column: int
    """The column of the encoded matrix."""
    values: np.ndarray
    """Shape (levels,), ascending: what training saw there; none for regression."""
    scores: np.ndarray
    """Shape (levels, n_outputs)."""
    otherwise: np.ndarray
    """Shape (n_outputs,): the score where the column is missing or was never seen."""

    form = "last"
    dtypes: ClassVar = {"values": np.float64, "scores": np.float64, "otherwise": np.float64}

    @property
    def n_outputs(self) -> int:
        """Scores per row."""
        return len(self.otherwise)

    def _check(self) -> None:
        if not 0 <= self.column < self.n_features:
            raise broken(f"there is no column {self.column}")
        if self.otherwise.ndim != 1 or self.scores.shape != (self.values.size, self.n_outputs):
            raise broken(f"scores of shape {self.scores.shape} do not fit")
        if bool(self.values.size) == (self.kind == "regression"):
            raise broken(f"{self.values.size} values do not make a {self.kind} model")
        if not (np.diff(self.values) > 0).all():
            raise broken("the values do not rise")

    def _fill(self, X: np.ndarray, out: np.ndarray) -> None:
        x = X[:, self.column]
        if self.kind == "regression":
            out[:, 0] = np.where(np.isfinite(x), x, self.otherwise)
            return
        at = np.searchsorted(self.values, x).clip(max=self.values.size - 1)
        known = (self.values[at] == x)[:, None]
        out[:] = np.where(known, self.scores[at], self.otherwise)

    def meta(self) -> dict[str, Any]:
        """Return what is not an array."""
        return super().meta() | {"column": self.column}

    @classmethod
    def learned(
        cls,
        kind: str,
        X: np.ndarray,
        column: int,
        truth: np.ndarray,
        weights: np.ndarray | None = None,
    ) -> "LastModel":
        """Learn of classes how often each followed each value; of values only their mean.

        The shares among the rows with a value are drawn towards those of all by one row.

        Parameters
        ----------
        X
            Encoded training rows, shape (n, features).
        truth
            Shape (n,): see `octavo.bundle.targets.target_numbers`.
        weights
            Of the rows, shape (n,), or None.
        """
        told: dict[str, Any] = {"kind": kind, "n_features": X.shape[1], "column": column}
        otherwise = constant(kind, truth, weights)
        if kind == "regression":
            nothing = np.empty((0, 1))
            return cls(**told, values=np.empty(0), scores=nothing, otherwise=otherwise)
        weights = np.ones(truth.size) if weights is None else weights
        x, classes = X[:, column], int(truth.max()) + 1
        known = ~np.isnan(x)
        values, level = np.unique(x[known], return_inverse=True)
        if not values.size:
            values = np.zeros(1)
        cell = level * classes + truth[known].astype(int)
        followed = np.bincount(cell, weights[known], values.size * classes)
        counts = followed.reshape(values.size, classes) + _shares(truth, weights)
        scores = _scores(kind, counts)
        return cls(**told, values=values, scores=scores, otherwise=otherwise)


def constant(kind: str, truth: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    """Return the scores, shape (outputs,), of the same answer to all: base rates, or the mean."""
    if kind == "regression":
        return np.atleast_1d(np.average(truth, weights=weights))
    return _scores(kind, _shares(truth, weights)[None])[0]


def _shares(truth: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
    counts = np.bincount(truth.astype(int), weights).astype(float)
    return counts / counts.sum()


def _scores(kind: str, counts: np.ndarray) -> np.ndarray:
    """Return log-odds, or a logarithm for each class, of counts of shape (n, classes)."""
    logs = np.log(counts / counts.sum(axis=1, keepdims=True))
    return logs[:, 1:] - logs[:, :1] if kind == "binary" else logs


FORMS[LastModel.form] = LastModel
