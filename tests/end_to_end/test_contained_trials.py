"""Whatever an algorithm does, it is a result of its trial, and the others go on."""

import json
import signal
import time
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.bundle import Bundle
from octavo.project import load
from octavo.stores import catalog as tables

WILD = """
import os
import time
from pathlib import Path

import numpy as np

from octavo.stages.training.algorithms import Logistic


class Wild(Logistic):
    def fit(self, X, y, params, task):
        print("what is printed here is no answer")
        return self.act(super().fit(X, y, params, task), X)


class Raises(Wild):
    name = "raises"
    def act(self, fitted, X):
        raise KeyError("no such thing")


class Hangs(Wild):
    name = "hangs"
    def act(self, fitted, X):
        time.sleep(1000)


class Dies(Wild):
    name = "dies"
    def act(self, fitted, X):
        os._exit(7)


class Greedy(Wild):
    name = "greedy"
    def act(self, fitted, X):
        return np.ones((10**7, 10**6))


class Nothing(Wild):
    name = "nothing"
    def act(self, fitted, X):
        return None


class Lies(Wild):
    name = "lies"
    def act(self, fitted, X):
        fitted.estimator.intercept_ = fitted.estimator.intercept_ * np.nan
        return fitted


class Odd(Wild):
    name = "odd"
    def space(self, trial):
        return {"l2": np.int64(trial.suggest_int("l2", 1, 9))}
    def act(self, fitted, X):
        return fitted


class Lost(Wild):
    name = "lost"
    def space(self, trial):
        raise ValueError("no way from here")
    def act(self, fitted, X):
        return fitted


class Slow(Wild):
    name = "slow"
    def act(self, fitted, X):
        beside = Path(__file__).parent
        (beside / "fitting").touch()
        while not (beside / "fast").exists():
            time.sleep(0.02)
        return fitted


pipeline = """
TRAINING = 'algorithms=["logistic"], trials=1, budget="10m"'


def trials(folder: Path) -> list[tables.Row]:
    query = sa.select(tables.trials).order_by(tables.trials.c.number)
    return load(folder).catalog.rows(query)


def test_every_way_to_fail_is_told_and_nothing_is_lost(tmp_path, make_project, octavo):
    listed = (
        'algorithms=["logistic", Raises(), Dies(), Greedy(), Nothing(), Lies(), Hangs()], '
        'trials=9, budget="36s"'
    )
    folder = make_project(tmp_path / "shop", edits={"pipeline = ": WILD, TRAINING: listed})
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["verdict"]["answered"]
    assert "what is printed here is no answer" in done.stderr
    rows = trials(folder)
    first = {row["algorithm"]: (row["state"], row["error"] or "") for row in rows[:7]}
    assert first["logistic"] == ("complete", "")
    expected = {
        "raises": ("failed", "KeyError: 'no such thing'"),
        "dies": ("failed", "its process died (exit code 7)"),
        "greedy": ("failed", "Unable to allocate"),
        "nothing": ("failed", "its fitted model has no array form"),
        "lies": ("failed", "the array form is off by nan"),
        "hangs": ("stopped", "it was stopped after"),
    }
    for name, (state, says) in expected.items():
        assert first[name][0] == state
        assert says in first[name][1]
    assert [row["algorithm"] for row in rows[7:9]] == ["logistic"] * 2, "what succeeds comes again"
    assert not list((folder / ".octavo" / "scratch").iterdir())


SIDE_BY_SIDE = 'algorithms=["logistic", Slow()], trials=6, parallel=2, budget="2m"'
BY_COUNTING = {
    'metric="average_precision"': 'metric="accuracy"',
    "at_least=ov.Lift(1.3)": "at_least=0.3",
}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, make_project, octavo):
    """Give the trials of a search that nobody ended."""
    edits = {"pipeline = ": WILD, TRAINING: SIDE_BY_SIDE} | BY_COUNTING
    folder = make_project(tmp_path_factory.mktemp("whole") / "shop", edits=edits)
    (folder / "fast").touch()
    assert octavo("run", folder).returncode == 0
    return trials(folder)


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_search_that_is_ended_goes_on_as_if_it_had_not_been(
    tmp_path, make_project, octavo, start_octavo, undisturbed, how
):
    edits = {"pipeline = ": WILD, TRAINING: SIDE_BY_SIDE} | BY_COUNTING
    folder = make_project(tmp_path / "shop", edits=edits)
    run = start_octavo("run", folder)
    until = time.monotonic() + 60
    while not (folder / "fitting").exists() or len(trials(folder)) < 2:
        assert time.monotonic() < until
        time.sleep(0.05)
    run.send_signal(how)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == (1 if how == signal.SIGINT else -9), said
    before = trials(folder)
    assert {row["algorithm"] for row in before} == {"logistic"}
    (folder / "fast").touch()
    again = octavo("run", folder, "--json")
    assert again.returncode == 0, again.stderr
    after = trials(folder)
    assert [row for row in after if row["number"] in {r["number"] for r in before}] == before
    told = ("number", "role", "algorithm", "params", "found", "state", "candidate_id")
    told += ("figure", "log_loss", "standard_error")
    assert after[0]["standard_error"] > 0, "so that the order is that of coarse figures"
    assert [[r[k] for k in told] for r in after] == [[r[k] for k in told] for r in undisturbed]


def test_the_budget_is_kept_though_a_trial_is_under_way(tmp_path, make_project, octavo):
    listed = 'algorithms=["logistic", Slow()], trials=100, budget="18s"'
    folder = make_project(tmp_path / "shop", edits={"pipeline = ": WILD, TRAINING: listed})
    done = octavo("run", folder, "--json")
    assert done.returncode == 0, done.stderr
    stages = {stage["name"]: stage for stage in json.loads(done.stdout)["stages"]}
    assert stages["training"]["seconds"] < 18 + 10
    rows = trials(folder)
    assert [row["state"] for row in rows if row["algorithm"] == "slow"] == ["stopped"]
    assert sum(row["algorithm"] == "logistic" for row in rows) >= 2, "before and after it"


def uncalibrated(bundle: Bundle, rows):
    return bundle.model.predict(bundle.encoder.transform(rows))


def test_a_blend_and_a_refit_are_made_of_what_was_tried(tmp_path, make_project, octavo):
    listed = 'algorithms=["lightgbm", "logistic"], trials=6'
    folder = make_project(tmp_path / "shop", edits={TRAINING: listed})
    assert octavo("run", folder).returncode == 0
    *rows, blend, refit = trials(folder)
    home = load(folder).home
    assert [row["role"] for row in rows] == ["trial"] * 6
    assert (blend["role"], refit["role"]) == ("blend", "refit")
    assert blend["figure"] > max(row["figure"] for row in rows)
    assert refit["figure"] == blend["figure"]
    assert refit["params"] == {"trial": blend["number"]}
    shares = [member["weight"] for member in blend["params"]["members"]]
    assert sum(shares) == pytest.approx(1)
    before, after = (Bundle.load(home.candidate(row["candidate_id"])) for row in (blend, refit))
    parts = [load(folder).data(part) for part in ("train", "validation", "test")]
    assert before.learned["rows"] == parts[0].height
    decided = pl.read_csv(folder / "data/returns.csv", try_parse_dates=True).select(
        pl.col("order_id").cast(pl.String).alias("_event_id"),
        pl.col("decided_at").dt.replace_time_zone(None).dt.epoch("us"),
    )
    told = (
        parts[1]
        .join(decided, on="_event_id")
        .filter(pl.col("decided_at") <= load(folder).rows().document["cuts"]["test"])
    )
    assert told.height < parts[1].height, "of some the outcome came when test had begun"
    assert after.learned["rows"] == parts[0].height + told.height
    members = [
        (member["weight"], Bundle.load(home.candidate(rows[member["trial"]]["candidate_id"])))
        for member in blend["params"]["members"]
    ]
    mean = sum(weight * uncalibrated(bundle, parts[2]) for weight, bundle in members)
    assert uncalibrated(before, parts[2]) == pytest.approx(mean, abs=1e-12)
    assert (after.calibration, after.threshold) == (before.calibration, before.threshold)
    alone = [after.predict(parts[2][at : at + 1])[0] for at in range(50)]
    assert alone == after.predict(parts[2])[:50].tolist()
    deployed = load(folder).catalog.live_deployment()
    assert deployed is not None
    assert deployed["candidate_id"] == refit["candidate_id"]


def test_a_search_ends_with_twelve_trials_if_one_answers(tmp_path, make_project, octavo):
    folder = make_project(tmp_path / "shop", edits={TRAINING: 'algorithms=["logistic"]'})
    assert octavo("run", folder).returncode == 0
    assert [row["role"] for row in trials(folder)].count("trial") == 12


def test_a_search_that_finds_no_answer_widens_until_the_budget_is_spent(
    tmp_path, make_project, octavo
):
    edits = {TRAINING: 'algorithms=["logistic"], budget="30s"', "ov.Lift(1.3)": "0.99"}
    folder = make_project(tmp_path / "shop", edits=edits)
    done = octavo("run", folder, "--json")
    assert done.returncode == 3
    assert "search widened" in done.stderr
    rows = [row for row in trials(folder) if row["role"] == "trial"]
    assert [row["algorithm"] for row in rows[:13]] == ["logistic"] * 12 + ["lightgbm"]
    assert len({row["algorithm"] for row in rows}) >= 4
    document = json.loads(done.stdout)
    assert "0.9900 is needed" in document["verdict"]["reason"]
    stages = {stage["name"]: stage["seconds"] for stage in document["stages"]}
    assert 15 < stages["training"] < 30 + 10


def test_what_an_algorithm_proposes_is_its_own_affair(tmp_path, make_project, octavo):
    listed = "algorithms=[Odd(), Lost()], trials=6"
    folder = make_project(tmp_path / "shop", edits={"pipeline = ": WILD, TRAINING: listed})
    assert octavo("run", folder).returncode == 0
    rows = [row for row in trials(folder) if row["role"] == "trial"]
    later = [(row["algorithm"], row["state"], row["error"]) for row in rows[2:]]
    assert ("lost", "failed", "ValueError: no way from here") in later
    assert ("odd", "complete", None) in later


def test_a_search_in_which_all_failed_begins_anew(tmp_path, make_project, octavo):
    listed = "algorithms=[Raises()], trials=2"
    folder = make_project(tmp_path / "shop", edits={"pipeline = ": WILD, TRAINING: listed})
    failed = octavo("run", folder)
    assert failed.returncode == 1
    assert "all 2 trials failed; the last: KeyError: 'no such thing'" in failed.stderr
    script = folder / "pipeline.py"
    script.write_text(
        script.read_text().replace('raise KeyError("no such thing")', "return fitted")
    )
    assert octavo("run", folder).returncode in (0, 3)
    states = {row["state"] for row in trials(folder)}
    assert states == {"complete", "failed"}, "the mended one is another study"
