"""What answers is replaced, and put back, while clients ask: none fails, none gets a mixture."""

import json
import shutil
import time

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.stores import catalog as tables
from octavo.stores.predictions import PredictionStore

from .server_process import serving
from .swapping import SECOND, Asking, expected, newest, of_one_version, with_a_second

PATH = "/v1/pipelines/shop/predict"


@pytest.fixture
def shop(tmp_path, finished):
    folder = tmp_path / "shop"
    shutil.copytree(finished, folder)
    return folder


def followed(client, deployment_id, within=30):
    until = time.monotonic() + within
    while client.get("/health").json()["deployment"] != deployment_id:
        assert time.monotonic() < until, "the server does not follow"
        time.sleep(0.01)


@pytest.mark.parametrize("swaps", [20, pytest.param(1000, marks=pytest.mark.slow)])
def test_swaps_under_load(shop, swaps):
    project, rows = with_a_second(shop), newest(shop, 5)
    told = expected(project, rows)
    with (
        serving(shop) as client,
        Asking(str(client.base_url), PATH, rows, tolerant=False) as asking,
    ):
        for _ in range(swaps):
            row, _ = project.rollback()
            followed(client, row["deployment_id"])
            asking.more(2)
    assert asking.failed == []
    assert of_one_version(asking.answers, told) == 2
    assert len({answer["deployment"] for answer in asking.answers}) >= swaps


def test_rollback_is_one_command_and_is_told(shop, octavo):
    project = with_a_second(shop)
    first = project.catalog.rows(sa.select(tables.deployments))[0]["candidate_id"]
    with serving(shop, "server") as client:
        done = octavo("rollback", shop, "--reason", "it says yes to all", "--json")
        assert done.returncode == 0, done.stderr
        told = json.loads(done.stdout)
        assert (told["candidate_id"], told["replaced"]) == (first, "deployment-2")
        followed(client, "deployment-3")
        about = client.get("/v1/pipelines/shop").json()
        assert [each["version"] for each in about["versions"]] == ["1", "2", "3"]
        assert (about["version"], about["candidate"]) == ("3", first)
        rows = {"events": newest(shop, 1)}
        of = {
            version: client.post(f"/v1/pipelines/shop/versions/{version}/predict", json=rows).json()
            for version in ("1", "2", "3", SECOND)
        }
        assert [of[version]["candidate"] for version in ("1", "2", "3")] == [first, SECOND, first]
        assert of["1"]["predictions"] == of["3"]["predictions"] != of["2"]["predictions"]
        assert of[SECOND] == of["2"]
        assert client.post("/v1/pipelines/shop/versions/7/predict", json=rows).status_code == 404
    event = project.catalog.rows(
        sa.select(tables.events).where(tables.events.c.kind == "rolled back")
    )
    assert event[0]["document"]["reason"] == "it says yes to all"
    assert event[0]["document"]["back_to"] == "deployment-1"
    assert '"rolled back"' in project.home.log.read_text().splitlines()[-1]
    again = octavo("rollback", shop, "--to", "1")
    assert (again.returncode, "live already" in again.stderr) == (1, True)
    assert octavo("rollback", shop, "--to", "nowhere").returncode == 2


def test_what_was_gone_back_from_stays_so_until_another_verdict(shop, octavo):
    """New rows to score are no reason to deploy once more what the last verdict promoted."""
    project = with_a_second(shop)
    rows = pl.read_csv(shop / "data/orders.csv").tail(5)
    later = rows.with_columns(pl.col("order_id") + 100_000)
    later.write_csv(shop / "data/orders-2.csv")
    assert octavo("run", shop, "--to", "segregation").returncode == 0
    scored = octavo("run", shop, "--from", "deployment", "--to", "deployment", "--json")
    assert scored.returncode == 0, scored.stderr
    assert project.catalog.live_deployment()["candidate_id"] == SECOND
    log = PredictionStore(project.home).scan().filter(pl.col("candidate_id") == SECOND)
    assert log.collect().height >= 5


def test_what_cannot_answer_is_not_gone_back_to(shop, octavo):
    with_a_second(shop)
    script = shop / "pipeline.py"
    script.write_text(script.read_text().replace('pl.col("channel"), ', ""))
    done = octavo("rollback", shop)
    assert (done.returncode, "channel" in done.stderr) == (1, True)


def test_there_is_nothing_to_go_back_to(shop, octavo):
    done = octavo("rollback", shop)
    assert (done.returncode, "no other candidate" in done.stderr) == (1, True)
