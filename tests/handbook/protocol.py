"""The handbook's protocols: which payments train, which test, and the three figures.

Written from their description beside the data. It knows nothing of how features are computed.
"""

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import polars as pl
from sklearn.metrics import average_precision_score, roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

BEGIN = date(2018, 4, 1)
WEEK = 7
CARDS = 100
"""How many cards investigators can look at in a day."""
COUNTS = [
    *(f"customer__TX_AMOUNT_count_{n}" for n in ("1d", "7d", "30d")),
    *(f"terminal__TX_FRAUD_count_{n}_delay7d" for n in ("1d", "7d", "30d")),
]
MEANS = [
    *(f"customer__TX_AMOUNT_mean_{n}" for n in ("1d", "7d", "30d")),
    *(f"risk_{n}" for n in ("1d", "7d", "30d")),
]
INPUTS = ["TX_AMOUNT", "weekend", "night", *COUNTS, *MEANS]


class Figures(NamedTuple):
    """The book's three."""

    roc_auc: float
    average_precision: float
    card_precision: float


@dataclass(frozen=True)
class Fold:
    """One week to train, a week's delay, one week to test."""

    train: pl.DataFrame
    test: pl.DataFrame


def with_features(features: pl.DataFrame, source: Path) -> pl.DataFrame:
    """Return every payment with day, customer, fraud and `INPUTS`, by TRANSACTION_ID."""
    known = ["TRANSACTION_ID", "TX_DATETIME", "CUSTOMER_ID", "TERMINAL_ID", "TX_FRAUD"]
    payments = pl.read_parquet(source, columns=known).with_columns(
        day=(pl.col("TX_DATETIME").dt.date() - BEGIN).dt.total_days(),
        _event_id=pl.col("TRANSACTION_ID").cast(pl.String),
    )
    return payments.join(features, on="_event_id", how="left", validate="1:1").sort(
        "TRANSACTION_ID"
    )


def fold(payments: pl.DataFrame, start: date) -> Fold:
    """Return the fold whose training week begins on a day.

    A customer's payments are left out of a test day if he was defrauded in the training week or
    later, up to 8 days before that day: his card would have been blocked by then.
    """
    first = (start - BEGIN).days
    since = payments.filter(pl.col("day") >= first)
    caught = since.filter(pl.col("TX_FRAUD") == 1).group_by("CUSTOMER_ID")
    test = since.join(caught.agg(pl.col("day").min().alias("caught")), "CUSTOMER_ID", "left")
    blocked = (pl.col("caught") <= pl.col("day") - WEEK - 1).fill_null(False)
    return Fold(
        train=since.filter(pl.col("day") < first + WEEK),
        test=test.filter(
            pl.col("day").is_between(first + 2 * WEEK, first + 3 * WEEK, closed="left") & ~blocked
        ),
    )


def scores(fold: Fold, model: Any, inputs: list[str] = INPUTS) -> np.ndarray:
    """Fit a classifier on standardized inputs and return its probabilities on test."""
    fitted = make_pipeline(StandardScaler(), model)
    fitted.fit(_matrix(fold.train, inputs), fold.train["TX_FRAUD"].to_numpy())
    return fitted.predict_proba(_matrix(fold.test, inputs))[:, 1]


def _matrix(frame: pl.DataFrame, inputs: list[str]) -> np.ndarray:
    return frame.select(pl.col(inputs).cast(pl.Float64)).to_numpy()


def figures(test: pl.DataFrame, score: np.ndarray) -> Figures:
    """Return how well scores rank the payments of a test week."""
    fraud = test["TX_FRAUD"].to_numpy()
    return Figures(
        float(roc_auc_score(fraud, score)),
        float(average_precision_score(fraud, score)),
        card_precision(test, score),
    )


def card_precision(test: pl.DataFrame, score: np.ndarray) -> float:
    """Return the share of frauds among the `CARDS` highest cards of a day, mean over the days.

    A card's score and label of a day are its highest; cards found out are left out of the days
    that follow. Cards of equal score are taken by number: the book leaves their order open.
    """
    cards = (
        test.select("day", "CUSTOMER_ID", "TX_FRAUD", pl.Series("score", score))
        .group_by("day", "CUSTOMER_ID")
        .max()
        .sort("day", -pl.col("score"), "CUSTOMER_ID")
    )
    found: set[int] = set()
    shares = []
    for _, day in cards.group_by("day", maintain_order=True):
        top = day.filter(~pl.col("CUSTOMER_ID").is_in(found)).head(CARDS)
        caught = top.filter(pl.col("TX_FRAUD") == 1)["CUSTOMER_ID"]
        found.update(caught)
        shares.append(len(caught) / CARDS)
    return float(np.mean(shares))
