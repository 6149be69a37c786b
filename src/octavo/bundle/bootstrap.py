"""How far figures may be off by chance: rows drawn again, and figures compared on the same draws.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapters 13 and 16. Knows
nothing of models, nor of where predictions come from.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from octavo.bundle.metrics import Weighed

RESAMPLES = 400
"""Draws. The 95 % bounds are then the mean of 10 draws beyond them."""


def resampled(figures: Sequence[Weighed], rows: int, *, draws: int = RESAMPLES) -> np.ndarray:
    """Return figures over the same bootstrap samples of rows; always the same samples.

    Parameters
    ----------
    figures
        As `octavo.bundle.metrics.prepared` gives them.
    rows
        How many rows they are of.

    Returns
    -------
    numpy.ndarray
        float64, shape (draws, figures); the columns are paired. NaN where a sample is all one
        class.
    """
    generator = np.random.default_rng(0)
    found = np.empty((draws, len(figures)))
    for draw in range(draws):
        weight = np.bincount(generator.integers(0, rows, rows), minlength=rows).astype(np.float64)
        found[draw] = [weigh(weight) for weigh in figures]
    return found


def interval(figures: np.ndarray) -> tuple[float, float]:
    """Return the 95 % percentile interval of resampled figures, NaN left out."""
    known = figures[~np.isnan(figures)]
    low, high = np.quantile(known, [0.025, 0.975]) if known.size else (np.nan, np.nan)
    return float(low), float(high)


@dataclass(frozen=True)
class Difference:
    """By how much one prediction is better than another on the same rows."""

    gain: float
    """In units of the metric; positive: better, whichever way the metric goes."""
    interval: tuple[float, float]
    """95 %, of the gain."""
    p: float
    """Two-sided: how often chance alone makes a difference as large, twice the share of draws
    on the other side of 0 (one draw added, so that it is never 0)."""

    @property
    def significant(self) -> bool:
        """Whether it is better, and not by chance at 5 %."""
        return self.gain > 0 and self.p < 0.05


def difference(own: float, other: float, draws: np.ndarray, *, more_is_better: bool) -> Difference:
    """Compare two predictions by their figures and paired draws.

    Parameters
    ----------
    own, other
        The figures on all rows.
    draws
        Shape (draws, 2): `resampled` figures of both.
    """
    sign = 1 if more_is_better else -1
    gains = sign * (draws[:, 0] - draws[:, 1])
    gains = gains[~np.isnan(gains)]
    below = (np.sum(gains <= 0) + 1) / (gains.size + 1)
    above = (np.sum(gains >= 0) + 1) / (gains.size + 1)
    p = float(min(1.0, 2 * min(below, above)))
    return Difference(sign * (own - other), interval(gains), p)
