"""Blocks bound memory and change no result: all eight stages, in small blocks and at once."""

import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import polars as pl
import pytest
from click.testing import CliRunner

from octavo.bundle import Bundle
from octavo.cli.main import app
from octavo.project import Project
from octavo.services.rows import RowService
from octavo.stages.deployment import offline as deployment
from octavo.stages.prep import reports
from octavo.stages.segregation import api
from octavo.stages.segregation.api import SplitRows
from octavo.stages.training.algorithms.contract import least_in_leaf
from octavo.status import outputs
from octavo.stores import raw
from octavo.stores.features import FeatureStore
from octavo.stores.predictions import PredictionStore

from .outcome import assert_same, outcome
from .shop_project import Shop, Silent


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


def test_labels_are_told_without_features_and_a_part_is_found_once(at_once, monkeypatch):
    rows, found = Project(at_once).rows(), []
    divide = api.divide
    monkeypatch.setattr(api, "divide", lambda *given: found.append(given[-2:]) or divide(*given))
    expected = {labels: rows.data("train", labels, []) for labels in ("with", "both")}
    monkeypatch.delattr(SplitRows, "features_at")
    for labels, frame in expected.items():
        assert rows.outcomes("train", labels).equals(frame["returned"])
    unlabeled = rows.outcomes("train", "without")
    assert unlabeled.len() == unlabeled.null_count() == expected["both"]["returned"].null_count()
    assert found == [("train", 1)]


def test_a_page_reads_no_rows_but_its_own(at_once, monkeypatch):
    project, read, sizes = Project(at_once), [], []
    assembled = FeatureStore.assembled

    def counted(store, pipeline, document, features=None, positions=None):
        frame = assembled(store, pipeline, document, features, positions)
        if features:
            read.append(sorted(features))
            sizes.append(frame.height)
        return frame

    question = {"split": "all", "labels": "both", "columns": ["amount"]}
    expected = project.data(**question)
    monkeypatch.setattr(FeatureStore, "assembled", counted)
    monkeypatch.setattr(api, "HELD", 0)
    service = RowService(project.definition, project.home, project.catalog)
    first = service.page(question, limit=30)
    second = service.page(question, limit=30, cursor=first.cursor)
    assert pl.concat([first.frame, second.frame]).equals(expected.head(60))
    assert first.rows == expected.height
    assert (read, sizes) == ([["amount"]] * 2, [30, 30])


def test_what_is_held_is_read_once_however_many_ask(at_once, monkeypatch):
    project, read = Project(at_once), []
    assembled = FeatureStore.assembled

    def counted(store, *arguments):
        read.append(arguments)
        time.sleep(0.05)
        return assembled(store, *arguments)

    monkeypatch.setattr(FeatureStore, "assembled", counted)
    service = RowService(project.definition, project.home, project.catalog)
    with ThreadPoolExecutor(4) as pool:
        pages = list(pool.map(lambda _: service.page({"split": "train"}, limit=5), range(4)))
    assert all(page.frame.equals(pages[0].frame) for page in pages)
    assert len(read) == 2, "rows without features, and features"


def test_a_deployment_predicts_a_row_once(tmp_path, make_project, monkeypatch):
    edits = {"monitor=": "gate=ov.Gate(beat_champion_by=1.0), monitor="}
    shop = Shop(make_project(tmp_path / "shop", parts=20, edits=edits))
    shop.hold_back("orders-19.csv", "returns-19.csv").run(last="evaluation")
    tried = []
    data_at = SplitRows.data_at
    with monkeypatch.context() as patched:
        patched.setattr(deployment, "SERVABLE_ROWS", 8)
        patched.setattr(
            SplitRows, "data_at", lambda *given: tried.append(given[1].size) or data_at(*given)
        )
        shop.run(last="deployment")
    assert tried == [8]
    before = PredictionStore(shop.project.home).scan().collect()
    asked = []
    predicted = deployment._predicted

    def counted(context, live, bundle, rows):
        asked.extend(rows["_event_id"])
        return predicted(context, live, bundle, rows)

    monkeypatch.setattr(deployment, "_predicted", counted)
    monkeypatch.setattr(deployment, "BLOCK", 40)
    shop.deliver("orders-19.csv", "returns-19.csv").run(last="deployment")
    after = PredictionStore(shop.project.home).scan().collect()
    newest = shop.project.rows().newest()["_event_id"].to_list()
    known = set(before["_event_id"])
    assert set(after["deployment_id"]) == {"deployment-1"}
    assert asked == [event for event in newest if event not in known]
    assert 0 < len(asked) < len(newest)
    assert sorted(after["_event_id"]) == sorted(known | set(newest))


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
    learned = Bundle.load(project.home.candidate(candidate)).learned["rows"]
    assert 60 < learned < 60 + 60, "train's, and those of validation that were settled before test"
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
