"""A small shop: which orders will come back? Its CSV files are written by tests/conftest.py."""

import polars as pl

import octavo as ov

orders = ov.Dataset(
    "orders",
    ov.Files("data/orders*.csv"),
    event_id="order_id",
    event_time="ordered_at",
    checks=[ov.Check("amount is positive", pl.col("amount") > 0)],
)
returns = ov.Dataset(
    "returns",
    ov.Files("data/returns*.csv"),
    event_id="order_id",
    event_time="ordered_at",
    available=pl.col("decided_at"),
    description="How an order ended, known days after it was placed.",
)
products = ov.Dataset("products", ov.Files("data/products.csv"))

pipeline = ov.Pipeline(
    problem=ov.Problem(
        "Which orders will come back?",
        target="returned",
        kind="binary",
        metric="average_precision",
        at_least=ov.Lift(1.3),
    ),
    datasets=[orders, returns, products],
    rows=orders,
    label=ov.Label("returned", of=returns, on="order_id", value=pl.col("outcome") == "returned"),
    views=[
        ov.View(
            "customer",
            key="customer",
            late="14d",
            windows=[
                ov.Window(orders, "amount", over=["1d", "7d"], take=["count", "mean"]),
                ov.Window(
                    returns,
                    (pl.col("outcome") == "returned").cast(pl.Float64),
                    over="30d",
                    take=["count", "mean"],
                    name="returned",
                ),
            ],
        ),
        ov.View("product", key="product", windows=[ov.Window(products, "price", take="last")]),
    ],
    row=[pl.col("channel"), pl.col("amount"), pl.col("ordered_at").dt.hour().alias("hour")],
    derived=[
        (pl.col("amount") / pl.col("customer__amount_mean_7d")).alias("amount_against_usual"),
        (pl.col("amount") / pl.col("product__price_last")).alias("pieces"),
    ],
    split=ov.SplitByTime(train=0.6, validation=0.2, test=0.2, gap="1d"),
    training=ov.Training(algorithms=["logistic"], trials=1, budget="10m"),
    monitor=ov.Monitor(window="7d"),
)
