"""Recognizes a column that holds the target's mean by category, taken over all rows.

The category itself need not be there: if the column is such a mean, then the rows of each of its
values have just that mean. If each row's own target is left out of it, the category is needed: in
each of its groups of n rows the value is a straight line of the own target, with slope
−1 ÷ (n − 1 + m). This module knows nothing of parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

_CLASSES = 10
_TRIED = 5_000
"""Rows, of whole groups, on which a category is tried before all are looked at."""
_CATEGORIES = 20
_FEWEST = 3
"""Rows from which a group shows a straight line, and groups from which that means something."""


def encodable(label: pl.Series, *, is_number: bool) -> list[pl.Series]:
    """Return what could be averaged of a label: the number, or for each class whether it is it."""
    if is_number:
        return [label.cast(pl.Float64)]
    text = label.cast(pl.String)
    classes = text.value_counts(sort=True)[label.name].head(_CLASSES)
    return [(text == name).cast(pl.Float64) for name in classes]


def is_target_mean(column: pl.Series, targets: Sequence[pl.Series]) -> bool:
    """Say whether a column equals a target's mean over the rows of each of its values.

    Also if the means were drawn towards the overall one, as ``(sum + m · mean) ÷ (n + m)``.

    Parameters
    ----------
    column, targets
        Of all labeled rows; the targets from `encodable`.
    """
    if not column.dtype.is_float() or not 3 <= column.head(20_000).n_unique() < column.len() / 4:
        return False
    centre = column.mean()
    return any(_is_mean(column, target, centre) for target in targets)  # type: ignore[arg-type]


def _is_mean(column: pl.Series, target: pl.Series, centre: float | None) -> bool:
    mean, spread = float(target.mean()), float(target.std())  # type: ignore[arg-type]
    if centre is None or not abs(centre - mean) <= 0.1 * spread:
        return False
    groups = pl.DataFrame({"value": column, "target": target}).drop_nulls().group_by("value")
    found = groups.agg(pl.len().alias("n"), pl.mean("target").alias("mean"), pl.std("target"))
    found = found.filter(pl.col("n") > 1)
    value, n, own = (found[c].to_numpy() for c in ("value", "n", "mean"))
    varied = (found["target"] > 0).to_numpy()
    drawn, pull = (value - own) * n, mean - value
    for m in _weights(drawn, pull, 1e-3 * spread):
        # Categories of equal size and mean share a value: then it is drawn as often as they are.
        times = np.rint(drawn / np.where(pull == 0, np.inf, pull) / m).clip(1) if m else 0.0
        exact = np.abs(drawn - times * m * pull) <= 1e-6 * spread * (n + times * m)
        if (varied & exact).sum() >= 3 and n[exact].sum() >= 0.95 * column.len():
            return True
    return False


def _weights(drawn: np.ndarray, pull: np.ndarray, least: float) -> list[float]:
    """Return how many rows of the overall mean each category may have been given: none, or m.

    From ``value = (n · own + m · mean) ÷ (n + m)``, solved for m where that is well defined.
    """
    usable = np.abs(pull) > least
    found = drawn[usable] / pull[usable]
    found = np.unique(found[found > 0.01].round(6))
    return [0.0, *found[:3].tolist()]


@dataclass(frozen=True)
class Category:
    """A column whose groups may have been encoded."""

    codes: np.ndarray
    """int64, a number for each group; shape (rows,)."""
    tried: np.ndarray
    """The rows of the first few groups."""


def categories(frame: pl.DataFrame) -> Iterator[Category]:
    """Give the columns that may be categories: text or whole numbers that come again and again."""
    found = 0
    for column in frame.get_columns():
        if found == _CATEGORIES or not (column.dtype == pl.String or column.dtype.is_integer()):
            continue
        if not _FEWEST <= column.n_unique() <= column.len() / _FEWEST:
            continue
        codes = column.rank("dense").fill_null(0).to_numpy().astype(np.int64)
        sizes = np.cumsum(np.bincount(codes))
        found += 1
        yield Category(codes, np.flatnonzero(codes <= np.searchsorted(sizes, _TRIED)))


def is_mean_of_others(
    column: pl.Series, targets: Sequence[np.ndarray], known: Sequence[Category]
) -> bool:
    """Say whether a column is a target's mean over the other rows of some category.

    Also if the means were drawn towards the overall one, as ``(sum + m · mean) ÷ (n − 1 + m)``.

    Parameters
    ----------
    column, targets
        Of all labeled rows; the targets from `encodable`, as float64.
    known
        The categories.
    """
    if not column.dtype.is_float():
        return False
    values = column.fill_null(np.nan).to_numpy()
    return any(
        _is_line(values[category.tried], target[category.tried], category.codes[category.tried])
        and _is_line(values, target, category.codes)
        for category in known
        for target in targets
    )


def _is_line(values: np.ndarray, target: np.ndarray, codes: np.ndarray) -> bool:
    """Say whether in nearly all groups values fall with the target as the mean of others does."""
    sizes = np.bincount(codes)
    n = np.maximum(sizes, 1)

    def away(array: np.ndarray) -> np.ndarray:
        return array - (np.bincount(codes, array) / n)[codes]

    y, v = away(target), away(np.nan_to_num(values))
    spread, fall = np.bincount(codes, y * y), np.bincount(codes, y * v)
    varied = (sizes >= _FEWEST) & (spread > 1e-9)
    told = varied & (fall < 0)
    if told.sum() < _FEWEST or sizes[told].sum() < 0.95 * sizes[varied].sum():
        return False
    slope = np.where(told, fall / np.where(told, spread, 1.0), 0.0)
    rest = np.bincount(codes, np.abs(v - slope[codes] * y)) / n
    drawn = np.where(told, -1 / np.where(told, slope, -1.0) - (sizes - 1), np.nan)
    m = np.median(drawn[told])
    exact = told & (rest <= 1e-6 * np.abs(slope)) & (np.abs(drawn - m) <= 1e-3 * (sizes + abs(m)))
    return bool(m > -1e-3 and sizes[exact].sum() >= 0.95 * sizes[varied].sum())
