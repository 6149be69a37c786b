"""`octavo schedule` as people see it, and what is offered to jobs of a real project."""

import json
import shutil

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from tests.conftest import write_project

from octavo.cli.main import app
from octavo.project import load
from octavo.stores import catalog as tables
from octavo.stores import releases

TRAINING = "training=ov.Training("
SPLIT = "split=ov.SplitByTime(train=0.6, validation=0.2, test=0.2"


def training(**schedule):
    told = ", ".join(f"{name}={value!r}" for name, value in schedule.items())
    return {TRAINING: f"training=ov.Training(schedule=ov.Schedule({told}), "}


def call(*words):
    done = CliRunner().invoke(app, list(map(str, words)), standalone_mode=False)
    assert done.exception is None, done.exception
    return done.stdout


def edit(folder, edits):
    script = folder / "pipeline.py"
    text = script.read_text()
    for old, new in edits.items():
        assert text.count(old) == 1
        text = text.replace(old, new)
    script.write_text(text)


def test_jobs_are_those_of_what_was_released_while_services_run(tmp_path):
    folder = write_project(tmp_path / "shop", orders=20, edits=training(cron="0 2 * * *"))
    released = load(folder).kept_for_release(None)
    assert released.release is not None
    released.begin_release()
    releases.go_live(released.catalog, released.release)
    text = (folder / "pipeline.py").read_text()
    (folder / "pipeline.py").write_text(
        text.replace("schedule=ov.Schedule(cron='0 2 * * *'), ", "")
    )
    with released.home.supervising():
        (job,) = json.loads(call("schedule", folder, "--json"))["jobs"]
        assert job["job"] == "training"
        call("schedule", "pause", "training", "--dir", folder)
    assert json.loads(call("schedule", folder, "--json"))["jobs"] == []


@pytest.mark.parametrize("on", ["upstream", "drift"])
def test_training_is_due_when_only_its_segregation_has_something_to_do(finished, tmp_path, on):
    folder = shutil.copytree(finished, tmp_path / "shop")
    edit(folder, training(on=on))
    project = load(folder)
    with project.catalog.transaction() as connection:  # so drift may be followed
        connection.execute(tables.deployments.delete())
    (job,) = project.jobs
    assert project.offered(job) is None, "nothing is new"
    edit(folder, {SPLIT: SPLIT.replace("train=0.6", "train=0.5").replace("test=0.2", "test=0.3")})
    assert load(folder).offered(job) is not None


def test_a_stage_that_runs_now_is_not_said_to_be_killed(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "shop")
    project = load(folder)
    table = tables.stage_runs
    with project.catalog.transaction() as connection:
        newest = sa.select(sa.func.max(table.c.id)).scalar_subquery()
        connection.execute(table.update().where(table.c.id == newest).values(state="running"))
    with project.home.lock():
        assert json.loads(call("explain", folder, "--json"))[-1]["why"] == "it runs now"
    left = json.loads(call("explain", folder, "--json"))[-1]
    assert left["why"] == "the last run of it was killed"
