"""Stacks, bags over folds and the baseline of persistence, through the stages."""

import json

import numpy as np
import pytest
import sqlalchemy as sa

from octavo.bundle import BlendModel, Bundle, StackModel
from octavo.project import load
from octavo.stores import catalog as tables

BINARY_LABEL = (
    'ov.Label("returned", of=returns, on="order_id", value=pl.col("outcome") == "returned")'
)
HALVES = """
import numpy as np

from octavo.stages.training.algorithms import Ridge


class Half(Ridge):
    # A least squares fit that sees one column.
    def __init__(self, name, column):
        self.name, self.column = name, column

    def fit(self, X, y, params, task):
        seen = np.zeros(X.shape)
        seen[:, self.column] = X[:, self.column]
        return super().fit(seen, y, params, task)


pipeline = """
BY_HALVES = 'algorithms=[Half("amount", 0), Half("hour", 1), "last_value"], trials=3, bag=True'
SPENT = (
    'ov.Window(orders, pl.col("amount") * 2 + pl.col("ordered_at").dt.hour() * 20.0, take="last",'
)
SPENT += ' current=False, name="spent"),\n                ov.Window(orders, "amount", over=["1d"'


@pytest.fixture(scope="module")
def stacked(tmp_path_factory, make_project, octavo):
    """A shop where each of two algorithms knows half of the sum that is asked for."""
    folder = make_project(
        tmp_path_factory.mktemp("stacked") / "shop",
        orders=700,
        edits={
            'kind="binary"': 'kind="regression"',
            'metric="average_precision"': 'metric="rmse"',
            "at_least=ov.Lift(1.3)": "at_least=ov.Lift(1.05)",
            BINARY_LABEL: 'ov.Label("returned", of=orders, on="order_id", '
            'value=pl.col("amount") * 2 + pl.col("ordered_at").dt.hour() * 20.0)',
            'algorithms=["logistic"], trials=1': BY_HALVES,
            'ov.Window(orders, "amount", over=["1d"': SPENT,
            'pl.col("channel"), pl.col("amount"), ': 'pl.col("amount"), ',
            "test=0.2, gap=": "test=0.2, folds=2, gap=",
            "pipeline = ": HALVES,
        },
    )
    done = octavo("run", folder, "--json")
    assert done.returncode in (0, 3), done.stderr
    return folder, json.loads(done.stdout)["verdict"]


def rows_of(folder):
    return load(folder).catalog.rows(sa.select(tables.trials).order_by(tables.trials.c.number))


def test_what_each_half_knows_is_stacked_and_averaged_over_the_folds(stacked):
    folder, verdict = stacked
    *trials, stack, bag = rows_of(folder)
    assert [row["state"] for row in trials] == ["complete"] * 3
    assert (stack["role"], stack["algorithm"]) == ("blend", "stack")
    assert stack["figure"] < min(row["figure"] for row in trials)
    assert (bag["role"], bag["params"]) == ("refit", {"trial": stack["number"], "bag": True})
    assert bag["folds"] == stack["folds"]
    assert verdict["candidate"] == bag["candidate_id"]
    home = load(folder).home
    one, many = (Bundle.load(home.candidate(row["candidate_id"])) for row in (stack, bag))
    assert isinstance(one.model, StackModel)
    assert isinstance(many.model, BlendModel)
    assert [type(member) for member in many.model.members] == [StackModel, StackModel]
    assert one.params["intercept"] == one.model.intercept.tolist()
    listed = [member["weight"] for member in one.params["members"]]
    assert listed == one.model.weights.tolist()
    rows = load(folder).data("test")
    single = np.concatenate([many.predict(rows[n : n + 1]) for n in range(rows.height)])
    np.testing.assert_array_equal(single, many.predict(rows))
    assert (one.predict(rows) != many.predict(rows)).any()


def test_both_are_made_again_to_the_last_bit(stacked, octavo):
    folder, _ = stacked
    for row in rows_of(folder)[-2:]:
        done = octavo("reproduce", row["candidate_id"], "--dir", folder, "--json")
        assert done.returncode == 0, done.stdout + done.stderr
        assert json.loads(done.stdout)["same_bundle"]


def test_the_last_value_is_told_beside_the_candidate(stacked):
    folder, verdict = stacked
    last = verdict["last_value"]
    assert last["feature"] == "customer__spent_last"
    rows = load(folder).data("test")
    known = rows["customer__spent_last"].fill_null(load(folder).data("train")["returned"].mean())
    rmse = np.sqrt(((known - rows["returned"]) ** 2).mean())
    assert last["test"] == pytest.approx(rmse)
    assert last["gain"]["gain"] == pytest.approx(last["test"] - verdict["test"])
    (trial,) = [row for row in rows_of(folder) if row["algorithm"] == "last_value"]
    assert trial["figure"] == pytest.approx(last["validation"])
    page = (load(folder).home.candidate(verdict["candidate"]) / "model_card.html").read_text()
    assert "over the last known value alone (customer__spent_last)" in page
    assert "stack, trained once more as trial 3 was, on every fold, and averaged." in page


def test_a_baseline_without_its_feature_is_refused_before_data_are_read(
    tmp_path, make_project, octavo
):
    edits = {'algorithms=["logistic"]': 'algorithms=["last_value"]'}
    done = octavo("run", make_project(tmp_path / "shop", edits=edits))
    assert done.returncode == 2
    assert 'Add ov.Window(returns, LABEL_VALUE, take="last", name="returned")' in done.stderr
