"""Rows in the order of their scores: how many positives and negatives every threshold lets pass.

All figures of a binary answer come from these counts. They are taken where the score changes, so
rows of equal score count together and their order decides nothing. Knows nothing of problems.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, eq=False)
class Order:
    """Rows of a binary truth in the order of their scores, highest first; sorted once."""

    rows: np.ndarray
    """int64, shape (n,): the rows."""
    truth: np.ndarray
    """float64, shape (n,): 1 or 0, in that order."""
    scores: np.ndarray
    """float64, shape (n,): in that order."""
    last: np.ndarray
    """int64: of each run of equal scores the last place."""

    @classmethod
    def of(cls, truth: np.ndarray, scores: np.ndarray) -> "Order":
        """Sort the rows.

        Parameters
        ----------
        truth
            Shape (n,): 1 for positive, 0 for negative.
        scores
            Shape (n,), no NaN.
        """
        rows = np.argsort(-scores, kind="stable")
        ordered = scores[rows]
        last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], [True] * (ordered.size > 0)))
        return cls(rows, truth[rows].astype(np.float64), ordered, last)

    def counts(self, weight: np.ndarray | None = None) -> "Counts":
        """Return the counts at every threshold, each row counted by its weight."""
        weight = np.ones(self.rows.size) if weight is None else weight[self.rows]
        positive = weight * self.truth
        passed = np.cumsum(weight)[self.last]
        true = np.cumsum(positive)[self.last]
        return Counts(np.append(0.0, true), np.append(0.0, np.maximum(passed - true, 0.0)))

    def threshold(self, at: int) -> float:
        """Return a threshold at which so many runs of equal scores pass, ``score >= threshold``.

        It lies in the middle between the last score that passes and the first that does not; it
        is 0 where all pass and just above 1 where none does.
        """
        if at == 0:
            return float(np.nextafter(1.0, 2.0))
        if at == self.last.size:
            return 0.0
        above, below = self.scores[self.last[at - 1]], self.scores[self.last[at]]
        middle = below + (above - below) / 2
        return float(middle if middle > below else above)


@dataclass(frozen=True, eq=False)
class Counts:
    """Positives and negatives that pass, threshold after threshold; the first lets none pass."""

    true: np.ndarray
    """float64, shape (thresholds,), rising from 0: positives that pass."""
    false: np.ndarray
    """The same of negatives."""

    @property
    def positives(self) -> float:
        """All of them."""
        return float(self.true[-1])

    @property
    def negatives(self) -> float:
        """All of them."""
        return float(self.false[-1])

    @property
    def precision(self) -> np.ndarray:
        """Of what passes the share of positives; 1 where nothing does."""
        passed = self.true + self.false
        return np.divide(self.true, passed, out=np.ones_like(passed), where=passed > 0)

    def average_precision(self) -> float:
        """Return Σ (recall gained) × precision; NaN without positives."""
        if not self.positives:
            return np.nan
        return float((np.diff(self.true) * self.precision[1:]).sum() / self.positives)

    def roc_auc(self) -> float:
        """Return the area under the curve, trapezoids over equal scores; NaN for one class."""
        if not self.positives or not self.negatives:
            return np.nan
        area = (np.diff(self.false) * (self.true[1:] + self.true[:-1])).sum() / 2
        return float(area / (self.positives * self.negatives))

    def first(self, k: float) -> tuple[float, float]:
        """Return how many positives are among the first rows, and how many rows these are.

        Of rows of equal score, some of which are among the first, each counts in part: what
        would be found on average if chance put them in order.

        Parameters
        ----------
        k
            A number of rows (weights), or a share below 1.
        """
        passed = self.true + self.false
        wanted = k * passed[-1] if k < 1 else min(k, passed[-1])
        return float(np.interp(wanted, passed, self.true)), float(wanted)
