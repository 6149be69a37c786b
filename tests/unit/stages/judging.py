"""Small judged candidates whose every answer is known."""

from typing import Any

import numpy as np
import polars as pl

import octavo as ov
from octavo.bundle import Bundle, LinearEncoder, LinearModel
from octavo.stages.evaluation.judged import Judged


def problem(kind: str = "binary", metric: str = "log_loss", **changes: Any) -> ov.Problem:
    given = {"target": "odd", "kind": kind, "metric": metric, "at_most": 10.0}
    if "at_least" in changes:
        del given["at_most"]
    return ov.Problem("Which are odd?", **(given | changes))


def linear(frame: pl.DataFrame, coef: list[float], kind: str = "binary") -> Bundle:
    """Return a bundle that adds up the columns of a frame, unscaled where they are standard."""
    encoder = LinearEncoder.fit(frame)
    width = encoder.transform(frame).shape[1]
    weights = np.zeros((1, width))
    weights[0, : len(coef)] = coef
    model = LinearModel(kind, width, coef=weights, intercept=np.zeros(1))
    return Bundle(model, encoder, target="odd", algorithm="linear")


def told(
    asked: ov.Problem,
    rows: pl.DataFrame,
    truth: np.ndarray,
    predicted: np.ndarray,
    threshold: float | None = None,
) -> Judged:
    """Return rows of which a candidate told exactly this."""
    features = rows.drop(name for name in rows.columns if name.startswith("_"))
    bundle = linear(features, [1.0])
    object.__setattr__(bundle, "threshold", threshold)
    return Judged(asked, bundle, rows, truth, predicted)
