"""How far back windows reach, from the span and the rate of the data.

It knows nothing of what is aggregated.
"""

from collections.abc import Sequence

import polars as pl

HOUR = 3_600_000_000
DAY = 24 * HOUR
SPANS = {
    "1h": HOUR, "6h": 6 * HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY, "90d": 90 * DAY,
    "365d": 365 * DAY,
}  # fmt: skip
"""Lengths to choose from, microseconds."""


def spans(
    frame: pl.DataFrame, key: Sequence[str], times: pl.Series, share: float = 1.0
) -> list[str]:
    """Return at most three lengths that hold a few events of an entity, and fit into the data.

    Parameters
    ----------
    frame, times
        The events and when they happened.
    key
        The columns of the entity; none: all are one.
    share
        How many of the events these are, a fraction.
    """
    span = _span(times)
    gap = typical_gap(frame, key, times)
    if share < 1:  # gaps between those that happen to be read say nothing
        gap = int(span * share * frame.select(key).n_unique() / max(frame.height, 1))
    longer = [name for name, length in SPANS.items() if length >= 4 * gap]
    fitting = [name for name in longer if SPANS[name] <= span / 4]
    return fitting[:3] or longer[:1] or ["365d"]


def typical_gap(frame: pl.DataFrame, key: Sequence[str], times: pl.Series) -> int:
    """Return the median time between two events of an entity, weighed by events; microseconds."""
    gaps = _gaps(frame, key, times)
    return int(gaps.median() or 0) if gaps.len() else _span(times)  # type: ignore[arg-type]


def is_regular(frame: pl.DataFrame, key: Sequence[str], times: pl.Series) -> bool:
    """Return whether events come at a steady pace: nine gaps in ten are nearly the same."""
    gaps = _gaps(frame, key, times)
    middle = gaps.median()
    if gaps.len() < 0.8 * times.len() or not middle:
        return False  # many at one time, or few at all
    return float(((gaps - middle).abs() <= 0.2 * middle).mean() or 0.0) >= 0.85  # type: ignore[operator]


def _gaps(frame: pl.DataFrame, key: Sequence[str], times: pl.Series) -> pl.Series:
    placed = pl.DataFrame([*frame.select(key), times.cast(pl.Int64).alias("|at")]).drop_nulls()
    placed = placed.sort("|at")
    gap = pl.col("|at").diff()
    found = placed.select(gap.over(key) if key else gap).to_series().drop_nulls()
    return found.filter(found > 0) if found.len() and (found > 0).any() else found


def _span(times: pl.Series) -> int:
    known = times.drop_nulls().cast(pl.Int64)
    return int(known.max() - known.min()) if known.len() else 0  # type: ignore[operator]


def watched(times: pl.Series) -> str | None:
    """Return how much of the newest data monitoring should look at; None: the usual week."""
    known = times.drop_nulls().cast(pl.Int64)
    newest = known.max()
    for name, length in SPANS.items():
        if length < 7 * DAY and _span(times) > 28 * DAY:
            continue
        if int((known > newest - length).sum()) >= 100 or length >= _span(times) / 4:  # type: ignore[operator]
            return None if name == "7d" else name
    return None


def spoken(length: int) -> str:
    """Return a length as a duration is written, rounded down."""
    for unit, size in (("d", DAY), ("h", HOUR), ("m", HOUR // 60), ("s", 1_000_000)):
        if length >= size:
            return f"{length // size}{unit}"
    return "1s"
