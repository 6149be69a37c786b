"""Encodings of categories: their place by frequency, a column for each, or the target's mean.

Whatever is learned is learned from training rows and can be read in the bundle. Knows nothing of
models.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from octavo.bundle.columns import Column, EncodedColumn

ONE_HOT_CATEGORIES = 50
"""Most categories of a column that get a place of their own in `OneHot`."""
FOLDS = 5
"""Into so many parts training rows are divided for `TargetMean`."""


@dataclass(frozen=True)
class _Categories(EncodedColumn):
    """A column of categories known from training."""

    categories: tuple[str, ...]
    """The most frequent first, equals by name."""

    @cached_property
    def _enum(self) -> pl.Enum:
        return pl.Enum(self.categories)

    def codes(self, texts: pl.Series) -> np.ndarray:
        """Return each text's place among the categories; NaN where it is not one."""
        return texts.cast(self._enum, strict=False).to_physical().cast(pl.Float64).to_numpy()


def _by_frequency(texts: pl.Series, least: int = 1) -> list[str]:
    counts = texts.drop_nulls().value_counts().rows()
    ordered = sorted(counts, key=lambda row: (-row[1], row[0]))
    return [text for text, count in ordered if count >= least]


@dataclass(frozen=True)
class CategoryCode(_Categories):
    """The category's place by frequency in training; null and unseen are NaN."""

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame) -> Self:
        """Learn the categories."""
        return cls(**vars(column), categories=tuple(_by_frequency(column.texts(frame))))

    @property
    def names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write the codes."""
        out[:, 0] = self.codes(self.texts(frame))


@dataclass(frozen=True)
class OneHot(_Categories):
    """One column of 0 and 1 for each frequent category, one for all others, one for null.

    Null has a column if it occurred in training; otherwise it counts among the others.
    """

    indicator: bool

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame) -> Self:
        """Learn the frequent categories."""
        texts = column.texts(frame)
        frequent = tuple(_by_frequency(texts)[:ONE_HOT_CATEGORIES])
        return cls(**vars(column), categories=frequent, indicator=texts.null_count() > 0)

    @property
    def names(self) -> tuple[str, ...]:
        """``column=category`` for each."""
        others = ("<other>", "<missing>") if self.indicator else ("<other>",)
        return tuple(f"{self.name}={category}" for category in (*self.categories, *others))

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write a 1 into each row."""
        texts = self.texts(frame)
        place = np.nan_to_num(self.codes(texts), nan=len(self.categories)).astype(np.intp)
        if self.indicator:
            place[texts.is_null().to_numpy()] += 1
        out[np.arange(len(out)), place] = 1.0


@dataclass(frozen=True)
class TargetMean(_Categories):
    """The mean target of each category's training rows, drawn towards that of all rows.

    ``(sum + weight × mean of all) / (rows + weight)``. Null is a category of its own, if it
    occurred; a category of a single row, or an unseen one, has the mean of all. Of several classes
    each has a column, whose target is 1 for that class.

    A training row must not see its own target: it gets the mean over the rows of the other
    `FOLDS` − 1 parts. Source: Micci-Barreca, A Preprocessing Scheme for High-Cardinality
    Categorical Attributes (2001), with the weight as the ratio of the variance within categories to
    that between them.
    """

    means: tuple[tuple[float, ...], ...]
    """For each target those of the categories, then that of null, then that of all rows."""
    weights: tuple[float, ...]
    """For each target how many rows the mean of all counts for."""

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame, y: np.ndarray | None = None) -> Self:
        """Learn the means.

        Parameters
        ----------
        y
            Targets, shape (n, targets), without NaN.
        """
        if y is None:
            raise TypeError("a mean target needs targets")
        texts = column.texts(frame)
        learned = cls(
            **vars(column), categories=tuple(_by_frequency(texts, 2)), means=(), weights=()
        )
        places = learned._places(texts)
        levels = len(learned.categories) + 1
        weights = tuple(_ratio(places, target, levels) for target in y.T)
        pairs = zip(y.T, weights, strict=True)
        means = tuple(tuple(_means(places, t, levels, w).tolist()) for t, w in pairs)
        return cls(**vars(column), categories=learned.categories, means=means, weights=weights)

    @property
    def names(self) -> tuple[str, ...]:
        """``column: target`` for one, numbered for several."""
        if len(self.means) == 1:
            return (f"{self.name}: target",)
        return tuple(f"{self.name}: target {number}" for number in range(len(self.means)))

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write the means."""
        places = self._places(self.texts(frame))
        for number, means in enumerate(self.means):
            out[:, number] = np.asarray(means)[places]

    def fill_training(self, frame: pl.DataFrame, y: np.ndarray, out: np.ndarray) -> None:
        """Write the means as training rows may know them: each without its own part."""
        places = self._places(self.texts(frame))
        levels = len(self.categories) + 1
        for own in _parts(len(y)):
            others = ~own
            for number, weight in enumerate(self.weights):
                means = _means(places[others], y[others, number], levels, weight)
                out[own, number] = means[places[own]]

    def _places(self, texts: pl.Series) -> np.ndarray:
        """Return which of the means each text has."""
        last = len(self.categories)
        codes = np.nan_to_num(self.codes(texts), nan=last + 1).astype(np.intp)
        codes[texts.is_null().to_numpy()] = last
        return codes


def _parts(rows: int) -> Iterator[np.ndarray]:
    """Divide rows at random, always the same; give for each part which rows are in it."""
    part = np.random.default_rng(0).permutation(rows) % FOLDS
    for number in range(FOLDS):
        yield part == number


def _means(places: np.ndarray, y: np.ndarray, levels: int, weight: float) -> np.ndarray:
    """Return the mean of each level, drawn towards that of all, which comes last."""
    overall = y.mean() if y.size else 0.0
    rows = np.bincount(places, minlength=levels + 1)[:levels]
    sums = np.bincount(places, y - overall, minlength=levels + 1)[:levels]
    return np.append(overall + sums / (rows + weight), overall)


def _ratio(places: np.ndarray, y: np.ndarray, levels: int) -> float:
    """Return the variance within levels over that between them, from 1 to 1000.

    Estimated by analysis of variance (Searle, Casella and McCulloch, Variance Components, 1992,
    section 3.6): so many rows of a level tell as much about it as knowing what levels are like.
    """
    known = places < levels
    places, y = places[known], y[known]
    rows = np.bincount(places, minlength=levels).astype(float)
    occur = np.count_nonzero(rows)
    n = rows.sum()
    if occur < 2 or n <= occur:
        return _LEAST
    means = np.bincount(places, y, minlength=levels) / np.maximum(rows, 1)
    within = np.square(y - means[places]).sum() / (n - occur)
    between = (rows * np.square(means - y.mean())).sum() / (occur - 1) - within
    usual = (n - np.square(rows).sum() / n) / (occur - 1)
    if between <= 0:
        return _MOST
    return float(np.clip(within * usual / between, _LEAST, _MOST))


_LEAST, _MOST = 1.0, 1000.0
