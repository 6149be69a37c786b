"""What the last known value alone would tell, beside a candidate: by rows of train, on test."""

from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from judging import problem, told
from sklearn.metrics import accuracy_score, log_loss

import octavo as ov
from octavo.stages.evaluation.compared import beside_last_value

FEATURE = "plane__state_last"
CLASSES = ["down", "flat", "up"]


def chain(rows: int, seed: int) -> pl.DataFrame:
    """Return states of which most are what the last one was, and some follow none."""
    rng = np.random.default_rng(seed)
    last = rng.integers(0, 3, rows)
    now = np.where(rng.random(rows) < 0.8, last, rng.integers(0, 3, rows))
    names = np.array(CLASSES)
    seen = pl.Series(FEATURE, names[last].tolist()).set(pl.Series(rng.random(rows) < 0.1), None)
    return pl.DataFrame({FEATURE: seen, "state": names[now]})


PARTS = {"train": chain(900, 1), "validation": chain(300, 2), "test": chain(400, 3)}


class Rows:
    """Three parts, the same in both folds."""

    folds = 2

    def data(self, part, labels, columns, *, fold=None):
        assert columns == [FEATURE]
        return PARTS[part]


def context(metric: str, value: pl.Expr) -> SimpleNamespace:
    flights = ov.Dataset("flights", ov.Files("f*.csv"), event_id="id", event_time="at")
    window = ov.Window(flights, "state", take="last", current=False)
    pipeline = ov.Pipeline(
        problem=ov.Problem("?", target="state", kind="multiclass", metric=metric, at_least=0.1)
        if metric == "accuracy"
        else ov.Problem("?", target="state", kind="multiclass", metric=metric, at_most=9.0),
        datasets=[flights],
        rows=flights,
        label=ov.Label("state", of=flights, value=value),
        views=[ov.View("plane", key="plane", windows=[window])],
    )
    return SimpleNamespace(pipeline=pipeline, segregation=Rows)


def by_hand(part: pl.DataFrame) -> np.ndarray:
    """Return the shares of the classes after each last one, one row of the base rates added."""
    train = PARTS["train"]
    base = np.array([(train["state"] == name).mean() for name in CLASSES])
    chances = {None: base}
    for last in CLASSES:
        after = train.filter(pl.col(FEATURE) == last)["state"]
        counts = np.array([(after == name).sum() for name in CLASSES])
        chances[last] = (counts + base) / (after.len() + 1)
    return np.array([chances[last] for last in part[FEATURE]])


@pytest.mark.parametrize("metric", ["accuracy", "log_loss"])
def test_of_classes_it_is_how_often_each_followed(metric):
    asked = context(metric, pl.col("state"))
    test = PARTS["test"]
    truth = np.array([CLASSES.index(name) for name in test["state"]], float)
    perfect = np.eye(3)[truth.astype(int)]
    limits = {"at_least": 0.1} if metric == "accuracy" else {}
    judged = told(
        problem("multiclass", metric, **limits), pl.DataFrame({"x": truth}), truth, perfect
    )
    found = beside_last_value(asked, judged)
    assert found["feature"] == FEATURE
    for part in ("validation", "test"):
        names, chances = PARTS[part]["state"], by_hand(PARTS[part])
        best = np.array(CLASSES)[chances.argmax(axis=1)]
        score = {"accuracy": lambda n=names, b=best: accuracy_score(n, b),
                 "log_loss": lambda n=names, c=chances: log_loss(n, c, labels=CLASSES)}  # fmt: skip
        assert found[part] == pytest.approx(score[metric]())
    assert found["gain"]["gain"] > 0
    assert found["gain"]["significant"]


def test_without_the_feature_there_is_none():
    asked = context("accuracy", pl.col("state").str.to_uppercase())
    truth = np.zeros(3)
    judged = told(problem(), pl.DataFrame({"x": truth}), truth, truth)
    assert beside_last_value(asked, judged) is None
