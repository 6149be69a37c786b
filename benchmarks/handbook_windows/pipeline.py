"""The handbook's features, and what the library's other windows say of customer and terminal.

A customer's spread beside his mean; what he paid when it was no fraud, as far as that is known
after 7 days; more windows over a terminal's frauds; and how far a payment is from the usual.
"""

import polars as pl
from tests.handbook.pipeline import FILE, amounts, days, one, payments, row, share

import octavo as ov

DELAY = "7d"
paid, fraud = pl.col("TX_AMOUNT"), pl.col("TX_FRAUD")
told = ov.Files(
    FILE, columns=[*one.values(), "CUSTOMER_ID", "TERMINAL_ID", "TX_AMOUNT", "TX_FRAUD"]
)
reports = ov.Dataset("reports", told, **one, available=DELAY)
spread = ov.Window(payments, "TX_AMOUNT", over=["7d", "30d"], take=["max", "std", "q50", "q90"])
honest = ov.Window(
    reports,
    "TX_AMOUNT",
    name="honest",
    where=fraud == 0,
    over=["30d", "60d"],
    take=["mean", "std", "max"],
    delay=DELAY,
)
frauds = [
    ov.Window(reports, "TX_FRAUD", over=days, take=["count", "mean", "sum"], delay=DELAY),
    ov.Window(
        reports, "TX_FRAUD", over=["3d", "14d", "21d", "28d"], take=["sum", "mean"], delay=DELAY
    ),
]
usual = {name: pl.col(f"customer__TX_AMOUNT_{name}_30d") for name in ("mean", "q50", "std")}
unusual = [
    (paid / usual["mean"]).alias("to_mean"),
    (paid / usual["q50"]).alias("to_median"),
    ((paid - usual["mean"]) / usual["std"]).alias("deviations"),
]

pipeline = ov.Pipeline(
    problem=ov.Problem(
        "Is this payment a fraud?", target="fraud", kind="binary", metric="roc_auc", at_least=0.85
    ),
    datasets=[reports, payments],
    rows=payments,
    label=ov.Label("fraud", of=reports, on="TRANSACTION_ID", value=fraud == 1),
    views=[
        ov.View("customer", key="CUSTOMER_ID", windows=[amounts, spread, honest]),
        ov.View("terminal", key="TERMINAL_ID", windows=frauds),
    ],
    row=row,
    derived=[*(expression.alias(name) for name, expression in share.items()), *unusual],
)
