"""Feature columns given as NumPy arrays instead of a frame: how each sort is read.

The form of what is computed per request, where a frame costs more than the model. It gives the
numbers and texts that `octavo.bundle.columns.Column` reads of a frame. Knows nothing of encoders.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from octavo.errors import DataError

if TYPE_CHECKING:
    from octavo.bundle.columns import Column

Arrays = Mapping[str, np.ndarray]
"""Feature to values, each of shape (rows,). Numbers and yes or no are of any such dtype, NaN where
missing; texts are ``object`` (str, None where missing) or NumPy's own; times are ``datetime64`` or
``timedelta64``, or ``object`` (of `datetime`, None where missing); a time of day is that since
midnight."""

_NOT_NUMBERS = "SUOMm"
_PER_SECOND = {"ms": 1e3, "us": 1e6, "ns": 1e9}


def given(column: "Column", arrays: Arrays) -> np.ndarray:
    """Take a column's values.

    Raises
    ------
    DataError
        If they are missing.
    """
    values = arrays.get(column.name)
    if values is None:
        raise DataError(
            "the column is missing.",
            where=f"feature {column.name!r}",
            fix=f"Give it as {column.dtype}; null where the value is not known.",
        )
    return values


def numbers(column: "Column", values: np.ndarray) -> np.ndarray:
    """Return values as float64, NaN where missing; times in seconds.

    Raises
    ------
    DataError
        If they are of another sort than in training.
    """
    is_time = column.is_time
    if values.dtype.kind not in _NOT_NUMBERS and not is_time:
        return values.astype(np.float64)
    if values.dtype.kind in "mM" and is_time:
        return _seconds(values)
    if values.dtype != object or any(isinstance(each, str) for each in values):
        raise _other_sort(column, values)
    try:
        return _seconds(_as_times(column, values)) if is_time else values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise _other_sort(column, values) from error


def _seconds(values: np.ndarray) -> np.ndarray:
    """Return times since the epoch, or durations; computed in their own unit, as of a frame."""
    unit = np.datetime_data(values.dtype)[0]
    if unit not in _PER_SECOND:
        unit, values = "us", values.astype(f"{values.dtype.kind}8[us]")
    counts = values.view(np.int64).astype(np.float64)
    return np.where(np.isnat(values), np.nan, counts / _PER_SECOND[unit])


def texts(column: "Column", values: np.ndarray) -> Sequence[str | None]:
    """Return values as strings, None where missing; whole numbers and yes or no as Polars writes.

    Raises
    ------
    DataError
        If they are of another sort than in training.
    """
    if column.is_text:
        found = values.tolist()
        if values.dtype.kind == "U" or all(each is None or type(each) is str for each in found):
            return found
        raise _other_sort(column, values)
    if values.dtype.kind in "SUMm" or any(isinstance(each, str) for each in values):
        raise _other_sort(column, values)
    write = _as_bool if column.is_boolean else _as_whole
    try:
        return [None if each is None or each != each else write(each) for each in values.tolist()]
    except (OverflowError, ValueError) as error:
        raise _other_sort(column, values) from error


def _as_bool(value: float) -> str:
    return "true" if value else "false"


def _as_whole(value: float) -> str:
    whole = int(value)
    if whole != value:
        raise ValueError(f"{value} is no whole number")
    return str(whole)


def _as_times(column: "Column", values: np.ndarray) -> np.ndarray:
    """Return Python's times or durations as NumPy's, which know no zones: in UTC."""
    if column.dtype == "Time":
        values = np.array([_since_midnight(each) for each in values], object)
    if column.dtype.startswith(("Duration", "Time")):
        return values.astype("m8[us]")
    return np.array([_in_utc(each) for each in values], "M8[us]")


def _in_utc(value: Any) -> Any:
    is_zoned = isinstance(value, dt.datetime) and value.tzinfo is not None
    return value.astimezone(dt.UTC).replace(tzinfo=None) if is_zoned else value


def _since_midnight(value: Any) -> Any:
    if not isinstance(value, dt.time):
        return value
    return dt.timedelta(0, (value.hour * 60 + value.minute) * 60 + value.second, value.microsecond)


def _other_sort(column: "Column", values: np.ndarray) -> DataError:
    return DataError(
        f"the column is {values.dtype}; the model was trained on {column.dtype}.",
        where=f"feature {column.name!r}",
        fix=f"Give it as {column.dtype}.",
    )
