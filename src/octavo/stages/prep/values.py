"""What windows observe, as the kernel's float64 and back: numbers, texts and times.

A text travels as its 64-bit hash; a *dictionary* (columns ``hash``, UInt64, and ``text``, String,
sorted by hash, each hash once) tells what stood behind it. Knows nothing of views or of state.
"""

import enum
from collections.abc import Sequence

import numpy as np
import polars as pl

from octavo.definition.events import TIMESTAMP, to_microseconds
from octavo.windows import category_bits, category_hashes, hash_keys


class Kind(enum.StrEnum):
    """How the values of a lane are to be understood."""

    NUMBERS = "numbers"
    """Booleans are 0 and 1."""
    TEXTS = "texts"
    TIMES = "times"
    """Dates and datetimes, as microseconds since the epoch: exact up to the year 2255."""


_OF_ANY = ("count", "first", "last", "lag", "n_unique", "top", "since_first", "since_last")
TAKEN: dict[Kind, tuple[str, ...]] = {Kind.TEXTS: _OF_ANY, Kind.TIMES: ("min", "max", *_OF_ANY)}
"""The aggregates that mean something; of numbers, all of them do."""

_VALUES = ("min", "max", "first", "last", "lag", "top")
"""The aggregates that are themselves values of the lane."""

DICTIONARY = {"hash": pl.UInt64, "text": pl.String}


def kind_of(dtype: pl.DataType) -> Kind | None:
    """Return the kind of a column's values; None if a window cannot observe them."""
    if dtype.is_numeric() or dtype == pl.Boolean:
        return Kind.NUMBERS
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return Kind.TEXTS
    return Kind.TIMES if dtype in (pl.Date, pl.Datetime) else None


def result_type(kind: Kind, aggregate: str) -> pl.DataType:
    """Return the type of an aggregate's column."""
    if aggregate in _VALUES and kind is Kind.TEXTS:
        return pl.String()
    return TIMESTAMP if aggregate in _VALUES and kind is Kind.TIMES else pl.Float64()


def to_floats(values: pl.Series, kind: Kind) -> np.ndarray:
    """Return values as the kernel takes them; NaN for null."""
    if kind is Kind.TEXTS:
        bits = category_bits(hash_keys(values.to_frame(), [values.name]))
        return np.where(values.is_null().to_numpy(), np.nan, bits)
    if kind is Kind.TIMES:
        values = to_microseconds(values)
    return values.cast(pl.Float64).fill_null(float("nan")).to_numpy()


def from_floats(
    name: str, floats: np.ndarray, dtype: pl.DataType, dictionaries: Sequence[pl.DataFrame]
) -> pl.Series:
    """Return the kernel's results as a column; NaN, and a hash without a text, are null."""
    if dtype == pl.String:
        found = [_texts(floats, dictionary) for dictionary in dictionaries]
        return pl.select(pl.coalesce(found)).to_series().alias(name)
    found = pl.Series(name, floats, nan_to_null=True)
    return found if dtype == pl.Float64 else found.cast(pl.Int64).cast(dtype)


def _texts(floats: np.ndarray, dictionary: pl.DataFrame) -> pl.Series:
    hashes = category_hashes(floats)  # a NaN becomes the hash of nothing
    known = dictionary["hash"].to_numpy()
    places = np.searchsorted(known, hashes)
    there = places < known.size
    there[there] = known[places[there]] == hashes[there]
    indices = pl.Series(np.where(there, places, -1)).replace(-1, None)
    return dictionary["text"].gather(indices)


def dictionary_of(texts: pl.Series, floats: np.ndarray) -> pl.DataFrame:
    """Return the dictionary of a column of texts, given as what they are to the kernel too."""
    table = pl.DataFrame({"hash": category_hashes(floats), "text": texts.cast(pl.String)})
    return joined(table.drop_nulls("text"))


def joined(*dictionaries: pl.DataFrame) -> pl.DataFrame:
    """Return one dictionary of several."""
    return pl.concat([pl.DataFrame(schema=DICTIONARY), *dictionaries]).unique("hash").sort("hash")
