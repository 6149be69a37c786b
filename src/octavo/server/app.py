"""The HTTP server: a bare ASGI application.

``POST /v1/pipelines/{name}/predict`` · ``GET /v1/pipelines/{name}/data`` ·
``/v1/pipelines/{name}/settings`` · ``GET /health`` · ``GET /metrics``.
An error is ``{"error": …}``, whatever was asked for.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from octavo.errors import OctavoError
from octavo.server.answers import Answer, Refused, as_json
from octavo.server.rows import rows
from octavo.server.settings import Asked, settings
from octavo.services.config import ConfigService
from octavo.services.rows import RowService
from octavo.services.serving import PredictionLog, Scorer, score_events

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; a larger request is refused with 413."""


class App:
    """Serves one pipeline's live deployment, the rows it can be trained on, and its settings.

    Parameters
    ----------
    name
        The pipeline's name in the address.
    """

    def __init__(
        self,
        name: str,
        scorer: Scorer,
        log: PredictionLog,
        data: RowService,
        config: ConfigService,
    ) -> None:
        self.name = name
        self.scorer = scorer
        self.log = log
        self.data = data
        self.config = config
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
        for label, help_ in (("logged", "Predictions on disk."), ("lost", "Not logged.")):
            gauge = Gauge(f"octavo_predictions_{label}", help_, registry=self.registry)
            gauge.set_function(lambda label=label: getattr(log, label))

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
        paths = ("/health", "/metrics", self._predict_path, self._data_path, self._settings_path)
        self.requests.labels(path if path in paths else "other", answer.status).inc()
        length = str(len(answer.body)).encode()
        headers = [(b"content-type", answer.kind), (b"content-length", length), *answer.headers]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

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
        raise Refused(404, f"there is no {path}; try POST {self._predict_path}")

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

    def _health(self) -> dict[str, Any]:
        return {
            "status": "ok",
            "pipeline": self.name,
            "deployment": self.scorer.deployment_id,
            "candidate": self.scorer.candidate_id,
            "positions": self.scorer.features.positions,
        }

    async def _predict(self, receive: Receive) -> bytes:
        body = await _read(receive)
        began = time.perf_counter()
        try:
            events = self.scorer.decoder.decode(body)
            # Off the event loop: Polars and the kernel release the interpreter lock.
            answers = await asyncio.to_thread(score_events, self.scorer, self.log, events)
        except OctavoError as error:
            raise Refused(422, str(error)) from error
        self.latency.observe(time.perf_counter() - began)
        self.predicted.inc(answers.height)
        rows = [
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
                "deployment": self.scorer.deployment_id,
                "candidate": self.scorer.candidate_id,
                "predictions": rows,
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
