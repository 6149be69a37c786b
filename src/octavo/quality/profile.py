"""What a batch looks like: per column its type, nulls, distinct values, range and distribution.

Small enough to be kept with every batch, so that later ones can be compared and pictures drawn.
"""

from typing import Any

import numpy as np
import polars as pl

from octavo.quality.table import DISTINCT, Table

BINS = 24
"""Bars of a histogram."""

BLOCKS = 60
"""Stretches of consecutive rows whose share of nulls is kept, to see where values are missing."""

COMMON = 6
"""Texts that are kept, the most frequent."""


def profile(frame: pl.DataFrame | Table) -> dict[str, dict[str, Any]]:
    """Return, as plain JSON values, what each column holds.

    Returns
    -------
    dict
        Column to ``type``, ``nulls``, ``distinct``; of numbers ``min``, ``max``, ``mean``,
        ``median`` and ``histogram`` (`BINS` counts between the 0.5th and the 99.5th percentile,
        whose bounds are ``from`` and ``to``; values beyond are in the outer bars); of times ``min``
        and ``max``; of texts ``common``; where there are nulls, ``missing`` (share in each of
        `BLOCKS` stretches of rows).
    """
    table = frame if isinstance(frame, Table) else Table(frame)
    with np.errstate(all="ignore"):  # a mean may overflow
        return {column.name: _column(table, column) for column in table.frame.get_columns()}


def _column(table: Table, column: pl.Series) -> dict[str, Any]:
    nulls = table.nulls[column.name]
    counts = table.counts(column.name) if column.dtype == pl.String else None
    found: dict[str, Any] = {
        "type": str(column.dtype).split("(")[0],
        "nulls": nulls,
        "distinct": counts.height + (nulls > 0)
        if counts is not None and counts.height < DISTINCT
        else _distinct(column, nulls),
    }
    if nulls:
        blocks = np.array_split(column.is_null().to_numpy(), min(BLOCKS, column.len()))
        found["missing"] = [round(float(block.mean()), 3) for block in blocks]
    if nulls == column.len():
        return found
    if column.dtype.is_numeric():
        found |= _numbers(column)
    elif column.dtype.is_temporal():
        found |= {"min": str(column.min())[:19], "max": str(column.max())[:19]}
    elif counts is not None:
        found["common"] = [[_short(text), count] for text, count in counts.head(COMMON).iter_rows()]
    return found


def _distinct(column: pl.Series, nulls: int) -> int:
    """Count distinct values, null among them; whole numbers in a small range by their places."""
    if column.dtype == pl.Int64 and nulls < column.len():
        low, high = column.min(), column.max()
        if high - low <= column.len():  # type: ignore[operator]
            places = column.drop_nulls().to_numpy() - low
            return int(np.count_nonzero(np.bincount(places))) + (nulls > 0)
    return column.n_unique()


def _numbers(column: pl.Series) -> dict[str, Any]:
    found: dict[str, Any] = {}
    values = column.cast(pl.Float64).drop_nulls()
    finite = values if column.dtype.is_integer() else values.filter(values.is_finite())
    if finite.is_empty():
        return found
    whole = finite.len() == values.len()  # then whole numbers keep all their digits
    found |= {"min": column.min(), "max": column.max()} if whole else {}
    known = {"min": finite.min(), "max": finite.max(), "mean": finite.mean()}
    found = known | {"median": finite.median()} | found
    found |= {name: None for name in ("mean", "median") if not np.isfinite(found[name])}
    array = finite.to_numpy()
    ends = np.quantile(array[:: max(1, array.size // 20_000)], [0.005, 0.995])
    low, high = (float(end) for end in ends)
    if low == high:
        low, high = float(array.min()), float(array.max())
    if low < high and np.isfinite(high - low):
        bars = ((np.clip(array, low, high) - low) / (high - low) * BINS).astype(np.int64)
        counts = np.bincount(np.minimum(bars, BINS - 1), minlength=BINS)
        found |= {"from": low, "to": high, "histogram": counts.tolist()}
    return found


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
