"""A coarse metric on few rows: one order of the candidates for training, verdict and commands."""

import json

import pytest
import sqlalchemy as sa
from sklearn.metrics import log_loss

from octavo.bundle import Bundle
from octavo.bundle.ranking import ranked
from octavo.project import load
from octavo.stores import catalog as tables


def test_of_candidates_that_are_equal_the_least_log_loss_is_taken(tmp_path, make_project, octavo):
    folder = make_project(
        tmp_path / "shop",
        orders=300,
        edits={
            'metric="average_precision"': 'metric="accuracy"',
            "at_least=ov.Lift(1.3)": "at_least=0.3",
            'algorithms=["logistic"], trials=1': (
                'algorithms=["logistic", "nearest_neighbours"], trials=6'
            ),
        },
    )
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    verdict, project = json.loads(done.stdout)["verdict"], load(folder)
    rows = project.catalog.rows(sa.select(tables.trials).order_by("number"))
    assert all(row["standard_error"] > 0 for row in rows)
    trial = rows[0]
    validation = project.data("validation")
    told = Bundle.load(project.home.candidate(trial["candidate_id"])).predict(validation)
    assert trial["log_loss"] == pytest.approx(log_loss(validation["returned"], told))

    own = ranked([row for row in rows if row["role"] != "refit"], more_is_better=True)
    top = max(own, key=lambda row: row["figure"])
    among = [r for r in own if r["figure"] >= top["figure"] - top["standard_error"] - 1e-12]
    assert len(among) > 1
    best = min(among, key=lambda row: row["log_loss"])
    refit = rows[-1]
    assert (refit["role"], refit["params"]["trial"]) == ("refit", best["number"])
    assert (refit["figure"], refit["log_loss"]) == (best["figure"], best["log_loss"])
    assert (verdict["candidate"], verdict["validation"]) == (refit["candidate_id"], best["figure"])
    assert verdict["chosen_by_loss"]["among"] == len(among)
    assert verdict["chosen_by_loss"]["best"] == top["figure"]

    order = [each["candidate_id"] for each in verdict["ranking"]]
    assert order[:2] == [refit["candidate_id"], best["candidate_id"]]
    listed = json.loads(octavo("candidates", folder, "--json").stdout)
    assert [each["candidate_id"] for each in listed] == order
    card = project.home.candidate(verdict["candidate"]) / "model_card.html"
    for told in (octavo("status", folder).stdout, card.read_text()):
        assert f"{len(among)} candidates are within one standard error" in " ".join(told.split())
