"""Costs, groups and limits through all eight stages: what is decided, told, and refused."""

import json

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.project import load
from octavo.stores import catalog as tables
from octavo.stores.predictions import PredictionStore

from .answering import score_events
from .outcome import logging

COSTS = "ov.Costs(false_positive=10, false_negative=30, true_positive=2)"
LOOKED_AT = """evaluation=ov.Evaluation(slices=["hour"], fairness=["channel"]),
    monitor="""


@pytest.fixture(scope="module")
def decided(tmp_path_factory, make_project, octavo):
    """Run the shop with costs, by cost; return its folder and what was printed as JSON."""
    folder = make_project(
        tmp_path_factory.mktemp("decided") / "shop",
        edits={
            'metric="average_precision"': f'metric="cost", costs={COSTS}',
            "ov.Lift(1.3)": "ov.Lift(1.02)",
            "monitor=": LOOKED_AT,
            "trials=1": "trials=2",
        },
    )
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


def test_costs_decide_and_are_told(decided):
    folder, document = decided
    verdict = document["verdict"]
    project = load(folder)
    test = project.data("test")
    bundle = Bundle.load(project.home.candidate(verdict["candidate"]))
    truth = test["returned"].to_numpy()
    chance = bundle.predict(test)
    yes = chance >= bundle.threshold
    paid = 10 * (yes & ~truth) + 30 * (~yes & truth) + 2 * (yes & truth)
    assert verdict["decision"] == bundle.threshold
    assert verdict["test"] == pytest.approx(paid.mean() * 1000)
    assert verdict["costs"]["per_1000"] == verdict["test"]
    assert verdict["costs"]["never"] == pytest.approx(30_000 * truth.mean())
    assert verdict["costs"]["always"] == pytest.approx((10 * ~truth + 2 * truth).mean() * 1000)
    cheaper = min(verdict["costs"]["always"], verdict["costs"]["never"])
    assert verdict["baseline"] == pytest.approx(cheaper)
    # The best was trained once more on all rows: its threshold is that of what it repeats.
    best, *others = verdict["ranking"]
    (like,) = [row for row in others if row["validation"] == best["validation"]]
    like = Bundle.load(project.home.candidate(like["candidate_id"]))
    assert (like.threshold, like.calibration) == (bundle.threshold, bundle.calibration)
    validation = project.data("validation")
    told, came = like.predict(validation), validation["returned"].to_numpy()
    every = [
        (10 * ((told >= at) & ~came) + 30 * ((told < at) & came) + 2 * ((told >= at) & came)).sum()
        for at in [*np.unique(told), 2.0, bundle.threshold]
    ]
    assert every[-1] == min(every), "the threshold is the best of all on validation"


def test_a_request_is_answered_with_yes_or_no(decided):
    folder, document = decided
    project = load(folder)
    scorer = project.scorer()
    order = {"order_id": 9001, "ordered_at": "2024-02-29T12:00:00Z", "customer": "c01"}
    order |= {"product": "p01", "channel": "store", "amount": 33.0}
    asked = scorer.decoder.decode(json.dumps({"events": [order]}).encode())
    with logging(project) as log:
        answer = score_events(scorer, log, asked)
    assert answer.columns[2:] == ["returned", "returned_yes"]
    assert answer["returned_yes"][0] == (answer["returned"][0] >= document["verdict"]["decision"])
    logged = PredictionStore(project.home).scan().filter(pl.col("origin") == "http").collect()
    stored = json.loads(logged["outputs"].item())
    assert stored.keys() == {"returned", "returned_yes"}


def test_groups_are_told(decided):
    _, document = decided
    verdict = document["verdict"]
    assert len(verdict["slices"]) == 4
    assert sum(group["rows"] for group in verdict["slices"]) == verdict["test_rows"]
    groups = verdict["fairness"]["channel"]["groups"]
    assert {group["group"] for group in groups} == {"channel = online", "channel = store"}
    rates = [group["selected"] for group in groups]
    assert verdict["fairness"]["channel"]["gaps"]["selected"] == pytest.approx(
        max(rates) - min(rates)
    )


def test_what_is_drawn_lies_beside_the_bundle(decided):
    folder, document = decided
    project, verdict = load(folder), document["verdict"]
    path = project.home.candidate(verdict["candidate"]) / "evaluation.json"
    details = json.loads(path.read_text())
    assert details["data_version"] == project.rows().data_version
    assert details["curves"].keys() == {"roc", "pr", "lift", "calibration"}
    names = {each["feature"] for each in details["importance"]["features"]}
    assert names == set(project.definition.features)
    assert len(details["robustness"]) == 5


def test_test_is_read_once_a_run(decided):
    folder, document = decided
    readings = load(folder).catalog.rows(sa.select(tables.test_readings))
    assert [(row["candidate_id"], row["purpose"]) for row in readings] == [
        (document["verdict"]["candidate"], "verdict")
    ]


def test_people_see_costs_gaps_and_ranks(decided, octavo):
    folder, document = decided
    told = " ".join(octavo("status", folder).stdout.split())
    assert "Costs" in told
    assert f"always {document['verdict']['costs']['always']:,.0f}" in told
    assert "between groups of channel: selected" in told
    assert "rows a second" in told
    ranked = json.loads(octavo("candidates", folder, "--json").stdout)
    # Less cost is better; of what lies within one standard error of the least, less log loss.
    least = min(ranked, key=lambda row: row["validation"])
    near = least["validation"] + least["standard_error"]
    among = [row for row in ranked if row["validation"] <= near]
    losses, costs = [r["log_loss"] for r in among], [r["validation"] for r in ranked[len(among) :]]
    assert ranked[: len(among)] == among
    assert (losses, costs) == (sorted(losses), sorted(costs))
    assert ranked[0]["state"] == "deployed"
    assert ranked[0]["test"] == document["verdict"]["test"]
    assert {row["state"] for row in ranked[1:]} == {None}


def test_a_candidate_that_cannot_be_served_is_refused(tmp_path, make_project, octavo):
    folder = make_project(
        tmp_path / "shop",
        orders=800,
        edits={"monitor=": "gate=ov.Gate(most_memory=1),\n    monitor=", "ov.Lift(1.3)": "0.05"},
    )
    done = octavo("run", folder, "--json")
    document = json.loads(done.stdout)
    verdict = document["verdict"]
    assert verdict["answered"]
    assert not verdict["promoted"]
    assert "it cannot be served: it takes" in verdict["reason"]
    assert document["deployment"] is None
    assert "candidate refused" in done.stderr
