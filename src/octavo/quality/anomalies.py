"""Rows whose values are usual one by one, and not together: one multivariate detector.

Each numeric column is replaced by the normal scores of its ranks (van der Waerden), so that neither
its distribution nor its own outliers matter; what is left is how columns go together. The distance
of a row from what is usual is Mahalanobis', with the covariance of a sample from which the farthest
twentieth is left out. An anomaly is more than `K` deviations (1.4826·MAD) beyond the median
distance; it is a note and no fault, since what is strange may be true.
Source of the covariance of normal scores: K. Boudt, J. Cornelissen and C. Croux, The Gaussian rank
correlation estimator: robustness properties, Statistics and Computing 22 (2012).
"""

from collections.abc import Iterator, Sequence
from functools import cache
from statistics import NormalDist

import numpy as np

from octavo.quality.finding import Finding, enumerated
from octavo.quality.outliers import MOST, K, scores
from octavo.quality.table import Table

WIDE = 30
"""Numeric columns that are looked at together, the first of them."""

_LEARNED = 20_000
"""Rows the usual covariance is learned from."""

_SCREENED = 50_000
"""Rows that are looked at first; the others only if there is an anomaly among these."""

_QUANTILES = 1_000
_USUAL = 0.95  # with less, the rarer of two kinds of weather became an anomaly

_NOISE = 1e-4
"""Variance added to each column, of 1: columns that depend on each other are told apart no finer.
"""


def anomalies(table: Table) -> Iterator[Finding]:
    """Find rows with an unusual combination of numbers."""
    names = [
        name
        for name in table.of_type("number")
        if table.nulls[name] <= 0.2 * table.height
        and table.varied[name] >= 10
        and name not in table.clocks
    ][:WIDE]
    if len(names) < 2 or table.height < 200:
        return
    columns = [table.frame[name].to_numpy() for name in names]
    every = -(-table.height // _SCREENED)
    if every > 1 and not _far([column[::every] for column in columns]).any():
        return
    bad = _far(columns)
    if 0 < bad.sum() <= MOST * table.height:
        yield table.finding(
            "anomaly",
            "covariance",
            names,
            bad,
            f"In {table.counted(bad)} the numbers do not go together as in the "
            f"others: {enumerated([f'`{name}`' for name in names], 8)}.",
            None,
            "note",
        )


def _far(columns: Sequence[np.ndarray]) -> np.ndarray:
    """Return which rows are anomalies, as a Boolean array; one with a value missing is none."""
    known = np.logical_and.reduce([np.isfinite(column) for column in columns])
    far = np.zeros(known.size, bool)
    if known.sum() < 200:
        return far
    distances = _distances(np.array([_normal(column[known]) for column in columns]))
    far[known] = (scores(distances) > K) & (distances > np.median(distances))
    return far


@cache
def _places() -> tuple[np.ndarray, np.ndarray]:
    """Return quantiles, and these of the normal distribution."""
    places = (np.arange(_QUANTILES) + 0.5) / _QUANTILES
    return places, np.array([NormalDist().inv_cdf(place) for place in places.tolist()])


def _normal(values: np.ndarray) -> np.ndarray:
    """Return the normal scores of values: their ranks as quantiles of the normal distribution.

    Ranks are read from a thousand quantiles; what is beyond the outermost counts as these.
    """
    places, scores = _places()
    grid = np.quantile(values[:: max(1, len(values) // _LEARNED)], places)
    lowest, times = np.unique(grid, return_counts=True)
    ends = np.cumsum(times)  # a value that stands at several quantiles has their mean
    sums = np.concatenate(([0.0], np.cumsum(scores)))
    return np.interp(values, lowest, (sums[ends] - sums[ends - times]) / times)


def _distances(normal: np.ndarray) -> np.ndarray:
    """Return Mahalanobis' distance of every row (a column of the array) from the usual ones."""
    learned = normal[:, :: max(1, normal.shape[1] // _LEARNED)]
    inner = _mahalanobis(learned, learned)
    return _mahalanobis(normal, learned[:, inner <= np.quantile(inner, _USUAL)])


def _mahalanobis(rows: np.ndarray, learned: np.ndarray) -> np.ndarray:
    covariance = np.cov(learned) + _NOISE * np.eye(len(rows))
    whitening = np.linalg.inv(np.linalg.cholesky(covariance))
    white = whitening @ (rows - learned.mean(axis=1, keepdims=True))
    return np.sqrt(np.einsum("ij,ij->j", white, white))
