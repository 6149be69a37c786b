"""Dates and times from text, every common way of writing them.

A moment is a date, optionally followed by a time of day, optionally with a zone:

- dates: ``2013-12-31``, ``2013/12/31``, ``2013.12.31``; ``31.12.2013`` (day first);
  ``12/31/2013`` and ``31/12/2013``, also with dashes. One or two digits for day and month.
- times: after ``T`` or blanks, ``17:05``, ``17:05:10``, ``17:05:10.123456`` (more digits are cut
  off), ``5:05 PM``; a 60th second is the next minute's first.
- zones: ``Z``, ``UTC``, ``GMT``, ``+02:00``, ``+0200``, ``+02``. Without one a time is UTC.

Whether day or month comes first in ``a/b/2013`` is decided over the whole column: the order in
which more values are dates. If both orders fit equally well, the column does not tell, and its
slashed values are not read at all: a guess would be wrong for half of the world.
The module knows nothing of columns' names, types or of what becomes of a text it cannot read.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass

import polars as pl

_TIME = pl.Datetime("us", "UTC")
_LOOKS_LIKE_ONE = r"^\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}"
_PATTERN = (
    r"^(?:(?<year>\d{4})[-/.](?<month>\d{1,2})[-/.](?<day>\d{1,2})"
    r"|(?<first>\d{1,2})(?<mark>[-/.])(?<second>\d{1,2})[-/.](?<last>\d{4}))"
    r"(?:(?:[Tt]|\s+)(?<hours>\d{1,2}):(?<minutes>\d{2})(?::(?<seconds>\d{2})(?:[.,](?<part>\d+))?)?"
    r"\s*(?<half>[AaPp][Mm])?\s*(?<zone>[Zz]|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?$"
)
# Polars reads these without a regular expression, thirty times as fast.
_FAST = ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")
_OPEN_ORDER = re.compile(r"(\d{1,2})[-/](\d{1,2})[-/]\d{4}\b")


@dataclass(frozen=True, slots=True)
class Moments:
    """What a column of texts says about time.

    Attributes
    ----------
    when
        Datetime[µs, UTC]; null where the text is no moment. A date is its midnight.
    timed
        Boolean: a time of day is written; null where ``when`` is.
    """

    when: pl.Series
    timed: pl.Series


def read_moments(text: pl.Series) -> Moments:
    """Read a String series without surrounding blanks."""
    empty = pl.DataFrame(schema={"when": _TIME, "timed": pl.Boolean}).clear(text.len())
    when, timed = empty["when"].alias(text.name), empty["timed"].alias(text.name)
    rows = text.str.contains(_LOOKS_LIKE_ONE).arg_true()
    left = pl.DataFrame({"row": rows, "text": text.gather(rows)})
    for read in (*map(_by_format, _FAST), _by_date_format, _by_parts):
        if left.is_empty():
            break
        done = read(left)
        found = done.filter(pl.col("when").is_not_null())
        when = when.scatter(found["row"], found["when"])
        timed = timed.scatter(found["row"], found["timed"])
        left = done.filter(pl.col("when").is_null()).select("row", "text")
    return Moments(when, timed)


def open_order(value: str) -> bool:
    """Return whether a text is a date whose day and month could change places."""
    match = _OPEN_ORDER.match(value)
    return match is not None and all(1 <= int(part) <= 12 for part in match.groups())


def _by_format(pattern: str) -> Callable[[pl.DataFrame], pl.DataFrame]:
    parsed = pl.col("text").str.to_datetime(pattern, strict=False, time_unit="us")
    return lambda frame: frame.with_columns(
        when=_in_calendar(parsed.dt.replace_time_zone("UTC")), timed=pl.lit(True)
    )


def _by_date_format(frame: pl.DataFrame) -> pl.DataFrame:
    parsed = pl.col("text").str.to_date("%Y-%m-%d", strict=False)
    return frame.with_columns(when=_in_calendar(_midnight(parsed)), timed=pl.lit(False))


def _by_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """Read whatever the pattern takes apart, and decide the order of slashed dates."""
    parts = frame.with_columns(pl.col("text").str.extract_groups(_PATTERN).alias("p")).unnest("p")
    dates = parts.select(
        iso=_date("year", "month", "day"),
        day_first=_date("last", "second", "first"),
        month_first=pl.when(pl.col("mark") != ".").then(_date("last", "first", "second")),
        dotted=pl.col("mark") == ".",
    )
    slashed = dates.filter(~pl.col("dotted"))
    days, months = (slashed[c].count() for c in ("day_first", "month_first"))
    same = slashed["day_first"].eq_missing(slashed["month_first"]).all()
    order = "day_first" if days > months or same else "month_first" if months > days else "neither"
    by_order = pl.when(pl.col("dotted")).then("day_first")
    if order != "neither":
        by_order = by_order.otherwise(order)
    date = _midnight(pl.coalesce("iso", by_order))
    moved = parts.select(time=_time_of_day(), offset=_offset())
    return frame.with_columns(
        dates.select(when=_in_calendar(date + moved["time"] - moved["offset"])).to_series(),
        parts["hours"].is_not_null().alias("timed"),
    )


def _date(year: str, month: str, day: str) -> pl.Expr:
    return pl.concat_str(year, month, day, separator="-").str.to_date("%Y-%m-%d", strict=False)


def _midnight(date: pl.Expr) -> pl.Expr:
    return date.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _in_calendar(when: pl.Expr) -> pl.Expr:
    """Keep the years 1 to 9999, which is what every reader of the tables knows."""
    return pl.when(when.dt.year().is_between(1, 9999)).then(when)


def _time_of_day() -> pl.Expr:
    """Return the duration since midnight; zero where none is written, null where it is none."""
    hours, minutes, seconds = (
        pl.col(c).cast(pl.Int64).fill_null(0) for c in ("hours", "minutes", "seconds")
    )
    half = pl.col("half").str.to_lowercase()
    noon = pl.when(half == "pm").then(12).otherwise(0)
    twelve = pl.when(hours.is_between(1, 12)).then(hours % 12 + noon)
    hours = pl.when(half.is_null()).then(pl.when(hours <= 23).then(hours)).otherwise(twelve)
    part = pl.col("part").fill_null("").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    whole = pl.when((minutes <= 59) & (seconds <= 60)).then(hours * 3600 + minutes * 60 + seconds)
    return pl.duration(microseconds=whole * 1_000_000 + part)


def _offset() -> pl.Expr:
    """Return how far the zone is ahead of UTC; zero where none is written."""
    digits = pl.col("zone").str.extract(r"^[+-](.*)$").str.replace(":", "", literal=True)
    hours, minutes = (digits.str.slice(at, 2).cast(pl.Int64, strict=False) for at in (0, 2))
    minutes = hours * 60 + minutes.fill_null(0)
    signed = pl.when(pl.col("zone").str.starts_with("-")).then(-minutes).otherwise(minutes)
    return pl.duration(minutes=signed.fill_null(0))
