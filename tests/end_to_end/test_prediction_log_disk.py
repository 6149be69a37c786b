"""Predictions over HTTP on a disk that becomes full: refused, or answered and counted."""

import re
import shutil
from contextlib import ExitStack

import polars as pl
import pytest

from octavo.project import load
from octavo.stores.predictions import PredictionStore

from .server_process import serving
from .test_full_disk_live import fill

PATH = "/v1/pipelines/shop/predict"
ORDER = {"ordered_at": "2024-02-29T12:00:00Z", "customer": "c01", "product": "p01"}
ORDER |= {"channel": "store", "amount": 33.0}


class Shop:
    """A project whose home, or whose stream alone, is on a small disk; and who asks it."""

    def __init__(self, finished, tmp_path, disk, small, monkeypatch):
        place = {"home": (disk / "shop", disk / "streams")}
        place["stream"] = (tmp_path / "shop", disk / "streams")
        self.folder, streams = place[small]
        shutil.copytree(finished, self.folder)
        self.ballast, self.answered, self.number = disk / "ballast", {}, 10**6
        monkeypatch.setenv("OCTAVO_STREAM", f"sqlite:{streams}")

    def ask(self, client, times=1):
        """Ask for predictions, and return what was answered last."""
        for _ in range(times):
            self.number += 1
            answer = client.post(PATH, json={"events": [ORDER | {"order_id": self.number}]})
            if answer.status_code == 200:
                (found,) = answer.json()["predictions"]
                self.answered[found["event_id"]] = found["returned"]
        return answer

    def logged(self):
        """Return what is in the table of what was asked for, each once."""
        log = PredictionStore(load(self.folder).home).log.scan()
        found = log.filter(pl.col("origin") == "http").collect()
        assert found["prediction_id"].is_unique().all()
        return dict(found.select("_event_id", "prediction").iter_rows())


@pytest.fixture
def shop(finished, tmp_path, small_disk, monkeypatch, request):
    small, outlives = request.param
    monkeypatch.setenv("OCTAVO_LOG_OUTLIVES", outlives)
    with small_disk(tmp_path / "disk", "60m") as disk:
        yield Shop(finished, tmp_path, disk, small, monkeypatch)


def counted(client):
    """Return how many predictions the server tells of: logged, and not, for the disk is full."""
    text, found = client.get("/metrics").text, []
    for name in (r"logged{pipeline=\"shop\"}", r"not_logged{pipeline=\"shop\",reason=\"disk\"}"):
        value = re.search(rf"^octavo_predictions_{name} ([\d.]+)", text, re.M)
        found.append(float(value[1]) if value else 0.0)
    return found


@pytest.mark.parametrize("shop", [("home", "power")], indirect=True)
def test_an_answer_waits_until_its_record_is_in_the_stream(shop):
    with ExitStack() as opened:
        client = opened.enter_context(serving(shop.folder, "server"))
        stream = load(shop.folder).stream()
        opened.callback(stream.close)
        for count in range(1, 11):
            assert shop.ask(client).status_code == 200
            assert stream.extents("predictions")[0].end == count, "it is there at once"


@pytest.mark.parametrize("shop", [("home", "power"), ("stream", "power")], indirect=True)
def test_what_must_outlive_power_is_refused_on_a_full_disk(shop):
    with serving(shop.folder, "server") as client:
        assert shop.ask(client, 5).status_code == 200
        fill(shop.ballast, 0)
        shop.ask(client, 20)  # there may be some space within files
        refused = shop.ask(client)
        assert refused.status_code == 503, refused.text
        assert "the disk is full" in refused.json()["error"]
        shop.ballast.unlink()
        assert shop.ask(client, 5).status_code == 200
    assert len(shop.answered) >= 10
    logged = shop.logged()
    assert {name: logged.get(name) for name in shop.answered} == shop.answered


@pytest.mark.parametrize("shop", [("home", "kill")], indirect=True)
def test_otherwise_all_are_answered_and_what_is_not_logged_is_counted(shop):
    with serving(shop.folder, "server") as client:
        assert shop.ask(client, 5).status_code == 200
        fill(shop.ballast, 0)
        assert shop.ask(client, 50).status_code == 200
        assert len(shop.answered) == 55
        logged, lost = counted(client)
        assert (logged + lost, lost > 0) == (55, True)
        shop.ballast.unlink()
        assert shop.ask(client, 5).status_code == 200
        assert counted(client) == [logged + 5, lost]
    assert len(shop.logged()) == logged + 5
    assert shop.logged().items() <= shop.answered.items()


@pytest.mark.parametrize("shop", [("stream", "kill")], indirect=True)
def test_what_the_stream_does_not_take_waits_in_files(shop):
    with serving(shop.folder, "server") as client:
        assert shop.ask(client, 5).status_code == 200
        fill(shop.ballast, 0)
        assert shop.ask(client, 50).status_code == 200
        assert counted(client) == [55, 0]
        shop.ballast.unlink()
    assert shop.logged() == shop.answered
