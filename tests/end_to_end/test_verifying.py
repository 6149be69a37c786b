"""What was served is computed again from the raw store alone, and held against the prepped row."""

import json
import shutil

import polars as pl
import pytest

from octavo.project import load
from octavo.services import verifying
from octavo.stores.predictions import PredictionStore

from .answering import score_events
from .outcome import logging
from .shop_project import Silent


@pytest.fixture
def served(finished, tmp_path):
    """Give a project in which three orders were asked for, one by one, and came afterwards."""
    folder = shutil.copytree(finished, tmp_path / "shop")
    orders = pl.read_csv(folder / "data/orders.csv").tail(3)
    orders = orders.with_columns(pl.col("order_id") + 10**6)
    project = load(folder)
    scorer = project.scorer()
    with logging(project) as log:
        for order in orders.to_dicts():
            asked = scorer.decoder.decode(json.dumps({"events": [order]}).encode())
            score_events(scorer, log, asked)
    orders.write_csv(folder / "data/orders-2.csv")
    return project


@pytest.mark.parametrize("at_a_time", [verifying.AT_A_TIME, 1])
def test_served_vectors_are_those_of_their_positions(served, monkeypatch, at_a_time):
    monkeypatch.setattr(verifying, "AT_A_TIME", at_a_time)
    before = served.verify()
    assert (before.equal, before.prepped) == (0, 0)
    assert before.left_out == {"its event has not been ingested": 3}
    served.run(Silent(), last="prep")
    found = served.verify()
    assert (found.equal, found.prepped) == (3, 3)
    assert not found.differing
    assert not found.left_out
    assert found.as_prepped >= 1, "before the first there was nothing between"


def test_a_vector_that_is_not_what_was_served_is_found(served):
    served.run(Silent(), last="prep")
    store = PredictionStore(served.home)
    newest = store.scan().filter(pl.col("origin") == "http").sort("at").collect().tail(1)
    features = json.loads(newest["features"].item())
    wrong = json.dumps(features | {"hour": features["hour"] + 1}, separators=(",", ":"))
    wrong = newest.with_columns(features=pl.lit(wrong), prediction_id=pl.lit("wrong"))
    store.append(wrong, writer="test", version=1)
    found = served.verify()
    assert found.equal == 3
    (differing,) = found.differing
    assert differing["prediction_id"] == "wrong"
    assert list(differing["features"]) == ["hour"]
