"""A small valid definition, and what differs from it."""

from typing import Any

import polars as pl

import octavo as ov


def orders(**changes: Any) -> ov.Dataset:
    """Return the dataset whose rows are predicted."""
    given = {"event_id": "order_id", "event_time": "at", "description": "orders"}
    given["offline"] = ov.Files("orders.csv")
    return ov.Dataset("orders", **(given | changes))


def problem(**changes: Any) -> ov.Problem:
    """Return a binary problem."""
    given = {"target": "returned", "kind": "binary", "metric": "roc_auc", "at_least": 0.7}
    return ov.Problem("Which come back?", **(given | changes))


def unusual(**changes: Any) -> ov.Problem:
    """Return an anomaly problem that needs no label."""
    given = {"target": "odd", "kind": "anomaly", "metric": "alarm_ratio", "at_most": 2}
    return ov.Problem("Which are odd?", **(given | {"budget": 0.001} | changes))


def label(of: ov.Dataset, **changes: Any) -> ov.Label:
    """Return the label of the problem."""
    given = {"of": of, "on": "order_id", "value": pl.col("outcome") == "returned"}
    return ov.Label("returned", **(given | changes))


def view(of: ov.Dataset, **changes: Any) -> ov.View:
    """Return a view with one window."""
    return ov.View("customer", key="customer", windows=[window(of, **changes)])


def window(of: ov.Dataset, **changes: Any) -> ov.Window:
    """Return a window over amounts."""
    given = {"value": "amount", "over": ["1d", "7d"], "take": ["count", "mean"]}
    return ov.Window(of, **(given | changes))


def pipeline(rows: ov.Dataset | None = None, **changes: Any) -> ov.Pipeline:
    """Return the whole, with some of its parts changed."""
    rows = rows or orders()
    given = {
        "problem": problem(),
        "datasets": [rows],
        "rows": rows,
        "label": label(rows),
        "views": changes["views"] if "views" in changes else [view(rows)],
        "row": [pl.col("amount"), pl.col("at").dt.hour().alias("hour")],
        "derived": [(pl.col("amount") / pl.col("customer__amount_mean_7d")).alias("usual")],
        "training": ov.Training(algorithms=["logistic"]),
    }
    return ov.Pipeline(**(given | changes))
