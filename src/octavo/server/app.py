"""The HTTP server: a bare ASGI application.

``POST /v1/datasets/{name}/events`` · ``POST /v1/pipelines/{name}/predict`` ·
``GET /v1/pipelines/{name}/data`` · ``/v1/pipelines/{name}/settings`` · ``GET /health`` ·
``GET /metrics``.
An error is ``{"error": …}``, whatever was asked for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from octavo.errors import OctavoError, ResourceError
from octavo.server import events
from octavo.server.answers import Answer, Refused, as_json
from octavo.server.events import Events
from octavo.server.logged import Logged
from octavo.server.rows import rows
from octavo.server.settings import Asked, settings
from octavo.services.config import ConfigService
from octavo.services.inference_log import InferenceLog
from octavo.services.rows import RowService
from octavo.services.serving import Scorer, score_events

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_STREAM = {
    "lag": "Rows that wait to be ingested.",
    "freshness": "Seconds from the append of the newest batch's first row to its commit.",
}

_VIEW = {
    "rows": "Rows in the raw store that the features of a view have not seen.",
    "waits": "Seconds since the oldest of them was received.",
}

_TABLE = {
    "files": "Data files of a table; many are slow to read.",
    "bytes": "Bytes of a table's data files.",
}

WAITING = 16
"""Requests that wait for rows at the same time; more stand in line. All others pass them by."""
LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; a larger request is refused with 413."""


class App:
    """Serves one pipeline: its live deployment, its rows, its settings; and takes what is sent.

    Parameters
    ----------
    name
        The pipeline's name in the address.
    scorer
        The live deployment; None: there is none.
    events
        Takes the rows of datasets that come by a stream.
    flow
        Gives how far that has come, as `octavo.status.flow`.
    """

    def __init__(
        self,
        name: str,
        scorer: Scorer | None,
        log: InferenceLog,
        data: RowService,
        config: ConfigService,
        events: Events,
        flow: Callable[[], dict[str, Any]],
    ) -> None:
        self.name = name
        self.scorer = scorer
        self.log = log
        self.data = data
        self.config = config
        self.events = events
        self.flow = flow
        self.is_leaving = False
        """Whether each answer ends its connection: the next request is for a successor."""
        self._waiting = ThreadPoolExecutor(WAITING, "waiting")
        self.registry = CollectorRegistry()
        self.requests = Counter(
            "octavo_requests", "Requests answered.", ["path", "status"], registry=self.registry
        )
        self.latency = Histogram(
            "octavo_predict_seconds",
            "Time from request to answer.",
            buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0),
            registry=self.registry,
        )
        self.predicted = Counter("octavo_predictions", "Rows predicted.", registry=self.registry)
        self.received = Counter(
            "octavo_received_rows", "Rows on disk.", ["dataset"], registry=self.registry
        )
        self.behind = {
            name: Gauge(
                f"octavo_stream_{name}", told, ["dataset", "partition"], registry=self.registry
            )
            for name, told in _STREAM.items()
        }
        self.unseen = {
            name: Gauge(f"octavo_features_{name}", told, ["view"], registry=self.registry)
            for name, told in _VIEW.items()
        }
        self.held = {
            name: Gauge(f"octavo_table_{name}", told, ["table"], registry=self.registry)
            for name, told in _TABLE.items()
        }
        self.unread = Gauge(
            "octavo_followed_bytes",
            "Bytes of growing files that are not in their stream yet.",
            ["dataset"],
            registry=self.registry,
        )
        self.registry.register(Logged(log))

    def serve(self, scorer: Scorer) -> None:
        """Answer with another deployment from the next request on."""
        self.scorer = scorer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        path = scope["path"]
        try:
            answer = await self._answer(scope, receive)
        except Refused as refused:
            answer = refused.answer
        except OctavoError as error:
            answer = Refused(503, str(error)).answer
        self.requests.labels(self._label(path), answer.status).inc()
        length = str(len(answer.body)).encode()
        headers = [(b"content-type", answer.kind), (b"content-length", length), *answer.headers]
        if self.is_leaving:
            headers.append((b"connection", b"close"))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    def _label(self, path: str) -> str:
        """Return what requests of a path are counted under."""
        if events.PATH.fullmatch(path):
            return "/v1/datasets/{name}/events"
        paths = ("/health", "/metrics", self._predict_path, self._data_path, self._settings_path)
        return path if path in paths else "other"

    @property
    def _predict_path(self) -> str:
        return f"/v1/pipelines/{self.name}/predict"

    @property
    def _data_path(self) -> str:
        return f"/v1/pipelines/{self.name}/data"

    @property
    def _settings_path(self) -> str:
        return f"/v1/pipelines/{self.name}/settings"

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.log.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"]
        if path == "/health" and method == "GET":
            return Answer(as_json(self._health()))
        if path == "/metrics" and method == "GET":
            await asyncio.to_thread(self._look)
            return Answer(generate_latest(self.registry), b"text/plain; version=0.0.4")
        if path == self._predict_path:
            if method != "POST":
                raise Refused(405, "use POST")
            return Answer(await self._predict(receive))
        if path == self._data_path:
            if method != "GET":
                raise Refused(405, "use GET")
            accept = dict(scope["headers"]).get(b"accept", b"*/*").decode("latin-1")
            return await rows(self.data, self.name, scope["query_string"], accept)
        if path == self._settings_path or path.startswith(f"{self._settings_path}/"):
            return await self._settings(scope, receive)
        if found := events.PATH.fullmatch(path):
            if method != "POST":
                raise Refused(405, "use POST")
            return await self._take(found[1], dict(scope["headers"]), receive)
        raise Refused(404, f"there is no {path}; try POST {self._predict_path}")

    async def _take(self, dataset: str, headers: dict[bytes, bytes], receive: Receive) -> Answer:
        self.events.check(dataset, headers)
        answer, rows = await self.events.take(dataset, headers, await _read(receive))
        self.received.labels(dataset).inc(rows)
        return answer

    async def _settings(self, scope: Scope, receive: Receive) -> Answer:
        headers = {key: value.decode("latin-1") for key, value in scope["headers"]}
        asked = Asked(
            method=scope["method"],
            path=scope["path"].removeprefix(self._settings_path),
            query=scope["query_string"],
            kind=headers.get(b"content-type", ""),
            body=await _read(receive),
            if_match=headers.get(b"if-match"),
        )
        return await settings(self.config, asked)

    def _look(self) -> None:
        """Bring what is told of streams and tables up to date."""
        flow = self.flow()
        for each in flow["streams"]:
            for name, gauge in self.behind.items():
                if each[name] is not None:
                    gauge.labels(each["dataset"], each["partition"]).set(each[name])
        for each in flow["views"]:
            for name, gauge in self.unseen.items():
                gauge.labels(each["view"]).set(each[name])
        for each in flow["tables"]:
            for name, gauge in self.held.items():
                gauge.labels(each["table"]).set(each[name])
        for dataset, size in flow["followed"].items():
            self.unread.labels(dataset).set(size)

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "pipeline": self.name,
            "deployment": self.scorer.deployment_id if self.scorer else None,
            "candidate": self.scorer.candidate_id if self.scorer else None,
            "positions": self.scorer.features.positions if self.scorer else None,
        }

    async def _predict(self, receive: Receive) -> bytes:
        body, scorer = await _read(receive), self.scorer
        if scorer is None:
            raise Refused(503, "no deployment is served; run `octavo run` until a model is ready")
        began = time.perf_counter()
        try:
            asked = scorer.decoder.decode(body)
            # Off the event loop: Polars and the kernel release the interpreter lock.
            threads = self._waiting if asked.wait_for else None
            told = scorer, self.log, asked
            loop = asyncio.get_running_loop()
            answers = await loop.run_in_executor(threads, score_events, *told)
        except ResourceError as error:
            raise Refused(503, str(error), ((b"retry-after", b"1"),)) from error
        except OctavoError as error:
            raise Refused(422, str(error)) from error
        self.latency.observe(time.perf_counter() - began)
        self.predicted.inc(answers.height)
        found = [
            {
                "event_id": row[0],
                "event_time": row[1],
                **dict(zip(answers.columns[2:], row[2:], strict=True)),
            }
            for row in answers.iter_rows()
        ]
        return as_json(
            {
                "pipeline": self.name,
                "deployment": scorer.deployment_id,
                "candidate": scorer.candidate_id,
                "predictions": found,
            }
        )


async def _read(receive: Receive) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client went away")
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise Refused(413, f"the body is larger than {LARGEST_BODY} bytes")
        if not message.get("more_body"):
            return body
