"""Rows whose values are usual one by one, and not together: one multivariate detector.

Each numeric column is replaced by the normal scores of its ranks (van der Waerden), so that neither
its distribution nor its own outliers matter; what is left is how columns go together. The distance
of a row from what is usual is Mahalanobis', with the covariance of a sample from which the farthest
twentieth is left out. Rows are anomalies where they stand apart as `octavo.quality.outliers` says.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl
from scipy.special import ndtri

from octavo.quality.finding import Finding, counted, enumerated
from octavo.quality.numbers import is_clock
from octavo.quality.outliers import apart, scores
from octavo.quality.table import Table

WIDE = 30
"""Numeric columns that are looked at together, the first of them."""

_LEARNED = 20_000
"""Rows the usual covariance is learned from."""

_NOISE = 1e-4
"""Variance added to each column, of 1: columns that depend on each other are told apart no finer."""


def anomalies(table: Table) -> Iterator[Finding]:
    """Find rows with an unusual combination of numbers."""
    names = [
        name
        for name in table.of_type("number")
        if table.nulls[name] <= 0.2 * table.height
        and table.sample[name].n_unique() >= 10
        and not is_clock(table.sample[name])
    ][:WIDE]
    if len(names) < 2 or table.height < 200:
        return
    known = table.where(pl.all_horizontal(pl.col(names).is_not_null())).to_numpy()
    normal = np.column_stack([_normal(table.frame[name].filter(known)) for name in names])
    if len(normal) < 200:
        return
    distances = _distances(normal)
    far = scores(distances)
    far[distances < np.median(distances)] = 0
    bad = np.zeros(table.height, bool)
    bad[np.flatnonzero(known)] = apart(far)
    if bad.any():
        yield table.finding(
            "anomaly",
            "covariance",
            names,
            bad,
            f"In {counted(int(bad.sum()), table.height)} the numbers do not go together as they do "
            f"in all others: {enumerated([f'`{name}`' for name in names], 8)}.",
        )


def _normal(values: pl.Series) -> np.ndarray:
    """Return the normal scores of values: their ranks as quantiles of the normal distribution."""
    return ndtri((values.rank("average").to_numpy() - 0.5) / values.len())


def _distances(normal: np.ndarray) -> np.ndarray:
    """Return Mahalanobis' distance of every row from the usual ones."""
    learned = normal[:: max(1, len(normal) // _LEARNED)]
    inner = _mahalanobis(learned, learned)
    return _mahalanobis(normal, learned[inner <= np.quantile(inner, 0.95)])


def _mahalanobis(rows: np.ndarray, learned: np.ndarray) -> np.ndarray:
    covariance = np.cov(learned, rowvar=False) + _NOISE * np.eye(rows.shape[1])
    whitened = np.linalg.solve(np.linalg.cholesky(covariance), (rows - learned.mean(axis=0)).T)
    return np.sqrt((whitened**2).sum(axis=0))
