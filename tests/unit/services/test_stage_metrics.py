"""Metrics of the stages are what the catalog says, are read seldom, and fail nobody."""

import json
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from octavo.project import load
from octavo.runner import STAGES
from octavo.services import stage_metrics
from octavo.services.stage_metrics import AGE, StageMetrics, Watched, text
from octavo.services.stage_samples import FAMILIES
from octavo.services.stage_samples import STAGES as NAMED
from octavo.stores import catalog as tables

PAGE = (Path(__file__).parents[3] / "docs" / "watching.md").read_text()
RUN = {"run_id": "run-1", "inputs": "", "reason": "", "started_at": 1}


@pytest.fixture
def shop(make_project, tmp_path):
    return load(make_project(tmp_path / "shop", orders=20))


class Clock:
    at = 0.0

    def __call__(self):
        return self.at


def test_what_is_no_number_is_json_too(shop, octavo):
    told = {"name": "customer", "key": "*", "batch_id": "b", "cause": "withdrawn"}
    shop.catalog.insert(tables.stale, **told, position=1, rows=1, at=1)

    def refuse(word):
        raise AssertionError(word)

    found = json.loads(octavo("metrics", shop.folder, "--json").stdout, parse_constant=refuse)
    assert {each["value"] for each in found if each["family"] == "stale_entities"} == {"+Inf"}
    assert {type(each["value"]) for each in found} == {float, str}


def watched(project, clock=None):
    told = project.definition, "shop", project.home.catalog
    return Watched(*told, clock=clock or Clock(), moment=lambda: 5_000_000)


def parsed(page):
    """Return samples by name and labels but the pipeline's, of a page that is as it must be."""
    found = {}
    for family in text_string_to_metric_families(page):
        assert family.documentation
        assert family.type in ("gauge", "counter")
        assert family.name not in found
        for sample in family.samples:
            assert sample.labels.pop("pipeline") == "shop"
            key = (sample.name.removeprefix("octavo_"), *sorted(sample.labels.items()))
            assert key not in found
            found[key] = sample.value
    return found


def test_before_anything_ran_stages_wait(shop):
    found = parsed(text(watched(shop)))
    for stage in STAGES:
        assert found["stage_state", ("stage", stage), ("state", "waiting")] == 1
        assert found["stage_state", ("stage", stage), ("state", "failed")] == 0
    assert found["catalog_read_timestamp_seconds",] == 5.0


def test_what_the_catalog_says_is_told(shop):
    catalog = shop.catalog
    done = {"state": "succeeded", "seconds": 2.5, "rows_in": 9, "rows_out": 8, "rejected": 1,
            "finished_at": 3_000_000}  # fmt: skip
    catalog.insert(tables.stage_runs, stage="prep", **done, **RUN)
    catalog.insert(tables.stage_runs, stage="prep", state="failed", seconds=0.5, **RUN)
    drift = {"x": {"psi": 0.5}, "y": {"psi": 0.0}}
    outputs = {"drift": drift, "measure": "psi", "threshold": 0.25, "drifted": ["x"],
               "performance": {"metric": "mae", "figure": 2.0, "labeled": 7}}  # fmt: skip
    catalog.insert(tables.stage_runs, stage="monitoring", outputs=outputs, **done, **RUN)
    for number, state in enumerate(("committed", "committed", "withdrawn", "planned")):
        catalog.insert(
            tables.batches, batch_id=str(number), dataset="orders", sequence=number, source="",
            content_hash=str(number), state=state, run_id="", rows=10, rejected=number,
            newest=7_000_000, planned_at=1, committed_at=8_000_000,
        )  # fmt: skip
    for key in ("a", "b"):
        catalog.insert(tables.stale, name="customer", batch_id="1", cause="", key=key,
                       position=1, rows=1, at=1)  # fmt: skip
    catalog.insert(tables.stale, name="product", batch_id="1", cause="", key="*",
                   position=1, rows=1, at=1)  # fmt: skip
    shop.catalog.emit("drift", "1 of 2", severity="warning")
    found = parsed(text(watched(shop)))
    prep, orders = ("stage", "prep"), ("dataset", "orders")
    told = {
        ("stage_state", prep, ("state", "failed")): 1,
        ("stage_state", prep, ("state", "succeeded")): 0,
        ("stage_seconds", prep): 0.5,
        ("stage_rows", ("direction", "in"), ("stage", "monitoring")): 9,
        ("stage_rows", ("direction", "rejected"), ("stage", "monitoring")): 1,
        ("stage_last_success_timestamp_seconds", prep): 3.0,
        ("dataset_batches", orders): 2,
        ("dataset_rows", orders): 20,
        ("dataset_rejected_rows", orders): 1,
        ("dataset_last_batch_timestamp_seconds", orders): 8.0,
        ("dataset_known_until_timestamp_seconds", orders): 7.0,
        ("stale_entities", ("view", "customer")): 2,
        ("stale_entities", ("view", "product")): float("inf"),
        ("drift", ("feature", "x"), ("measure", "psi")): 0.5,
        ("drift_threshold", ("measure", "psi")): 0.25,
        ("drifted_features_ratio",): 0.5,
        ("performance_figure", ("metric", "mae")): 2.0,
        ("performance_labeled_rows",): 7,
        ("events_total", ("kind", "drift"), ("severity", "warning")): 1,
    }
    assert told.items() <= found.items()
    assert ("stage_rows", ("direction", "in"), prep) not in found, "the failed one has told none"


def test_it_is_read_anew_when_it_is_old_and_events_are_counted_once(shop):
    clock = Clock()
    one = watched(shop, clock)
    drift = ("events_total", ("kind", "drift"), ("severity", "info"))
    shop.catalog.emit("drift", "x")
    assert parsed(text(one))[drift] == 1
    shop.catalog.emit("drift", "x")
    clock.at = AGE - 0.1
    assert parsed(text(one))[drift] == 1
    clock.at = AGE
    assert parsed(text(one))[drift] == 2
    clock.at = 2 * AGE
    assert parsed(text(one))[drift] == 2


def test_a_catalog_that_is_busy_fails_no_scrape(shop, monkeypatch):
    monkeypatch.setattr(stage_metrics, "PATIENCE", 0.05)
    clock = Clock()
    one, other = watched(shop, clock), watched(shop, clock)
    before = one.samples()
    assert before
    with closing(sqlite3.connect(shop.home.catalog, isolation_level=None)) as writer:
        writer.execute("begin exclusive")
        clock.at = AGE
        assert one.samples() == before
        assert other.samples() == [], "nothing is known of it yet"
        assert parsed(text(other)) == {}
        writer.execute("rollback")
    clock.at = 2 * AGE
    assert other.samples()


def test_what_takes_long_to_read_is_read_seldom(shop):
    clock, readings = Clock(), []

    def slow():
        readings.append(clock.at)
        clock.at += 2.0  # seconds that reading takes
        return 1

    one = Watched(shop.definition, "shop", shop.home.catalog, clock=clock, moment=slow)
    for seconds in range(0, 200, 5):
        clock.at = max(clock.at, float(seconds))
        one.samples()
    assert readings == [0.0, 45.0, 90.0, 135.0, 180.0], "40 seconds after it was over, at least"


def test_several_pipelines_share_families(shop):
    stages = StageMetrics([watched(shop), Watched(shop.definition, "b", shop.home.catalog)])
    families = list(stages.collect())
    assert len({family.name for family in families}) == len(families) == len(FAMILIES)
    state = next(family for family in families if family.name == "octavo_stage_state")
    assert {sample.labels["pipeline"] for sample in state.samples} == {"shop", "b"}


def test_each_family_is_documented_with_its_labels():
    named = re.findall(r"^\| `octavo_(\w+)(?:\{(.*)\})?` \|", PAGE, re.MULTILINE)
    assert named == [(name, ",".join(labels)) for name, (_, labels) in FAMILIES.items()]


def test_stages_are_those_that_run():
    assert tuple(STAGES) == NAMED
