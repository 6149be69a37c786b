"""Blocks bound memory and change no result: all eight stages, in small blocks and at once."""

import shutil

import pytest
from click.testing import CliRunner

from octavo.bundle import Bundle
from octavo.cli.main import app
from octavo.project import Project
from octavo.stages.deployment import offline as deployment
from octavo.stages.prep import reports
from octavo.stages.segregation import api
from octavo.stages.training.algorithms.contract import least_in_leaf
from octavo.status import outputs
from octavo.stores import raw

from .outcome import assert_same, outcome
from .shop_project import Silent


@pytest.fixture(scope="module")
def at_once(tmp_path_factory, make_project):
    folder = make_project(tmp_path_factory.mktemp("blocks") / "at_once", orders=900, parts=2)
    Project(folder).run(Silent())
    return folder


def again(at_once, folder):
    shutil.copytree(at_once, folder, ignore=shutil.ignore_patterns(".octavo"))
    Project(folder).run(Silent())
    return folder


def test_small_blocks_give_the_same_bits(at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(raw, "BLOCK", 37)
    monkeypatch.setattr(deployment, "BLOCK", 11)
    monkeypatch.setattr(api, "HELD", 0)  # features are read as they are asked for
    assert_same(outcome(at_once), outcome(again(at_once, tmp_path / "shop")))


def test_what_is_asked_of_rows_does_not_depend_on_what_is_held(at_once, monkeypatch):
    rows, read = Project(at_once).data, {}
    questions = (
        {"split": "train", "labels": "with"},
        {"split": "all", "labels": "both", "columns": ["amount"]},
        {"split": "test", "labels": "without", "columns": []},
        {"split": "all", "labels": "both", "filters": ["amount > 50"], "limit": 20},
    )
    for held in (api.HELD, 0):
        monkeypatch.setattr(api, "HELD", held)
        read[held] = [rows(**question) for question in questions]
    for one, other in zip(*read.values(), strict=True):
        assert one.equals(other)
    assert read[0][3].height == 20


def test_a_draw_is_always_the_same_and_in_log_order(at_once):
    project = Project(at_once)
    every = project.rows()
    drawn = every.data("train", most=50)
    assert drawn.height == 50
    assert drawn.equals(every.data("train", most=50))
    assert drawn["_known_at"].is_sorted()
    assert drawn.join(every.data("train"), on=drawn.columns, how="semi", nulls_equal=True).equals(
        drawn
    )
    assert every.data("train", most=10**9).equals(every.data("train"))


def test_a_search_may_use_few_rows_and_says_so(at_once, tmp_path):
    folder = tmp_path / "shop"
    shutil.copytree(at_once, folder)
    project = Project(folder)
    project.config.set("training.rows", "60")
    project.run(Silent())
    told = outputs(project.catalog, "training")
    assert told["most"] == 60 < told["drawn"]["train"]
    candidate = project.status()["verdict"]["candidate"]
    assert Bundle.load(project.home.candidate(candidate)).learned["rows"] == 60
    shown = CliRunner().invoke(app, ["status", str(folder)]).stdout
    assert f"used 60 of the {told['drawn']['train']:,} rows of train" in " ".join(shown.split())


def test_a_report_of_a_large_batch_is_of_every_so_manieth_row(at_once, tmp_path, monkeypatch):
    monkeypatch.setattr(reports, "LOOKED", 100)
    folder = again(at_once, tmp_path / "shop")
    for batch in Project(folder).catalog.committed("orders"):
        every = -(-batch["rows"] // 100)
        assert batch["quality"]["looked_at"] == len(range(0, batch["rows"], every)) < batch["rows"]


def test_a_leaf_is_no_larger_than_a_small_table_can_have():
    assert least_in_leaf(100, 90) == 4
    assert least_in_leaf(100, 5) == 1
    assert least_in_leaf(100, 2_000) == 100
