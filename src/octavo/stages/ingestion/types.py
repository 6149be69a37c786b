"""From text to typed columns: what a value may be, decided over the whole column.

Six types exist in a dataset: ``Int64``, ``Float64``, ``Boolean``, ``Date``,
``Datetime("us", "UTC")`` and ``String``. The module knows nothing of files and records.

How a text is read:

- Null is one of `NULL_TOKENS`, spelled exactly so, in String columns too.
- Blanks around a value are ignored, except in a String column, where they belong to the value.
- An integer is ``[+-]digits`` within 64 bits. A number is what Python's ``float`` takes without
  underscores: infinity by name is one, ``1e400`` and further spellings of ``nan`` are none.
- Digits with a leading zero (``007``) are a code, not a number: one of them makes a column String.
  So does a whole number beyond 64 bits where all are whole: these are identifiers.
- Booleans are ``true``, ``True``, ``TRUE`` and ``false``, ``False``, ``FALSE``; ``yes`` and ``no``
  stay String, ``0`` and ``1`` are integers.
- Dates and times are read by `octavo.stages.ingestion.moments`.
- A column without any value is String. If a later batch brings values, declare its type.
"""

import datetime as dt
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

import polars as pl
from polars.exceptions import PolarsError

from octavo.errors import DefinitionError
from octavo.stages.ingestion.evidence import TIME, Evidence
from octavo.stages.ingestion.moments import Order, open_order, read_moments, survey

NULL_TOKENS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "None", "-", "?")
"""The texts that mean "no value"."""

_TRUE, _FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
_CODE = r"^[+-]?0[0-9]"
_WHOLE = r"^[+-]?[0-9]+$"
_EXACT = 2.0**53  # whole floats up to here are integers without doubt
_SHOWN = 60  # characters of a value quoted in a reason

_NOUNS: dict[pl.DataType, str] = {
    pl.Int64(): "an integer",
    pl.Float64(): "a number",
    pl.Boolean(): "true or false",
    pl.Date(): "a date",
    TIME: "a date and time",
}


@dataclass(frozen=True, slots=True)
class Typed:
    """One column after its type was decided.

    Attributes
    ----------
    values
        The typed values; null where the source has none and where the text does not fit.
    bad
        Boolean, same length: a value is there and does not fit the type.
    """

    values: pl.Series
    bad: pl.Series


@dataclass(frozen=True, slots=True)
class Declared:
    """A column type given by the user.

    Attributes
    ----------
    dtype
        One of the dataset's types.
    pattern
        How dates or times are written, in the directives of ``strptime``; None: as usual.
    """

    dtype: pl.DataType
    pattern: str | None = None


@dataclass(frozen=True, slots=True)
class Column:
    """What is known or thought of a column while it is read.

    Attributes
    ----------
    name, dtype
        Its name and type.
    order
        What comes first in slashed dates.
    pattern
        How dates or times are written, where declared.
    codes
        Digits with leading zeros are numbers: the user said that they are.
    is_open
        The values decide of the type, or of the order.
    every
        In one of how many parts to look what texts are: that suffices to be sure of the whole.
    """

    name: str
    dtype: pl.DataType
    order: Order = "neither"
    pattern: str | None = None
    codes: bool = False
    is_open: bool = False
    every: int = 1


def storable(dtype: pl.DataType) -> pl.DataType | None:
    """Return the dataset type that holds the values of ``dtype``, or None.

    Integers widen to Int64, floats and decimals to Float64, every Datetime becomes microseconds
    in UTC (one without a zone is taken as UTC), categories become String.
    """
    if dtype.is_integer():
        return pl.Int64()
    if dtype.is_float() or dtype.is_decimal():
        return pl.Float64()
    if isinstance(dtype, pl.Datetime):
        return TIME
    if isinstance(dtype, pl.String | pl.Categorical | pl.Enum | pl.Null):
        return pl.String()
    return dtype if isinstance(dtype, pl.Boolean | pl.Date) else None


def declared(overrides: Mapping[str, object], *, where: str) -> dict[str, Declared]:
    """Return the user's types, or say which cannot be one.

    Parameters
    ----------
    overrides
        Column to a Polars type, or to the format of its dates or times (``"%d/%m/%Y %H:%M"``).
    where
        Place named in an error.

    Raises
    ------
    DefinitionError
        If a declaration is neither a type of a dataset nor a format.
    """
    types: dict[str, Declared] = {}
    for name, given in overrides.items():
        kind = given() if isinstance(given, type) and issubclass(given, pl.DataType) else given
        dtype = storable(kind) if isinstance(kind, pl.DataType) else None
        if isinstance(kind, str) and (dtype := _written_as(kind)):
            types[name] = Declared(dtype, kind)
        elif dtype is None or isinstance(kind, pl.Null):
            raise DefinitionError(
                f"column {name!r} is declared as {given!r}, which a dataset cannot hold.",
                where=where,
                fix="Declare Int64, Float64, Boolean, Date, Datetime or String, or the format of "
                "its dates, such as '%d/%m/%Y'.",
            )
        else:
            types[name] = Declared(dtype)
    return types


def infer(text: pl.Series) -> Typed:
    """Decide the type of a column of texts from all its values, and read them."""
    found = examine(text)
    return cast(text, found.dtype() or pl.String(), order=found.order)


def examine(text: pl.Series, nulls: Sequence[str] = NULL_TOKENS) -> Evidence:
    """Return what the values of a column, or of a part of one, say about its type."""
    present = _present(text, nulls)
    numbers = _numbers(present)
    codes = int(present.str.contains(_CODE).sum())
    found = Evidence(present.count(), codes=codes, numbers=numbers.count())
    if numbers.count():
        integers = present.cast(pl.Int64, strict=False)
        fractions = numbers.is_not_null() & ~present.str.contains(_WHOLE)
        beyond = numbers.count() - integers.count()
        broken = numbers.count() - _whole(present).count() if beyond else 0
        found += Evidence(beyond=beyond, fractions=int(fractions.sum()), broken=broken)
    if numbers.count() < found.present:
        found += Evidence(booleans=_booleans(present).count())
        found += Evidence.of_moments(survey(present))
    return found


def take(
    text: pl.Series, column: Column, *, nulls: Sequence[str] = NULL_TOKENS, look: bool = True
) -> tuple[Typed, Evidence]:
    """Read a part of a column as the type it is thought to have; say what speaks for that.

    The answer is that of `cast` and, if the column is open, of `examine`, found at less cost where
    every value fits.

    Parameters
    ----------
    text
        String series.
    column
        What the evidence seen before decides for.
    nulls
        Which texts mean "no value".
    look
        Whether to look at each value of an open column that is thought to be text.
    """
    if isinstance(column.dtype, pl.String):
        missing = text.is_in(nulls)
        values = _only(text, ~missing) if missing.any() else text
        seen = column.is_open and look
        found = examine(text, nulls) if seen else Evidence(values.count(), unseen=values.count())
        return Typed(values, _none(text)), found
    values = _plainly(text, column)
    left = (values.is_null() & text.is_not_null()).arg_true()
    found, bad = _fitting(column.dtype, values.count()), _none(text)
    if left.is_empty():
        return Typed(values, bad), found
    rest = text.gather(left)
    how = {"pattern": column.pattern, "codes": column.codes, "nulls": nulls, "order": column.order}
    typed = cast(rest, column.dtype, **how)
    if column.is_open:
        found += examine(rest, nulls)
    return Typed(values.scatter(left, typed.values), bad.scatter(left, typed.bad)), found


def _plainly(text: pl.Series, column: Column) -> pl.Series:
    """Read the values that need no second look; null where one does."""
    dtype = column.dtype
    if column.pattern:
        return pl.Series(text.name, [], dtype).extend_constant(None, text.len())
    if isinstance(dtype, pl.Boolean):
        return _booleans(text)
    if dtype.is_temporal():
        moments = read_moments(text, "neither")
        is_date = isinstance(dtype, pl.Date)
        values = moments.when.dt.date() if is_date else moments.when
        return (
            values if (moments.timed != is_date).all() else _only(values, moments.timed != is_date)
        )
    values = text.cast(dtype, strict=False)
    if isinstance(dtype, pl.Float64) and not values.is_finite().all():
        values = _only(values, values.is_finite())
    if column.codes:
        return values
    begun = [text.str.starts_with(mark) for mark in ("0", "-0", "+0", "0.")]
    doubtful = (begun[0] & ~begun[3]) | begun[1] | begun[2]
    if text.filter(doubtful).str.contains(_CODE).any():
        values = _only(values, ~text.str.contains(_CODE))
    return values


def _fitting(dtype: pl.DataType, present: int) -> Evidence:
    if dtype.is_numeric():
        return Evidence(present, numbers=present)
    if isinstance(dtype, pl.Boolean):
        return Evidence(present, booleans=present)
    dates = present if isinstance(dtype, pl.Date) else 0
    return Evidence(present, moments=present, dates=dates)


def _none(values: pl.Series) -> pl.Series:
    return pl.repeat(False, values.len(), dtype=pl.Boolean, eager=True)


def cast(
    text: pl.Series,
    dtype: pl.DataType,
    *,
    pattern: str | None = None,
    codes: bool = False,
    nulls: Sequence[str] = NULL_TOKENS,
    order: Order | None = None,
) -> Typed:
    """Read a column of texts as a known type; what does not fit is bad.

    Parameters
    ----------
    text
        String series.
    dtype
        One of the dataset's types.
    pattern
        The format of dates or times, where declared.
    codes
        Take digits with leading zeros as numbers: the user said that they are.
    nulls
        Which texts mean "no value".
    order
        What comes first in slashed dates; None: this column tells.
    """
    if isinstance(dtype, pl.String):
        return Typed(_only(text, ~text.is_in(nulls)), _none(text))
    present = _present(text, nulls)
    if pattern is not None:
        return _typed(_by_pattern(present, dtype, pattern), present)
    if isinstance(dtype, pl.Int64):
        values = _whole(present)
    elif isinstance(dtype, pl.Float64):
        values = _numbers(present)
    elif isinstance(dtype, pl.Boolean):
        values = _booleans(present)
    else:
        moments = read_moments(present, order)
        values = moments.when
        if isinstance(dtype, pl.Date):
            values = _only(values.dt.date(), ~moments.timed)
    if dtype.is_numeric() and not codes:
        values = _only(values, ~present.str.contains(_CODE))
    return _typed(values, present)


def reason(value: str, dtype: pl.DataType) -> str:
    """Say why a value does not fit a type."""
    shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
    noun = _NOUNS[dtype]
    if dtype.is_numeric() and re.match(_CODE, value.strip()):
        return f"{shown!r} is a code with leading zeros, not {noun}"
    if dtype.is_temporal() and open_order(value.strip()):
        return f"{shown!r} leaves open which is the day and which the month"
    return f"{shown!r} is not {noun}"


def _present(text: pl.Series, nulls: Sequence[str] = NULL_TOKENS) -> pl.Series:
    stripped = text.str.strip_chars()
    return _only(stripped, ~stripped.is_in(nulls))


def _only(values: pl.Series, keep: pl.Series) -> pl.Series:
    return pl.select(pl.when(keep).then(values).alias(values.name)).to_series()


def _typed(values: pl.Series, present: pl.Series) -> Typed:
    return Typed(values, values.is_null() & present.is_not_null())


def _numbers(present: pl.Series) -> pl.Series:
    values = present.cast(pl.Float64, strict=False)
    if values.is_finite().all():
        return values
    named = values.is_infinite() & present.str.contains("(?i)inf")
    return _only(values, values.is_finite() | named)


def _whole(present: pl.Series) -> pl.Series:
    """Return integers, also those written as floats without a fraction (``3.0``)."""
    values = present.cast(pl.Int64, strict=False)
    if values.count() == present.count():
        return values
    numbers = _numbers(present)
    exact = (numbers == numbers.floor()) & (numbers.abs() <= _EXACT)
    return values.zip_with(values.is_not_null(), _only(numbers, exact).cast(pl.Int64))


def _booleans(present: pl.Series) -> pl.Series:
    true, false = (reduce(or_, [present == word for word in words]) for words in (_TRUE, _FALSE))
    return _only(true, true | false)


def _written_as(pattern: str) -> pl.DataType | None:
    """Return what a format of strptime describes: a date, a time, or None if it tells no day."""
    moment = pl.Series([dt.datetime(2001, 2, 3, 4, 5, 6, tzinfo=dt.UTC)], dtype=TIME)
    dtype = TIME if re.search(r"%[-_0.:#]*[0-9]?[HIMSTRXcfpPkrlszZ+]", pattern) else pl.Date()
    try:
        read = _by_pattern(moment.dt.strftime(pattern), dtype, pattern)
    except PolarsError:
        return None
    return dtype if (read.dt.date() == moment.dt.date()).any() else None


def _by_pattern(present: pl.Series, dtype: pl.DataType, pattern: str) -> pl.Series:
    if isinstance(dtype, pl.Date):
        return present.str.to_date(pattern, strict=False)
    zone = "UTC" if re.search("%[:#]*z", pattern) else None
    values = present.str.to_datetime(pattern, time_unit="us", time_zone=zone, strict=False)
    return values if zone else values.dt.replace_time_zone("UTC")
