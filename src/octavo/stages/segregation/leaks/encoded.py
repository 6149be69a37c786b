"""Recognizes a column that holds the target's mean by category, taken over all rows.

The category itself need not be there: if the column is such a mean, then the rows of each of its
values have just that mean. This module knows nothing of parts.
"""

from collections.abc import Sequence

import numpy as np
import polars as pl

_CLASSES = 10


def encodable(label: pl.Series, *, is_number: bool) -> list[pl.Series]:
    """Return what could be averaged of a label: the number, or for each class whether it is it."""
    if is_number:
        return [label.cast(pl.Float64)]
    text = label.cast(pl.String)
    classes = text.value_counts(sort=True)[label.name].head(_CLASSES)
    return [(text == name).cast(pl.Float64) for name in classes]


def is_target_mean(column: pl.Series, targets: Sequence[pl.Series]) -> bool:
    """Say whether a column equals a target's mean over the rows of each of its values.

    Also if the means were drawn towards the overall one, as ``(sum + m · mean) ÷ (n + m)``.

    Parameters
    ----------
    column, targets
        Of all labeled rows; the targets from `encodable`.
    """
    if not column.dtype.is_float() or not 3 <= column.head(20_000).n_unique() < column.len() / 4:
        return False
    centre = column.mean()
    return any(_is_mean(column, target, centre) for target in targets)  # type: ignore[arg-type]


def _is_mean(column: pl.Series, target: pl.Series, centre: float | None) -> bool:
    mean, spread = float(target.mean()), float(target.std())  # type: ignore[arg-type]
    if centre is None or not abs(centre - mean) <= 0.1 * spread:
        return False
    groups = pl.DataFrame({"value": column, "target": target}).drop_nulls().group_by("value")
    found = groups.agg(pl.len().alias("n"), pl.mean("target").alias("mean"), pl.std("target"))
    found = found.filter(pl.col("n") > 1)
    value, n, own = (found[c].to_numpy() for c in ("value", "n", "mean"))
    varied = (found["target"] > 0).to_numpy()
    drawn, pull = (value - own) * n, mean - value
    for m in _weights(drawn, pull, 1e-3 * spread):
        # Categories of equal size and mean share a value: then it is drawn as often as they are.
        times = np.rint(drawn / np.where(pull == 0, np.inf, pull) / m).clip(1) if m else 0.0
        exact = np.abs(drawn - times * m * pull) <= 1e-6 * spread * (n + times * m)
        if (varied & exact).sum() >= 3 and n[exact].sum() >= 0.95 * column.len():
            return True
    return False


def _weights(drawn: np.ndarray, pull: np.ndarray, least: float) -> list[float]:
    """Return how many rows of the overall mean each category may have been given: none, or m.

    From ``value = (n · own + m · mean) ÷ (n + m)``, solved for m where that is well defined.
    """
    usable = np.abs(pull) > least
    found = drawn[usable] / pull[usable]
    found = np.unique(found[found > 0.01].round(6))
    return [0.0, *found[:3].tolist()]
