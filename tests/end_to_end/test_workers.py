"""Workers of one port: one is killed under load, the others answer, and it comes back."""

import re
import shutil
import time

import httpx
import pytest

from octavo.project import load
from octavo.stores.predictions import PredictionStore

from .service_trees import Tree
from .swapping import Asking, expected, newest, of_one_version, with_a_second

PATH = "/v1/pipelines/shop/predict"


def counted(address):
    """Return how many predictions all workers tell of."""
    text = httpx.get(f"{address}/metrics", timeout=60).text
    return float(re.search(r"^octavo_predictions_total ([\d.e+]+)", text, re.M)[1])


@pytest.fixture
def shop(tmp_path, finished):
    folder = tmp_path / "shop"
    shutil.copytree(finished, folder)
    return folder


def collected(folder):
    """Return how many predictions that were asked for are in the table."""
    found = PredictionStore(load(folder).home).scan().collect()
    return (found["origin"] == "http").sum()


def until(holds, within=60):
    end = time.monotonic() + within
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_a_worker_is_killed(shop):
    project, rows = with_a_second(shop), newest(shop, 3)
    told = expected(project, rows)
    with Tree(shop, "server", "--workers", "2") as tree:
        address = tree.address(60)
        until(lambda: tree.output.read_text().count("/health") == 2)
        before = set(tree.pids("server"))
        with Asking(address, PATH, rows, clients=6, tolerant=True) as asking:
            asking.more(20)
            assert tree.kill("server")
            asking.more(20)
            until(lambda: len(set(tree.pids("server"))) == 2 and set(tree.pids("server")) != before)
            asking.more(50)
    assert asking.failed == [], "a lost connection is no failed request of another worker"
    assert asking.lost <= 6
    of_one_version(asking.answers, told)


def test_workers_count_together_and_log_what_they_answer(shop):
    rows = newest(shop, 3)
    with Tree(shop, "server", "--workers", "2") as tree:
        address = tree.address(60)
        until(lambda: tree.output.read_text().count("/health") == 2)
        for _ in range(8):  # a connection each
            assert httpx.post(f"{address}{PATH}", json={"events": rows}, timeout=60).is_success
        until(lambda: counted(address) == 24)  # the others tell within a second
        assert [counted(address) for _ in range(6)] == [24] * 6
    project = with_a_second(shop)
    logged = PredictionStore(project.home).scan().collect()
    assert (logged["origin"] == "http").sum() == 24


def test_one_server_answers_for_several_pipelines(shop, tmp_path, octavo_apart):
    other = tmp_path / "boutique"
    shutil.copytree(shop, other)
    rows = {"events": newest(shop, 2)}
    with Tree(shop, "server", str(other), name="both") as tree:
        address = tree.address(60)
        until(lambda: "/health" in tree.output.read_text())
        with httpx.Client(base_url=address, timeout=60) as client:
            until(lambda: client.get("/health").is_success)
            listed = client.get("/v1/pipelines").json()["pipelines"]
            assert [each["name"] for each in listed] == ["boutique", "shop"]
            one, two = (
                client.post(f"/v1/pipelines/{name}/predict", json=rows).json()
                for name in ("shop", "boutique")
            )
            assert one["predictions"] == two["predictions"]
            assert (one["pipeline"], two["pipeline"]) == ("shop", "boutique")
            assert client.get("/v1/pipelines/nobody").status_code == 404
            assert 'octavo_predictions_logged{pipeline="boutique"}' in client.get("/metrics").text
            # While it runs, not only when it ends.
            until(lambda: [*map(collected, (shop, other))] == [2, 2])
        assert tree.stop() == 0
    for words in (["server", shop, shop], ["prep", shop, other], [shop, other]):
        assert octavo_apart("up", *words, "--port", "0").returncode == 2
