"""Requests for predictions: those that wait for rows, those that meet in a batch, errors."""

import asyncio
import datetime as dt
import json
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from octavo.bundle import Bundle
from octavo.bundle.encoders import OrdinalEncoder
from octavo.bundle.model import LinearModel
from octavo.errors import DataError
from octavo.server import arrow
from octavo.server.answers import as_json
from octavo.services.batching import Bounds

sys.path.insert(0, str(Path(__file__).parent))

from hosted import Scorer, ask, hosting

PATH = "/v1/pipelines/shop/predict"
MARK = {"dataset": "payments", "partition": 0, "offset": 1}


def events(*rows, **more):
    return {"events": [dict(zip("abc", row, strict=True)) for row in rows], **more}


def test_who_waits_for_rows_holds_up_nobody_else():
    waiting, scorer = threading.Event(), Scorer(1)

    def wait(marks):
        assert waiting.wait(30), "nobody went by"

    scorer.waits = wait
    app, _ = hosting(None, scorer)

    async def calls(client):
        slow = [
            asyncio.create_task(client.post(PATH, json=events((1, 2, 3), wait_for=MARK)))
            for _ in range(20)
        ]
        await asyncio.sleep(0.2)
        quick = await asyncio.wait_for(client.post(PATH, json=events((1, 2, 3))), 25)
        waiting.set()
        return [quick, *await asyncio.gather(*slow)]

    assert [answer.status_code for answer in ask(app, calls)] == [200] * 21


def test_what_cannot_be_looked_at_is_said_as_any_error_is():
    def flow():
        raise DataError("there is no state.")

    app, _ = hosting(None, flow=flow)
    answer = ask(app, lambda client: client.get("/metrics"))
    assert answer.status_code == 503
    assert "there is no state" in answer.json()["error"]


@pytest.mark.parametrize("bounds", [Bounds(), Bounds(rows=4), Bounds(wait_us=2000), Bounds(1)])
def test_an_error_is_that_of_its_own_request(bounds):
    app, log = hosting(None, Scorer(7), bounds=bounds)

    async def calls(client):
        bodies = [events((i, 0, -1 if i % 5 == 0 else 1)) for i in range(40)]
        return await asyncio.gather(*(client.post(PATH, json=body) for body in bodies))

    answers = ask(app, calls)
    for i, answer in enumerate(answers):
        if i % 5 == 0:
            assert (answer.status_code, "below zero" in answer.text) == (422, True)
        else:
            assert answer.json()["predictions"][0]["y"] == 7 + i
    assert log.records().height == 32


@pytest.mark.parametrize("form", ["predict", "predict/features"])
def test_requests_at_the_same_time_are_one_batch(form):
    app, log = hosting(None, Scorer(1))
    of = "events" if form == "predict" else "features"

    async def calls(client):
        bodies = [{of: [{"a": i, "b": 0.5, "c": 1}]} for i in range(64)]
        path = f"/v1/pipelines/shop/{form}"
        return await asyncio.gather(*(client.post(path, json=body) for body in bodies))

    answers = ask(app, calls)
    assert [answer.json()["predictions"][0]["y"] for answer in answers] == [
        1.0 + i for i in range(64)
    ]
    assert len(log.kept) < 32
    features = [json.loads(text) for text in log.records()["features"]]
    assert sorted(each["a"] for each in features) == [float(i) for i in range(64)]


@pytest.fixture
def deployed(monkeypatch):
    """Every number is that of a deployment."""
    found = "octavo.services.models.deployments.find"

    def find(_, name):
        return {"deployment_id": f"deployment-{name.removeprefix('candidate-')}"}

    monkeypatch.setattr(found, find)


def test_an_earlier_version_that_many_ask_for_is_loaded_once(deployed):
    app, _ = hosting(None, Scorer(1), Scorer(2))
    loaded, path = [], "/v1/pipelines/shop/versions/1/predict"
    loads = app.models._loaded

    def slow(name, row):
        loaded.append(row["deployment_id"])
        time.sleep(0.1)
        return loads(name, row)

    app.models._loaded = slow

    async def calls(client):
        return await asyncio.gather(*(client.post(path, json=events((i, 0, 1))) for i in range(20)))

    answers = ask(app, calls)
    assert [each.json()["predictions"][0]["y"] for each in answers] == [1.0 + i for i in range(20)]
    assert loaded == ["deployment-1"]


def test_an_earlier_version_is_loaded_once_by_whatever_name(deployed):
    app, _ = hosting(None, *map(Scorer, range(1, 8)))

    async def together():
        get = app.models.get
        by_name, by_number = [await get("shop", name) for name in ("candidate-1", "1")]
        for version in "234":
            await get("shop", version)
        assert await get("shop", "candidate-1") is by_name, "four of them are kept"
        await get("shop", "5")
        assert await get("shop", "1") is by_name, "2 was not asked for longest"
        return by_name, by_number

    by_name, by_number = asyncio.run(together())
    assert by_name is by_number


@pytest.mark.parametrize("name", [None, "2", "deployment-2", "candidate-2"])
def test_the_live_version_is_one_by_whatever_name(deployed, name):
    app, _ = hosting(None, Scorer(1), Scorer(2))
    assert asyncio.run(app.models.get("shop", name)) is app.models.live("shop")


def test_a_version_whose_loading_was_overtaken_is_not_kept(deployed):
    """What features it has may be other groups' now."""
    app, _ = hosting(None, Scorer(1), Scorer(2))
    loads = app.models._loaded

    def overtaken(name, row):
        found = loads(name, row)
        app.models.serve("shop", Scorer(3))
        return found

    app.models._loaded = overtaken
    assert asyncio.run(app.models.get("shop", "1")).version == "1"
    assert app.models._served["shop"].earlier.find("1") is None


def test_features_that_do_not_fit_are_refused_by_name():
    app, log = hosting(None, Scorer(1))
    for body, word in (
        (b"{", "truncated"),
        (b'{"features": []}', "no row"),
        (b'{"features": [{"d": 1}]}', "unknown field `d`"),
        (b'{"features": [{"b": "much"}]}', "$.features[0].b"),
    ):
        answer = ask(app, lambda client, body=body: client.post(f"{PATH}/features", content=body))
        assert (answer.status_code, word in answer.text) == (422, True), answer.text
    assert not log.kept


CLOCK = pl.DataFrame({"at": [dt.time(12, 30), None]}, {"at": pl.Time})
ROWS = [{"at": "12:30:00"}, {"at": None}]
TABLE = {"content-type": "application/vnd.apache.arrow.stream"}


@pytest.mark.parametrize(
    ("path", "told"),
    [
        (f"{PATH}/features", {"json": {"features": ROWS}}),
        (f"{PATH}/features", {"content": arrow.write(CLOCK), "headers": TABLE}),
        ("/invocations", {"json": {"dataframe_records": ROWS}}),
        (
            "/invocations",
            {"content": "at,x\n12:30:00,1\n,2\n", "headers": {"content-type": "text/csv"}},
        ),
    ],
)
def test_a_time_of_day_is_taken_on_every_wire_and_logged(path, told):
    encoder = OrdinalEncoder.fit(CLOCK, {"at": "numeric"})
    model = LinearModel("regression", 1, np.array([[1.0]]), np.array([0.0]))
    app, log = hosting(None, Scorer(1, Bundle(model, encoder, "y", "linear")))
    answer = ask(app, lambda client: client.post(path, **told))
    assert answer.status_code == 200, answer.text
    found = [row["y"] if isinstance(row, dict) else row for row in answer.json()["predictions"]]
    assert found == [45_000.0, None]
    features = [json.loads(text)["at"] for text in log.records()["features"]]
    assert features == ["12:30:00", None]


def test_a_missing_feature_is_null():
    app, log = hosting(None, Scorer(1))
    answer = ask(app, lambda client: client.post(f"{PATH}/features", json={"features": [{"a": 2}]}))
    assert answer.json()["predictions"] == [{"y": None}], "a weighted sum with NaN is none"
    assert json.loads(log.records()["features"][0]) == {"a": 2.0, "b": None, "c": None}
    assert log.records()["_event_id"].to_list() == [None]
    assert isinstance(log.records(), pl.DataFrame)


def test_where_the_time_went_is_told_to_who_asks():
    app, _ = hosting(None, Scorer(1))

    async def calls(client):
        body = events((1, 2, 3))
        return [
            await client.post(PATH + more, json=body) for more in ("", "?timing=1", "?timing=0")
        ], (await client.get("/metrics")).text

    (quiet, told, also), metrics = ask(app, calls)
    assert "server-timing" not in quiet.headers
    assert "server-timing" not in also.headers
    parts = dict(each.split(";dur=") for each in told.headers["server-timing"].split(", "))
    assert list(parts) == ["decode", "wait", "features", "model", "encode"]
    assert all(float(part) >= 0 for part in parts.values())
    assert 'octavo_predict_part_seconds_count{part="model"} 3.0' in metrics
    assert "octavo_predict_seconds_count 3.0" in metrics
    assert f'octavo_requests_total{{path="{PATH.replace("shop", "{name}")}",status="200"}} 3.0' in (
        metrics
    )


def test_addresses_that_are_not_there():
    app, _ = hosting(None, Scorer(3))

    async def calls(client):
        return [
            (await client.get("/v1/pipelines/shop/predict")),
            (await client.post("/v1/pipelines/shpo/predict", json=events((1, 2, 3)))),
            (await client.post("/v1/pipelines/shop/versions/9/predict", json=events((1, 2, 3)))),
            (await client.get("/nowhere")),
        ]

    found = ask(app, calls)
    assert [answer.status_code for answer in found] == [405, 404, 404, 404]
    assert found[0].headers["allow"] == "POST"
    assert "Did you mean 'shop'" in found[1].text


def test_a_method_that_is_not_there_is_answered_with_those_that_are():
    app, _ = hosting(None, Scorer(3))

    async def calls(client):
        return [
            await client.delete("/invocations"),
            await client.put("/v2/models/shop/infer"),
            await client.post("/v1/pipelines/shop/settings/diff", json={}),
            await client.post("/metrics"),
            await client.post("/v1/pipelines/invocations"),
        ]

    found = ask(app, calls)
    assert [answer.status_code for answer in found] == [405] * 5
    assert [answer.headers["allow"] for answer in found] == ["POST", "POST", *["GET"] * 3]
    assert found[0].json() == {"error_code": "BAD_REQUEST", "message": "use POST"}
    assert found[4].json() == {"error": "use GET"}, "a pipeline of that name"
    assert found[1].json() == {"error": "use POST"}


@pytest.mark.parametrize(
    ("path", "wire", "body"),
    [
        (PATH, "predicting", lambda row: {"events": row}),
        (f"{PATH}/features", "predicting", lambda row: {"features": row}),
        ("/invocations", "mlflow", lambda row: {"dataframe_records": row}),
    ],
)
def test_a_large_answer_is_written_off_the_event_loop(path, wire, body, monkeypatch):
    app, _ = hosting(None, Scorer(1))
    threads = []

    def write(document):
        threads.append(threading.current_thread())
        return as_json(document)

    monkeypatch.setattr(f"octavo.server.{wire}.as_json", write)
    for count in (2, 2000):
        rows = [{"a": i, "b": 0.5, "c": 1} for i in range(count)]
        answer = ask(app, lambda client, rows=rows: client.post(path, json=body(rows)))
        assert len(answer.json()["predictions"]) == count
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


def test_nothing_is_deployed():
    app, _ = hosting(None)
    answer = ask(app, lambda client: client.post(PATH, json=events((1, 2, 3))))
    assert (answer.status_code, "octavo run" in answer.text) == (503, True)
    listed = ask(app, lambda client: client.get("/v1/pipelines")).json()
    assert listed["pipelines"][0] == {
        "name": "shop", "version": None, "deployment": None, "candidate": None,
    }  # fmt: skip


def test_a_fault_is_answered_counted_and_told_in_the_log(caplog):
    scorer = Scorer(1)
    app, _ = hosting(None, scorer)
    scorer.answer = lambda events: 1 / 0

    async def calls(client):
        return await client.post(PATH, json=events((1, 2, 3))), await client.get("/metrics")

    answer, metrics = ask(app, calls)
    assert (answer.status_code, answer.headers["connection"]) == (500, "close")
    assert "fault of the server" in answer.json()["error"]
    assert 'predict",status="500"} 1.0' in metrics.text
    assert "ZeroDivisionError" in caplog.text


def test_who_waits_with_a_question_of_entities_holds_up_nobody_else():
    waiting, scorer = threading.Event(), Scorer(1)
    scorer.waits = lambda marks: waiting.wait(30)
    app, _ = hosting(None, scorer)
    asked = {"entities": [{"a": 1}], "wait_for": MARK}

    async def calls(client):
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        slow = [asyncio.create_task(client.post(PATH, json=asked)) for _ in range(4)]
        await asyncio.sleep(0.1)
        quick = await asyncio.wait_for(client.post(PATH, json=events((1, 2, 3))), 25)
        for each in slow:
            each.cancel()
        waiting.set()
        return quick

    assert ask(app, calls).status_code == 200


def test_a_pipeline_may_be_called_as_a_part_of_its_address():
    app, _ = hosting(None, name="settings")
    answer = ask(app, lambda client: client.get("/v1/pipelines/settings/settings/nothing"))
    assert (answer.status_code, "settings have no /nothing" in answer.text) == (404, True)
