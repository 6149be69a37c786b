"""The HTTP server: a bare ASGI application.

``POST /v1/pipelines/{name}/predict`` · ``GET /health`` ·
``GET /metrics``. Every answer but the metrics is JSON; an error is ``{"error": …}``.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from octavo.errors import OctavoError
from octavo.services.serving import PredictionLog, Scorer, score_events

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; a larger request is refused with 413."""


class _Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, error: str) -> None:
        self.status = status
        super().__init__(error)


class App:
    """Serves one pipeline's live deployment.

    Parameters
    ----------
    name
        The pipeline's name in the address.
    """

    def __init__(self, name: str, scorer: Scorer, log: PredictionLog) -> None:
        self.name = name
        self.scorer = scorer
        self.log = log
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
        method, path = scope["method"], scope["path"]
        try:
            status, body, kind = await self._answer(method, path, receive)
        except _Refused as refused:
            status, body, kind = refused.status, _json({"error": str(refused)}), b"application/json"
        known = path if path in ("/health", "/metrics", self._predict_path) else "other"
        self.requests.labels(known, status).inc()
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    @property
    def _predict_path(self) -> str:
        return f"/v1/pipelines/{self.name}/predict"

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self.log.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _answer(self, method: str, path: str, receive: Receive) -> tuple[int, bytes, bytes]:
        if path == "/health" and method == "GET":
            return 200, _json(self._health()), b"application/json"
        if path == "/metrics" and method == "GET":
            return 200, generate_latest(self.registry), b"text/plain; version=0.0.4"
        if path == self._predict_path:
            if method != "POST":
                raise _Refused(405, "use POST")
            return 200, await self._predict(receive), b"application/json"
        raise _Refused(404, f"there is no {path}; try POST {self._predict_path}")

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
            raise _Refused(422, str(error)) from error
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
        return _json(
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
            raise _Refused(400, "the client went away")
        body += message.get("body", b"")
        if len(body) > LARGEST_BODY:
            raise _Refused(413, f"the body is larger than {LARGEST_BODY} bytes")
        if not message.get("more_body"):
            return body


def _json(document: Any) -> bytes:
    return msgspec.json.encode(document)
