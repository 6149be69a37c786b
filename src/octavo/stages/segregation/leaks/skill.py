"""How well columns predict a target: out of fold, between 0 (not at all) and 1 (perfectly).

For classes it is the Gini coefficient, 2 · AUC − 1, the mean of each class against the others; for
numbers the R² of the target's ranks, so that neither a heavy tail nor a change of scale matters.
This module reads arrays only; it knows nothing of pipelines.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

FOLDS = 5
BINS = 64
"""Numbers are cut into that many quantiles, the most frequent texts are kept, all else is one."""
CLASSES = 10
"""The most frequent classes that are looked at."""
_PRIOR = 1.0  # rows that each bin is taken to have of the average target
_RIDGE = 1e-3


@dataclass(frozen=True)
class Target:
    """What is to be predicted, for some rows."""

    values: np.ndarray
    """float64, shape (rows, classes) of 0 and 1; or (rows, 1), ranks from 0 to 1."""
    folds: np.ndarray
    """int64, shape (rows,): the fold of each row."""
    is_number: bool

    @classmethod
    def of(cls, label: pl.Series, *, is_number: bool) -> "Target":
        """Read a label without nulls; one of two classes stands for both."""
        # Drawn, not by turns: rows may come in an order that means something.
        folds = np.random.default_rng(0).integers(0, FOLDS, label.len())
        if is_number:
            ranks = label.cast(pl.Float64).rank("average").to_numpy() / label.len()
            return cls(ranks[:, None], folds, True)
        text = label.cast(pl.String)
        classes = text.value_counts(sort=True)[label.name].head(CLASSES).to_list()
        chosen = classes[1:] if len(classes) == 2 else classes
        return cls(np.column_stack([(text == c).to_numpy() for c in chosen]) * 1.0, folds, False)

    def take(self, rows: np.ndarray) -> "Target":
        """Return the target of some rows."""
        return Target(self.values[rows], self.folds[rows], self.is_number)


def codes_of(column: pl.Series) -> np.ndarray:
    """Return the bin of each value, int64 from 0; nulls and NaN are in a bin of their own."""
    if column.dtype.is_numeric() or column.dtype.is_temporal() or column.dtype == pl.Boolean:
        numbers = column.cast(pl.Int64) if column.dtype.is_temporal() else column
        values = numbers.cast(pl.Float64).fill_null(np.nan).to_numpy()
        known = ~np.isnan(values)
        edges = np.unique(values[known])
        if edges.size > BINS:
            edges = np.unique(np.quantile(values[known], np.linspace(0, 1, BINS), method="lower"))
        return np.where(known, np.searchsorted(edges, values, side="right"), 0)
    text = column.cast(pl.String)
    kept = text.drop_nulls().value_counts(sort=True)[column.name].head(BINS)
    places = {value: place for place, value in enumerate(kept, start=2)}
    found = text.replace_strict(places, default=1, return_dtype=pl.Int64)
    return found.to_numpy() * text.is_not_null().to_numpy()


def skill(codes: np.ndarray, target: Target) -> float:
    """Return how well the mean target of each bin, learned on the other folds, predicts."""
    return _mean_figure(target, lambda values: _out_of_fold(codes, values, target.folds))


def joint_skill(columns: Sequence[np.ndarray], target: Target) -> float:
    """Return how well columns together predict: a ridge regression of what each predicts alone.

    Parameters
    ----------
    columns
        The codes of each.
    """

    def together(values: np.ndarray) -> np.ndarray:
        matrix = np.column_stack([_out_of_fold(codes, values, target.folds) for codes in columns])
        matrix = np.column_stack([matrix, np.square(matrix - values.mean())])
        matrix = (matrix - matrix.mean(0)) / (matrix.std(0) + 1e-12)
        predicted = np.empty(values.size)
        for fold in range(FOLDS):
            held = target.folds == fold
            known, centre = matrix[~held], values[~held].mean()
            square = known.T @ known + np.eye(matrix.shape[1]) * known.shape[0] * _RIDGE
            weights = np.linalg.solve(square, known.T @ (values[~held] - centre))
            predicted[held] = matrix[held] @ weights + centre
        return predicted

    return _mean_figure(target, together) if columns else 0.0


def kinship(codes: np.ndarray, others: Sequence[np.ndarray], target: Target) -> float:
    """Return how much of a column another one shares besides the target: the largest r².

    Correlation of what is left of both when the target (a class; a twentieth of its range) is
    known. What was made from the target shares nothing else.
    """
    cells = target.values @ np.arange(1, target.values.shape[1] + 1)
    cells = (target.values[:, 0] * 20).astype(int) if target.is_number else cells.astype(int)
    rows = np.maximum(np.bincount(cells), 1)

    def rest(values: np.ndarray) -> np.ndarray:
        left = values - (np.bincount(cells, values) / rows)[cells]
        norm = np.linalg.norm(left)
        return left / norm if norm > 1e-9 else np.zeros(values.size)

    mine = rest(codes.astype(float))
    return max((float(mine @ rest(other.astype(float))) ** 2 for other in others), default=0.0)


def _out_of_fold(codes: np.ndarray, values: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Return for each row the mean of its bin over the rows of the other folds."""
    cells = codes * FOLDS + folds
    size = (int(codes.max()) + 1) * FOLDS
    rows = np.bincount(cells, minlength=size).reshape(-1, FOLDS)
    sums = np.bincount(cells, values, size).reshape(-1, FOLDS)
    sums, rows = sums.sum(1, keepdims=True) - sums, rows.sum(1, keepdims=True) - rows
    return ((sums + _PRIOR * values.mean()) / (rows + _PRIOR)).ravel()[cells]


def _mean_figure(target: Target, predict: Callable[[np.ndarray], np.ndarray]) -> float:
    """Return the mean figure over the classes (or of the one number), at least 0."""
    figure = _r2 if target.is_number else _gini
    found = [figure(values, predict(values)) for values in target.values.T]
    return float(max(np.mean(found), 0.0))


def _r2(values: np.ndarray, predicted: np.ndarray) -> float:
    return 1 - np.square(values - predicted).sum() / np.square(values - values.mean()).sum()


def _gini(values: np.ndarray, predicted: np.ndarray) -> float:
    """Return 2 · AUC − 1; ties count half."""
    score, place = np.unique(predicted, return_inverse=True)
    hits = np.bincount(place, values, score.size)
    misses = np.bincount(place, 1 - values, score.size)
    below = np.cumsum(misses) - misses / 2
    return 2 * (hits @ below) / (hits.sum() * misses.sum()) - 1
