"""Anomalies by the tails of the training rows: how rarely anything is as far out as a row.

Each feature must say how unusual a row is, more being more unusual. The surprises of the features,
−ln of their tail shares, are added up, and the sum is again compared with the training rows: so a
score of 0.999 is one that a row in a thousand reached. Sources: the sum is Fisher's (1925), and
that of ECOD (Li et al., 2022); beyond the outermost training rows, peaks over a threshold as in
Siffer et al., Anomaly Detection in Streams with Extreme Value Theory (2017), with the mean excess
of asinh, which few huge values do not carry away.

One parameter, ``tail``: the share of rows from which on the tail is a straight line.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.bundle import TailModel
from octavo.bundle.model import MOST_SURPRISE
from octavo.definition.problem import Kind
from octavo.errors import DataError, DefinitionError
from octavo.stages.training.algorithms.contract import Task, settings, unconstrained, unweighed

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

KNOTS = 64
LEAST_ROWS = 100
"""Of fewer rows nothing is rare."""
LEAST_TAIL = 10
"""Rows that a tail is learned from, at the least."""
STEEPEST = 1e9
"""Surprise per unit where the outermost training rows are all alike."""


class Tails:
    """Tail shares; see the module. Nothing is drawn at random, and no label is looked at."""

    name = "tails"
    encoder = "ordinal"
    kinds: frozenset[Kind] = frozenset({"anomaly"})

    def defaults(self) -> dict[str, Any]:
        """Return a tail of one row in a hundred."""
        return {"tail": 0.01}

    def space(self, trial: BaseTrial) -> dict[str, Any]:
        """Draw where the tail begins."""
        return {"tail": trial.suggest_float("tail", 0.002, 0.05, log=True)}

    def fit(
        self, X: np.ndarray, y: np.ndarray, params: Mapping[str, Any], task: Task
    ) -> FittedTails:
        """Train; see `octavo.stages.training.algorithms.Algorithm`. ``y`` is not looked at."""
        unconstrained(self, task)
        unweighed(self, task)
        tail = settings(self, params, {})["tail"]
        if not 0 < tail < 1:
            raise DefinitionError(
                f"a tail of {tail} is no share of the rows.",
                where=f"parameters of {self.name!r}",
                fix="Give a fraction such as 0.01.",
            )
        enough_rows(X)
        rows = max(int(tail * len(X)), LEAST_TAIL)
        levels = np.geomspace(1.0, rows / len(X), KNOTS)
        columns = [Tail.of(column, rows, levels, np.arcsinh) for column in X.T]
        total = FittedTails(levels, columns).total(X)
        return FittedTails(levels, [*columns, Tail.of(total, rows, levels, np.positive)])


def enough_rows(X: np.ndarray) -> None:
    """Refuse rows too few to tell what is rare.

    Raises
    ------
    DataError
        If there are fewer than `LEAST_ROWS`.
    """
    if len(X) < LEAST_ROWS:
        raise DataError(
            f"{len(X)} rows do not tell what is rare.",
            where="training rows",
            fix=f"Give at least {LEAST_ROWS}.",
        )


@dataclass(frozen=True)
class Tail:
    """One column: the values that given shares of the rows reach, and what lies beyond."""

    knots: np.ndarray
    slope: float
    scale: Callable[[np.ndarray], np.ndarray]
    """In which surprise is linear between knots and beyond."""

    @classmethod
    def of(
        cls,
        column: np.ndarray,
        rows: int,
        levels: np.ndarray,
        scale: Callable[[np.ndarray], np.ndarray],
    ) -> Tail:
        """Learn from a column; NaN and infinite values are reached by none."""
        highest = np.sort(column[np.isfinite(column)])[::-1]
        if not highest.size:
            return cls(np.full(levels.size, np.inf), STEEPEST, scale)
        place = np.ceil(levels * column.size).astype(int) - 1
        knots = highest[np.minimum(place, highest.size - 1)]
        excess = float(np.mean(scale(highest[:rows]) - scale(knots[-1:])))
        return cls(knots, 1 / max(excess, 1 / STEEPEST), scale)

    def surprise(self, column: np.ndarray, levels: np.ndarray) -> np.ndarray:
        """Return −ln of the share of rows that reach each value; NaN stays."""
        if not np.isfinite(self.knots[0]):
            return np.zeros(column.size)
        known = np.abs(np.log(levels))
        at = np.searchsorted(self.knots, column).clip(0, levels.size - 1)
        x, knots = self.scale(column), self.scale(self.knots)
        inside = np.interp(x, knots, known)
        inside = np.where(self.knots[at] == column, known[at], inside)  # of equal knots the first
        beyond = known[-1] + self.slope * (x - knots[-1])
        return np.where(column > self.knots[-1], np.minimum(beyond, MOST_SURPRISE), inside)


@dataclass(frozen=True)
class FittedTails:
    """Learned tails: of the features and, last, of the sum of their surprises."""

    levels: np.ndarray
    columns: list[Tail]

    def total(self, X: np.ndarray) -> np.ndarray:
        """Add up the surprises of the features, to 9 digits."""
        pairs = zip(self.columns, X.T, strict=False)
        found = [tail.surprise(column, self.levels) for tail, column in pairs]
        return np.floor(np.nansum(found, axis=0) * 1e9 + 0.5) / 1e9

    def native_raw(self, X: np.ndarray) -> np.ndarray:
        """Compute raw scores with NumPy."""
        return self.columns[-1].surprise(self.total(X), self.levels)

    def model(self) -> TailModel:
        """Take knots and tails."""
        return TailModel(
            kind="anomaly",
            n_features=len(self.columns) - 1,
            knots=np.array([tail.knots for tail in self.columns]),
            surprise=np.abs(np.log(self.levels)),
            slope=np.array([tail.slope for tail in self.columns]),
        )
