"""Which columns tell the target, in the words of a comment. The tests are those of segregation."""

from collections.abc import Sequence

import polars as pl


def leaky_columns(
    frame: pl.DataFrame, target: str, labels: pl.Series, kept: Sequence[str | None]
) -> dict[str, str]:
    """Return the columns that are known only when the outcome is, each with the evidence."""
    missing = labels.is_null()
    found: dict[str, str] = {}
    if missing.sum() < 5:
        return found
    for name in frame.columns:
        if name == target or name in kept:
            continue
        empty = frame[name].is_null()
        here, elsewhere = empty.filter(missing).mean(), empty.filter(~missing).mean()
        if here >= 0.99 and elsewhere <= 0.05:  # type: ignore[operator]
            found[name] = f"empty in all {missing.sum():,} rows without outcome: written with it"
    return found
