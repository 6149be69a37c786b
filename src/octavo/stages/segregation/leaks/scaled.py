"""Recognizes a column that was standardised over all rows, those of validation and test among them.

Over just these rows its mean is 0 and its deviation 1, and over the rows of train they are not.
Scaling to 0 … 1 leaves no such trace: a share that is 1 in a newer row looks the same. This module
knows nothing of targets.
"""

import numpy as np
import polars as pl

FEWEST = 100
"""Rows from which a mean of 0 is no chance."""
_FAR = 20  # deviations: never reached by chance, however the values are distributed
_EXACT = 1e-6  # of a deviation: what was written with seven digits is off by less


def may_be_standardised(drawn: pl.Series) -> bool:
    """Say whether a column's mean may be 0, by rows that were drawn from all.

    The mean of n values out of those with mean 0 and deviation 1 has a deviation of 1 ÷ √n at the
    most.
    """
    if not drawn.dtype.is_float():
        return False
    known = drawn.filter(drawn.is_finite())
    return known.len() > 0 and abs(float(known.mean())) <= _FAR / known.len() ** 0.5  # type: ignore[arg-type]


def is_standardised(column: pl.Series, train: np.ndarray) -> bool:
    """Say whether a column was scaled to mean 0 and deviation 1 by more rows than those of train.

    Parameters
    ----------
    column
        Floats, of all rows, labeled or not.
    train
        Which of them are of train.
    """
    values = column.fill_null(np.nan).to_numpy()
    known = np.isfinite(values)
    inside, everywhere = values[known & train], values[known]
    if everywhere.size < FEWEST or not 0.1 < inside.size / everywhere.size < 0.99:
        return False
    return _distance(everywhere) <= _EXACT and _distance(inside) > 10 * _EXACT


def _distance(values: np.ndarray) -> float:
    """Return how far mean and deviation (of the rows, or of a population) are from 0 and 1."""
    deviations = (abs(values.std(ddof=freedom) - 1) for freedom in (0, 1))
    return max(abs(float(values.mean())), min(deviations))
