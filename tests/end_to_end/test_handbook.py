"""The Fraud Detection Handbook: its features from a dozen lines, and its published figures.

Oracle: the book's rolling sums, written plainly. They need the data sets beside the repository
(see `tests.handbook.pipeline`), of which the fast tests take the weeks that protocol A needs.
"""

import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import NamedTuple

import polars as pl
import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier
from xgboost import XGBClassifier

from tests.handbook import protocol
from tests.handbook.pipeline import FILE

HANDBOOK = Path(__file__).parents[1] / "handbook"
DAY = 86_400
PROTOCOL_A = date(2018, 7, 25)
# 37 days, the longest window and the delay, before protocol A's training, and to its end.
WEEKS = date(2018, 6, 18), date(2018, 8, 14)
ALL = date(2018, 4, 1), date(2018, 9, 30)

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FILE.exists(), reason=f"{FILE} is not there; set OCTAVO_SHARED"),
]


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(WEEKS, id="weeks-of-a"),
        pytest.param(ALL, id="all", marks=pytest.mark.slow),
    ],
)
def book(request, tmp_path_factory) -> pl.DataFrame:
    """Give the payments with the features that Octavo ingested, folded and handed out."""
    shared = tmp_path_factory.mktemp("shared")
    source = shared / FILE.relative_to(FILE.parents[2])
    source.parent.mkdir(parents=True)
    days = pl.col("TX_DATETIME").dt.date().is_between(*request.param)
    pl.scan_parquet(FILE).filter(days).sink_parquet(source)
    at = {**os.environ, "OCTAVO_SHARED": str(shared)}
    home = ["--home", shared / "home"]
    rows = shared / "rows.parquet"
    for command in (
        ["run", HANDBOOK, *home, "--to", "segregation"],
        ["data", HANDBOOK, *home, "--split", "all", "--labels", "both", "-o", rows],
    ):
        octavo = [sys.executable, "-m", "octavo", *map(str, command)]
        done = subprocess.run(octavo, capture_output=True, text=True, check=False, env=at)
        assert done.returncode == 0, done.stderr
    return protocol.with_features(pl.read_parquet(rows), source)


class Rolling(NamedTuple):
    """What a trailing window of every row holds."""

    first: list[int]
    """Where it begins; it ends with the row itself."""
    total: list[float]
    """Its running sum in floating point: the new value added, those that left subtracted."""


def rolling(frame: pl.DataFrame, key: str, value: str, days: int) -> Rolling:
    """Do what ``groupby(key)[value].rolling(f"{days}d").sum()`` does: (t - days, t], row by row.

    Rows of one time are in the order of TRANSACTION_ID, and a row does not see those after it.
    """
    keys, times, values = (frame[name].to_list() for name in (key, "second", value))
    found = Rolling([], [])
    total, first, before = 0.0, 0, None
    for row, (entity, time, new) in enumerate(zip(keys, times, values, strict=True)):
        if entity != before:
            total, first, before = 0.0, row, entity
        total += new
        while times[first] <= time - days * DAY:
            total -= values[first]
            first += 1
        found.first.append(first)
        found.total.append(total)
    return found


def ordered(book: pl.DataFrame, key: str) -> pl.DataFrame:
    seconds = pl.col("TX_DATETIME").dt.epoch("s").alias("second")
    return book.sort(key, "TRANSACTION_ID").with_columns(seconds)


def test_every_payment_is_there_once_with_the_books_label_and_calendar(book):
    assert book["TRANSACTION_ID"].is_unique().all()
    assert book["fraud"].equals(book["TX_FRAUD"] == 1)
    assert book["weekend"].equals(book["TX_DATETIME"].dt.weekday() > 5)
    assert book["night"].equals(book["TX_DATETIME"].dt.hour() < 7)


@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_customers_windows_are_the_books(book, days):
    rows = ordered(book, "CUSTOMER_ID")
    window = rolling(rows, "CUSTOMER_ID", "TX_AMOUNT", days)
    values = rows["TX_AMOUNT"].to_list()
    count = [row + 1 - first for row, first in enumerate(window.first)]
    exact = [math.fsum(values[f : f + n]) / n for f, n in zip(window.first, count, strict=True)]
    running = pl.Series(window.total) / pl.Series(count)
    found = rows[f"customer__TX_AMOUNT_mean_{days}d"]
    assert rows[f"customer__TX_AMOUNT_count_{days}d"].equals(pl.Series(count, dtype=pl.Float64))
    assert found.equals(pl.Series(exact))
    assert (found - running).abs().max() < 1e-9


@pytest.mark.parametrize("days", [1, 7, 30])
def test_a_terminals_windows_are_the_books(book, days):
    """The book subtracts the last 7 days, whose frauds are not known yet, from 7 + n days."""
    rows = ordered(book, "TERMINAL_ID")
    delay, whole = (rolling(rows, "TERMINAL_ID", "TX_FRAUD", 7 + n) for n in (0, days))
    count = pl.Series(delay.first) - pl.Series(whole.first)
    frauds = pl.Series(whole.total) - pl.Series(delay.total)
    risk = (frauds / count).fill_nan(0.0)
    assert rows[f"terminal__TX_FRAUD_count_{days}d_delay7d"].equals(count.cast(pl.Float64))
    assert rows[f"risk_{days}d"].equals(risk)
    assert risk.max() > 0.5


@pytest.fixture(scope="module")
def fold(book) -> protocol.Fold:
    return protocol.fold(book, PROTOCOL_A)


def test_protocol_a_has_the_books_rows(fold):
    train, test = fold.train["TX_FRAUD"], fold.test["TX_FRAUD"]
    assert (train.len(), train.sum(), test.len(), test.sum()) == (67_240, 598, 58_264, 385)
    perfect = protocol.figures(fold.test, test.to_numpy())
    assert [round(figure, 3) for figure in perfect] == [1.0, 1.0, 0.397]


PUBLISHED = {
    "logistic regression": (LogisticRegression(), (0.871, 0.606, 0.291)),
    "tree of depth 2": (DecisionTreeClassifier(max_depth=2), (0.763, 0.496, 0.241)),
    "tree without limit": (DecisionTreeClassifier(), (0.788, 0.309, 0.243)),
    "random forest": (RandomForestClassifier(100, n_jobs=2), (0.867, 0.658, 0.287)),
    "xgboost": (
        XGBClassifier(tree_method="exact", base_score=0.5, n_jobs=1),
        (0.862, 0.639, 0.273),
    ),
}
TOLERANCE = 0.01
"""What other versions of the libraries, and cards of equal score, may cost. Of 385 frauds one more
or less at the top moves the average precision by about 0.002."""
LEAK = 0.95
"""An area under the curve from here on has seen the future: the first week of a compromised
terminal cannot be told."""


@pytest.mark.parametrize("name", PUBLISHED)
def test_protocol_a_is_matched(fold, name):
    model, published = PUBLISHED[name]
    model.set_params(random_state=0)
    found = protocol.figures(fold.test, protocol.scores(fold, model))
    for figure, reached, wanted in zip(found._fields, found, published, strict=True):
        assert reached >= wanted - TOLERANCE, figure
    assert found.roc_auc < LEAK
