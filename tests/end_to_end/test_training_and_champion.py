"""Trials that fail, candidates that do not suffice, and champions that are to be beaten."""

import json
import shutil

import polars as pl
import sqlalchemy as sa

from octavo.project import load
from octavo.stores import catalog as tables

BROKEN = """
class Broken:
    name = "broken"
    encoder = "ordinal"
    kinds = frozenset(["binary"])
    def defaults(self):
        return {"depth": 3}
    def space(self, trial):
        return {"depth": trial.suggest_int("depth", 1, 3)}
    def fit(self, X, y, params, task):
        raise KeyError("no such thing")

pipeline = ov.Pipeline(
"""


def test_a_failed_trial_is_a_result(tmp_path, make_project, octavo):
    edits = {
        "pipeline = ov.Pipeline(": BROKEN.strip("\n"),
        'algorithms=["logistic"], trials=1': 'algorithms=[Broken(), "logistic"], trials=4',
    }
    folder = make_project(tmp_path / "shop", edits=edits)
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"]["answered"]
    trials = load(folder).catalog.rows(sa.select(tables.trials).order_by("number"))
    states = [(trial["algorithm"], trial["state"]) for trial in trials]
    tried = [("broken", "failed")] + [("logistic", "complete")] * 3
    assert states[:4] == tried, "what succeeds has more of the trials"
    assert "no such thing" in trials[0]["error"]
    assert trials[1]["params"] != trials[2]["params"], "the second is a suggestion, not defaults"


def test_no_candidate_answers(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "shop", edits={"ov.Lift(1.3)": "0.99"})
    done = octavo("run", folder, "--json")
    assert done.returncode == 3
    document = json.loads(done.stdout)
    assert document["verdict"]["answered"] is False
    assert document["deployment"] is None
    assert all(stage["state"] == "succeeded" for stage in document["stages"])
    assert "no candidate answers the problem" in done.stderr
    again = octavo("run", folder)
    assert again.returncode == 3, "it is still not answered"


def test_new_data_make_a_challenger_and_the_champion_stays_unless_beaten(
    tmp_path, make_project, octavo
):
    folder = make_project(tmp_path / "shop", parts=2)
    later = [folder / "data" / f"{name}-1.csv" for name in ("orders", "returns")]
    for path in later:
        path.rename(path.with_suffix(".later"))
    first = json.loads(octavo("run", folder, "--json").stdout)
    assert first["verdict"]["champion"] is None
    champion = first["deployment"]["candidate"]
    for path in later:
        path.with_suffix(".later").rename(path)
    done = octavo("run", folder, "--json")
    second = json.loads(done.stdout)
    compared = second["verdict"]["champion"]
    assert compared["candidate"] == champion
    assert compared["rows"] > 50
    beaten = compared["challenger"] >= compared["champion"]
    assert second["verdict"]["promoted"] == beaten
    assert done.returncode == (0 if second["verdict"]["answered"] else 3)
    live = second["deployment"]["candidate"]
    assert live == (second["verdict"]["candidate"] if beaten else champion)
    trained = pl.Series([load(folder).scorer().bundle.learned["trained_until"]])
    assert trained.cast(pl.Datetime("us", "UTC"))[0] is not None
    deployments = load(folder).catalog.rows(sa.select(tables.deployments))
    assert sum(row["live_to"] is None for row in deployments) == 1


def test_settings_reach_the_training_and_are_recorded(finished, tmp_path, octavo):
    folder = shutil.copytree(finished, tmp_path / "shop")
    assert octavo("config", "set", "training.trials", "2", "--dir", folder).returncode == 0
    assert "training" in octavo("explain", folder).stdout
    assert octavo("run", folder).returncode in (0, 3)
    catalog = load(folder).catalog
    studies = catalog.rows(sa.select(tables.studies).order_by("started_at"))
    assert [study["trials"] for study in studies] == [1, 2]
    versions = {row["config_version"] for row in catalog.rows(sa.select(tables.candidates))}
    assert 1 in versions
