"""What a column's texts say about its type: counts, so that a whole is the sum of its parts.

A type is decided by all values of a column, never by a sample. A column too large for memory is
looked at part by part; the sum of what the parts say decides as the whole would have. It knows
nothing of how a text is read.
"""

from dataclasses import astuple, dataclass
from operator import add

import polars as pl

from octavo.stages.ingestion.moments import Order, Slashed, Survey

TIME = pl.Datetime("us", "UTC")
"""How every time is stored: microseconds since the epoch, UTC."""

ENOUGH = 0.99
"""The share of a column's values which must fit a type for the column to take it.

Of fewer than a hundred values this is all of them."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """Numbers of values of a column, or of a part of it; nulls are none.

    Attributes
    ----------
    present
        All of them.
    unseen
        Those that were not looked at.
    texts
        Those that are text whatever they look like.
    numbers
        Those that are numbers; of these
    beyond
        no integers of 64 bits, and
    fractions
        not written as whole numbers, and
    broken
        no whole numbers, however they are written.
    codes
        Those with leading zeros.
    booleans
        Those that are true or false.
    moments, dates
        Dates and times, and those of them without a time of day, but for slashed ones; these are
        ``day_moments`` and ``day_dates`` if the day comes first, ``month_…`` if the month does.
    days, months, differing
        As in `Slashed`.
    """

    present: int = 0
    unseen: int = 0
    texts: int = 0
    numbers: int = 0
    beyond: int = 0
    fractions: int = 0
    broken: int = 0
    codes: int = 0
    booleans: int = 0
    moments: int = 0
    dates: int = 0
    day_moments: int = 0
    day_dates: int = 0
    month_moments: int = 0
    month_dates: int = 0
    days: int = 0
    months: int = 0
    differing: int = 0

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(*map(add, astuple(self), astuple(other)))

    @staticmethod
    def of_moments(found: Survey) -> "Evidence":
        """Return what a survey of dates and times says."""
        return Evidence(
            **dict(zip(("moments", "dates"), found.plain, strict=True)),
            **dict(zip(("day_moments", "day_dates"), found.day_first, strict=True)),
            **dict(zip(("month_moments", "month_dates"), found.month_first, strict=True)),
            **found.slashed._asdict(),
        )

    @property
    def order(self) -> Order:
        """What comes first in slashed dates."""
        return Slashed(self.days, self.months, self.differing).order

    @property
    def breaks_whole(self) -> bool:
        """Whether numbers show that a column of whole numbers is one of any numbers."""
        return 2 * self.numbers > self.present and self.broken > 0 < self.fractions

    @property
    def every(self) -> int:
        """In one of how many parts to look at text: four times as often as `dtype` needs.

        If no value fits a type, looking at more than one in a hundred makes sure that too few do.
        """
        if not self.present:
            return 1
        return max(1, int((1 - self._most() / self.present) / (1 - ENOUGH) / 4))

    def _most(self) -> int:
        """Return how many values fit a type at most."""
        slashed = max(self.day_moments, self.month_moments)
        return max(self.numbers, self.booleans, self.moments + slashed)

    def dtype(self) -> pl.DataType | None:
        """Decide the type; None if that needs a look at what was not looked at.

        The first type that every value fits wins, in the order integer, number, Boolean, date,
        time. Failing that, the type most values fit, if these are at least `ENOUGH` of them.
        Failing that String.
        """
        most = self._most() + self.unseen
        if most == 0 or most < ENOUGH * self.present:
            return pl.String()
        if self.unseen:
            return None
        fitting = self._fitting()
        best = max(count for count, _ in fitting)  # of equal ones the first
        if self.texts or not best or best < ENOUGH * self.present:
            return pl.String()
        return next(dtype for count, dtype in fitting if count == best)

    def _fitting(self) -> list[tuple[int, pl.DataType]]:
        dates, moments = self.dates, self.moments
        if self.order == "day_first":
            dates, moments = dates + self.day_dates, moments + self.day_moments
        elif self.order == "month_first":
            dates, moments = dates + self.month_dates, moments + self.month_moments
        rest = [(self.booleans, pl.Boolean()), (dates, pl.Date()), (moments, TIME)]
        if self.codes or (self.beyond and not self.fractions):
            return rest  # these are identifiers
        return [(self.numbers, pl.Float64() if self.beyond else pl.Int64()), *rest]
