"""The HTTP server: a bare ASGI application over a table of routes.

``POST /v1/datasets/{name}/events`` · ``GET /v1/pipelines`` · ``/v1/pipelines/{name}``, and under it
``POST predict``, ``GET data``, ``settings`` · ``GET /health`` · ``GET /metrics``.
An error is ``{"error": …}``, whatever was asked for; MLflow's clients get theirs.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from octavo.errors import DataError, DefinitionError, OctavoError
from octavo.logs import also
from octavo.server import docs, faults, lookups, mlflow, openapi, request_ids
from octavo.server.access import CALLER
from octavo.server.answers import AGAIN, Answer, Refused, as_json, not_allowed
from octavo.server.asgi import Message, Receive, Scope, Send
from octavo.server.connection import Owed, Take, answered
from octavo.server.events import Events
from octavo.server.metrics import Metrics
from octavo.server.predicting import PIPELINE, Predicting
from octavo.server.refusals import refusal
from octavo.server.routes import Begin, Found, Request, Routes
from octavo.server.rows import rows
from octavo.server.settings import Asked, settings
from octavo.server.v2 import rest
from octavo.services.config import ConfigService
from octavo.services.inference_log import InferenceLog
from octavo.services.models import Models, UnknownModelError
from octavo.services.rows import RowService
from octavo.services.waiting import BehindError

_EVENTS = "/v1/datasets/{name}/events"


@dataclass(frozen=True)
class Hosted:
    """What a server has of one pipeline besides its models."""

    name: str
    log: InferenceLog
    data: RowService
    config: ConfigService
    events: Events
    """Takes the rows of datasets that come by a stream."""
    flow: Callable[[], dict[str, Any]]
    """Gives how far these have come, as `octavo.status.flow`."""


class App:
    """Serves pipelines: their live deployments, rows, settings; and takes what is sent.

    Raises
    ------
    DefinitionError
        If a dataset of two pipelines comes by a stream: its address would be the same.
    """

    def __init__(self, models: Models, hosted: Sequence[Hosted]) -> None:
        self.models = models
        self.hosted = {each.name: each for each in hosted}
        self.is_leaving = False
        """Whether each answer ends its connection: the next request is for a successor."""
        self.metrics = Metrics()
        self._events = _by_dataset(hosted)
        for each in hosted:
            self.metrics.watch(each.name, each.flow, each.log)
        self.routes = Routes()
        self._add_routes()

    def _add_routes(self) -> None:
        add = self.routes.add
        add("GET", "/health", self._health)
        add("GET", "/metrics", self._metrics)
        Predicting(self.models, self.metrics, lambda name: self.hosted[name].events).add(
            self.routes
        )
        add("GET", f"{PIPELINE}/data", self._rows)
        for path in ("", "/versions", "/diff", "/rollback", "/{path}"):
            for method in ("GET", "PUT", "PATCH", "POST", "DELETE"):
                add(method, f"{PIPELINE}/settings{path}", self._settings)
        add("POST", _EVENTS, self._take)
        lookups.add(self.routes, self.models)
        taken = {each.name: each.events.receiver.datasets for each in self.hosted.values()}
        for pages in (openapi, docs):
            pages.add(self.routes, self.models, taken)
        for wire in (rest, mlflow):
            wire.add(self.routes, self.models, self.metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
            return
        if scope["type"] != "http":
            return
        found = self.routes.find(scope["path"])
        try:
            if (request_id := request_ids.given(scope)) is not None:
                also(request_id=request_id.decode())  # to the end of this task
            answer = await self._answer(found, scope, receive)
        except Exception as error:  # noqa: BLE001  it is told in the log, counted and answered
            answer = refusal(faults.told(error, request_ids.given(scope)), scope["path"])
        self.metrics.answered(found.pattern if found else "other", answer.status)
        await answered(answer, scope, send, is_last=self.is_leaving)

    def at_once(self, scope: Scope) -> Take | None:
        """Return what answers requests of one head whose body is there; None: `__call__` does."""
        found = self.routes.find(scope["path"])
        if found is None or scope["method"] not in found.methods:
            return None
        request = Request(scope, _no_body, found.params)
        begin = found.at_once(request) if found.at_once and request.method == "POST" else None
        return partial(self._begin, found, begin) if begin else partial(self._begin_task, found)

    def _begin(self, found: Found, begin: Begin, scope: Scope, body: bytes, owed: Owed) -> None:
        reply = _Reply(self, found.pattern, scope["path"], owed)
        try:
            begin(body, reply)
        except Exception as error:  # noqa: BLE001  as of a handler
            reply.set_exception(error)

    def _begin_task(self, found: Found, scope: Scope, body: bytes, owed: Owed) -> None:
        """Let a handler answer, without the messages of ASGI."""
        reply = _Reply(self, found.pattern, scope["path"], owed)
        owed.work(self._handled(found, scope, body, reply))

    async def _handled(self, found: Found, scope: Scope, body: bytes, reply: "_Reply") -> None:
        async def receive() -> Message:
            return {"type": "http.request", "body": body}

        try:
            reply.set_result(await self._answer(found, scope, receive))
        except Exception as error:  # noqa: BLE001  it is answered, and told in the log
            reply.set_exception(error)

    async def _answer(self, found: Found | None, scope: Scope, receive: Receive) -> Answer:
        try:
            if found is None:
                raise Refused(404, f"there is no {scope['path']}; GET /v1/pipelines lists some")
            handler = found.methods.get(scope["method"])
            if handler is None:
                raise not_allowed(found.methods)
            return await handler(Request(scope, receive, found.params))
        except (Refused, OctavoError) as error:
            return refusal(_refused(error), scope["path"])

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                self.metrics.fold()  # workers after this one tell of it
                for each in self.hosted.values():
                    await asyncio.to_thread(each.log.close)
            await send({"type": f"{message['type']}.complete"})
            if message["type"] == "lifespan.shutdown":
                return

    async def _metrics(self, request: Request) -> Answer:
        self.metrics.fold()
        try:
            text = await asyncio.to_thread(self.metrics.text)
        except OctavoError as error:
            raise Refused(503, str(error)) from error
        return Answer(text, b"text/plain; version=0.0.4")

    async def _health(self, request: Request) -> Answer:
        told = []
        for name in self.models.names:
            model = self.models.live(name)
            told.append(
                {
                    "pipeline": name,
                    "deployment": model and model.deployment_id,
                    "candidate": model and model.candidate_id,
                    "positions": model and model.scorer.features.positions,
                }
            )
        alone = told[0] if len(told) == 1 else {}
        return Answer(as_json({"status": "ok", **alone, "pipelines": told}))

    def _of(self, request: Request) -> Hosted:
        name = request.params[0]
        if name not in self.hosted:
            raise UnknownModelError.unknown("pipeline", name, self.hosted)
        return self.hosted[name]

    async def _rows(self, request: Request) -> Answer:
        of, accept = self._of(request), request.header(b"accept") or b"*/*"
        return await rows(of.data, of.name, request.query, accept.decode("latin-1"))

    async def _take(self, request: Request) -> Answer:
        (dataset,) = request.params
        first, *_ = self.hosted.values()
        events = self._events.get(dataset, first.events)  # which says why it takes no such rows
        headers = request.headers
        events.check(dataset, headers)
        answer, rows = await events.take(dataset, headers, await request.body())
        self.metrics.received.labels(dataset).inc(rows)
        return answer

    async def _settings(self, request: Request) -> Answer:
        of = self._of(request)
        headers = {key: value.decode("latin-1") for key, value in request.scope["headers"]}
        asked = Asked(
            method=request.method,
            path=request.path.removeprefix(f"/v1/pipelines/{of.name}/settings"),
            query=request.query,
            kind=headers.get(b"content-type", ""),
            body=await request.body(),
            if_match=headers.get(b"if-match"),
            caller=request.scope.get(CALLER),
        )
        return await settings(of.config, asked)


class _Reply(msgspec.Struct):
    """Answers a request that is answered at once."""

    app: App
    pattern: str
    path: str
    owed: Owed

    def done(self) -> bool:
        """Return whether its client has gone."""
        return self.owed.disconnected

    def cancel(self) -> None:
        """Leave it: its client has gone."""
        self.owed.drop()

    def set_result(self, answer: Answer) -> None:
        """Answer."""
        self.app.metrics.answered(self.pattern, answer.status)
        self.owed.give(answer, is_last=self.app.is_leaving)

    def set_exception(self, error: BaseException) -> None:
        """Answer with a refusal; what is nobody's fault but ours is told in the log."""
        is_known = isinstance(error, Refused | OctavoError)
        refused = _refused(error) if is_known else faults.told(error)
        self.set_result(refusal(refused, self.path))


def _refused(error: Refused | OctavoError) -> Refused:
    """Return how what a handler raises is refused."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, UnknownModelError):
        return Refused(404, str(error))
    if isinstance(error, DataError):
        return Refused(422, str(error))
    return Refused(503, str(error), (AGAIN,) if isinstance(error, BehindError) else ())


async def _no_body() -> Message:
    raise AssertionError("only heads are looked at")


def _by_dataset(hosted: Sequence[Hosted]) -> dict[str, Events]:
    found: dict[str, Events] = {}
    for each in hosted:
        for dataset in each.events.receiver.datasets:
            if dataset in found:
                raise DefinitionError(
                    f"two pipelines take its rows under {_EVENTS.format(name=dataset)}.",
                    where=f"dataset {dataset!r}",
                    fix="Give it another name in one of them, or serve them apart.",
                )
            found[dataset] = each.events
    return found
