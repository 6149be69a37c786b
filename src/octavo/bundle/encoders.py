"""Encoders: from a frame of features to the float64 matrix a model was trained on.

An encoder is fitted on the training frame alone, is frozen afterwards, and travels in the bundle as
JSON. A row is encoded to the same bits alone or among others. Knows nothing of models or labels.
"""

import abc
import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl

from octavo.bundle import arrays
from octavo.bundle.categories import CategoryCode, OneHot, TargetMean
from octavo.bundle.columns import Column, ColumnKind, EncodedColumn
from octavo.bundle.texts import HashedText, TfidfText
from octavo.definition.ngrams import Ngrams
from octavo.errors import DataError, DefinitionError

MANY = 50
"""Categories from which on a column is seen as the mean target of each."""
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

    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Copy the numbers."""
        out[:, 0] = arrays.numbers(self, values)


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
        # Of halves: the sum of the two in the middle may overflow.
        median = 2 * float(np.median(x[known] / 2)) if known.any() else 0.0
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
        self._write(self.numbers(frame), out)

    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write the scaled numbers and the indicator."""
        self._write(arrays.numbers(self, values), out)

    def _write(self, x: np.ndarray, out: np.ndarray) -> None:
        known = np.isfinite(x)
        x = np.where(known, x, self.median)
        with np.errstate(over="ignore"):
            out[:, 0] = np.clip((x - self.mean) / self.scale, -FARTHEST, FARTHEST)
        if self.indicator:
            out[:, 1] = ~known


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
        if kind in _ALIKE:
            return _ALIKE[kind]
        return cls.category if kind is ColumnKind.CATEGORICAL else cls.number

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        kinds: Mapping[str, ColumnKind | str] | None = None,
        texts: Mapping[str, Ngrams] | None = None,
        y: np.ndarray | None = None,
    ) -> Self:
        """Learn an encoder from the feature columns of the training split.

        Parameters
        ----------
        frame
            The features, in the order the model will see them.
        kinds
            Kinds of columns whose dtype does not say it, or is not meant:
            ``{"route_code": "categorical", "supplier": "target"}``.
        texts
            Columns of text that are read as n-grams, not as categories.
        y
            What is to be predicted, shape (n, targets): 0 or 1, a value, or for each of several
            classes 0 or 1. Given it, a column of more than `MANY` categories is seen as
            `TargetMean`, and training rows are encoded by `fit_transform`. None: no column is.

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
            if declared is None and y is not None and _has_many(column, frame):
                column = dataclasses.replace(column, kind=ColumnKind.TARGET)
            columns.append(_fitted(cls._encoding(column.kind), column, frame, y))
        return cls(tuple(columns))

    @classmethod
    def fit_transform(
        cls,
        frame: pl.DataFrame,
        kinds: Mapping[str, ColumnKind | str] | None = None,
        texts: Mapping[str, Ngrams] | None = None,
        y: np.ndarray | None = None,
    ) -> tuple[Self, np.ndarray]:
        """Learn an encoder and encode the training rows, none of which sees its own target.

        Returns
        -------
        tuple
            The encoder, and what `transform` returns of new rows.
        """
        encoder = cls.fit(frame, kinds, texts, y)
        out = encoder.transform(frame)
        for column, part in encoder._parts(out):
            if isinstance(column, TargetMean) and y is not None:
                column.fill_training(frame, y, part)
        return encoder, out

    def _parts(self, out: np.ndarray) -> Iterator[tuple[EncodedColumn, np.ndarray]]:
        """Give each column with its part of the encoded rows."""
        start = 0
        for column in self.columns:
            stop = start + len(column.names)
            yield column, out[:, start:stop]
            start = stop

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
        for column, part in self._parts(out):
            column.fill(frame, part)
        return out

    def transform_arrays(self, given: arrays.Arrays) -> np.ndarray:
        """Encode features given as arrays, to the bits of `transform`; others are left aside.

        Raises
        ------
        DataError
            If a column is missing or of another sort than in training, or of another length.
        """
        found = [arrays.given(column, given) for column in self.columns]
        rows = len(found[0]) if found else 0
        out = np.zeros((rows, len(self.names)))
        for values, (column, part) in zip(found, self._parts(out), strict=True):
            if values.shape != (rows,):
                raise DataError(
                    f"its values have the shape {values.shape}, those of others ({rows},).",
                    where=f"feature {column.name!r}",
                    fix="Give one value for each row.",
                )
            column.fill_from(values, part)
        return out

    @cached_property
    def is_plain(self) -> bool:
        """Whether an encoded row is the numbers of its features, as they are."""
        return all(type(column) is PlainNumber and not column.is_time for column in self.columns)

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
        values = {name: _frozen(value) for name, value in values.items()}
        return cls._encoding(ColumnKind(kind))(kind=ColumnKind(kind), **values)


_OF_TEXTS = {ColumnKind.TFIDF: TfidfText, ColumnKind.HASHED: HashedText}
_ALIKE = {**_OF_TEXTS, ColumnKind.TARGET: TargetMean}
"""The same for all models."""


def _frozen(value: Any) -> Any:
    """Return lists, as JSON has them, as tuples."""
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _has_many(column: Column, frame: pl.DataFrame) -> bool:
    return column.kind is ColumnKind.CATEGORICAL and column.read(frame).n_unique() > MANY


def _fitted(
    encoding: type[EncodedColumn], column: Column, frame: pl.DataFrame, y: np.ndarray | None
) -> EncodedColumn:
    if encoding is not TargetMean:
        return encoding.fit(column, frame)
    if y is None:
        raise DefinitionError(
            "there is no target whose mean it could be seen as.",
            where=f"feature {column.name!r}",
            fix='Declare it "categorical".',
        )
    return TargetMean.fit(column, frame, y)


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
