"""The handbook's 14 features from its simulated payments; a fraud is known 7 days later.

The data lie in ``shared`` beside the repository, or where $OCTAVO_SHARED says.
"""

import os
from pathlib import Path

import polars as pl

import octavo as ov

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[3] / "shared"))
FILE = SHARED / "data/fraud/transactions.parquet"

# The definition: a dozen lines.
when, days = pl.col("TX_DATETIME").dt, ["1d", "7d", "30d"]
one = {"event_id": "TRANSACTION_ID", "event_time": "TX_DATETIME"}
paid = ov.Files(FILE, columns=[*one.values(), "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT"])
told = ov.Files(FILE, columns=[*one.values(), "TERMINAL_ID", "TX_FRAUD"])
payments = ov.Dataset("payments", paid, **one)
reports = ov.Dataset("reports", told, **one, available="7d")
amounts = ov.Window(payments, "TX_AMOUNT", over=days, take=["count", "mean"])
frauds = ov.Window(reports, "TX_FRAUD", over=days, take=["count", "mean"], delay="7d")
customer = ov.View("customer", key="CUSTOMER_ID", windows=[amounts])
terminal = ov.View("terminal", key="TERMINAL_ID", windows=[frauds])
row = [
    pl.col("TX_AMOUNT"),
    (when.weekday() >= 6).alias("weekend"),
    (when.hour() <= 6).alias("night"),
]
share = {f"risk_{n}": pl.col(f"terminal__TX_FRAUD_mean_{n}_delay7d").fill_null(0) for n in days}

pipeline = ov.Pipeline(
    problem=ov.Problem(
        "Is this payment a fraud?", target="fraud", kind="binary", metric="roc_auc", at_least=0.85
    ),
    # Of what becomes known at one moment, the dataset named first comes first: a report of the
    # very second of a payment is seen by it, as in the book.
    datasets=[reports, payments],
    rows=payments,
    label=ov.Label("fraud", of=reports, on="TRANSACTION_ID", value=pl.col("TX_FRAUD") == 1),
    views=[customer, terminal],
    row=row,
    derived=[expression.alias(name) for name, expression in share.items()],
)
