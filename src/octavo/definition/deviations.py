"""How far a series' readings are from what it usually does: features for anomaly problems.

It declares windows and expressions over them, nothing that a user could not write out.
"""

from dataclasses import dataclass

import polars as pl

from octavo.definition.dataset import Dataset
from octavo.definition.durations import Duration, microseconds, spoken
from octavo.definition.features import View, Window

LARGEST = 1e6
"""Deviations are not told apart beyond this: a series that was flat has no spread to count in."""
FLOOR = 0.01
"""Share of a mean's magnitude that counts as spread even where nothing varies."""


@dataclass(frozen=True)
class Deviations:
    """Features that say how unusual a reading is for its own series, more being more unusual.

    Two *records*: how far a reading is above the highest, or below the lowest, of a window before
    it; 0 where it is neither. However a series is distributed, one of n readings that could as well
    have come in another order exceeds the others with probability 1 ÷ n; so records mean about the
    same for every series, and what has been seen once is no record again. Records are in units of
    the spread of their window ÷ √n: the more readings one stands out of, the more it says. And one
    *shift*: how far the mean of the last readings is from the usual one, in spreads. The spread is
    a window's standard deviation plus 1 % of its mean. Deviations are null until a series has
    lasted for as long as what is usual: at first every other reading is a record.

    Examples
    --------
    >>> usual = ov.Deviations(readings, "value", key="series")  # doctest: +SKIP
    >>> ov.Pipeline(..., views=[usual.view], derived=usual.derived,  # doctest: +SKIP
    ...             inputs=usual.inputs)
    """

    dataset: Dataset
    """The readings; also the pipeline's rows."""
    value: str
    """The column that is watched, a number."""
    key: str | tuple[str, ...]
    """The columns that identify the series."""
    short: Duration = "30m"
    """What a shift lasts."""
    usual: Duration = "2d"
    """The window that a reading is compared with."""
    long: Duration = "2w"
    """The window that a rarer record is compared with."""
    name: str = "series"
    """Name of the view."""

    @property
    def view(self) -> View:
        """The windows that the deviations are computed from."""
        take = ["count", "mean", "std", "min", "max"]
        before = Window(self.dataset, self.value, [self.usual, self.long], take, current=False)
        age = Window(self.dataset, self.value, self.long, "since_first", current=False)
        last = Window(self.dataset, self.value, self.short, "mean")
        return View(self.name, key=self.key, windows=[before, age, last])

    @property
    def derived(self) -> list[pl.Expr]:
        """The deviations: a record in each window, and the shift."""
        records = [self._record(over).alias(name) for over, name in self._records().items()]
        away = (self._of("mean", self.short) - self._of("mean", self.usual)).abs()
        return [*records, self._in_spreads(away, self.usual).alias(f"{self.name}_shift")]

    @property
    def inputs(self) -> list[str]:
        """Names of the deviations."""
        return [*self._records().values(), f"{self.name}_shift"]

    def _records(self) -> dict[Duration, str]:
        return {over: f"{self.name}_record_{_called(over)}" for over in (self.usual, self.long)}

    def _record(self, over: Duration) -> pl.Expr:
        value = pl.col(self.value)
        above, below = value - self._of("max", over), self._of("min", over) - value
        beyond = pl.max_horizontal(above, below) * self._of("count", over).sqrt()
        return self._in_spreads(beyond, over)

    def _in_spreads(self, distance: pl.Expr, over: Duration) -> pl.Expr:
        spread = self._of("std", over) + FLOOR * self._of("mean", over).abs()
        found = (distance / spread).clip(0, LARGEST)
        lasted = self._of("since_first", self.long) >= microseconds(self.usual, where="") / 1e6
        return pl.when(lasted & found.is_not_nan()).then(found)

    def _of(self, aggregate: str, over: Duration) -> pl.Expr:
        return pl.col(f"{self.name}__{self.value}_{aggregate}_{_called(over)}")


def _called(over: Duration) -> str:
    return spoken(microseconds(over, where="Deviations"))
