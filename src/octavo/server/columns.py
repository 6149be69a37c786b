"""Features as they come in tables and in JSON: a column each, as `Model.predict_features` takes it.

A frame, or a list of values, is read as the feature's own type; another sort of value is an error
that names the feature. Of a feature that is missing it knows nothing: the model says so.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, time, timedelta
from typing import Any

import msgspec
import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.errors import DataError
from octavo.server.v2.datatypes import sort_of

Columns = dict[str, np.ndarray]

_VALUES: Mapping[str, Any] = {
    "number": list[int | float | None],
    "boolean": list[bool | None],
    "text": list[str | None],
    "moment": list[datetime | None],
    "duration": list[timedelta | None],
}
_TIMES: Any = list[time | None]
_TRUTHS = {"true": True, "false": False}
_DAY = len("2026-01-31")


def of_lists(values: Mapping[str, Sequence[Any]], features: Mapping[str, str]) -> Columns:
    """Return the columns of features, given values of JSON; others are left aside.

    Parameters
    ----------
    features
        Name to Polars dtype, printed.

    Raises
    ------
    DataError
        If one is of another length or of another sort.
    """
    given = {name: values[name] for name in features if name in values}
    rows = {len(each) for each in given.values()}
    if len(rows) > 1:
        raise DataError(
            f"columns have {min(rows)} to {max(rows)} values.", fix="Send equally many."
        )
    return {name: _of_list(name, features[name], each) for name, each in given.items()}


def _of_list(name: str, dtype: str, values: Sequence[Any]) -> np.ndarray:
    sort = sort_of(dtype)
    known = [None if value != value else value for value in values]  # NaN is not itself
    if sort == "moment":
        known = [_with_time(each) for each in known]
    try:
        found: list[Any] = msgspec.convert(known, _TIMES if dtype == "Time" else _VALUES[sort])
        if sort == "text" or dtype == "Time":
            return np.array(found, object)
        if sort == "moment":
            return np.array([_naive(each) for each in found], "M8[us]")
        if sort == "duration":
            return np.array(found, "m8[us]")
        own = np.bool_ if sort == "boolean" else np.int64
        exact = sort == "boolean" or dtype.startswith(("Int", "UInt"))
        whole = exact and all(type(each) in (int, bool) for each in found)
        return np.array(found, own if whole else np.float64)
    except (msgspec.ValidationError, OverflowError) as error:
        raise DataError(
            f"{error}.", where=f"feature {name!r}", fix=f"Give values of {dtype}."
        ) from error


def _with_time(value: Any) -> Any:
    """Return a day as its first moment; all else as it is."""
    return f"{value}T00:00:00" if isinstance(value, str) and len(value) == _DAY else value


def _naive(value: datetime | None) -> datetime | None:
    if value is None or value.tzinfo is None:
        return value
    return value.astimezone(UTC).replace(tzinfo=None)


def of_frame(frame: pl.DataFrame, features: Mapping[str, str]) -> Columns:
    """Return the columns of features, given a table; others are left aside.

    Raises
    ------
    DataError
        If one is of another sort.
    """
    return _each(frame, features, _of_series)


def _each(
    frame: pl.DataFrame,
    types: Mapping[str, Any],
    read: Callable[[pl.Series, Any], Any],
    where: str = "feature",
) -> dict[str, Any]:
    """Return the columns that have a type, each as it is read.

    Raises
    ------
    DataError
        What ``read`` raises, and where Polars cannot make the one of the other.
    """
    found, there = {}, {*frame.columns}
    for name in (name for name in types if name in there):
        try:
            found[name] = read(frame[name], types[name])
        except (PolarsError, PanicException) as error:
            raise DataError(
                f"{str(error).splitlines()[0]}.",
                where=f"{where} {name!r}",
                fix=f"Give values of {types[name]}.",
            ) from error
    return found


def _of_series(series: pl.Series, dtype: str) -> np.ndarray:
    sort, own = sort_of(dtype), sort_of(str(series.dtype))
    if series.dtype != pl.Null and (sort != own or series.dtype.is_nested()):
        raise DataError(
            f"the column is {series.dtype}.",
            where=f"feature {series.name!r}",
            fix=f"Give it as {dtype}.",
        )
    if sort == "text":
        return series.cast(pl.String).to_numpy()
    if sort in ("number", "boolean"):
        exact = not series.null_count() and (series.dtype.is_integer() or sort == "boolean")
        return series.to_numpy() if exact else series.cast(pl.Float64).to_numpy()
    if isinstance(series.dtype, pl.Datetime):
        series = series.dt.replace_time_zone(None) if series.dtype.time_zone == "UTC" else series
    return series.to_numpy()


def as_events(frame: pl.DataFrame, schema: Mapping[str, Any]) -> pl.DataFrame:
    """Return a table as one of events; a column that is not there is null.

    Parameters
    ----------
    schema
        Columns of the events, with their Polars types.

    Raises
    ------
    DataError
        If a column is unknown or of another sort.
    """
    for name in frame.columns:
        if name not in schema:
            raise DataError(
                "the events have no such column.",
                where=f"column {name!r}",
                fix=f"They have {', '.join(schema)}.",
            )
    there = _each(frame, schema, _as_event, "column")
    absent = [pl.lit(None, dtype).alias(n) for n, dtype in schema.items() if n not in there]
    return pl.DataFrame(there).with_columns(absent).select(list(schema))


def _as_event(series: pl.Series, dtype: Any) -> pl.Series:
    same = sort_of(str(series.dtype)) == sort_of(str(dtype)) and not series.dtype.is_nested()
    if series.dtype != pl.Null and (not same or series.dtype.is_float() > dtype.is_float()):
        raise DataError(
            f"it is {series.dtype}.", where=f"column {series.name!r}", fix=f"Send it as {dtype}."
        )
    if isinstance(series.dtype, pl.Datetime) and series.dtype.time_zone is None:
        series = series.dt.replace_time_zone("UTC")
    return series.cast(dtype)


def of_texts(frame: pl.DataFrame, features: Mapping[str, str]) -> Columns:
    """Return the columns of features, given a table of texts, such as CSV.

    Raises
    ------
    DataError
        As `of_frame` does, naming the first text that is no value.
    """
    return _each(frame, features, _of_text)


def _of_text(series: pl.Series, dtype: str) -> np.ndarray:
    if sort_of(dtype) == "duration":  # as in JSON; Polars reads none of texts
        return _of_list(series.name, dtype, series.to_list())
    return _of_series(_parsed(series, dtype), dtype)


def _parsed(series: pl.Series, dtype: str) -> pl.Series:
    sort = sort_of(dtype)
    if sort == "text":
        return series
    if sort == "boolean":
        return series.str.to_lowercase().replace_strict(_TRUTHS, return_dtype=pl.Boolean)
    if sort == "moment":
        return series.str.to_datetime(time_unit="us", strict=True)
    whole = dtype.startswith(("Int", "UInt"))
    return series.cast(pl.Int64 if whole and not _has_point(series) else pl.Float64)


def _has_point(series: pl.Series) -> bool:
    """Return whether whole numbers are written otherwise, as pandas does where some are missing."""
    return bool(series.str.contains(r"[.eEnN]").any())
