"""Columns that were written after the row, told by their nulls and by their times."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from octavo.stages.segregation.leaks.finding import Examined, Leak
from octavo.stages.segregation.leaks.skill import Target, skill

TELLING_NULLS = 0.7
"""Difference of the share of nulls between a class and the others from which nulls tell of it."""
HALF_TOLD = 0.5
"""The same for numbers: the skill of the nulls alone; two groups explain 0.75 at the most."""
PURE = 0.98
"""Share of one class among the rows with a value (or without) from which these tell of it."""
_FEWEST = 30


def post_event(table: Examined, sample: pl.DataFrame, name: str, target: Target) -> str:
    """Return why a column was written after the outcome; nothing if it does not look so."""
    column = sample[name]
    null = column.is_null().to_numpy()
    if 0.005 < null.mean() < 0.995:
        if table.is_number:
            telling = skill(null.astype(np.int64), target) >= HALF_TOLD
        else:
            telling = _nulls_tell(null, target.values)
        if telling:
            return f"whether {name!r} is filled tells {table.label!r}."
    if table.time is not None and name != table.time:
        share = recorded_later(column, sample[table.time])
        if share > 0.01:
            return f"{name!r} is later than the row's own time in {share:.0%} of rows."
    return ""


def _nulls_tell(null: np.ndarray, values: np.ndarray) -> bool:
    """Say whether a class has values where others have none, or all that have are of one class."""
    classes = values.T if values.shape[1] > 1 else np.array([values[:, 0], 1 - values[:, 0]])
    for of_class in classes.astype(bool):
        if min(of_class.sum(), (~of_class).sum()) < 10:
            continue
        if abs(null[of_class].mean() - null[~of_class].mean()) >= TELLING_NULLS:
            return True
        for side in (null, ~null):
            enough = side.sum() >= max(_FEWEST, 0.01 * null.size) and of_class.mean() <= 0.6
            if enough and of_class[side].mean() >= PURE:
                return True
    return False


def recorded_later(column: pl.Series, than: pl.Series) -> float:
    """Return the share of values that are times recorded later than others.

    A planned time (a departure, an expiry) is known before it comes, and round: times on whole
    minutes count as planned.
    """
    pair = pl.DataFrame({"at": column, "than": than}).drop_nulls()
    if column.dtype == pl.Date or not isinstance(column.dtype, pl.Datetime) or not pair.height:
        return 0.0
    at, moment = (
        pair[c].dt.replace_time_zone(None).dt.cast_time_unit("us").cast(pl.Int64)
        for c in ("at", "than")
    )
    if (at % 60_000_000 == 0).mean() > 0.9:  # type: ignore[operator]
        return 0.0
    return float((at > moment).sum() / column.len())


def future_dated(table: Examined, trained: pl.DataFrame) -> Iterator[Leak]:
    """Give the features whose source happened after the row."""
    if table.time is None:
        return
    moment = trained[table.time]
    for name, dated in table.dated.items():
        later = (trained[dated] > moment).fill_null(False).mean()
        if later > 0.001:  # type: ignore[operator]
            yield Leak(
                "future-dated join",
                (name,),
                f"{name!r} comes from rows that are later than its own ({dated}, in {later:.1%} of "
                "rows).",
                "Join what was known at the row's time: give that source an event_time, and use a "
                "window.",
            )
