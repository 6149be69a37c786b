"""When the rows of a table happened: a column of times, its parts, or a number that only grows.

It knows nothing of what is done with the time.
"""

import datetime as dt
import re
from collections.abc import Collection
from dataclasses import dataclass, replace

import polars as pl

from octavo.errors import DataError
from octavo.services.drafting.code import column, number, text
from octavo.services.drafting.tables import Table, check_column

LEAST = 20
"""Distinct times from which there is a time to speak of."""

DAY = 86_400_000_000
_NAMED = re.compile(r"time|date|stamp|moment|_at$|_on$|^at$|^when$|^day$|^month$|^year$|^ts$", re.I)
_BIRTH = re.compile(r"birth|dob|born", re.I)
_PARTS = ("year", "month", "day", "hour", "minute", "second")
_YEARLESS = r"^[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d$"
_EPOCH = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@dataclass(frozen=True)
class Clock:
    """The event time of a table.

    Attributes
    ----------
    expression
        What gives it, as source text.
    before
        A line of source that the expression needs.
    column
        The column that holds it, if one does as it stands; otherwise a computed column named
        ``alias`` will.
    made_of
        The columns it is made of.
    values
        Datetime[µs, UTC], of the rows that were read; null where it cannot be told.
    step
        How finely it is told, microseconds.
    why
        What it was told from, in words; empty where a column simply holds it.
    """

    expression: str
    column: str | None
    made_of: tuple[str, ...]
    values: pl.Series
    step: int
    why: str = ""
    before: str = ""
    alias: str = "moment"
    is_calendar: bool = True
    """Whether it is a time that people know, with weekdays and hours."""

    @property
    def name(self) -> str:
        """The column of the dataset that holds the time."""
        return self.column or self.alias

    @property
    def span(self) -> int:
        """From the first to the last, microseconds."""
        times = self.values.drop_nulls().cast(pl.Int64)
        return int(times.max() - times.min()) if times.len() else 0  # type: ignore[operator]


def find_clock(table: Table, declared: str | None, not_of: Collection[str] = ()) -> Clock | None:
    """Find the event time of a table.

    Parameters
    ----------
    declared
        The column that the user named.
    not_of
        Columns it cannot be made of, because they are written later.

    Raises
    ------
    DataError
        If the declared column is no time.
    """
    found = _declared(table, declared, not_of) if declared else _found(table, not_of)
    return found and replace(found, alias=unused("moment", table.frame.columns))


def unused(name: str, columns: Collection[str]) -> str:
    """Return a name for a computed column that the source does not have."""
    return next(n for n in (name, *(f"{name}_{i}" for i in range(2, 9999))) if n not in columns)


def _declared(table: Table, name: str, not_of: Collection[str]) -> Clock:
    check_column(table, name, what="--time")
    values = table.frame[name]
    found = _of_column(values) or _without_year(table, name) or _of_order(table.frame, name, not_of)
    if found is None:
        raise DataError(
            f"column {name!r} cannot be read as a time (it is {values.dtype}, such as "
            f"{values.drop_nulls().head(1).to_list()}).",
            where=f"--time, {table.paths[0].name}",
            fix='Name another, or write its format into pipeline.py: types={"…": "%d/%m/%Y"}.',
        )
    return found


def _found(table: Table, not_of: Collection[str]) -> Clock | None:
    frame = table.frame
    open_names = [name for name in frame.columns if name not in not_of]
    for found in (_of_times(frame, open_names), _of_parts(frame, open_names)):
        if found is not None and found.values.n_unique() >= LEAST:
            return found
    for name in open_names:
        if _NAMED.search(name):
            found = _of_epoch(frame[name]) if frame[name].dtype.is_numeric() else None
            found = found or _without_year(table, name) or _of_order(frame, name, not_of)
            if found is not None and found.values.n_unique() >= LEAST:
                return found
    return None


def _of_times(frame: pl.DataFrame, names: Collection[str]) -> Clock | None:
    """Take the column of times that sorts the file, is called a time, or comes first."""
    times = [
        name
        for name in names
        if frame[name].dtype.is_temporal()
        and frame[name].null_count() <= 0.01 * frame.height
        and not _BIRTH.search(name)
    ]
    if not times:
        return None
    by_parts = _of_parts(frame, names)
    if by_parts is not None and by_parts.step < DAY and len(times) == 1:
        # The file tells the same moment twice; its parts are what other tables are met by.
        return by_parts
    best = max(times, key=lambda n: (grows(frame[n]) > 0.999, bool(_NAMED.search(n))))
    return _of_column(frame[best])


def _of_column(values: pl.Series) -> Clock | None:
    name = values.name
    if values.dtype.is_temporal():
        found = values.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
        step = DAY if values.dtype == pl.Date else _step(found)
        return Clock(column(name), name, (name,), found, step)
    return _of_epoch(values) if values.dtype.is_numeric() else None


def _of_epoch(values: pl.Series) -> Clock | None:
    """Read numbers as a calendar: 20240131, or seconds (…) since 1970."""
    name, own = values.name, column(values.name)
    known = values.drop_nulls()
    if not known.len() or not (known == known.round()).all():
        return None
    low, high = float(known.min()), float(known.max())  # type: ignore[arg-type]
    if low >= 19_000_101 and high <= 21_001_231:
        whole = f"{own}.cast(pl.Int64).cast(pl.String)" if values.dtype.is_float() else (
            f"{own}.cast(pl.String)"
        )  # fmt: skip
        found = values.cast(pl.Int64).cast(pl.String).str.to_datetime(
            "%Y%m%d", strict=False, time_unit="us", time_zone="UTC"
        )  # fmt: skip
        if found.null_count() == values.null_count():
            why = f"`{name}` is a date written as a number."
            return Clock(f'{whole}.str.to_date("%Y%m%d")', None, (name,), found, DAY, why)
    for unit, per_second in _EPOCH.items():
        if low / per_second >= 3e8 and high / per_second <= 4.2e9:  # 1979 to 2103
            micros = (values.cast(pl.Float64) / per_second * 1e6).cast(pl.Int64)
            found = micros.cast(pl.Datetime("us", "UTC"))
            expression = f'pl.from_epoch({own}, time_unit="{unit}")'
            if values.dtype.is_float():
                expression = f'pl.from_epoch({own}.cast(pl.Int64), time_unit="{unit}")'
            why = f"`{name}` counts {unit} since 1970."
            return Clock(expression, None, (name,), found, _step(found), why)
    return None


def _without_year(table: Table, name: str) -> Clock | None:
    """Read times that tell no year, as those of syslog, as of the year in which the file ends."""
    values = table.frame[name]
    if values.dtype != pl.String or not values.str.contains(_YEARLESS).fill_null(True).all():
        return None
    changed = dt.datetime.fromtimestamp(table.paths[-1].stat().st_mtime, dt.UTC)
    prefix, form = f"{changed.year} ", "%Y %b %e %H:%M:%S"
    expression = (
        f'({text(prefix)} + {column(name)}).str.to_datetime({text(form)}, time_zone="UTC", '
        "strict=False)"
    )
    found = (prefix + values).str.to_datetime(
        form, time_unit="us", time_zone="UTC", strict=False
    )  # fmt: skip
    why = f"`{name}` tells no year; {changed.year} is taken, in which the file was last changed."
    return Clock(expression, None, (name,), found, _step(found), why)


def _of_parts(frame: pl.DataFrame, names: Collection[str]) -> Clock | None:
    """Put a time together from year, month, day and what comes after them."""
    called = {name.strip().lower(): name for name in names}
    if not all(part in called and frame[called[part]].dtype.is_numeric() for part in _PARTS[:3]):
        return None
    parts: list[str] = []
    for part in _PARTS:
        if part not in called or not frame[called[part]].dtype.is_numeric():
            break
        parts.append(called[part])
    day, clock = parts[:3], parts[3:]
    units = dict(zip(("hours", "minutes", "seconds"), clock, strict=False))
    moment = pl.datetime(*day, time_zone="UTC")
    if clock:  # added, so that an hour of 24 is midnight and not an error
        moment = moment + pl.duration(**units)
    try:
        found = frame.select(moment.alias("moment")).to_series()
    except pl.exceptions.PolarsError:
        return None
    if found.null_count() > 0.05 * frame.height:
        return None
    source = f"pl.datetime({', '.join(map(text, day))})"
    if clock:
        source += f" + pl.duration({', '.join(f'{u}={text(n)}' for u, n in units.items())})"
    step = (DAY, DAY // 24, DAY // 1440, 1_000_000)[len(clock)]
    why = f"The time is told in parts: {', '.join(parts)}."
    return Clock(source, None, tuple(parts), found.cast(_TIME), step, why)


_TIME = pl.Datetime("us", "UTC")


def _of_order(frame: pl.DataFrame, name: str, not_of: Collection[str]) -> Clock | None:
    """Take a number that only grows through the file for a time whose unit is not known."""
    values = frame[name]
    if not values.dtype.is_numeric() or values.null_count():
        return None
    if grows(values) < 0.999:
        return None
    steps = values.cast(pl.Float64).diff()
    unit = float(steps.filter(steps > 0).median() or 0)  # type: ignore[arg-type]
    if not unit or values.n_unique() < LEAST:
        return None
    own = column(name)
    days = own if unit == 1 else f"{own} / {number(unit)}"
    found, made_of = values.cast(pl.Float64) / float(number(unit)), (name,)
    why = f"`{name}` only grows through the file, by {number(unit)} at a time. What unit it has is"
    why += " not known: a step is taken for a day"
    step = DAY
    inner = _within(frame, name, not_of)
    if inner is not None:
        rank = frame[inner].cast(pl.Float64)
        low, high = float(rank.min()), float(rank.max())  # type: ignore[arg-type]
        each = frame[inner].n_unique()
        scale = number((high - low) * each / (each - 1))
        day = column(inner) if low == 0 else f"({column(inner)} - {number(low)})"
        days = f"({days}).round() + {day} / {scale}"
        found = found.round() + (rank - low) / float(scale)
        made_of = (name, inner)
        why += (
            f", and `{inner}`, which goes from {low:g} to {high:g} within it, for the time of day"
        )
        step = DAY // each
    expression = 'pl.from_epoch((days * 86_400).cast(pl.Int64), time_unit="s")'
    moments = ((found * 86_400).cast(pl.Int64) * 1_000_000).cast(_TIME)
    return Clock(
        expression, None, made_of, moments, step, why + ".", f"days = {days}", is_calendar=False
    )


def _within(frame: pl.DataFrame, name: str, not_of: Collection[str]) -> str | None:
    """Find the column that grows while the first stays the same."""
    same = frame[name].diff() == 0
    if not same.any():
        return None
    for other in frame.columns:
        values = frame[other]
        if other == name or other in not_of or not values.dtype.is_numeric():
            continue
        if values.null_count() or values.n_unique() < 3:
            continue
        moves = values.cast(pl.Float64).diff().filter(same.fill_null(False))
        if (moves > 0).mean() >= 0.99:  # type: ignore[operator]
            return other
    return None


def grows(values: pl.Series) -> float:
    """Return the share of rows that are not before the one above them."""
    known = values.drop_nulls()
    if known.len() < 2:
        return 0.0
    later = known.slice(1) >= known.slice(0, known.len() - 1)
    return float(later.mean() or 0.0)  # type: ignore[arg-type]


def _step(found: pl.Series) -> int:
    """Return how finely times are told: to the day, hour, minute or finer."""
    micros = found.drop_nulls().cast(pl.Int64)
    for step in (DAY, DAY // 24, DAY // 1440, 1_000_000):
        if (micros % step == 0).all():
            return step
    return 1
