"""Encoders of free text: n-grams as columns of weights.

The weights of a row have the Euclidean length 1, as those of scikit-learn's vectorizers; a text
without any n-gram that is known has zeros. Beside them a 1 says that the text is null, if one was
in training. Knows nothing of models.
"""

import abc
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl

from octavo.bundle import arrays
from octavo.bundle.columns import Column, EncodedColumn
from octavo.bundle.ngrams import ngrams
from octavo.definition.ngrams import Ngrams
from octavo.windows.hashing import hash_keys


@dataclass(frozen=True)
class _NgramText(EncodedColumn):
    """A column of texts, as weights of n-grams."""

    unit: str
    """``words`` or ``letters``."""
    lengths: tuple[int, int]
    limit: int
    """Columns of n-grams at the most."""
    indicator: bool
    """Whether null has a column."""

    @classmethod
    def _settings(cls, column: Column, frame: pl.DataFrame, asked: Ngrams) -> dict[str, Any]:
        missing = column.texts(frame).null_count() > 0
        read = {"unit": asked.of, "lengths": asked.lengths, "limit": asked.limit}
        return vars(column) | read | {"indicator": missing}

    @property
    @abc.abstractmethod
    def _named(self) -> tuple[str, ...]:
        """Names of the columns of weights, without the text's own."""

    @abc.abstractmethod
    def _places(self, terms: pl.DataFrame) -> pl.Expr:
        """Return an expression for the column of weights of each ``term``; null for none."""

    @abc.abstractmethod
    def _weighed(self, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
        """Return the weights of n-grams that occur so often, before they are brought to length."""

    @property
    def names(self) -> tuple[str, ...]:
        """``column: n-gram`` for each, and the indicator's."""
        shown = tuple(f"{self.name}: {each}" for each in self._named)
        return (*shown, f"{self.name}=<missing>") if self.indicator else shown

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write the weights and the indicator."""
        self._write(self.texts(frame), out)

    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write the weights and the indicator."""
        self._write(pl.Series(arrays.texts(self, values), dtype=pl.String), out)

    def _write(self, texts: pl.Series, out: np.ndarray) -> None:
        if self.indicator:
            out[:, -1] = texts.is_null().to_numpy()
        for found in ngrams(texts, self.unit, self.lengths):
            located = found.select("row", self._places(found).alias("place")).drop_nulls()
            # In one order, so that a sum over a row's weights is the same among other rows.
            counts = located.group_by("row", "place").len().sort("row", "place")
            rows, places, times = (counts[name].to_numpy() for name in counts.columns)
            weights = self._weighed(times.astype(np.float64), places)
            here = rows - rows.min(initial=len(out))
            length = np.sqrt(np.bincount(here, weights * weights))
            out[rows, places] = weights / length[here]


@dataclass(frozen=True)
class TfidfText(_NgramText):
    """Of each n-gram kept, how often it occurs × ln((1 + n) ÷ (1 + df)) + 1.

    n is the number of training texts, null not counted, df that of those it occurs in. Kept are
    those whose presence varies most, df × (n − df); unseen ones are passed over.
    """

    terms: tuple[str, ...]
    """The n-grams, in the order of how much their presence varies, equals by their letters."""
    weights: tuple[float, ...]
    """Their inverse document frequencies."""

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame, asked: Ngrams | None = None) -> Self:
        """Learn which n-grams to keep, and their weights."""
        asked = asked or Ngrams()
        texts = column.texts(frame)
        n = texts.len() - texts.null_count()
        df = pl.concat(_documents(texts, asked)).group_by("term").agg(pl.col("df").sum())
        varies = pl.col("df") * (n - pl.col("df"))
        kept = df.sort(varies, pl.col("term"), descending=[True, False]).head(asked.limit)
        weights = np.log((1 + n) / (1 + kept["df"].to_numpy())) + 1
        return cls(
            **cls._settings(column, frame, asked),
            terms=tuple(kept["term"]),
            weights=tuple(weights.tolist()),
        )

    @cached_property
    def _enum(self) -> pl.Enum:
        return pl.Enum(self.terms)

    @property
    def _named(self) -> tuple[str, ...]:
        return self.terms

    def _places(self, terms: pl.DataFrame) -> pl.Expr:
        return pl.col("term").cast(self._enum, strict=False).to_physical().cast(pl.Int64)

    def _weighed(self, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
        return counts * np.asarray(self.weights)[places]


def _documents(texts: pl.Series, asked: Ngrams) -> Iterator[pl.DataFrame]:
    """Give in how many texts each n-gram occurs, some texts at a time."""
    yield pl.DataFrame(schema={"term": pl.String, "df": pl.Int64})
    for found in ngrams(texts, asked.of, asked.lengths):  # type: ignore[arg-type]
        yield found.unique().group_by("term").agg(pl.len().cast(pl.Int64).alias("df"))


@dataclass(frozen=True)
class HashedText(_NgramText):
    """Of each column, how many n-grams fall into it: those whose xxh3-64 mod limit is its number.

    Nothing is learned; n-grams that no training text had count as well.
    """

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame, asked: Ngrams | None = None) -> Self:
        """Note how texts are read."""
        return cls(**cls._settings(column, frame, asked or Ngrams(hashed=True)))

    @property
    def _named(self) -> tuple[str, ...]:
        return tuple(f"#{place}" for place in range(self.limit))

    def _places(self, terms: pl.DataFrame) -> pl.Expr:
        places = hash_keys(terms, ["term"]) % np.uint64(self.limit)
        return pl.lit(pl.Series(places.astype(np.int64)))

    def _weighed(self, counts: np.ndarray, places: np.ndarray) -> np.ndarray:
        return counts
