"""Encodings of categories: their place by frequency, a column for each, or the target's mean.

Whatever is learned is learned from training rows and can be read in the bundle. Knows nothing of
models.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import polars as pl

from octavo.bundle import arrays
from octavo.bundle.columns import Column, EncodedColumn

ONE_HOT_CATEGORIES = 50
"""Most categories of a column that get a place of their own in `OneHot`."""
FOLDS = 5
"""Into so many parts training rows are divided for `TargetMean`."""
_LEAST, _MOST = 1.0, 1000.0
"""Rows that the mean of all counts for in `TargetMean`."""


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

    @cached_property
    def _place(self) -> dict[str | None, int]:
        return {text: place for place, text in enumerate(self.categories)}

    def codes_of(self, texts: Sequence[str | None]) -> np.ndarray:
        """Return what `codes` does."""
        return np.array([self._place.get(text, np.nan) for text in texts], np.float64)


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

    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write the codes."""
        out[:, 0] = self.codes_of(arrays.texts(self, values))


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
        self._write(self.codes(texts), texts.is_null().to_numpy(), out)

    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write a 1 into each row."""
        texts = arrays.texts(self, values)
        self._write(self.codes_of(texts), _missing(texts), out)

    def _write(self, codes: np.ndarray, missing: np.ndarray, out: np.ndarray) -> None:
        place = np.nan_to_num(codes, nan=len(self.categories)).astype(np.intp)
        if self.indicator:
            place[missing] += 1
        out[np.arange(len(out)), place] = 1.0


@dataclass(frozen=True)
class TargetMean(_Categories):
    """How far the mean target of each category is from that of all rows, in spreads of the target.

    ``sum of (y − mean) / (rows + weight) / spread``, to a tenth: drawn towards the mean of all, the
    more so the fewer rows a category has. Null is a category of its own, if it occurred; one of a
    single row, or an unseen one, is 0 away. Of several classes each has a column, whose target is 1
    for that class.

    A training row must not see its own target: it gets what the rows of the other `FOLDS` − 1 parts
    tell. Even then the parts of a category differ by what they leave out, which trees learn to tell
    apart; of tenths they cannot. Sources: Micci-Barreca, A Preprocessing Scheme for
    High-Cardinality Categorical Attributes (2001), with the weight as the ratio of the variance
    within categories to that between them; for the parts Pargent et al., Regularized Target
    Encoding Outperforms Traditional Methods (2022).
    """

    deviations: tuple[tuple[float, ...], ...]
    """For each target those of the categories, and then that of null."""
    weights: tuple[float, ...]
    """For each target how many rows the mean of all counts for."""

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame, y: np.ndarray | None = None) -> Self:
        """Learn the deviations.

        Parameters
        ----------
        y
            Targets, shape (n, targets), finite.
        """
        if y is None:
            raise TypeError("a mean target needs targets")
        texts = column.texts(frame)
        categories = tuple(_by_frequency(texts, least=2))
        bare = cls(**vars(column), categories=categories, deviations=(), weights=())
        places, levels = bare._places(texts), len(categories) + 1
        weights = tuple(_ratio(places, target, levels) for target in y.T)
        pairs = zip(y.T, weights, strict=True)
        found = tuple(tuple(_deviations(places, *pair, levels)[:levels].tolist()) for pair in pairs)
        return cls(**vars(column), categories=categories, deviations=found, weights=weights)

    @property
    def names(self) -> tuple[str, ...]:
        """``column: target`` for one, numbered for several."""
        if len(self.weights) == 1:
            return (f"{self.name}: target",)
        return tuple(f"{self.name}: target {number}" for number in range(len(self.weights)))

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write the deviations."""
        self._write(self._places(self.texts(frame)), out)

    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write the deviations."""
        texts = arrays.texts(self, values)
        self._write(self._placed(self.codes_of(texts), _missing(texts)), out)

    def _write(self, places: np.ndarray, out: np.ndarray) -> None:
        for number, deviations in enumerate(self.deviations):
            out[:, number] = np.array([*deviations, 0.0])[places]

    def fill_training(self, frame: pl.DataFrame, y: np.ndarray, out: np.ndarray) -> None:
        """Write the deviations as training rows may know them: each without its own part."""
        places, levels = self._places(self.texts(frame)), len(self.categories) + 1
        for own in _parts(len(y)):
            others = ~own
            for number, weight in enumerate(self.weights):
                known = _deviations(places[others], y[others, number], weight, levels)
                out[own, number] = known[places[own]]

    def _places(self, texts: pl.Series) -> np.ndarray:
        """Return each text's category; then comes null, and then what is not known."""
        return self._placed(self.codes(texts), texts.is_null().to_numpy())

    def _placed(self, codes: np.ndarray, missing: np.ndarray) -> np.ndarray:
        last = len(self.categories)
        places = np.nan_to_num(codes, nan=last + 1).astype(np.intp)
        places[missing] = last
        return places


def _missing(texts: Sequence[str | None]) -> np.ndarray:
    return np.array([text is None for text in texts], np.bool_)


def _parts(rows: int) -> Iterator[np.ndarray]:
    """Divide rows at random, always the same; give for each part which rows are in it."""
    part = np.random.default_rng(0).permutation(rows) % FOLDS
    for number in range(FOLDS):
        yield part == number


def _deviations(places: np.ndarray, y: np.ndarray, weight: float, levels: int) -> np.ndarray:
    """Return that of each level, and then 0 for what is not known."""
    if not y.size:
        return np.zeros(levels + 1)
    rows = np.bincount(places, minlength=levels + 1)
    sums = np.bincount(places, y - y.mean(), minlength=levels + 1)
    found = np.round(sums / (rows + weight) / _spread(y), 1) + 0.0  # no −0
    found[levels] = 0.0
    return found


def _spread(y: np.ndarray) -> float:
    """Return the standard deviation as the quartiles tell it, or where they are equal itself."""
    low, high = np.quantile(y, [0.25, 0.75])
    return float((high - low) / 1.349 or y.std() or 1.0)


def _ratio(places: np.ndarray, y: np.ndarray, levels: int) -> float:
    """Return the variance within levels over that between them, from 1 to 1000.

    Estimated by analysis of variance (Searle, Casella and McCulloch, Variance Components, 1992,
    section 3.6): so many rows of a level tell as much about it as knowing what levels are like.
    """
    known = places < levels
    places, y = places[known], y[known]
    rows = np.bincount(places, minlength=levels).astype(float)
    n, occur = rows.sum(), np.count_nonzero(rows)
    if occur < 2 or n <= occur:
        return _MOST
    means = np.bincount(places, y, minlength=levels) / np.maximum(rows, 1)
    within = np.square(y - means[places]).sum() / (n - occur)
    between = (rows * np.square(means - y.mean())).sum() / (occur - 1) - within
    usual = (n - np.square(rows).sum() / n) / (occur - 1)
    return float(np.clip(within * usual / between, _LEAST, _MOST)) if between > 0 else _MOST
