"""Outliers of one column: values beyond median ± k·MAD that stand apart from the others.

The deviation of each side is measured on its own, since few columns are symmetric; a skewed column
of positive values is looked at on the scale of its logarithm. Many columns have long tails whose
values follow each other closely; only what lies beyond a gap is an outlier. Where a column of
groups explains most of the values, each is compared with its own group.
Source: P. J. Rousseeuw and C. Croux, Alternatives to the median absolute deviation, JASA 88 (1993);
double MAD for asymmetric distributions. The gap is ours.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from octavo.quality.finding import Finding, call, column, counted, shown
from octavo.quality.numbers import is_clock
from octavo.quality.table import Table

K = 8.0
"""Deviations (1.4826·MAD) from the median up to which nothing is an outlier."""

GAP = 2.0
"""How many times as far out as the farthest usual value an outlier is."""

MOST = 0.1
"""Share of the values which can be outliers; more are a second kind of value."""

_EXPLAINED = 0.6
"""Share of the variance that groups must explain for values to be compared within them."""

_MEMBERS = 30
"""Values from which a group has a median and a deviation of its own."""


def outliers(table: Table, groups: Sequence[str] | None = None) -> Iterator[Finding]:
    """Find outliers of all numeric and time columns.

    Parameters
    ----------
    groups
        Columns whose values are compared within; None: they are found.
    """
    numeric = [
        name
        for name in table.of_type("number")
        if table.sample[name].n_unique() > 10 and not is_clock(table.sample[name])
    ]
    candidates = _candidates(table) if groups is None else groups
    for name in [*numeric, *table.of_type("time")]:
        values = _floats(table.frame[name])
        bad = beyond(values)
        if bad.any():
            yield _outlier(table, name, values, bad)
        elif name in numeric and (group := _explaining(table, name, candidates)):
            bad = _beyond_in_groups(table, name, values, group)
            if bad.any():
                yield _grouped(table, name, group, bad)


def _floats(values: pl.Series) -> np.ndarray:
    if values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us")).cast(pl.Int64)
        values = values / 86_400_000_000  # days
    floats = values.cast(pl.Float64).fill_null(float("nan")).to_numpy().copy()
    floats[~np.isfinite(floats)] = np.nan
    return floats


def beyond(values: np.ndarray) -> np.ndarray:
    """Return which values are outliers, as a Boolean array; NaN is none.

    Parameters
    ----------
    values
        float64.
    """
    return apart(scores(values))


def scores(values: np.ndarray) -> np.ndarray:
    """Return how many deviations each value is from the median; 0 for NaN."""
    known = values[~np.isnan(values)]
    if known.size < 20:
        return np.zeros_like(values)
    sampled = known[:: max(1, known.size // 50_000)]
    if sampled.min() > 0 and _skewed(sampled):
        values, sampled = np.log(np.where(values > 0, values, np.nan)), np.log(sampled)
    middle = np.median(sampled)
    found = np.zeros_like(values)
    for side in (-1, 1):
        away = (values - middle) * side
        deviation = _deviation((sampled - middle) * side)
        outside = away > 0
        if deviation > 0:
            found[outside] = away[outside] / deviation
    return found


def _deviation(away: np.ndarray) -> float:
    """Return 1.4826·MAD of one side; of the values that differ where most do not."""
    side = away[away >= 0]
    if not side.size:
        return 0.0
    found = float(np.median(side))
    if found == 0:
        differing = side[side > 0]
        found = float(np.median(differing)) if differing.size >= 20 else 0.0
    return 1.4826 * found


def _skewed(values: np.ndarray) -> bool:
    low, middle, high = np.quantile(values, [0.02, 0.5, 0.98])
    return (high - middle) > 3 * (middle - low)


def apart(far: np.ndarray) -> np.ndarray:
    """Return which scores lie beyond the first gap above `K`, if they are few enough."""
    high = np.sort(far[far > 0.5 * K])
    usual = far[far <= 0.5 * K]
    steps = np.concatenate(([usual.max() if usual.size else 0.0], high))
    after = np.concatenate((high, [0.0]))[: steps.size]
    floor = np.maximum(steps, K / GAP)
    gaps = np.flatnonzero(after >= GAP * floor)
    for place in gaps.tolist():
        bad = far >= after[place]
        if bad.sum() <= max(MOST * far.size, 1):
            return bad
    return np.zeros(far.shape, bool)


def _outlier(table: Table, name: str, values: np.ndarray, bad: np.ndarray) -> Finding:
    original = table.frame[name]
    extremes = original.filter(pl.Series(bad))
    inside = original.filter(pl.Series(~bad & ~np.isnan(values)))
    low, high = inside.min(), inside.max()
    found = sorted({extremes.min(), extremes.max()})  # type: ignore[type-var]
    treatment = f"{call('Null', name)[:-1]}, where=~{column(name)}.is_between({low!r}, {high!r}))"
    if original.dtype.is_temporal():
        treatment = f"{call('Null', name)[:-1]}, where=~{column(name)}.dt.year().is_between({low.year}, {high.year}))"  # type: ignore[union-attr]
    return table.finding(
        "outlier",
        "median_mad",
        name,
        bad,
        f"`{name}` is far from all others in {counted(int(bad.sum()), table.height)}: "
        f"{' … '.join(map(shown, found))}, where the others lie between {shown(low)} and "
        f"{shown(high)}.",
        treatment,
    )


def _candidates(table: Table) -> list[str]:
    """Return the columns that could be groups: few values, each of them often."""
    found = []
    for name in table.of_type("text", "boolean", "number"):
        values = table.sample[name]
        if values.dtype.is_float():
            continue
        different = values.n_unique()
        if 2 <= different <= values.len() / (2 * _MEMBERS):
            found.append(name)
    return found[:12]


def _explaining(table: Table, name: str, candidates: Sequence[str]) -> str | None:
    """Return the group that explains most of a column's variance, if it is enough of it.

    Ranks are compared, so that a few wild values explain nothing.
    """
    values = table.sample[name].rank("average").alias("|rank")
    total = values.var()
    best, found = _EXPLAINED, None
    for group in candidates if total else ():
        if group == name:
            continue
        within = values.to_frame().with_columns(table.sample[group].alias("|group"))
        within = within.drop_nulls().select(
            (pl.col("|rank") - pl.col("|rank").mean().over("|group")).var()
        )
        explained = 1 - (within.item() or 0.0) / total  # type: ignore[operator]
        if explained > best:
            best, found = explained, group
    return found


def _beyond_in_groups(table: Table, name: str, values: np.ndarray, group: str) -> np.ndarray:
    """Return which values are outliers of their own group."""
    frame = pl.DataFrame({"group": table.frame[group], "value": pl.Series(values).fill_nan(None)})
    middle = pl.col("value").median().over("group")
    frame = frame.with_columns(away=pl.col("value") - middle)
    spread = pl.col("away").abs().median().over("group")
    enough = pl.col("value").count().over("group") >= _MEMBERS
    overall = pl.col("away").abs().median()  # a group of equal values is no narrower than a tenth
    width = 1.4826 * pl.max_horizontal(spread, 0.1 * overall, 1e-12)
    found = frame.select(pl.when(enough).then(pl.col("away").abs() / width).fill_null(0.0))
    return apart(found.to_series().to_numpy())


def _grouped(table: Table, name: str, group: str, bad: np.ndarray) -> Finding:
    return table.finding(
        "outlier",
        "median_mad_in_group",
        [name, group],
        bad,
        f"`{name}` is far from what is usual for its `{group}` in "
        f"{counted(int(bad.sum()), table.height)}.",
        None,
    )
