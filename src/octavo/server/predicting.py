"""``POST /v1/pipelines/{name}/predict``, of a version or the live one; and what can be asked.

Events under ``…/predict``, features that are there already under ``…/predict/features``. Every
answer names the deployment it is from. Asked with ``?timing=1`` it says in a ``Server-Timing``
header where its time went.
"""

import asyncio
from collections.abc import Sequence
from time import perf_counter_ns
from typing import Any

from octavo.server.answers import Answer, Refused, as_json
from octavo.server.metrics import PARTS, Metrics
from octavo.server.routes import Request, Routes
from octavo.services.models import Model, Models, Predicted
from octavo.services.waiting import BehindError

PIPELINE = "/v1/pipelines/{name}"
_TIMING = b"timing=1"


class Predicting:
    """The handlers."""

    def __init__(self, models: Models, metrics: Metrics) -> None:
        self._models, self._metrics = models, metrics

    def add(self, routes: Routes) -> None:
        """Add them to a table."""
        routes.add("GET", "/v1/pipelines", self.pipelines)
        routes.add("GET", PIPELINE, self.pipeline)
        for of in (PIPELINE, f"{PIPELINE}/versions/{{version}}"):
            routes.add("POST", f"{of}/predict", self.events)
            routes.add("POST", f"{of}/predict/features", self.features)

    async def events(self, request: Request) -> Answer:
        """Answer with predictions for events."""
        body = await request.body()
        model, began = await self._models.get(*request.params), perf_counter_ns()
        try:
            asked = model.decoder.decode(body)
            decoded = perf_counter_ns() - began
            found = await model.predict_events(asked)
        except BehindError as error:
            raise Refused(503, str(error), ((b"retry-after", b"1"),)) from error
        return self._answer(request, model, found, decoded)

    async def features(self, request: Request) -> Answer:
        """Answer with predictions for features."""
        body = await request.body()
        model, began = await self._models.get(*request.params), perf_counter_ns()
        rows = model.feature_decoder.decode(body)
        decoded = perf_counter_ns() - began
        return self._answer(request, model, await model.predict_rows(rows), decoded)

    def _answer(self, request: Request, model: Model, found: Predicted, decoded: int) -> Answer:
        began = perf_counter_ns()
        body = as_json(
            {
                "pipeline": model.name,
                "version": model.version,
                "deployment": model.deployment_id,
                "candidate": model.candidate_id,
                "predictions": _rows(model, found),
            }
        )
        taken = (decoded, *found.took, perf_counter_ns() - began)
        self._metrics.predicted_in(taken, len(found.outputs))
        if found.flags is not None:
            self._metrics.flagged.inc(sum(each is not None for each in found.flags))
        if request.query != _TIMING:
            return Answer(body)
        parts = zip(PARTS, taken, strict=True)
        told = ", ".join(f"{part};dur={nanoseconds / 1e6:g}" for part, nanoseconds in parts)
        return Answer(body, headers=((b"server-timing", told.encode()),))

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


def _live(models: Models, name: str) -> dict[str, Any]:
    model = models.live(name)
    return {
        "name": name,
        "version": model and model.version,
        "deployment": model and model.deployment_id,
        "candidate": model and model.candidate_id,
    }


def _rows(model: Model, found: Predicted) -> Sequence[dict[str, Any]]:
    """Return answers, a document for each row."""
    outputs = found.outputs
    columns = outputs.T.tolist() if outputs.ndim == 2 else [outputs.tolist()]
    names = [*model.outputs]
    for name, decided in model.bundle.decisions(outputs).items():
        names.append(name)
        columns.append(decided.tolist())
    if found.event_ids:
        names = ["event_id", "event_time", *names]
        columns = [found.event_ids, found.event_times, *columns]
    rows = [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]
    for row, flags in zip(rows, found.flags or (), strict=False):
        if flags is not None:
            row["flags"] = flags
    return rows
