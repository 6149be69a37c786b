"""Treatments: what becomes of faulty values before events are computed from rows.

The raw store keeps what was received. A treatment is an expression over a row, applied wherever
the dataset's events are computed, offline and at request time; it knows nothing of data.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import or_
from typing import Any, Literal

import polars as pl

from octavo.definition.arguments import instance, listed
from octavo.definition.expressions import check_row_expression
from octavo.definition.fingerprint import Declaration
from octavo.definition.names import one_of
from octavo.errors import DefinitionError

_BLANKS = r"[\s\u{200B}\u{200C}\u{200D}\u{2060}\u{FEFF}]+"
_MINUS = "\u2212"
_BOTH = r"[0-9]{1,3}(?:(?:\.[0-9]{3})+(?:\.[0-9]{3}|,[0-9]*)|(?:,[0-9]{3})+(?:,[0-9]{3}|\.[0-9]*))"
"""Numbers whose comma and dot can be told apart, where either may be the decimal mark."""
_MARKS = ",. '’"  # what may separate thousands, or decimals
_TIMED = re.compile(r"%[-_0.:#]*[0-9]?[HIMSTRXcfpPkrlszZ+]")
_TIME = pl.Datetime("us", "UTC")


class Treatment(Declaration):
    """What becomes of the faulty values of one column."""

    column: str

    @property
    def reads_text(self) -> bool:
        """Whether the column must come into the raw store as text."""
        return False

    @property
    def expression(self) -> pl.Expr:
        """The column after the treatment."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Null(Treatment):
    """Values that stand for a missing one become null."""

    column: str
    values: Sequence[Any] = ()
    """The values; text, numbers, dates, as the column has them."""
    where: pl.Expr | None = None
    """Or a condition on the row. A null result changes nothing."""

    def __post_init__(self) -> None:
        where = _named(self)
        instance(self.values, (list, tuple), where=f"{where}.values")
        object.__setattr__(self, "values", tuple(self.values))
        if bool(self.values) == (self.where is not None):
            raise DefinitionError(
                "give either values or a condition.",
                where=where,
                fix='Write ov.Null("column", values=[-999]), or where=pl.col("column") < 0.',
            )
        if self.where is not None:
            check_row_expression(self.where, where=f"{where}.where")

    @property
    def expression(self) -> pl.Expr:
        """The column after the treatment."""
        column = pl.col(self.column)
        if self.where is not None:
            return pl.when(self.where).then(None).otherwise(column).alias(self.column)
        found = reduce(or_, (column == value for value in self.values))
        return pl.when(found).then(None).otherwise(column).alias(self.column)


@dataclass(frozen=True, eq=False)
class Clip(Treatment):
    """Values beyond a bound become the bound."""

    column: str
    low: Any = None
    high: Any = None

    def __post_init__(self) -> None:
        where = _named(self)
        if self.low is None and self.high is None:
            raise DefinitionError("there is no bound.", where=where, fix="Give low, high or both.")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise DefinitionError(
                f"low={self.low} is above high={self.high}.", where=where, fix="Exchange them."
            )

    @property
    def expression(self) -> pl.Expr:
        """The column after the treatment."""
        column = pl.col(self.column)
        for bound, beyond in ((self.low, column.__lt__), (self.high, column.__gt__)):
            if bound is not None:
                column = pl.when(beyond(bound)).then(pl.lit(bound)).otherwise(column)
        return column.alias(self.column)


@dataclass(frozen=True, eq=False)
class Normalize(Treatment):
    """Different spellings of the same value become one. What is empty then is null."""

    column: str
    strip: bool = False
    """Take blanks around it away, several within it for one; also invisible characters. Letters
    that Unicode can write in several ways are written in one (form NFKC)."""
    dots: bool = False
    """Take dots at its end away."""
    case: Literal["lower", "upper", "title"] | None = None
    replace: Mapping[Any, Any] = field(default_factory=dict)
    """Value to value, looked up last; of numbers too."""

    def __post_init__(self) -> None:
        where = _named(self)
        if self.case is not None:
            one_of(self.case, ("lower", "upper", "title"), where=f"{where}.case")
        instance(self.replace, Mapping, where=f"{where}.replace")
        object.__setattr__(self, "replace", dict(self.replace))
        if not (self.strip or self.dots or self.case or self.replace):
            raise DefinitionError(
                "nothing is to be done.", where=where, fix="Give strip, dots, case or replace."
            )

    @property
    def reads_text(self) -> bool:
        """Where text is changed; a number is only replaced."""
        spelled = any(isinstance(value, str) for value in self.replace)
        return self.strip or self.dots or self.case is not None or spelled

    @property
    def expression(self) -> pl.Expr:
        """The column after the treatment."""
        column = pl.col(self.column)
        if self.strip:
            column = column.str.normalize("NFKC").str.replace_all(_BLANKS, " ").str.strip_chars(" ")
        if self.dots:
            column = column.str.strip_chars_end(". ")
        if self.case:
            column = getattr(column.str, f"to_{self.case}case")()
        if self.replace:
            column = column.replace(list(self.replace), list(self.replace.values()))
        if self.reads_text:
            column = pl.when(column != "").then(column)
        return column.alias(self.column)


@dataclass(frozen=True, eq=False)
class AsNumber(Treatment):
    """Text becomes numbers (Float64); the raw store keeps the text. What is none becomes null.

    Blanks, signs, exponents, separators of thousands (in groups of three) and parentheses for a
    negative number are understood.
    """

    column: str
    decimal: str = "."
    """The decimal mark: ``"."``, ``","``, or ``",."`` for either. The one that is none separates
    thousands; with either, the one that comes first in a number with both, or comes twice."""
    units: Mapping[str, float] = field(default_factory=dict)
    """What may stand before or behind a number, and what the number is multiplied by."""

    def __post_init__(self) -> None:
        where = _named(self)
        one_of(self.decimal, (".", ",", ",.", ".,"), where=f"{where}.decimal")
        instance(self.units, Mapping, where=f"{where}.units")
        for unit, factor in self.units.items():
            instance(unit, str, where=f"{where}.units")
            instance(factor, (int, float), where=f"{where}.units[{unit!r}]")
        units = {unit: float(factor) for unit, factor in self.units.items()}
        object.__setattr__(self, "units", units)

    @property
    def reads_text(self) -> bool:
        """Always."""
        return True

    @property
    def expression(self) -> pl.Expr:
        """The column after the treatment."""
        marks = re.escape(self.decimal)
        between = "".join(mark for mark in _MARKS if mark not in self.decimal)
        whole = rf"[0-9]{{1,3}}(?:[{between}][0-9]{{3}})+|[0-9]+"
        both = f"{_BOTH}|" if len(self.decimal) == 2 else ""
        number = (
            rf"[+-]?(?:{both}(?:{whole})(?:[{marks}][0-9]*)?|[{marks}][0-9]+)(?:[eE][+-]?[0-9]+)?"
        )
        text = pl.col(self.column).str.normalize("NFKC").str.replace_all(_BLANKS, " ")
        text = text.str.replace_all(_MINUS, "-").str.strip_chars(" ")
        text = text.str.replace(r"^\((.*)\)$", "-$1")
        taken = rf"^([^0-9+\-.,]*)({number})((?:[^0-9.,+\-].*)?)$"
        value = text.str.extract(taken, 2).str.replace_all(rf"[{between}]", "")
        if len(self.decimal) == 2:
            for first in ".,":
                grouped = value.str.contains(rf"[{first}].*[.,]")
                value = (
                    pl.when(grouped).then(value.str.replace_all(rf"[{first}]", "")).otherwise(value)
                )
        value = value.str.replace_all(rf"[{marks}]", ".").cast(pl.Float64, strict=False)
        unit = text.str.extract(taken, 1).str.strip_chars(" ") + text.str.extract(
            taken, 3
        ).str.strip_chars(" ")
        factors = {"": 1.0, **self.units}
        factor = unit.replace_strict(
            list(factors), list(factors.values()), default=None, return_dtype=pl.Float64
        )
        return (value * factor).alias(self.column)


@dataclass(frozen=True, eq=False)
class AsTime(Treatment):
    """Text becomes dates or times; the raw store keeps the text. What is none becomes null.

    Dates if no format has a time of day, else Datetime[µs, UTC].
    """

    column: str
    formats: Sequence[str] = ()
    """In the directives of ``strptime``; the first that fits a text reads it."""

    def __post_init__(self) -> None:
        where = _named(self)
        formats = listed(self.formats, str, where=f"{where}.formats")
        object.__setattr__(self, "formats", formats)
        if not formats or not all("%" in text for text in formats):
            raise DefinitionError(
                "a format is lacking.", where=where, fix='Write formats=["%d/%m/%Y", "%Y-%m-%d"].'
            )

    @property
    def reads_text(self) -> bool:
        """Always."""
        return True

    @property
    def expression(self) -> pl.Expr:
        """The column after the treatment."""
        text = pl.col(self.column).str.strip_chars()
        found = pl.coalesce(_read(text, pattern) for pattern in self.formats)
        timed = any(_TIMED.search(pattern) for pattern in self.formats)
        return (found if timed else found.dt.date()).alias(self.column)


def _read(text: pl.Expr, pattern: str) -> pl.Expr:
    if not _TIMED.search(pattern):
        date = text.str.to_date(pattern, strict=False)
        return date.cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    zone = "UTC" if re.search("%[:#]*z", pattern) else None
    found = text.str.to_datetime(pattern, time_unit="us", time_zone=zone, strict=False)
    return found if zone else found.dt.replace_time_zone("UTC")


def _named(treatment: Treatment) -> str:
    """Return how a treatment is named in errors, refusing one without a column."""
    kind = type(treatment).__name__
    if not isinstance(treatment.column, str) or not treatment.column:
        raise DefinitionError(
            "it names no column.", where=kind, fix=f'Write ov.{kind}("column", …).'
        )
    return f"{kind} {treatment.column!r}"
