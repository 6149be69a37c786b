"""Calendar features of dates and times, as the row expressions a user could write out."""

import math
from collections.abc import Callable, Sequence

import polars as pl

from octavo.definition.arguments import columns, instance
from octavo.definition.names import one_of
from octavo.errors import DefinitionError

_TIME = pl.Datetime("us", "UTC")

_DAY = 86_400


def _of_day(at: pl.Expr) -> pl.Expr:
    hours, minutes = at.dt.hour().cast(pl.Int64), at.dt.minute().cast(pl.Int64)
    return hours * 3600 + minutes * 60 + at.dt.second()


_PARTS: dict[str, Callable[[pl.Expr], pl.Expr]] = {
    "year": lambda at: at.dt.year(),
    "quarter": lambda at: at.dt.quarter(),
    "month": lambda at: at.dt.month(),
    "week": lambda at: at.dt.week(),
    "day": lambda at: at.dt.day(),
    "day_of_year": lambda at: at.dt.ordinal_day(),
    "weekday": lambda at: at.dt.weekday(),
    "hour": lambda at: at.dt.hour(),
    "minute": lambda at: at.dt.minute(),
    "is_weekend": lambda at: at.dt.weekday() >= 6,
}
_CYCLES: dict[str, tuple[Callable[[pl.Expr], pl.Expr], int]] = {
    "day_cycle": (_of_day, _DAY),
    "week_cycle": (lambda at: (at.dt.weekday().cast(pl.Int64) - 1) * _DAY + _of_day(at), 7 * _DAY),
    "year_cycle": (
        lambda at: (at.dt.ordinal_day().cast(pl.Int64) - 1) * _DAY + _of_day(at),
        366 * _DAY,
    ),
}
"""Seconds of a cycle that have passed, and all it has."""


def calendar(
    column: str,
    take: str | Sequence[str] = ("weekday", "hour"),
    *,
    until: str | None = None,
    zone: str | None = None,
    name: str | None = None,
) -> list[pl.Expr]:
    """Return features of a date or time, for ``Pipeline(row=[*ov.calendar("paid_at"), …])``.

    Null where the date is.

    Parameters
    ----------
    column
        A date (taken as its midnight, UTC) or a time.
    take
        ``year``, ``quarter``, ``month``, ``week`` (ISO 8601), ``day``, ``day_of_year``,
        ``weekday`` (1 is Monday), ``hour``, ``minute``: numbers. ``is_weekend``: Saturday or
        Sunday. ``day_cycle``, ``week_cycle``, ``year_cycle``: each a sine and a cosine, so that
        the end of a cycle is beside its beginning; for linear models.
    until
        Another date or time of the row: how many whole days after the first it is,
        ``<name>_days_ago``.
    zone
        The time zone whose calendar is meant, ``"Europe/Rome"``; None: UTC. Not for dates.
    name
        Stands before the names of the features; None: the column's.

    Raises
    ------
    DefinitionError
        If a word or the zone is unknown.

    Examples
    --------
    >>> [each.meta.output_name() for each in ov.calendar("at", ["hour", "day_cycle"])]
    ['at_hour', 'at_day_cycle_sin', 'at_day_cycle_cos']
    """
    where = f"calendar of {column!r}"
    instance(column, str, where=where)
    name = column if name is None else name
    utc = pl.col(column).cast(_TIME)
    at = utc if zone is None else _in_zone(utc, zone, where)
    found: list[pl.Expr] = []
    for word in columns(take, where=f"{where}, take"):
        one_of(word, (*_PARTS, *_CYCLES), where=f"{where}, take")
        if word in _PARTS:
            found.append(_PARTS[word](at).alias(f"{name}_{word}"))
        else:
            passed, whole = _CYCLES[word]
            angle = passed(at).cast(pl.Float64) * (2 * math.pi / whole)
            found += [angle.sin().alias(f"{name}_{word}_sin")]
            found += [angle.cos().alias(f"{name}_{word}_cos")]
    if until is not None:
        days = (pl.col(until).cast(_TIME) - utc).dt.total_days()
        found.append(days.alias(f"{name}_days_ago"))
    return found


def _in_zone(utc: pl.Expr, zone: str, where: str) -> pl.Expr:
    try:
        pl.Series([None], dtype=_TIME).dt.convert_time_zone(zone)
    except (pl.exceptions.PolarsError, TypeError) as error:
        raise DefinitionError(
            f"there is no time zone {zone!r}.", where=where, fix='Name one: zone="Europe/Rome".'
        ) from error
    return utc.dt.convert_time_zone(zone)
