"""Requests for predictions that wait for rows, and those that need not; errors of any route."""

import asyncio
import threading

import httpx
import polars as pl

from octavo.errors import DataError
from octavo.server import App, app
from octavo.services.requests import Asked


class Scorer:
    """Stands for one that answers."""

    deployment_id = candidate_id = "1"
    decoder = None

    def __init__(self):
        self.decoder = self

    def decode(self, body):
        return Asked([{}], [1] if body == b"waits" else [])


def get(server, calls):
    async def together():
        transport = httpx.ASGITransport(app=server)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await calls(client)

    return asyncio.run(together())


def test_who_waits_for_rows_holds_up_nobody_else(monkeypatch):
    waiting = threading.Event()

    def score(scorer, log, asked):
        if asked.wait_for and not waiting.wait(30):
            raise AssertionError("nobody went by")
        return pl.DataFrame({"_event_id": ["1"], "_event_time": [1], "large": [0.5]})

    monkeypatch.setattr(app, "score_events", score)
    server = App("shop", Scorer(), None, None, None, None, dict)  # type: ignore[arg-type]
    path = "/v1/pipelines/shop/predict"

    async def calls(client):
        slow = [asyncio.create_task(client.post(path, content=b"waits")) for _ in range(50)]
        await asyncio.sleep(0.2)
        quick = await asyncio.wait_for(client.post(path, content=b""), 10)
        waiting.set()
        return [quick, *await asyncio.gather(*slow)]

    assert [answer.status_code for answer in get(server, calls)] == [200] * 51


def test_what_cannot_be_looked_at_is_said_as_any_error_is():
    def flow():
        raise DataError("there is no state.")

    server = App("shop", None, None, None, None, None, flow)  # type: ignore[arg-type]
    answer = get(server, lambda client: client.get("/metrics"))
    assert answer.status_code == 503
    assert "there is no state" in answer.json()["error"]
