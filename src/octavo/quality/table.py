"""A batch as the finders see it: typed columns, row numbers, a sample, and counts that are shared.

It knows nothing of what is looked for.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import polars as pl

from octavo.quality.finding import EXAMPLES, Finding, counted, shown

ROW = "_row"
"""Column with the number of each row, if there is one; else rows are counted from 0."""

SAMPLE = 20_000
"""Rows on which relations are looked for; what is found there is then counted over all."""

CLOCKS = 0.98
"""Share of the values that must be times of day for a column to be a clock."""

DISTINCT = 100_000
"""Different texts of a column that are looked at, the most frequent first."""


class Table:
    """One batch.

    Parameters
    ----------
    frame
        Typed columns. Those whose names begin with ``_`` are not looked at.
    """

    def __init__(self, frame: pl.DataFrame) -> None:
        self.rows = (
            frame[ROW].cast(pl.Int64).to_numpy()
            if ROW in frame.columns
            else np.arange(frame.height, dtype=np.int64)
        )
        self.frame = frame.select(c for c in frame.columns if not c.startswith("_"))
        self.height = frame.height
        self._counts: dict[str, pl.DataFrame] = {}

    @cached_property
    def sample(self) -> pl.DataFrame:
        """Every n-th row."""
        return self.frame.gather_every(max(1, -(-self.height // SAMPLE)))

    @cached_property
    def nulls(self) -> dict[str, int]:
        """Number of nulls in each column."""
        return {column.name: column.null_count() for column in self.frame.get_columns()}

    @cached_property
    def varied(self) -> dict[str, int]:
        """Number of distinct values of each column in the sample."""
        return {column.name: column.n_unique() for column in self.sample.get_columns()}

    @cached_property
    def clocks(self) -> frozenset[str]:
        """The numeric columns that hold times of day written as hhmm: 517 is 5:17."""
        return frozenset(name for name in self.of_type("number") if _is_clock(self.sample[name]))

    def of_type(self, *kinds: Literal["text", "number", "time", "boolean"]) -> list[str]:
        """Return the names of columns of some types, without those that are null throughout."""
        return [
            name
            for name, dtype in self.frame.schema.items()
            if _kind(dtype) in kinds and self.nulls[name] < self.height
        ]

    def counts(self, column: str) -> pl.DataFrame:
        """Return the distinct values of a column and how often they occur, most frequent first.

        Columns ``value`` and ``count``, nulls left out, `DISTINCT` rows at the most.
        """
        if column not in self._counts:
            values = self.frame[column].drop_nulls().alias("value")
            found = values.value_counts(name="count").sort(
                "count", "value", descending=[True, False]
            )
            self._counts[column] = found.head(DISTINCT)
        return self._counts[column]

    def finding(
        self,
        kind: str,
        rule: str,
        columns: str | Sequence[str],
        bad: pl.Series | np.ndarray,
        sentence: str,
        treatment: str | None = None,
        weight: Literal["fault", "note"] = "fault",
    ) -> Finding:
        """Return a finding on the rows for which a Boolean array holds; null does not."""
        mask = bad.fill_null(False).to_numpy() if isinstance(bad, pl.Series) else bad
        places = np.flatnonzero(mask)
        names = (columns,) if isinstance(columns, str) else tuple(columns)
        return Finding(
            kind,
            rule,
            names,
            np.sort(self.rows[places]),
            self.height,
            sentence,
            treatment,
            self.examples(names, places),
            weight,
        )

    def counted(self, bad: pl.Series | np.ndarray) -> str:
        """Return for how many rows a Boolean array holds, in words."""
        return counted(int(bad.sum() or 0), self.height)

    def examples(self, columns: Sequence[str], places: np.ndarray) -> tuple[tuple[int, str], ...]:
        """Return row number and values of some rows, as text."""
        found = []
        for place in places[:EXAMPLES].tolist():
            values = self.frame.select(list(columns)[:6]).row(place)
            found.append((int(self.rows[place]), ", ".join(map(shown, values))))
        return tuple(found)

    def where(self, condition: pl.Expr) -> pl.Series:
        """Return for each row whether a condition holds."""
        return self.frame.select(condition.alias("met"))["met"]


def _kind(dtype: Any) -> str:
    if dtype.is_numeric():
        return "number"
    if dtype == pl.Boolean:
        return "boolean"
    return "time" if dtype.is_temporal() else "text" if dtype == pl.String else "other"


def _is_clock(values: pl.Series) -> bool:
    known = values.drop_nulls().cast(pl.Float64).to_numpy()
    if (
        known.size < 100
        or known.min() < 0
        or known.max() < 1300
        or (known != np.floor(known)).any()
    ):
        return False
    good = (known % 100 < 60) & (known <= 2400)
    if good.mean() < CLOCKS:
        return False
    return np.unique(known % 100).size >= 12 and np.unique(known).size >= 60
