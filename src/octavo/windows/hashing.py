"""Stable 64-bit hashes of entity keys: the same in every process, machine and version.

* a string is the xxh3-64 of its UTF-8 bytes;
* an integer of any width is the splitmix64 of its 64-bit two's complement, a boolean that of 0 or
  1, a date or datetime that of its microseconds since the epoch, UTC;
* a null is a constant of its own;
* a compound key starts from the hash of its first part and takes in each further part ``p`` as
  ``h = splitmix64(h ^ splitmix64(p))``, so the order of parts matters.

Floats make no keys: equal-looking ones differ, and -0.0 equals 0.0. This module knows nothing of
windows, shards or state.
"""

import datetime as dt
import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
import xxhash

from octavo.errors import DataError, DefinitionError

MASK = 2**64 - 1
GAMMA = 0x9E3779B97F4A7C15
FIRST_MIX = 0xBF58476D1CE4E5B9
SECOND_MIX = 0x94D049BB133111EB

NULL = 0x243F6A8885A308D3
"""Hash of a missing key part: the first 64 bits of the fraction of pi."""

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
MICROSECOND = dt.timedelta(microseconds=1)


def splitmix64(numbers: np.ndarray) -> np.ndarray:
    """Mix uint64 numbers: the first output of the SplitMix64 generator seeded with each.

    Source: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
    """
    mixed = numbers + np.uint64(GAMMA)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(FIRST_MIX)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(SECOND_MIX)
    return mixed ^ (mixed >> np.uint64(31))


def hash_one(*parts: object) -> int:
    """Hash the parts of one key; the same number as ``hash_keys`` gives its row.

    Parameters
    ----------
    parts
        Strings, integers, booleans, dates, datetimes (without a zone: UTC) or None.

    Raises
    ------
    DefinitionError
        A part is of a kind that makes no key, such as a float.
    """
    hashes = [_hash_value(part) for part in parts]
    if not hashes:
        raise _no_columns()
    combined = hashes[0]
    for each in hashes[1:]:
        combined = _mix(combined ^ _mix(each))
    return combined


def hash_key(columns: Sequence[Any]) -> np.ndarray:
    """Hash the key in each row of some columns.

    Parameters
    ----------
    columns
        One array, list or Series per part of the key, of one length.

    Returns
    -------
    numpy.ndarray
        uint64 (rows,).

    Raises
    ------
    DefinitionError
        A column is of a type that makes no key, such as float.
    """
    parts = []
    for place, column in enumerate(columns):
        try:
            parts.append(pl.Series(f"key part {place}", column))
        except (TypeError, OverflowError) as error:
            raise DataError(
                f"{error}.", where=f"key part {place}", fix="Give one type of value per part."
            ) from error
    return _combine(parts)


def hash_keys(frame: pl.DataFrame, columns: Sequence[str]) -> np.ndarray:
    """Hash the key in each row of a frame; like ``hash_key`` of the named columns."""
    return _combine([frame.get_column(name) for name in columns])


def _combine(parts: list[pl.Series]) -> np.ndarray:
    if not parts:
        raise _no_columns()
    hashes = [_hash_series(part) for part in parts]
    combined = hashes[0]
    for each in hashes[1:]:
        combined = splitmix64(combined ^ splitmix64(each))
    return combined


def _hash_series(series: pl.Series) -> np.ndarray:
    kind = series.dtype
    if kind == pl.Null:
        return np.full(len(series), NULL, np.uint64)
    if kind in (pl.String, pl.Categorical, pl.Enum):
        return _hash_strings(series.cast(pl.String))
    if kind == pl.Date:
        series = series.cast(pl.Datetime("us"))
    if series.dtype == pl.Datetime:
        series = series.dt.cast_time_unit("us").to_physical()
    elif kind != pl.Boolean and not (kind.is_integer() and kind not in (pl.Int128, pl.UInt128)):
        raise _no_key(str(kind), series.name)
    width = pl.UInt64 if kind == pl.UInt64 else pl.Int64
    numbers = series.cast(width).fill_null(0).to_numpy().view(np.uint64)
    return np.where(series.is_null().to_numpy(), np.uint64(NULL), splitmix64(numbers))


def _hash_strings(series: pl.Series) -> np.ndarray:
    """Hash each distinct string once: keys repeat."""
    distinct = series.drop_nulls().unique()
    hashes = [xxhash.xxh3_64_intdigest(each.encode()) for each in distinct]
    replaced = series.replace_strict(
        distinct, pl.Series(hashes, dtype=pl.UInt64), default=None, return_dtype=pl.UInt64
    )
    return replaced.fill_null(NULL).to_numpy()


def _hash_value(value: object) -> int:
    if value is None:
        return NULL
    if isinstance(value, str):
        return xxhash.xxh3_64_intdigest(value.encode())
    if isinstance(value, dt.date):
        if not isinstance(value, dt.datetime):
            value = dt.datetime(value.year, value.month, value.day, tzinfo=dt.UTC)
        elif value.tzinfo is None:
            value = value.replace(tzinfo=dt.UTC)
        return _mix((value - EPOCH) // MICROSECOND & MASK)
    if isinstance(value, np.bool_):
        value = bool(value)
    try:
        number = operator.index(value)  # type: ignore[arg-type]
    except TypeError:
        raise _no_key(type(value).__name__, repr(value)) from None
    if not -(2**63) <= number < 2**64:
        raise DataError(
            "an integer key must fit 64 bits.", where=repr(value), fix="Use it as a string."
        )
    return _mix(number & MASK)


def _mix(number: int) -> int:
    """Splitmix64 of one Python integer."""
    mixed = (number + GAMMA) & MASK
    mixed = ((mixed ^ (mixed >> 30)) * FIRST_MIX) & MASK
    mixed = ((mixed ^ (mixed >> 27)) * SECOND_MIX) & MASK
    return mixed ^ (mixed >> 31)


def _no_key(kind: str, where: str) -> DefinitionError:
    return DefinitionError(
        f"a value of type {kind} makes no key.",
        where=where,
        fix="Key by strings, integers, booleans, dates or datetimes; cast the column first.",
    )


def _no_columns() -> DefinitionError:
    return DefinitionError(
        "a key needs at least one column.", where="key", fix="Name the key's columns."
    )
