"""What training rows had: which features of a row lie outside, and whether it is one of theirs.

A number is outside below the least or above the greatest of training; a text, and yes or no, if no
training row had it; and what is missing, if it never was. Of n training values and a new one each
is as likely the greatest, so of rows like those at most 2 in n + 1 are outside in a feature of
numbers (Wilks, Determination of Sample Sizes for Setting Tolerance Limits, 1941), and of texts
about the share that occurs once in training (Good, The Population Frequencies of Species, 1953).

A row is out of distribution if so many features are outside as at most `RARE` of the validation
rows have: these are later, or others, and were not learned from. So a feature that grows with time
raises the number, and no alarm. Unusual combinations of usual values are not seen.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
import polars as pl

from octavo.bundle import arrays
from octavo.bundle.columns import Column, ColumnKind

RARE = 0.01
"""The share of validation rows that may be called out of distribution."""
MOST_TEXTS = 1000
"""Texts of a column; where training had more, new ones are usual, and it is not looked at."""

_TEXTS = (ColumnKind.CATEGORICAL, ColumnKind.TARGET, ColumnKind.BOOLEAN)
_Values = tuple[np.ndarray, Sequence[Sequence[str | None]]]


@dataclass(frozen=True)
class Support:
    """The values of training rows, feature by feature."""

    numbers: Mapping[str, tuple[float, float, bool]]
    """Least, greatest, whether one was missing. Without any value, infinity and minus infinity."""
    texts: Mapping[str, frozenset[str | None]]
    """All of them; None among them if one was missing."""
    least: int
    """Features outside from which a row is out of distribution."""

    @classmethod
    def learn(
        cls, columns: Iterable[Column], train: pl.DataFrame, least: int | None = None
    ) -> Self:
        """Learn what training rows have.

        Parameters
        ----------
        columns
            The features that a model reads. Free text, and times, are left aside.
        least
            As `calibrated` chose it; None: 1.
        """
        numbers, texts = {}, {}
        for column in {each.name: each for each in columns}.values():
            if column.kind is ColumnKind.NUMERIC and not column.is_time:
                numbers[column.name] = _extremes(column.numbers(train))
            elif column.kind in _TEXTS:
                known = column.texts(train).unique()
                if known.len() <= MOST_TEXTS:
                    texts[column.name] = frozenset(known.to_list())
        return cls(numbers, texts, least or 1)

    def calibrated(self, columns: Iterable[Column], validation: pl.DataFrame) -> int:
        """Return the smallest number of features outside that at most `RARE` of rows reach."""
        of = {each.name: each for each in columns}
        counts = self.outside(*self._of_frame(of, validation)).sum(axis=1)
        allowed = int(RARE * len(counts))
        most = np.sort(counts)[::-1][allowed] if len(counts) else 0
        return int(most) + 1

    def outside(self, numbers: np.ndarray, texts: Sequence[Sequence[str | None]]) -> np.ndarray:
        """Return which features are outside, booleans of shape (rows, numbers + texts).

        Parameters
        ----------
        numbers
            float64 of shape (rows, numbers), NaN where missing.
        texts
            For each feature of texts its values.
        """
        low, high, never_missing = self._bounds
        found = (numbers < low) | (numbers > high) | (np.isnan(numbers) & never_missing)
        new = [
            np.fromiter((each not in known for each in values), bool, len(numbers))
            for known, values in zip(self.texts.values(), texts, strict=True)
        ]
        return np.column_stack([found, *new]) if new else found

    def unusual(self, outside: np.ndarray) -> dict[int, list[str]]:
        """Return the rows that are out of distribution, each with its features outside."""
        if not outside.any():  # as of nearly all rows
            return {}
        rows = np.flatnonzero(outside.sum(axis=1) >= self.least)
        return {int(row): [self._names[i] for i in np.flatnonzero(outside[row])] for row in rows}

    def values(
        self, columns: Mapping[str, Column], given: np.ndarray | arrays.Arrays | pl.DataFrame
    ) -> _Values:
        """Return the values of rows as `outside` takes them.

        Parameters
        ----------
        columns
            The features by name, in order.
        given
            A frame, an array for each feature, or the matrix of all of them as they are.
        """
        if isinstance(given, pl.DataFrame):
            return self._of_frame(columns, given)
        if isinstance(given, np.ndarray):
            if len(self.numbers) == given.shape[1]:
                return given, ()
            given = {name: given[:, i] for i, name in enumerate(columns)}
        told = {name: arrays.given(columns[name], given) for name in self._names}
        numbers = [arrays.numbers(columns[name], told[name]) for name in self.numbers]
        rows = len(next(iter(given.values()))) if given else 0
        texts = [arrays.texts(columns[name], told[name]) for name in self.texts]
        return _matrix(numbers, rows), texts

    def _of_frame(self, columns: Mapping[str, Column], frame: pl.DataFrame) -> _Values:
        numbers = [columns[name].numbers(frame) for name in self.numbers]
        texts = [columns[name].texts(frame).to_list() for name in self.texts]
        return _matrix(numbers, frame.height), texts

    @cached_property
    def _names(self) -> list[str]:
        return [*self.numbers, *self.texts]

    @cached_property
    def _bounds(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        told = [*self.numbers.values()]
        low, high = (np.array([each[i] for each in told], np.float64) for i in (0, 1))
        return low, high, np.array([not each[2] for each in told], bool)

    def to_dict(self) -> dict[str, Any]:
        """Write it as plain values, for JSON; infinity as null."""
        numbers = {
            name: [*(float(v) if np.isfinite(v) else None for v in told[:2]), told[2]]
            for name, told in self.numbers.items()
        }
        texts = {
            name: sorted(known, key=lambda text: (text is not None, text or ""))
            for name, known in self.texts.items()
        }
        return {"numbers": numbers, "texts": texts, "least": self.least}

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> Self:
        """Read what `to_dict` wrote."""
        numbers = {
            name: (
                float("inf") if low is None else low,
                float("-inf") if high is None else high,
                missing,
            )
            for name, (low, high, missing) in document["numbers"].items()
        }
        texts = {name: frozenset(known) for name, known in document["texts"].items()}
        return cls(numbers, texts, document["least"])


def _extremes(values: np.ndarray) -> tuple[float, float, bool]:
    known = values[np.isfinite(values)]
    low, high = (known.min(), known.max()) if known.size else (np.inf, -np.inf)
    return float(low), float(high), bool(np.isnan(values).any())


def _matrix(columns: Sequence[np.ndarray], rows: int) -> np.ndarray:
    return np.column_stack(columns) if columns else np.empty((rows, 0))
