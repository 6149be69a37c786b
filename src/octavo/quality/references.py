"""Values that should be found in another dataset, and are not.

A dataset is referred to by a column which has a different value in each of its rows.
"""

from collections.abc import Iterator, Mapping

import polars as pl

from octavo.quality.finding import Finding, enumerated, percent, shown
from octavo.quality.table import Table

_MEANT = 0.5
"""Share of values that must be found for a column to refer to another."""


def references(table: Table, others: Mapping[str, pl.DataFrame]) -> Iterator[Finding]:
    """Find values without a counterpart in the columns of the same name of other datasets.

    Parameters
    ----------
    others
        Name to rows of each dataset that may be referred to.
    """
    for name in table.of_type("text", "number"):
        for other, frame in others.items():
            if name not in frame.columns or frame[name].dtype != table.frame[name].dtype:
                continue
            keys = frame[name].drop_nulls()
            if keys.len() < 2 or keys.n_unique() < keys.len():
                continue
            counts = table.counts(name)
            lacking = counts.filter(~pl.col("value").is_in(keys.implode()))
            share = int(lacking["count"].sum()) / int(counts["count"].sum())
            if 0 < share <= 1 - _MEANT:
                bad = table.frame[name].is_in(lacking["value"].implode())
                yield table.finding(
                    "incorrect",
                    "reference",
                    name,
                    bad,
                    f"`{name}` is not found in {other} in {table.counted(bad)}, "
                    f"{lacking.height:,} different ones "
                    f"({enumerated(map(shown, lacking['value']), 3)}); {percent(1 - share)} are "
                    "found.",
                    None,
                    "note",
                )
