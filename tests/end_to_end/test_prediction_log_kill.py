"""Servers and collectors killed under load: what a client has an answer for is logged, once."""

import contextlib
import itertools
import json
import random
import shutil
import threading
import time

import httpx
import polars as pl
import pytest

from octavo.project import load
from octavo.stores.predictions import PredictionStore

from .service_trees import Tree

ORDER = {"ordered_at": "2024-02-29T12:00:00Z", "customer": "c01", "product": "p01"}
ORDER |= {"channel": "store", "amount": 33.0}


class Clients:
    """Ask for predictions, each of an order of its own, and keep what they were answered."""

    def __init__(self, address, count):
        self.address, self.numbers, self.stop = address, itertools.count(10**6), threading.Event()
        self.answered = {}
        self.threads = [threading.Thread(target=self.work) for _ in range(count)]
        for each in self.threads:
            each.start()

    def work(self):
        with httpx.Client(base_url=self.address, timeout=10) as client:
            while not self.stop.is_set():
                order = ORDER | {"order_id": next(self.numbers)}
                with contextlib.suppress(httpx.TransportError):  # not answered
                    answer = client.post("/v1/pipelines/shop/predict", json={"events": [order]})
                    assert answer.status_code == 200, answer.text
                    (found,) = answer.json()["predictions"]
                    self.answered[found["event_id"]] = found["returned"]

    def close(self):
        self.stop.set()
        for each in self.threads:
            each.join()


# One server that is killed often is started after longer and longer pauses (`supervisor.LONGEST`),
# as it should be; of several, each is killed in its turn, and has run for a while by then.
@pytest.mark.parametrize(
    ("kills", "workers"), [(3, 1), pytest.param(50, 4, marks=pytest.mark.slow)]
)
def test_what_was_answered_is_logged_once(finished, tmp_path, kills, workers):
    folder, chance = shutil.copytree(finished, tmp_path / "shop"), random.Random(kills)
    with Tree(folder, "server", "predictions", "--workers", str(workers)) as tree:
        clients = Clients(tree.address(60), count=3)
        for number in range(kills):
            before, until = len(clients.answered), time.monotonic() + 180
            while len(clients.answered) < before + 20:  # it has come up again
                assert time.monotonic() < until, tree.output.read_text()
                time.sleep(0.02)
            time.sleep(2 * chance.random())
            assert tree.kill("server")
            if number % 3 == 1:
                tree.kill("predictions")
        time.sleep(0.5)
        clients.close()
        assert tree.stop() == 0
    project = load(folder)
    stream = project.stream()
    project.collecting(stream, pytest.fail).finish()
    stream.close()
    logged = PredictionStore(project.home).log.scan().filter(pl.col("origin") == "http").collect()
    assert logged["prediction_id"].is_unique().all()
    assert logged["_event_id"].is_unique().all(), "each was asked for once"
    found = dict(logged.select("_event_id", "prediction").iter_rows())
    missing = clients.answered.keys() - found.keys()
    assert not missing
    assert {name: found[name] for name in clients.answered} == clients.answered
    assert json.loads(logged["features"][0])["amount"] == 33.0
    assert len(clients.answered) > 20 * kills
