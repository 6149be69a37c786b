"""Encoders: from a frame of features to the float64 matrix a model was trained on.

An encoder is fitted on the training frame alone, is frozen afterwards, and travels in the bundle as
JSON. A row is encoded to the same bits alone or among others. Knows nothing of models or labels.
"""

import abc
import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from octavo.bundle.columns import Column, ColumnKind, EncodedColumn
from octavo.bundle.texts import HashedText, TfidfText
from octavo.definition.ngrams import Ngrams
from octavo.errors import DataError, DefinitionError

ONE_HOT_CATEGORIES = 50
"""Most categories of a column that get a place of their own in a `LinearEncoder`."""
FARTHEST = 1e6
"""Scaled numbers end here, so that every score is finite. No training value is that far out: among
n values none is more than √(n − 1) standard deviations from their mean."""


@dataclass(frozen=True)
class PlainNumber(EncodedColumn):
    """The number itself; null is NaN."""

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame) -> Self:
        """Nothing to learn."""
        return cls(**vars(column))

    @property
    def names(self) -> tuple[str, ...]:
        """The column's own name."""
        return (self.name,)

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Copy the numbers."""
        out[:, 0] = self.numbers(frame)


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


def _by_frequency(texts: pl.Series) -> list[str]:
    counts = texts.drop_nulls().value_counts().rows()
    return [text for text, _ in sorted(counts, key=lambda row: (-row[1], row[0]))]


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
class ScaledNumber(EncodedColumn):
    """``(x − mean) / scale``, missing replaced by the median; beside it 1 where it was missing.

    Infinite values count as missing: a linear model has no finite answer to them. The indicator
    exists if a value was missing in training.
    """

    median: float
    mean: float
    """Mean of the training values, medians put in."""
    scale: float
    """Their standard deviation (ddof 0); 1 if they are all the same."""
    indicator: bool

    @classmethod
    def fit(cls, column: Column, frame: pl.DataFrame) -> Self:
        """Learn median, mean and scale."""
        x = column.numbers(frame)
        known = np.isfinite(x)
        median = float(np.median(x[known])) if known.any() else 0.0
        x = np.where(known, x, median)
        mean, scale = 0.0, 1.0
        if x.size and x.min() == x.max():
            mean = float(x[0])
        elif x.size:
            peak = np.abs(x).max()  # squares of the values themselves may overflow
            mean = float((x / peak).mean() * peak)
            scale = float((x / peak).std() * peak) or 1.0
        return cls(**vars(column), median=median, mean=mean, scale=scale, indicator=not known.all())

    @property
    def names(self) -> tuple[str, ...]:
        """The column's own name, and the indicator's."""
        return (self.name, f"{self.name}=<missing>") if self.indicator else (self.name,)

    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write the scaled numbers and the indicator."""
        x = self.numbers(frame)
        known = np.isfinite(x)
        x = np.where(known, x, self.median)
        with np.errstate(over="ignore"):
            out[:, 0] = np.clip((x - self.mean) / self.scale, -FARTHEST, FARTHEST)
        if self.indicator:
            out[:, 1] = ~known


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
class Encoder(abc.ABC):
    """Encoded columns side by side. See `OrdinalEncoder` and `LinearEncoder`."""

    columns: tuple[EncodedColumn, ...]

    flavour: ClassVar[str]
    """The word by which an algorithm asks for it."""
    number: ClassVar[type[EncodedColumn]]
    category: ClassVar[type[EncodedColumn]]

    @classmethod
    def _encoding(cls, kind: ColumnKind) -> type[EncodedColumn]:
        if kind in _OF_TEXTS:
            return _OF_TEXTS[kind]
        return cls.category if kind is ColumnKind.CATEGORICAL else cls.number

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        kinds: Mapping[str, ColumnKind | str] | None = None,
        texts: Mapping[str, Ngrams] | None = None,
    ) -> Self:
        """Learn an encoder from the feature columns of the training split.

        Parameters
        ----------
        frame
            The features, in the order the model will see them.
        kinds
            Kinds of columns whose dtype does not say it: ``{"route_code": "categorical"}``.
        texts
            Columns of text that are read as n-grams, not as categories.

        Raises
        ------
        DefinitionError
            If a column cannot be a model input, or ``kinds`` or ``texts`` name one that is not
            there.
        """
        kinds, texts = kinds or {}, texts or {}
        for name in (*kinds, *texts):
            if name not in frame.columns:
                raise DefinitionError.unknown("feature", name, frame.columns)
        columns = []
        for series in frame:
            if series.name in texts:
                columns.append(_of_text(series, frame, texts[series.name]))
                continue
            declared = ColumnKind(kinds[series.name]) if series.name in kinds else None
            column = Column.of(series, declared)
            columns.append(cls._encoding(column.kind).fit(column, frame))
        return cls(tuple(columns))

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the output columns."""
        return tuple(name for column in self.columns for name in column.names)

    @property
    def schema(self) -> dict[str, str]:
        """Input columns and their dtypes in training."""
        return {column.name: column.dtype for column in self.columns}

    @property
    def texts(self) -> list[str]:
        """Input columns that are read as n-grams."""
        return [column.name for column in self.columns if column.kind in _OF_TEXTS]

    def transform(self, frame: pl.DataFrame) -> np.ndarray:
        """Encode a frame; columns the encoder does not know are left aside.

        Returns
        -------
        numpy.ndarray
            float64, shape (n, len(names)), C order.

        Raises
        ------
        DataError
            If a column is missing or of another sort than in training.
        """
        out = np.zeros((frame.height, len(self.names)))
        start = 0
        for column in self.columns:
            stop = start + len(column.names)
            column.fill(frame, out[:, start:stop])
            start = stop
        return out

    def to_dict(self) -> dict[str, Any]:
        """Write the encoder as plain values, for JSON."""
        columns = [dataclasses.asdict(column) for column in self.columns]
        return {"flavour": self.flavour, "columns": columns}

    @staticmethod
    def from_dict(document: Mapping[str, Any]) -> "Encoder":
        """Read what `to_dict` wrote.

        Raises
        ------
        DataError
            If it is not an encoder.
        """
        try:
            flavour = ENCODERS[document["flavour"]]
            return flavour(tuple(flavour._column(**values) for values in document["columns"]))
        except (KeyError, TypeError, ValueError) as error:
            raise DataError(
                f"the encoder cannot be read ({error!r}).",
                where="encoder",
                fix="Take the bundle from the candidate store again.",
            ) from error

    @classmethod
    def _column(cls, *, kind: str, **values: Any) -> EncodedColumn:
        values = {k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}
        return cls._encoding(ColumnKind(kind))(kind=ColumnKind(kind), **values)


_OF_TEXTS = {ColumnKind.TFIDF: TfidfText, ColumnKind.HASHED: HashedText}
"""The same for all models."""


def _of_text(series: pl.Series, frame: pl.DataFrame, asked: Ngrams) -> EncodedColumn:
    kind = ColumnKind.HASHED if asked.hashed else ColumnKind.TFIDF
    return _OF_TEXTS[kind].fit(Column.of(series, kind), frame, asked)


class OrdinalEncoder(Encoder):
    """For trees: numbers as they are, categories by their place in frequency, missing as NaN."""

    flavour = "ordinal"
    number = PlainNumber
    category = CategoryCode


class LinearEncoder(Encoder):
    """For linear models: scaled numbers, one-hot categories, missing filled in and flagged."""

    flavour = "linear"
    number = ScaledNumber
    category = OneHot


ENCODERS: dict[str, type[Encoder]] = {
    encoder.flavour: encoder for encoder in (LinearEncoder, OrdinalEncoder)
}
"""The encoders by the word an algorithm asks with."""
