"""Recognizes a column that holds the target's mean by category, taken over all rows.

The category itself need not be there: if the column is such a mean, then the rows of each of its
values have just that mean. If each row's own target is left out of it, the category is needed: in
each of its groups of n rows the value is a straight line of the own target, with slope
−1 ÷ (n − 1 + m). Either holds over all labeled rows alone; only the columns whose mean is near that
of the target are read for it. This module knows nothing of parts.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from octavo.stages.segregation.leaks.finding import Examined

_CLASSES = 10
_TRIED = 5_000
"""Rows, of whole groups, on which a category is tried before all are looked at."""
_GROUPS = 10
"""Groups that these are at the least."""
_CATEGORIES = 20
_FEWEST = 3
"""Rows from which a group shows a straight line, and groups from which that means something."""
_NEAR = 0.1
"""Deviations of the target within which the mean of a column is that of the target, nearly."""


def encodings(table: Examined) -> dict[str, str]:
    """Return the features that are a mean of the target, each with how it was taken, in words."""
    known = table.frame.filter(pl.col(table.label).is_not_null())
    looked_at = _encodable(known[table.label], is_number=table.is_number)
    spreads = [float(target.cast(pl.Float64).std() or 0.0) for target in looked_at]  # type: ignore[arg-type]
    near = [name for name in table.features if _is_near(known[name], looked_at, spreads)]
    if not near:
        return {}
    rows = table.all_rows
    labeled = rows.label.is_not_null()
    targets = _encodable(rows.label.filter(labeled), is_number=table.is_number)
    categories = list(_categories(table, labeled))
    found: dict[str, str] = {}
    for name in near:
        column = rows.column(name).filter(labeled)
        if _is_target_mean(column, targets):
            found[name] = ""
        elif any(category.encodes(column, targets) for category in categories):
            found[name] = " without the row itself"
    return found


def _is_near(column: pl.Series, targets: Sequence[pl.Series], spreads: Sequence[float]) -> bool:
    """Say whether a column has the mean of a target, nearly: an average of it has, by whatever."""
    if not column.dtype.is_float():
        return False
    known = column.is_finite().fill_null(False)
    centre = column.filter(known).mean()
    means = (target.filter(known).mean() for target in targets)
    return centre is not None and any(
        abs(centre - mean) <= _NEAR * spread  # type: ignore[operator]
        for mean, spread in zip(means, spreads, strict=True)
    )


def _encodable(label: pl.Series, *, is_number: bool) -> list[pl.Series]:
    """Return what could be averaged of a label: the number, or for each class whether it is it."""
    if is_number:
        return [label.cast(pl.Float64)]
    text = label.cast(pl.String)
    classes = text.value_counts(sort=True)[label.name].head(_CLASSES)
    return [text == name for name in classes]


def _is_target_mean(column: pl.Series, targets: Sequence[pl.Series]) -> bool:
    """Say whether a column equals a target's mean over the rows of each of its values.

    Also if the means were drawn towards the overall one, as ``(sum + m · mean) ÷ (n + m)``.

    Parameters
    ----------
    column, targets
        Of all labeled rows; the targets from `_encodable`.
    """
    if not 3 <= column.head(20_000).n_unique() < column.len() / 4:
        return False
    centre = column.mean()
    return any(_is_mean(column, target.cast(pl.Float64), centre) for target in targets)  # type: ignore[arg-type]


def _is_mean(column: pl.Series, target: pl.Series, centre: float | None) -> bool:
    mean, spread = float(target.mean()), float(target.std())  # type: ignore[arg-type]
    if centre is None or not abs(centre - mean) <= _NEAR * spread:
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
    """uint32, a number for each group; shape (rows,)."""
    tried: np.ndarray
    """The rows of the first few groups."""

    def encodes(self, column: pl.Series, targets: Sequence[pl.Series]) -> bool:
        """Say whether a column is a target's mean over the other rows of the category.

        Also if the means were drawn towards the overall one, as ``(sum + m · mean) ÷ (n − 1 + m)``.

        Parameters
        ----------
        column, targets
            Of all labeled rows; floats, and the targets from `_encodable`.
        """
        values, some = column.fill_null(np.nan).to_numpy(), self.tried
        return any(
            _is_line(values[some], target[some].cast(pl.Float64).to_numpy(), self.codes[some])
            and _is_line(values, target.cast(pl.Float64).to_numpy(), self.codes)
            for target in targets
        )


def _categories(table: Examined, labeled: pl.Series) -> Iterator[Category]:
    """Give the columns that may be categories: text or whole numbers that come again and again."""
    rows, found = table.all_rows, 0
    for name in rows.columns:
        dtype = table.frame.schema[name]
        if found == _CATEGORIES or not (dtype == pl.String or dtype.is_integer()):
            continue
        column = rows.column(name).filter(labeled)
        if not _FEWEST <= column.n_unique() <= column.len() / _FEWEST:
            continue
        codes = column.rank("dense").fill_null(0).cast(pl.UInt32).to_numpy()
        sizes = np.cumsum(np.bincount(codes))
        found += 1
        last = max(np.searchsorted(sizes, _TRIED), _GROUPS)
        yield Category(codes, np.flatnonzero(codes <= last))


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
