"""Which features the candidate leans on, and what it is worth when they fail.

All on validation, so that test is not read for it. The figures are the problem's.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from octavo.stages.evaluation.judged import Judged

ROWS = 4_000
"""Rows that features are permuted in at the most."""
MOST = 5
"""Features that are taken away and shifted: those that matter most."""
SHIFT = 0.5
"""Standard deviations of a number by which it is shifted."""


def sampled(judged: Judged) -> Judged:
    """Return so many rows, drawn once and for all."""
    rows = judged.truth.size
    if rows <= ROWS:
        return judged
    chosen = np.zeros(rows, bool)
    chosen[np.random.default_rng(0).permutation(rows)[:ROWS]] = True
    return judged.among(chosen)


def importance(judged: Judged) -> list[dict[str, Any]]:
    """Return what each feature is worth: how much worse the figure is with its values permuted.

    Source: Breiman, Random Forests (2001). Of features that say the same, each is worth little.
    """
    whole = judged.figure
    generator = np.random.default_rng(0)
    order = generator.permutation(judged.truth.size)
    worth = {
        feature: _loss(judged, whole, judged.rows[feature].gather(order))
        for feature in judged.bundle.schema
    }
    ranked = sorted(worth, key=lambda feature: -worth[feature])
    return [{"feature": feature, "worth": worth[feature]} for feature in ranked]


def robustness(judged: Judged, ranked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the figure with each of the most important features missing, and shifted.

    A shift is by half a standard deviation, up or down, whichever does more harm; None for what
    is no number.
    """
    whole, found = judged.figure, []
    for feature in [each["feature"] for each in ranked[:MOST]]:
        column = judged.rows[feature]
        gone = pl.Series(feature, [None] * column.len(), dtype=column.dtype)
        shifted = None
        if column.dtype.is_numeric():
            spread = column.cast(pl.Float64).fill_nan(None).std() or 0.0
            harm = [_loss(judged, whole, column + sign * SHIFT * spread) for sign in (1, -1)]
            shifted = _back(judged, whole, max(harm))
        missing = _back(judged, whole, _loss(judged, whole, gone))
        found.append({"feature": feature, "missing": missing, "shifted": shifted})
    return found


def _loss(judged: Judged, whole: float, column: pl.Series) -> float:
    """Return by how much the figure is worse with another column; negative: better."""
    other = judged.rows.with_columns(column)
    changed = replace(judged, rows=other, predicted=judged.bundle.predict(other))
    sign = 1 if judged.problem.more_is_better else -1
    return sign * (whole - changed.figure)


def _back(judged: Judged, whole: float, loss: float) -> float:
    return whole - loss if judged.problem.more_is_better else whole + loss
