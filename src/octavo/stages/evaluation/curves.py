"""The candidate's answers on test as curves, thin enough to be drawn: a few hundred points each."""

from typing import Any

import numpy as np

from octavo.bundle.curve import Order
from octavo.stages.evaluation.judged import Judged

POINTS = 200
"""Points of a curve at the most."""
BINS = 10


def curves(test: Judged) -> dict[str, Any]:
    """Return what can be drawn of a kind of problem.

    binary: ``roc`` (false and true positive rates), ``pr`` (recall, precision), ``lift`` (share of
    rows looked at, share of the positives found), ``calibration``. multiclass: ``confusion`` (rows:
    what came true) and ``calibration`` of the class that is told. regression: ``quantiles`` of the
    residuals, what came true − predicted, and ``residuals`` by what was predicted.
    """
    if test.problem.kind == "binary":
        return _binary(test)
    if test.problem.kind == "multiclass":
        return _multiclass(test)
    return _regression(test) if test.problem.kind == "regression" else {}


def _binary(test: Judged) -> dict[str, Any]:
    counts = Order.of(test.truth, test.predicted).counts()
    at = _thinned(counts.true.size)
    true, false = counts.true / counts.positives, counts.false / counts.negatives
    looked_at = (counts.true + counts.false) / test.truth.size
    return {
        "roc": _points(x=false[at], y=true[at]),
        "pr": _points(x=true[at], y=counts.precision[at]),
        "lift": _points(x=looked_at[at], y=true[at]),
        "calibration": _bins(test.predicted, test.truth),
    }


def _multiclass(test: Judged) -> dict[str, Any]:
    truth, classes = test.truth.astype(np.int64), test.predicted.shape[1]
    told = test.predicted.argmax(axis=1)
    table = np.bincount(truth * classes + told, minlength=classes**2)
    return {
        "classes": [str(name) for name in test.bundle.classes],
        "confusion": table.reshape(classes, classes).tolist(),
        "calibration": _bins(test.predicted.max(axis=1), (told == truth).astype(np.float64)),
    }


def _regression(test: Judged) -> dict[str, Any]:
    residuals = test.truth - test.predicted
    shares = np.linspace(0, 1, POINTS + 1)[1:-1]
    return {
        "quantiles": _points(x=shares, y=np.quantile(residuals, shares)),
        "residuals": [
            {"predicted": mean, "truth": truth, "rows": rows}
            for mean, truth, rows in _means(test.predicted, test.truth, 2 * BINS)
        ],
    }


def _bins(predicted: np.ndarray, truth: np.ndarray) -> list[dict[str, Any]]:
    """Return, in bins of equal numbers of rows, what was told and what came true."""
    return [
        {"told": told, "true": true, "rows": rows}
        for told, true, rows in _means(predicted, truth, BINS)
    ]


def _means(predicted: np.ndarray, truth: np.ndarray, bins: int) -> list[tuple[float, float, int]]:
    order = np.argsort(predicted, kind="stable")
    return [
        (float(predicted[rows].mean()), float(truth[rows].mean()), rows.size)
        for rows in np.array_split(order, bins)
        if rows.size
    ]


def _thinned(size: int) -> np.ndarray:
    """Return places from first to last, evenly apart, `POINTS` at the most."""
    return np.unique(np.linspace(0, size - 1, min(size, POINTS)).round().astype(np.int64))


def _points(x: np.ndarray, y: np.ndarray) -> dict[str, list[float]]:
    return {"x": x.tolist(), "y": y.tolist()}
