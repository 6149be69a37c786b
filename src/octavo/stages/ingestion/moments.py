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

import datetime as dt
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

import polars as pl

_TIME = pl.Datetime("us", "UTC")
_FIRST = pl.lit(dt.datetime(1, 1, 1, tzinfo=dt.UTC))
_LAST = pl.lit(dt.datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=dt.UTC))
_LOOKS_LIKE_ONE = r"^[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}"
_PATTERN = (
    r"^(?:(?<year>[0-9]{4})[-/.](?<month>[0-9]{1,2})[-/.](?<day>[0-9]{1,2})"
    r"|(?<first>[0-9]{1,2})(?<mark>[-/.])(?<second>[0-9]{1,2})[-/.](?<last>[0-9]{4}))"
    r"(?:(?:[Tt]|\s+)(?<hours>[0-9]{1,2}):(?<minutes>[0-9]{2})"
    r"(?::(?<seconds>[0-9]{2})(?:[.,](?<part>[0-9]+))?)?"
    r"\s*(?<half>[AaPp][Mm])?\s*(?<zone>[Zz]|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?)?$"
)
_SLASHED = {
    "row": pl.UInt32,
    "day_first": _TIME,
    "month_first": _TIME,
    "timed": pl.Boolean,
    "day": pl.Date,
    "month": pl.Date,
}
_OPEN_ORDER = re.compile(r"([0-9]{1,2})[-/]([0-9]{1,2})[-/][0-9]{4}\b")


Order = Literal["day_first", "month_first", "neither"]
"""Which of day and month comes first in slashed dates; neither: the column does not tell."""


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


class Slashed(NamedTuple):
    """How many slashed dates are dates in either order, and in how many cases it matters."""

    days: int
    months: int
    differing: int

    @property
    def order(self) -> Order:
        """What comes first: the order in which more of them are dates."""
        if self.days > self.months or not self.differing:
            return "day_first"
        return "month_first" if self.months > self.days else "neither"


class Survey(NamedTuple):
    """How many texts are moments, and how many of these dates without a time of day."""

    plain: tuple[int, int]
    """Those that do not depend on the order of day and month."""
    day_first: tuple[int, int]
    """Slashed ones, if they are read so."""
    month_first: tuple[int, int]
    slashed: Slashed


def read_moments(text: pl.Series, order: Order | None = None) -> Moments:
    """Read a String series without surrounding blanks.

    Parameters
    ----------
    text
        The series.
    order
        What comes first in slashed dates; None: these texts tell.
    """
    found, slashed = _read(text)
    order = order or _told(slashed).order
    if order == "neither" or slashed.is_empty():
        return found
    read = slashed.filter(pl.col(order).is_not_null())
    return Moments(
        found.when.scatter(read["row"], read[order]),
        found.timed.scatter(read["row"], read["timed"]),
    )


def survey(text: pl.Series) -> Survey:
    """Count the moments in a String series without surrounding blanks."""
    found, slashed = _read(text)
    dates = slashed.filter(~pl.col("timed"))
    return Survey(
        (found.when.count(), int((~found.timed).sum())),
        (slashed["day_first"].count(), dates["day_first"].count()),
        (slashed["month_first"].count(), dates["month_first"].count()),
        _told(slashed),
    )


def _read(text: pl.Series) -> tuple[Moments, pl.DataFrame]:
    """Read what does not depend on the order of day and month; take apart what does.

    The second frame has a row for each slashed date: its place, what it is in either order, whether
    a time is written, and whether its date alone is one in either order (``day``, ``month``).
    """
    looks = text.str.contains(_LOOKS_LIKE_ONE)
    if usual := _in_one_format(text, looks):
        return usual, pl.DataFrame(schema=_SLASHED)
    rows = looks.arg_true()
    left = pl.DataFrame({"row": rows, "text": text.gather(rows)})
    empty = pl.DataFrame(schema={"when": _TIME, "timed": pl.Boolean}).clear(text.len())
    when, timed = empty["when"].alias(text.name), empty["timed"].alias(text.name)
    slashed = pl.DataFrame(schema=_SLASHED)
    for read in (*_FORMATS, _by_parts):
        if left.is_empty():
            break
        done = read(left)
        found = done.filter(pl.col("when").is_not_null())
        when = when.scatter(found["row"], found["when"])
        timed = timed.scatter(found["row"], found["timed"])
        left = done.filter(pl.col("when").is_null()).select(pl.exclude("when", "timed"))
        if read is _by_parts:
            slashed = done.filter("slashed").select(list(_SLASHED))
    return Moments(when, timed), slashed


def _in_one_format(text: pl.Series, looks: pl.Series) -> Moments | None:
    """Read a column whose moments are all written alike, as most are; None if they are not."""
    first = looks.arg_max()
    read = None if first is None else _format_of(text[first])
    if read is None:
        return None
    done = read(pl.DataFrame({"text": text}))
    if not looks.all():
        done = done.select(pl.when(looks).then(n).alias(n) for n in ("when", "timed"))
    if done["when"].count() != looks.sum():
        return None
    timed = pl.when(pl.col("when").is_not_null()).then("timed")
    return Moments(*done.select(pl.col("when").alias(text.name), timed).get_columns())


def _format_of(text: str | None) -> "_Read | None":
    """Return the first of the formats in which a text is written; None if there is none."""
    if text is None:
        return None
    shape = _DIGITS.sub("0", text)
    if shape not in _SHAPES:
        frame = pl.DataFrame({"text": [text]})
        found = next((read for read in _FORMATS if read(frame)["when"].count()), None)
        if found is None or len(_SHAPES) >= _MOST_SHAPES or len(shape) > _LONGEST_SHAPE:
            return found  # it may be no date, of a known shape
        _SHAPES[shape] = found
    return _SHAPES[shape]


def _told(slashed: pl.DataFrame) -> Slashed:
    days, months = slashed["day"], slashed["month"]
    return Slashed(days.count(), months.count(), int(days.ne_missing(months).sum()))


def open_order(value: str) -> bool:
    """Return whether a text is a date whose day and month could change places."""
    match = _OPEN_ORDER.match(value)
    return match is not None and all(1 <= int(part) <= 12 for part in match.groups())


def _by_format(pattern: str, shape: str = "") -> Callable[[pl.DataFrame], pl.DataFrame]:
    """Return what reads texts by a pattern of Polars; only those of a shape, if it is given."""
    text = pl.when(pl.col("text").str.contains(shape)).then("text") if shape else pl.col("text")
    parsed = text.str.to_datetime(pattern, strict=False, time_unit="us")
    return lambda frame: frame.with_columns(
        when=_in_calendar(parsed.dt.replace_time_zone("UTC")), timed=pl.lit(True)
    )


def _by_date_format(frame: pl.DataFrame) -> pl.DataFrame:
    parsed = pl.col("text").str.to_date("%Y-%m-%d", strict=False)
    return frame.with_columns(when=_in_calendar(_midnight(parsed)), timed=pl.lit(False))


def _by_parts(frame: pl.DataFrame) -> pl.DataFrame:
    """Read whatever the pattern takes apart; what is slashed in both orders."""
    parts = frame.with_columns(pl.col("text").str.extract_groups(_PATTERN).alias("p")).unnest("p")
    moved = parts.select(time=_time_of_day(), offset=_offset())
    slashed = (pl.col("mark") != ".").fill_null(False)
    parts = parts.with_columns(
        slashed=slashed,
        plain=pl.coalesce(
            _date("year", "month", "day"), pl.when(~slashed).then(_date("last", "second", "first"))
        ),
        day=pl.when(slashed).then(_date("last", "second", "first")),
        month=pl.when(slashed).then(_date("last", "first", "second")),
        timed=pl.col("hours").is_not_null(),
    )

    def moment(date: str) -> pl.Expr:
        return _in_calendar(_midnight(pl.col(date)) + moved["time"] - moved["offset"])

    return parts.with_columns(
        when=moment("plain"), day_first=moment("day"), month_first=moment("month")
    )


_Read = Callable[[pl.DataFrame], pl.DataFrame]
_DIGITS = re.compile("[0-9]")
_MOST_SHAPES, _LONGEST_SHAPE = 1_000, 64
_SHAPES: dict[str, _Read] = {}
"""Formats by texts read in them, each digit a 0: to try all costs more than a small column."""

# Polars reads these without taking them apart, up to thirty times as fast.
_SECONDS = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_FORMATS = (
    *map(_by_format, ("%Y-%m-%dT%H:%M:%SZ", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S")),
    _by_date_format,
    # As JavaScript and Python write them.
    _by_format("%Y-%m-%dT%H:%M:%S%.fZ", _SECONDS + r"\.[0-9]+Z$"),
    _by_format("%Y-%m-%dT%H:%M:%S%.f%:z", _SECONDS + r"(\.[0-9]+)?[+-][0-9]{2}:[0-9]{2}$"),
)


def _date(year: str, month: str, day: str) -> pl.Expr:
    return pl.concat_str(year, month, day, separator="-").str.to_date("%Y-%m-%d", strict=False)


def _midnight(date: pl.Expr) -> pl.Expr:
    return date.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")


def _in_calendar(when: pl.Expr) -> pl.Expr:
    """Keep the years 1 to 9999, which is what every reader of the tables knows."""
    return pl.when(when.is_between(_FIRST, _LAST)).then(when)


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
