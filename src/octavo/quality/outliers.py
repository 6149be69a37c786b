"""Outliers of one column: values beyond median ± k·MAD that stand apart from the others.

The deviation of each side is measured on its own, since few columns are symmetric; a skewed column
of positive values is looked at on the scale of its logarithm. Many columns have long tails whose
values follow each other closely; only what lies beyond a gap is an outlier. Where a column of
groups explains most of the values, each is compared with its own group.
Source: P. J. Rousseeuw and C. Croux, Alternatives to the median absolute deviation, JASA 88 (1993);
double MAD for asymmetric distributions. The gap is ours.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import polars as pl

from octavo.quality.finding import Finding, call, column, shown
from octavo.quality.table import Table

K = 8.0
"""Deviations (1.4826·MAD) from the median up to which nothing is an outlier."""

GAP = 2.0
"""How many times as far out as the farthest usual value an outlier is."""

MOST = 0.1
"""Share of the values which can be outliers; more are a second kind of value."""

_EXPLAINED = 0.6
"""Share of the variance that groups must explain for values to be compared within them."""

_MEASURED = 20_000  # values that tell what is usual
_COMPARED = 4_000  # rows on which groups are tried

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
        if table.varied[name] > 10 and name not in table.clocks
    ]
    candidates = _Groups(table, _candidates(table) if groups is None else groups)
    for name in [*numeric, *table.of_type("time")]:
        values = _floats(table.frame[name])
        bad = beyond(values)
        if bad.any():
            yield _outlier(table, name, values, bad)
        elif name in numeric and (group := candidates.explaining(name)):
            bad = _beyond_in_groups(table, name, values, group)
            if bad.any():
                yield _grouped(table, name, group, bad)


def _floats(values: pl.Series) -> np.ndarray:
    if values.dtype.is_temporal():
        values = values.cast(pl.Datetime("us")).cast(pl.Int64)
        values = values / 86_400_000_000  # days
    floats = values.cast(pl.Float64).fill_null(float("nan")).to_numpy()
    infinite = np.isinf(floats)
    return np.where(infinite, np.nan, floats) if infinite.any() else floats


def beyond(values: np.ndarray) -> np.ndarray:
    """Return which values are outliers, as a Boolean array; NaN is none.

    Parameters
    ----------
    values
        float64.
    """
    ends = np.array([np.fmin.reduce(values), np.fmax.reduce(values)])
    scale = _scale(values)
    if scale is None or _scored(ends, scale).max() < K:
        return np.zeros(values.shape, bool)
    return apart(_scored(values, scale))


def scores(values: np.ndarray) -> np.ndarray:
    """Return how many deviations each value is from the median; 0 for NaN."""
    scale = _scale(values)
    return np.zeros_like(values) if scale is None else _scored(values, scale)


class _Scale(NamedTuple):
    """What is usual in a column."""

    middle: float
    below: float
    """1.4826·MAD of the values below the median; 0 if there is none."""
    above: float
    logarithmic: bool


def _scale(values: np.ndarray) -> _Scale | None:
    """Measure a column on some of its values; None if these are too few."""
    sampled = values[:: max(1, values.size // _MEASURED)]
    sampled = sampled[~np.isnan(sampled)]
    if sampled.size < 20:
        return None
    logarithmic = sampled.min() > 0 and _skewed(sampled)
    if logarithmic:
        sampled = np.log(sampled)
    middle = float(np.median(sampled))
    return _Scale(middle, _deviation(middle - sampled), _deviation(sampled - middle), logarithmic)


def _scored(values: np.ndarray, scale: _Scale) -> np.ndarray:
    if scale.logarithmic:
        values = np.log(np.where(values > 0, values, np.nan))
    away = values - scale.middle
    below = away / -scale.below if scale.below else np.zeros_like(away)
    above = away / scale.above if scale.above else np.zeros_like(away)
    return np.nan_to_num(np.where(away < 0, below, above))


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
        years = f"{low.year}, {high.year}"  # type: ignore[union-attr]
        treatment = (
            f"{call('Null', name)[:-1]}, where=~{column(name)}.dt.year().is_between({years}))"
        )
    return table.finding(
        "outlier",
        "median_mad",
        name,
        bad,
        f"`{name}` is far from all others in {table.counted(bad)}: "
        f"{' … '.join(map(shown, found))}, where the others lie between {shown(low)} and "
        f"{shown(high)}.",
        treatment,
    )


def _candidates(table: Table) -> list[str]:
    """Return the columns that could be groups: few values, each of them often."""
    found = []
    for name in table.of_type("text", "boolean", "number"):
        few = 2 <= table.varied[name] <= table.sample.height / (2 * _MEMBERS)
        if few and not table.frame[name].dtype.is_float():
            found.append(name)
    return found[:12]


class _Groups:
    """Columns of groups, and how much of another column's variance each explains."""

    def __init__(self, table: Table, names: Sequence[str]) -> None:
        self._rows = table.sample.gather_every(max(1, table.sample.height // _COMPARED))
        ranks = {name: self._rows[name].rank("dense").fill_null(0) for name in names}
        self._codes = {name: rank.to_numpy().astype(np.int64) for name, rank in ranks.items()}

    def explaining(self, name: str) -> str | None:
        """Return the group that explains most of a column's variance, if it is enough of it.

        Ranks are compared, so that a few wild values explain nothing.
        """
        rank = self._rows[name].rank("average").cast(pl.Float64).fill_null(np.nan).to_numpy()
        best, found = _EXPLAINED, None
        for group, codes in self._codes.items():
            if group != name and (explained := _explained(rank, codes)) > best:
                best, found = explained, group
        return found


def _explained(rank: np.ndarray, codes: np.ndarray) -> float:
    """Return the share of the variance that is between groups; of code 0 a row is of none."""
    known = (codes > 0) & ~np.isnan(rank)
    if not known.any():
        return 0.0
    away = rank[known] - rank[known].mean()
    sums, sizes = np.bincount(codes[known], away), np.bincount(codes[known])
    total = float(away @ away)
    return float(np.square(sums) @ (1 / np.maximum(sizes, 1))) / total if total else 0.0


def _beyond_in_groups(table: Table, name: str, values: np.ndarray, group: str) -> np.ndarray:
    """Return which values are outliers of their own group; what is usual is told by the sample."""
    usual = pl.DataFrame([table.sample[group].alias("group"), table.sample[name].alias("value")])
    usual = usual.with_columns(pl.col("value").cast(pl.Float64)).drop_nulls()
    usual = usual.with_columns(middle=pl.col("value").median().over("group"))
    usual = usual.with_columns(away=(pl.col("value") - pl.col("middle")).abs())
    overall = usual["away"].median() or 0.0
    groups = usual.group_by("group").agg(
        pl.col("middle").first(), pl.col("away").median().alias("width"), pl.len().alias("members")
    )
    groups = groups.filter(pl.col("members") >= _MEMBERS)
    # A group of nearly equal values counts as no narrower than a tenth of what is usual.
    width = 1.4826 * pl.max_horizontal(pl.col("width"), 0.1 * overall, 1e-12)  # type: ignore[operator]
    groups = groups.select("group", "middle", width=width)
    places = dict(zip(groups["group"], range(groups.height), strict=True))
    of = table.frame[group].replace_strict(places, default=-1, return_dtype=pl.Int32).to_numpy()
    middle, width = (np.append(groups[name].to_numpy(), np.nan) for name in ("middle", "width"))
    return apart(np.nan_to_num(np.abs(values - middle[of]) / width[of], posinf=0.0))


def _grouped(table: Table, name: str, group: str, bad: np.ndarray) -> Finding:
    return table.finding(
        "outlier",
        "median_mad_in_group",
        [name, group],
        bad,
        f"`{name}` is far from what is usual for its `{group}` in {table.counted(bad)}.",
        None,
    )
