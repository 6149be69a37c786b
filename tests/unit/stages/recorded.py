"""What is recorded of a candidate of each kind: documents as stages write them, of made data."""

from typing import Any

import numpy as np
import polars as pl
from judging import problem, told

from octavo.bundle.bootstrap import interval, resampled
from octavo.stages.evaluation.curves import curves
from octavo.stages.evaluation.fairness import fairness
from octavo.stages.evaluation.robustness import importance, robustness
from octavo.stages.evaluation.slices import declared

ROWS = 600
METRICS = {
    "binary": "average_precision",
    "multiclass": "accuracy",
    "regression": "mae",
    "anomaly": "alarm_ratio",
}
GAIN = {"gain": 0.125, "interval": [0.0625, 0.25], "p": 0.015, "significant": True}


def judged(
    kind: str, feature: str = "x", group: str = "shop", values: tuple[str, ...] = ("a", "b")
):
    """Return rows of a kind of which something was told that is right for the most part."""
    rng = np.random.default_rng(5)
    x = rng.standard_normal(ROWS)
    rows = pl.DataFrame({feature: x, group: rng.choice(values, ROWS)})
    more = {"at_least": 0.1} if kind in ("binary", "multiclass") else {"at_most": 10.0}
    if kind == "anomaly":
        more["budget"] = 0.01
    asked = problem(kind, METRICS[kind], **more)
    if kind == "multiclass":
        chances = np.exp(np.column_stack([x, -x, np.zeros(ROWS)]))
        chances /= chances.sum(axis=1, keepdims=True)
        truth = (chances.cumsum(axis=1) < rng.random((ROWS, 1))).sum(axis=1).astype(float)
        found = told(asked, rows, truth, chances)
        object.__setattr__(found.bundle, "classes", ("low", "high", "other"))
        return found
    chance = 1 / (1 + np.exp(-x))
    if kind == "regression":
        return told(asked, rows, 3 * x + rng.standard_normal(ROWS), 3 * x)
    return told(asked, rows, (rng.random(ROWS) < chance).astype(float), chance, threshold=0.5)


def recorded(kind: str, **given: Any) -> dict[str, Any]:
    """Return all that may be known of a judged candidate of a kind.

    Parameters
    ----------
    given
        Names and values of `judged`.
    """
    test = judged(kind, **given)
    feature, group = given.get("feature", "x"), given.get("group", "shop")
    has_groups = kind != "anomaly"
    figure = 0.75
    ranked = [{"feature": feature, "worth": 0.25}, {"feature": group, "worth": -0.0078125}]
    if kind in ("binary", "regression"):  # what can be predicted anew by a linear bundle
        ranked = importance(test)
    evaluation = {
        "curves": curves(test),
        "importance": {"rows": ROWS, "figure": figure, "features": ranked},
        "robustness": robustness(test, ranked) if kind in ("binary", "regression") else [],
        "times": {"train": [1_700_000_000_000_000, 1_710_000_000_000_000]},
    }
    slices = declared(test, [group]) if has_groups else []
    low, high = interval(resampled([test.weighed()], ROWS, draws=50)[:, 0])
    candidate = {
        "candidate_id": "candidate-0123456789ab",
        "study": "study-1",
        "run_id": "run-1",
        "algorithm": "linear",
        "data_version": "data-1",
        "config_version": 2,
        "validation": 0.8125,
        "seconds": 1.5,
        "created_at": 1_764_000_000_000_000,
    }
    return {
        "candidate": candidate,
        "bundle": _bundle(kind, feature, group),
        "trial": {"number": 3, "role": "trial", "params": {}},
        "study": {"started_at": 0, "finished_at": 2_500_000, "trials": 4},
        "problem": _problem(kind),
        "definition": "abcdef",
        "code": "0.1.0",
        "verdict": {
            "answered": True,
            "promoted": True,
            "reason": "it answers",
            "candidate": candidate["candidate_id"],
            "algorithm": "linear",
            "metric": METRICS[kind],
            "validation": 0.8125,
            "validation_baseline": 0.3125,
            "validation_threshold": 0.375,
            "test": figure,
            "test_interval": [low, high],
            "baseline": 0.28125,
            "threshold": 0.34375,
            "test_rows": ROWS,
            "gain": dict(GAIN),
            "champion": None,
            "costs": _costs() if kind == "binary" else None,
            "slices": slices,
            "worst": [slices[0] | {"off": "too high", "p": 0.001}] if slices else [],
            "fairness": fairness(test, [group]) if kind == "binary" else {},
            "servable": _servable(),
            "ranking": [
                {"candidate_id": candidate["candidate_id"], "algorithm": "linear",
                 "validation": 0.8125, "folds": [0.8125], "log_loss": 0.0625, "seconds": 1.5},
                {"candidate_id": "candidate-other", "algorithm": "lightgbm",
                 "validation": 0.78125, "folds": [0.78125], "log_loss": 0.09375, "seconds": 2.5},
            ],
            "chosen_by_loss": {"among": 9, "best": 0.84375, "standard_error": 0.03125,
                               "log_loss": 0.0625} if kind == "multiclass" else None,
        },
        "evaluation": evaluation,
        "data": _data(),
        "batches": [
            {"batch_id": "batch-1", "dataset": "orders", "rows": 1200, "rejected": 7,
             "duplicates": 0, "newest": 1_710_000_000_000_000, "file": "orders.csv", "faults": 2}
        ],
        "readings": (1, 3),
        "deployed": {"live_from": 1_764_000_000_000_000, "live_to": None},
        "began": {
            "profile": "default",
            "settings": {"trials": 4, "seed": 7, "params": {"linear": {"l2": 0.5}}},
            "code": "0.1.0+abc",
            "libraries": {"python": "3.11.7", "numpy": "2.4.6"},
        },
        "set": {"default": {"training.trials": 4}},
        "stages": [{"stage": "training", "seconds": 3.25, "rows_in": 10, "rows_out": 4}],
    }  # fmt: skip


def _bundle(kind: str, feature: str, group: str) -> dict[str, Any]:
    return {
        "kind": kind,
        "target": "odd",
        "algorithm": "linear",
        "params": {"l2": 0.5},
        "threshold": 0.5 if kind in ("binary", "anomaly") else None,
        "calibration": {"form": "sigmoid"} if kind == "binary" else None,
        "learned": {"rows": 1200, "mean": 0.25, "trained_until": 1_710_000_000_000_000},
        "schema": {feature: "Float64", group: "String"},
        "timings": {"fit": 0.25},
        "content_hash": "0123456789abcdef0123",
    }


def _problem(kind: str) -> dict[str, Any]:
    costs = {"is": "Costs", "false_positive": 5, "false_negative": 40.0}
    return {
        "question": "Which are odd?",
        "metric": METRICS[kind],
        "at_least": {"is": "Lift", "times": 1.5},
        "at_most": None,
        "costs": costs if kind == "binary" else None,
    }


def _costs() -> dict[str, Any]:
    return {
        "threshold": 0.5, "per_1000": 4321.0, "interval": [4000.0, 4800.0], "always": 5432.0,
        "never": 6543.0, "yes": 0.375, "saved": GAIN | {"gain": 1111.0},
    }  # fmt: skip


def _servable() -> dict[str, Any]:
    return {
        "load_seconds": 1.25, "p50_ms": 0.25, "p99_ms": 0.5, "rows_per_second": 123456.0,
        "memory_mb": 208.0, "alone_as_together": True, "same_bits": True, "refused": None,
    }  # fmt: skip


def _data() -> dict[str, Any]:
    return {
        "batches": ["batch-1"],
        "counts": {"train": {"rows": 1200, "labeled": 1100, "base_rate": 0.3125}},
        "folds": [{"train": 1, "validation": 1}] * 3,
        "leaks": [{"kind": "answer", "columns": ["x"], "what": "It tells all.", "fix": "Drop it."}],
    }
