"""Groups of rows: those of one value of a feature, or of a quarter of its numbers, and pairs.

A group is described by what makes it, so that one found in some rows can be looked up in others.
Knows nothing of predictions.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

VALUES = 20
"""Groups that a feature makes at the most: its most frequent values."""
FEW = 6
"""Distinct numbers up to which each is a group of its own."""


@dataclass(frozen=True)
class Group:
    """Rows whose feature has a value, or lies in ``(low, high]``."""

    feature: str
    value: str | float | None = None
    """None, without bounds: missing."""
    low: float | None = None
    high: float | None = None

    @property
    def name(self) -> str:
        """How a person would write it."""
        if self.low is not None and self.high is not None:
            return f"{self.low:.4g} < {self.feature} ≤ {self.high:.4g}"
        if self.low is not None:
            return f"{self.feature} > {self.low:.4g}"
        if self.high is not None:
            return f"{self.feature} ≤ {self.high:.4g}"
        if self.value is None:
            return f"{self.feature} is missing"
        value = f"{self.value:g}" if isinstance(self.value, float) else self.value
        return f"{self.feature} = {value}"

    def rows(self, frame: pl.DataFrame) -> np.ndarray:
        """Return which rows of a frame are in it, bool, shape (n,)."""
        if self.low is None and self.high is None and self.value is None:
            return _series(frame, self.feature).is_null().to_numpy()
        column = _series(frame, self.feature)
        if self.value is not None:
            return (column == self.value).fill_null(value=False).to_numpy()
        inside = pl.Series(np.ones(frame.height, bool))
        if self.low is not None:
            inside &= column > self.low
        if self.high is not None:
            inside &= column <= self.high
        return inside.fill_null(value=False).to_numpy()


def _series(frame: pl.DataFrame, feature: str) -> pl.Series:
    """Return a feature as numbers or texts, null where it is missing."""
    column = frame[feature]
    if column.dtype.is_numeric() or column.dtype.is_temporal():
        return column.cast(pl.Float64, strict=False).fill_nan(None)
    return column.cast(pl.String)


def groups(frame: pl.DataFrame, feature: str) -> list[Group]:
    """Return the groups that a feature makes of some rows, missing last."""
    column = _series(frame, feature)
    known = column.drop_nulls()
    found: list[Group] = []
    if column.dtype == pl.String or known.n_unique() <= FEW:
        counts = known.value_counts().sort(["count", feature], descending=[True, False])
        found = [Group(feature, value) for value in counts[feature].head(VALUES)]
    else:
        edges = np.unique(np.quantile(known.to_numpy(), [0.25, 0.5, 0.75])).tolist()
        for low, high in zip([None, *edges], [*edges, None], strict=True):
            found.append(Group(feature, low=low, high=high))
    return [*found, Group(feature)] if known.len() < column.len() else found


def rows_of(together: Sequence[Group], frame: pl.DataFrame) -> np.ndarray:
    """Return which rows are in all of some groups."""
    return np.logical_and.reduce([group.rows(frame) for group in together])


def name_of(together: Sequence[Group]) -> str:
    """Return how a person would write their intersection."""
    return " and ".join(group.name for group in together)
