"""Feature columns as the encoders read them: which kind, and as numbers or as text.

Knows nothing of what is learned from a column, nor of models.
"""

import abc
import enum
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from octavo.errors import DataError, DefinitionError


class ColumnKind(enum.StrEnum):
    """How a model sees a column."""

    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    TARGET = "target"
    """Categories, each seen as the mean target of its training rows."""
    BOOLEAN = "boolean"
    TFIDF = "tfidf"
    HASHED = "hashed"


_FAMILIES = {
    "integer": "Int8 Int16 Int32 Int64 Int128 UInt8 UInt16 UInt32 UInt64 UInt128",
    "real": "Float16 Float32 Float64 Decimal",
    "boolean": "Boolean",
    "text": "String Categorical Enum",
    "duration": "Duration",
    "time": "Date Datetime Time",
    "null": "Null",
}
_FAMILY_OF = {name: family for family, names in _FAMILIES.items() for name in names.split()}

_INFERRED = {
    "integer": ColumnKind.NUMERIC,
    "real": ColumnKind.NUMERIC,
    "duration": ColumnKind.NUMERIC,
    "boolean": ColumnKind.BOOLEAN,
    "text": ColumnKind.CATEGORICAL,
}
_DECLARABLE = {
    ColumnKind.NUMERIC: {"integer", "real", "duration", "time", "boolean"},
    ColumnKind.CATEGORICAL: {"text", "integer", "boolean"},
    ColumnKind.TARGET: {"text", "integer", "boolean"},
    ColumnKind.BOOLEAN: {"boolean"},
    ColumnKind.TFIDF: {"text"},
    ColumnKind.HASHED: {"text"},
}
_PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9}


def _family(dtype: str) -> str:
    """Return what a printed dtype is: "Datetime(time_unit='us', …)" is a "time"; "" if unknown."""
    return _FAMILY_OF.get(dtype.split("(")[0], "")


@dataclass(frozen=True)
class Column:
    """One feature column: its name, its dtype in training, and how the model sees it."""

    name: str
    dtype: str
    """The Polars dtype seen in training, printed."""
    kind: ColumnKind

    @classmethod
    def of(cls, series: pl.Series, declared: ColumnKind | None = None) -> "Column":
        """Describe a training column.

        Parameters
        ----------
        series
            The column.
        declared
            Its kind, where the dtype's own is not meant (integers that are codes) or there is
            none: a date or time declared numeric becomes seconds since the epoch (a time of day,
            since midnight).

        Raises
        ------
        DefinitionError
            If the dtype has no kind of its own, or cannot be seen as the declared one.
        """
        dtype = str(series.dtype)
        family = _family(dtype)
        where = f"feature {series.name!r}"
        if declared is None and family in _INFERRED:
            return cls(series.name, dtype, _INFERRED[family])
        if declared is None:
            raise DefinitionError(
                f"a column of type {dtype} is not a model input.",
                where=where,
                fix="Make it a number (such as the time elapsed since it), or leave it out.",
            )
        if family not in _DECLARABLE[declared]:
            raise DefinitionError(
                f"a column of type {dtype} cannot be {declared}.", where=where, fix="Convert it."
            )
        return cls(series.name, dtype, declared)

    def read(self, frame: pl.DataFrame) -> pl.Series:
        """Take the column from a frame.

        Raises
        ------
        DataError
            If it is missing, or of another sort than in training. Widths and units may differ
            (Int32 for Int64, milliseconds for microseconds), and a column may be all null.
        """
        if self.name not in frame.columns:
            raise DataError(
                "the column is missing.",
                where=f"feature {self.name!r}",
                fix=f"Give it as {self.dtype}; null where the value is not known.",
            )
        series = frame.get_column(self.name)
        if _family(str(series.dtype)) not in self._families:
            raise DataError(
                f"the column is {series.dtype}; the model was trained on {self.dtype}.",
                where=f"feature {self.name!r}",
                fix=f"Cast it to {self.dtype}.",
            )
        return series

    @property
    def is_text(self) -> bool:
        """Whether it was a column of texts in training."""
        return _family(self.dtype) == "text"

    @property
    def is_boolean(self) -> bool:
        """Whether it was a column of yes and no in training."""
        return _family(self.dtype) == "boolean"

    @property
    def is_time(self) -> bool:
        """Whether it was a column of times or durations in training."""
        return _family(self.dtype) in ("time", "duration")

    @property
    def _families(self) -> set[str]:
        """Sorts of columns that mean the same to the model as the one in training."""
        family = _family(self.dtype)
        if self.kind is ColumnKind.NUMERIC and family in ("integer", "real"):
            return {"integer", "real", "null"}
        return {family, "null"}

    def numbers(self, frame: pl.DataFrame) -> np.ndarray:
        """Read the column as float64, shape (n,); NaN where null; times in seconds."""
        series = self.read(frame)
        if isinstance(series.dtype, pl.Date):
            series = series.cast(pl.Datetime("us"))
        if not series.dtype.is_temporal():
            return series.cast(pl.Float64).to_numpy()
        unit = getattr(series.dtype, "time_unit", "ns")  # a time of day has no unit: nanoseconds
        return series.to_physical().cast(pl.Float64).to_numpy() / _PER_SECOND[unit]

    def texts(self, frame: pl.DataFrame) -> pl.Series:
        """Read the column as strings."""
        return self.read(frame).cast(pl.String)


@dataclass(frozen=True)
class EncodedColumn(Column, abc.ABC):
    """A column with what was learned from it in training."""

    @classmethod
    @abc.abstractmethod
    def fit(cls, column: Column, frame: pl.DataFrame) -> Self:
        """Learn from the training frame."""

    @property
    @abc.abstractmethod
    def names(self) -> tuple[str, ...]:
        """Names of the output columns."""

    @abc.abstractmethod
    def fill(self, frame: pl.DataFrame, out: np.ndarray) -> None:
        """Write the encoded column to ``out``, shape (n, len(names)), which holds zeros."""

    @abc.abstractmethod
    def fill_from(self, values: np.ndarray, out: np.ndarray) -> None:
        """Write it, as `fill` does, from an array of its values; see `octavo.bundle.arrays`."""
