"""Which rows fall into which part: the rules of `octavo.definition.split`, over a frame.

A rule and its *cuts* divide rows; cuts are plain JSON values, found once for a data version and
stored with it. This module reads frames only; it knows nothing of stores.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl

from octavo.definition import SplitByHash, SplitByTime, SplitStratified
from octavo.definition.durations import microseconds
from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.definition.split import Split
from octavo.errors import DataError, DefinitionError
from octavo.windows import hash_keys

SETTLED_AT = "_settled_at"
"""Int64, microseconds; when a row's label was known and the row mature. Null: unlabeled."""

_SHARE = "_share"

Cuts = dict[str, Any]


def cuts_of(
    split: Split,
    rows: pl.DataFrame,
    label: str,
    *,
    clock: int,
    regression: bool,
    unlabeled: bool = False,
) -> Cuts:
    """Return what a rule needs to know of the data before it can divide them.

    Parameters
    ----------
    rows
        All rows, with `EVENT_ID`, `EVENT_TIME`, `SETTLED_AT`, their ``key:`` columns and the label.
    clock
        The newest knowledge time of the data version, microseconds.
    regression
        Whether the label is a number to be cut into quantiles.
    unlabeled
        Whether rows without a label count, since they are learned from as well.
    """
    labeled = rows.filter(pl.col(label).is_not_null())
    if isinstance(split, SplitByTime):
        divided = rows if unlabeled else labeled
        late = pl.col(SETTLED_AT) > clock
        return _time_cuts(split, divided.filter(~late.fill_null(False)) if split.purge else divided)
    if isinstance(split, SplitStratified):
        return _stratified_cuts(split, labeled, label, regression=regression)
    return {}


def divide(
    split: Split, version: dict[str, Any], rows: pl.DataFrame, label: str, part: str, fold: int
) -> pl.Series:
    """Return which rows fall into a part, as booleans.

    Parameters
    ----------
    version
        The data version: its ``cuts`` and ``clock``.
    rows
        As for `cuts_of`.
    part
        ``train``, ``validation`` or ``test``.
    fold
        From 1, the oldest, to the number of folds; test is the same in all of them.
    """
    if isinstance(split, SplitByTime):
        return _time_part(split, version, rows, part, fold)
    share = _hash_share(split, rows)
    starts: list[Any] = _nominal(split)
    if isinstance(split, SplitStratified):
        starts = _bounds(split, version["cuts"], rows, label)
    start, end, test = starts[fold - 1], starts[fold], starts[-1]
    held = (share >= start) & (share < end)
    found = {"train": (share < test) & ~held, "validation": held, "test": share >= test}
    return pl.Series(found[part])


def _nominal(split: SplitByHash | SplitStratified) -> list[float]:
    """Return the shares at which validation begins in every fold, and at which test does."""
    earlier = range(split.folds - 1, -1, -1)
    first = [split.train - back * split.validation for back in earlier]
    return [*first, split.train + split.validation]


def _time_cuts(split: SplitByTime, settled: pl.DataFrame) -> Cuts:
    """Return the first event times of validation (of earlier folds too) and of test.

    Rows of one event time are never divided.
    """
    if not settled.height:
        raise DataError(
            "no label was settled when the data version was made.",
            where="SplitByTime.purge",
            fix="Wait for mature rows, or shorten Label.mature_after.",
        )
    times = settled[EVENT_TIME].cast(pl.Int64).sort()

    def cut(share: float) -> int:
        return int(times[min(round(times.len() * share), times.len() - 1)])

    earlier = range(split.folds - 1, 0, -1)
    return {
        "earlier": [cut(split.train - back * split.validation) for back in earlier],
        "validation": cut(split.train),
        "test": cut(split.train + split.validation),
    }


def _time_part(
    split: SplitByTime, version: dict[str, Any], rows: pl.DataFrame, part: str, fold: int
) -> pl.Series:
    cuts = version["cuts"]
    starts = [*cuts.get("earlier", []), cuts["validation"], cuts["test"]]
    times, settled = rows[EVENT_TIME].cast(pl.Int64), rows[SETTLED_AT]
    gap = microseconds(split.gap, where="SplitByTime.gap")
    start, end = starts[fold - 1], starts[fold]
    if part == "test":
        found = times >= cuts["test"]
    elif part == "validation":
        last = end == cuts["test"]  # in an earlier fold nothing newer follows
        found = (times >= start) & (times < (end - gap if last else end))
    else:
        found = times < start - gap
        if split.sliding is not None:
            back = microseconds(split.sliding, where="SplitByTime.sliding")
            found &= times >= start - gap - back
    if not split.purge:
        return found
    return found & (settled <= (start if part == "train" else version["clock"])).fill_null(True)


def placed(split: Split, rows: pl.DataFrame) -> pl.DataFrame:
    """Hash rows once for all questions which part they are in, where the rule does."""
    if isinstance(split, SplitByTime):
        return rows
    return rows.with_columns(pl.Series(_SHARE, _hash_share(split, rows)))


def _hash_share(split: SplitByHash | SplitStratified, rows: pl.DataFrame) -> np.ndarray:
    """Return the place of each row between 0 and 1, by the hash of its entity or event ID."""
    if _SHARE in rows.columns:
        return rows[_SHARE].to_numpy()
    keys = [f"key:{column}" for column in split.entity] or [EVENT_ID]
    for key in keys:
        if key not in rows.columns:
            known = [c[4:] for c in rows.columns if c.startswith("key:")]
            where = f"{type(split).__name__}.entity"
            raise DefinitionError.unknown("column", key[4:], known, where=where)
    salted = rows.select(pl.lit(split.salt).alias("salt"), *keys)
    return hash_keys(salted, ["salt", *keys]).astype(np.float64) / 2.0**64


def _stratified_cuts(
    split: SplitStratified, labeled: pl.DataFrame, label: str, *, regression: bool
) -> Cuts:
    """Return, for each class, where validation begins in every fold, and where test does."""
    cuts: Cuts = {"strata": {}}
    if regression:
        value = _mean(split, labeled, label)
        inner = np.linspace(0, 1, split.bins + 1)[1:-1]
        cuts["edges"] = np.unique(np.quantile(value.to_numpy(), inner)).tolist()
    units = pl.DataFrame(
        {"share": _hash_share(split, labeled), "stratum": _strata(split, cuts, labeled, label)}
    ).unique()
    for (stratum,), unit in units.partition_by("stratum", as_dict=True).items():
        places = unit["share"].sort()
        # No class is missing in train.
        starts = [max(1, round(places.len() * share)) for share in _nominal(split)]
        cuts["strata"][stratum] = [float(places[n]) if n < places.len() else 2.0 for n in starts]
    return cuts


def _bounds(split: SplitStratified, cuts: Cuts, rows: pl.DataFrame, label: str) -> list[np.ndarray]:
    """Return for each row what `_nominal` says of all; unlabeled rows: as if all were one."""
    strata = _strata(split, cuts, rows, label)
    return [
        strata.replace_strict(
            {stratum: ends[which] for stratum, ends in cuts["strata"].items()},
            default=nominal,
            return_dtype=pl.Float64,
        ).to_numpy()
        for which, nominal in enumerate(_nominal(split))
    ]


def _strata(split: SplitStratified, cuts: Cuts, rows: pl.DataFrame, label: str) -> pl.Series:
    """Return the class of each row, as text; null where nothing is known of it or its entity."""
    if "edges" in cuts:
        value = _mean(split, rows, label)
        bins = pl.Series(cuts["edges"], dtype=pl.Float64).search_sorted(value.fill_null(0.0))
        return pl.Series(bins, dtype=pl.String).set(value.is_null(), None)
    text = rows[label].cast(pl.String)
    counts = text.drop_nulls().value_counts(name="rows").sort("rows", label)
    ranks = {name: rank for rank, name in enumerate(counts[label])}
    rank = text.replace_strict(ranks, default=None, return_dtype=pl.Int64)
    rarest = _of_entity(split, rows, rank, pl.Expr.min)
    names = dict(enumerate(counts[label]))
    return rarest.replace_strict(names, default=None, return_dtype=pl.String)


def _mean(split: SplitStratified, rows: pl.DataFrame, label: str) -> pl.Series:
    return _of_entity(split, rows, rows[label].cast(pl.Float64), pl.Expr.mean)


def _of_entity(
    split: SplitStratified,
    rows: pl.DataFrame,
    value: pl.Series,
    whole: Callable[[pl.Expr], pl.Expr],
) -> pl.Series:
    """Return a value over the rows of each row's entity; without entity, the row's own."""
    if not split.entity:
        return value
    keys = [f"key:{column}" for column in split.entity]
    keyed = rows.select(keys).with_columns(value.alias("value"))
    return keyed.select(whole(pl.col("value")).over(keys)).to_series()
