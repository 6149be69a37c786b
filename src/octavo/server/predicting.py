"""``POST /v1/pipelines/{name}/predict``, of a version or the live one; and what can be asked.

Events, or entities at a time, under ``…/predict``; features that are there already under
``…/predict/features``; each as an Arrow IPC stream too, and answered so if it is asked for. Every
answer names the deployment it is from. Asked with ``?timing=1`` it says in a ``Server-Timing``
header where its time went.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from time import perf_counter_ns
from typing import Any

import msgspec
import numpy as np
import polars as pl

from octavo.errors import DataError
from octavo.server import arrow
from octavo.server.access import CALLER
from octavo.server.answers import JSON, Answer, Refused, as_json
from octavo.server.bodies import LARGE, MANY, apart
from octavo.server.columns import Columns, of_frame
from octavo.server.events import Events
from octavo.server.lookups import as_arrow, of_table
from octavo.server.metrics import PARTS, Metrics
from octavo.server.outputs import outputs
from octavo.server.routes import Begin, Reply, Request, Routes
from octavo.services.keys import Role
from octavo.services.lookups import look_up
from octavo.services.models import Model, Models, Predicted
from octavo.services.questions import question

PIPELINE = "/v1/pipelines/{name}"
_TIMING = b"timing=1"


class Predicting:
    """The handlers."""

    def __init__(
        self, models: Models, metrics: Metrics, events_of: Callable[[str], Events]
    ) -> None:
        self._models, self._metrics = models, metrics
        self._events_of = events_of

    def add(self, routes: Routes) -> None:
        """Add them to a table."""
        routes.add("GET", "/v1/pipelines", self.pipelines)
        routes.add("GET", PIPELINE, self.pipeline)
        for of in (PIPELINE, f"{PIPELINE}/versions/{{version}}"):
            routes.add("POST", f"{of}/predict", self.events)
            routes.add("POST", f"{of}/predict/features", self.features, self.features_at_once)

    async def events(self, request: Request) -> Answer:
        """Answer with predictions for events, or for entities at a time; keep events if asked."""
        model = await self._models.get(*request.params)
        if arrow.is_arrow(request.header(b"content-type")):
            return await self._table(request, model)
        body, began = await request.body(), perf_counter_ns()
        asked = await apart(len(body) > LARGE, question, model.decoder, body)
        decoded = perf_counter_ns() - began
        keep = self._keeping(request, model) if asked.ingest else None
        if asked.at is None:
            found = await model.predict_events(asked.asked)
        else:
            found = await model.predict_answer(await look_up(model, asked), began)
        kept = {"ingested": await keep(asked.ingest)} if keep and asked.ingest else {}
        return await self._answer(request, model, found, decoded, kept)

    async def features(self, request: Request) -> Answer:
        """Answer with predictions for features."""
        model = await self._models.get(*request.params)
        if arrow.is_arrow(request.header(b"content-type")):
            body, began = await request.body(arrow.LARGEST_TABLE), perf_counter_ns()
            columns = await asyncio.to_thread(_columns, body, model)
            decoded = perf_counter_ns() - began
            found = await model.predict_features(columns)
            return await self._answer(request, model, found, decoded)
        body, began = await request.body(), perf_counter_ns()
        rows = await apart(len(body) > LARGE, model.feature_decoder.decode, body)
        decoded = perf_counter_ns() - began
        return await self._answer(request, model, await model.predict_rows(rows), decoded)

    def features_at_once(self, request: Request) -> Begin | None:
        """Return what answers JSON with the live version, where nothing else is asked."""
        name, *version = request.params
        kinds = request.header(b"content-type"), request.header(b"accept")
        if version or request.query or any(map(arrow.is_arrow, kinds)):
            return None
        return partial(self._begin_features, name)

    def _begin_features(self, name: str, body: bytes, reply: Reply) -> None:
        began, model = perf_counter_ns(), self._models.now(name)
        rows = model.feature_decoder.decode(body)
        owed = _OwedFeatures(self._metrics, model, perf_counter_ns() - began, reply)
        model.owe_rows(asyncio.get_running_loop(), rows, owed)

    async def _table(self, request: Request, model: Model) -> Answer:
        body, began = await request.body(arrow.LARGEST_TABLE), perf_counter_ns()
        looked_up = await asyncio.to_thread(of_table, model, body)
        found = await model.predict_answer(looked_up, began)
        return await self._answer(request, model, found, 0)

    def _keeping(self, request: Request, model: Model) -> Callable[[bytes], Awaitable[Any]]:
        """Return what appends events, as JSON, to the stream of their dataset.

        Raises
        ------
        Refused
            If they come by none, or whoever asks may not send any.
        """
        caller = request.scope.get(CALLER)
        if caller is not None and Role.INGEST not in caller.roles:
            raise Refused(403, f"{caller.name!r} may predict, not ingest")
        dataset, events = model.scorer.pipeline.rows.name, self._events_of(model.name)
        headers = {b"content-type": JSON}
        if (key := request.header(b"idempotency-key")) is not None:
            headers[b"idempotency-key"] = key
        try:
            events.check(dataset, headers)
        except Refused as refused:
            raise DataError(str(refused), where="ingest") from refused

        async def keep(rows: bytes) -> Any:
            answer, new = await events.take(dataset, headers, rows)
            self._metrics.received.labels(dataset).inc(new)
            return msgspec.Raw(answer.body)

        return keep

    async def _answer(
        self,
        request: Request,
        model: Model,
        found: Predicted,
        decoded: int,
        more: Mapping[str, Any] = {},
    ) -> Answer:
        began = perf_counter_ns()
        is_large = len(found.outputs) > MANY
        if arrow.is_arrow(request.header(b"accept")):
            answer = await apart(is_large, _arrow, model, found)
        else:
            answer = await apart(is_large, _json, model, found, more)
        taken = (decoded, *found.took, perf_counter_ns() - began)
        self._metrics.predicted_in(taken, found)
        if request.query != _TIMING:
            return answer
        parts = zip(PARTS, taken, strict=True)
        told = ", ".join(f"{part};dur={nanoseconds / 1e6:g}" for part, nanoseconds in parts)
        headers = (*answer.headers, (b"server-timing", told.encode()))
        return msgspec.structs.replace(answer, headers=headers)

    async def pipelines(self, request: Request) -> Answer:
        """Answer with all pipelines, and what is live of each."""
        return Answer(as_json({"pipelines": [_live(self._models, n) for n in self._models.names]}))

    async def pipeline(self, request: Request) -> Answer:
        """Answer with what a pipeline takes and gives, and its versions."""
        (name,) = request.params
        told = _live(self._models, name)
        versions = await asyncio.to_thread(self._models.versions, name)
        model = self._models.live(name)
        if model is not None:
            told |= {
                "target": model.bundle.target,
                "kind": model.bundle.kind,
                "classes": list(model.bundle.classes),
                "outputs": list(model.outputs),
                "threshold": model.bundle.threshold,
                "events": {column: str(dtype) for column, dtype in model.events.items()},
                "features": dict(model.features),
            }
        return Answer(as_json(told | {"versions": [each._asdict() for each in versions]}))


class _OwedFeatures(msgspec.Struct):
    """Answers with what was predicted."""

    metrics: Metrics
    model: Model
    decoded: int
    reply: Reply

    def done(self) -> bool:
        """Return whether its client has gone."""
        return self.reply.done()

    def cancel(self) -> None:
        """Leave it: its client has gone."""
        self.reply.cancel()

    def set_result(self, found: Predicted) -> None:
        """Answer when the record of it is where it must be."""
        if found.sent is None:
            self._give(found)
            return
        loop = asyncio.get_running_loop()
        found.sent.add_done_callback(
            lambda sent: loop.call_soon_threadsafe(self._give_kept, found, sent)
        )

    def set_exception(self, error: BaseException) -> None:
        """Answer with why there is none."""
        self.reply.set_exception(error)

    def _give_kept(self, found: Predicted, sent: Future[None]) -> None:
        if (error := sent.exception()) is None:
            self._give(found)
        else:
            self.reply.set_exception(error)

    def _give(self, found: Predicted) -> None:
        began, told = perf_counter_ns(), (self.model, found, {})
        if len(found.outputs) <= MANY:
            self._end(began, found, _json, *told)
            return
        written = asyncio.get_running_loop().run_in_executor(None, _json, *told)
        written.add_done_callback(lambda done: self._end(began, found, done.result))

    def _end(self, began: int, found: Predicted, write: Callable[..., Answer], *told: Any) -> None:
        try:
            answer = write(*told)
        except Exception as error:  # noqa: BLE001  others are in its batch
            self.reply.set_exception(error)
            return
        taken = (self.decoded, *found.took, perf_counter_ns() - began)
        self.metrics.predicted_in(taken, found)
        self.reply.set_result(answer)


def _live(models: Models, name: str) -> dict[str, Any]:
    model = models.live(name)
    return {
        "name": name,
        "version": model and model.version,
        "deployment": model and model.deployment_id,
        "candidate": model and model.candidate_id,
    }


def _columns(body: bytes, model: Model) -> Columns:
    return of_frame(arrow.read(body), model.features)


def _arrow(model: Model, found: Predicted) -> Answer:
    flags = {} if found.flags is None else {"flags": found.flags}
    return as_arrow(model, pl.DataFrame({**_named(model, found), **flags}))


def _json(model: Model, found: Predicted, more: Mapping[str, Any]) -> Answer:
    rows = _rows(_named(model, found), found)
    return Answer(as_json({**model.about, "predictions": rows, **more}))


def _named(model: Model, found: Predicted) -> Mapping[str, Any]:
    """Return the columns of an answer."""
    named = outputs(model, found.outputs)
    if not found.event_ids:
        return named
    return {"event_id": found.event_ids, "event_time": found.event_times, **named}


def _rows(named: Mapping[str, Any], found: Predicted) -> Sequence[dict[str, Any]]:
    """Return the rows of an answer, with their flags."""
    lists = [v.tolist() if isinstance(v, np.ndarray) else v for v in named.values()]
    if len(lists) == 1:  # as most answers are, and in a third of the time
        (name,), (values,) = named, lists
        rows = [{name: value} for value in values]
    else:
        rows = [dict(zip(named, row, strict=True)) for row in zip(*lists, strict=True)]
    if found.flags is not None:
        for row, flags in zip(rows, found.flags, strict=True):
            if flags is not None:
                row["flags"] = flags
    return rows
