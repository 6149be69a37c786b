"""``GET /openapi.json``: what this server answers, as OpenAPI 3.1, with examples that fit.

Paths are written out for each pipeline, since what one takes is not what another takes. It is made
of what is live when it is asked for.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from octavo.server.answers import Answer, as_json
from octavo.server.arrow import ARROW
from octavo.server.examples import Examples
from octavo.server.outputs import no_outputs
from octavo.server.routes import Request, Routes
from octavo.server.rows import PARAMETERS
from octavo.server.v2.datatypes import of_feature, of_values, sort_of
from octavo.services.models import Model, Models
from octavo.version import __version__

Document = dict[str, Any]

_TEXTS = {"Date": "date", "Datetime": "date-time", "Time": "time", "Duration": "duration"}
_WHOLE = {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1}
_ERROR = {
    "type": "object",
    "properties": {"error": {"type": "string"}},
    "required": ["error"],
}
_TEXT = {"type": "string"}


def add(routes: Routes, models: Models, datasets: Mapping[str, Sequence[str]]) -> None:
    """Add the route to a table.

    Parameters
    ----------
    datasets
        Of each pipeline, those that take rows.
    """

    async def openapi(request: Request) -> Answer:
        return Answer(as_json(await asyncio.to_thread(document, models, datasets)))

    routes.add("GET", "/openapi.json", openapi)


def document(models: Models, datasets: Mapping[str, Sequence[str]]) -> Document:
    """Return the document."""
    paths: Document = dict(_of_server(len(models.names)))
    for name in models.names:
        model = models.live(name)
        paths |= dict(_of_rows(name, datasets.get(name, ())))
        if model is not None:
            paths |= dict(_of_model(model, alone=len(models.names) == 1))
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Octavo: " + ", ".join(models.names),
            "version": __version__,
            "description": "Predictions, features and rows of the pipelines that this server has.",
        },
        "paths": paths,
    }


def _of_server(pipelines: int) -> Iterator[tuple[str, Document]]:
    """Give what every server has."""
    yield "/health", {"get": _get("Whether it answers, and what.", _object())}
    yield "/metrics", {"get": _get("Metrics, as Prometheus reads them.", _TEXT, "text/plain")}
    yield "/v1/pipelines", {"get": _get("All pipelines, and what is live of each.", _object())}
    yield "/v2", {"get": _get("Open Inference Protocol: what the server is.", _object())}
    for state in ("live", "ready"):
        told = _get(f"Open Inference Protocol: whether it is {state}.", _object())
        yield f"/v2/health/{state}", {"get": told}
    yield "/ping", {"get": _get("MLflow: whether it answers.", None)}
    yield "/version", {"get": _get("MLflow: the version.", None)}


def _of_rows(name: str, datasets: Sequence[str]) -> Iterator[tuple[str, Document]]:
    """Give what a pipeline has without a model, too."""
    yield f"/v1/pipelines/{name}", {"get": _get("What it takes and gives.", _object())}
    rows = _get("Rows of a part of the data, in pages.", _object())
    rows["parameters"] = [
        {"name": each, "in": "query", "schema": _TEXT, "required": False} for each in PARAMETERS
    ]
    rows["responses"] |= _refusals(400, 406, 409)
    yield f"/v1/pipelines/{name}/data", {"get": rows}
    yield f"/v1/pipelines/{name}/settings", {"get": _get("The settings that hold.", _object())}
    for dataset in datasets:
        content = {
            "application/json": {"schema": {}},
            "application/x-ndjson": {"schema": _TEXT},
            ARROW.decode(): {"schema": _binary()},
        }
        told = _post(f"Rows of {dataset}; on disk when answered.", content, _object(), 202)
        told["responses"]["200"] = _response("They were there already.", _object())
        told["responses"] |= _refusals(400, 413, 415, 422, 429)
        yield f"/v1/datasets/{dataset}/events", {"post": told}


def _of_model(model: Model, *, alone: bool) -> Iterator[tuple[str, Document]]:
    """Give what a pipeline's live model answers."""
    name, example = model.name, Examples(model)
    events = _rows("events", model.events, example.event)
    events["properties"]["ingest"] = {"type": "boolean", "description": "Keep them, too."}
    entities = _rows("entities", model.events, example.entity)
    entities["properties"]["at"] = {"type": "string", "format": "date-time"}
    asked = {"anyOf": [events, entities]}
    predictions = _predictions(model)
    base = f"/v1/pipelines/{name}"
    told = _post(
        "Predictions for events, or for entities at a time.",
        _tables(asked, {"events": [example.event]}),
        predictions,
    )
    yield f"{base}/predict", {"post": told}
    ready = _rows("features", model.features, example.features)
    told = _post(
        "Predictions from features that are there already.",
        _tables(ready, {"features": [example.features]}),
        predictions,
    )
    yield f"{base}/predict/features", {"post": told}
    told = _post(
        "Features as they are served, and the positions they have seen.",
        _tables(asked, {"events": [example.event]}),
        _object(),
    )
    yield f"{base}/features", {"post": told}
    yield from _of_v2(model, example)
    invocations = _post("MLflow: predictions from features.", _mlflow(model, example), _object())
    invocations["responses"] |= {"400": _response("It does not fit.", _object())}
    invocations["responses"]["415"] = _response("It is of another kind.", _TEXT, "text/plain")
    for path in (f"/endpoints/{name}/invocations", *(["/invocations"] if alone else [])):
        yield path, {"post": invocations}


def _of_v2(model: Model, example: Examples) -> Iterator[tuple[str, Document]]:
    base = f"/v2/models/{model.name}"
    yield base, {"get": _get("Open Inference Protocol: what it takes and gives.", _object())}
    yield f"{base}/ready", {"get": _get("Open Inference Protocol: whether it answers.", _object())}
    inputs = [_input(name, dtype) for name, dtype in model.features.items()]
    schema = {
        "type": "object",
        "properties": {
            "id": _TEXT,
            "inputs": {"type": "array", "items": {"anyOf": inputs}},
            "outputs": {"type": "array", "items": _output(model)},
            "parameters": {"type": "object"},
        },
        "required": ["inputs"],
    }
    content = {"application/json": {"schema": schema, "example": example.tensors}}
    told = _post("Open Inference Protocol: predictions from features.", content, _object())
    told["responses"] |= _refusals(400, 413, 415)
    yield f"{base}/infer", {"post": told}


def _input(name: str, dtype: str) -> Document:
    return {
        "type": "object",
        "properties": {
            "name": {"const": name},
            "datatype": {"const": of_feature(dtype)},
            "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 1},
            "data": {"type": "array", "items": _value(_as_tensor(dtype))},
        },
        "required": ["name", "datatype", "shape", "data"],
    }


def _as_tensor(dtype: str) -> str:
    return "Int64" if sort_of(dtype) in ("moment", "duration") else dtype


def _output(model: Model) -> Document:
    names = list(no_outputs(model))
    return {"type": "object", "properties": {"name": {"enum": names}}, "required": ["name"]}


def _mlflow(model: Model, example: Examples) -> Document:
    rows = {"type": "array", "items": _row(model.features)}
    forms = [
        {"type": "object", "properties": {key: rows}, "required": [key]}
        for key in ("dataframe_records", "instances", "inputs")
    ]
    told = {"dataframe_records": [example.features]}
    return {
        "application/json": {"schema": {"anyOf": forms}, "example": told},
        "text/csv": {"schema": _TEXT, "example": example.csv},
    }


def _tables(schema: Document, example: Any) -> Document:
    return {
        "application/json": {"schema": schema, "example": example},
        ARROW.decode(): {"schema": _binary()},
    }


def _rows(key: str, columns: Mapping[str, Any], example: Any) -> Document:
    row = _row(columns) | {"examples": [example]}
    return {
        "type": "object",
        "properties": {key: {"type": "array", "items": row, "minItems": 1}},
        "required": [key],
        "additionalProperties": False,
    }


def _row(columns: Mapping[str, Any]) -> Document:
    return {
        "type": "object",
        "properties": {name: _value(str(dtype)) for name, dtype in columns.items()},
    }


def _value(dtype: str) -> Document:
    """Return the schema of a value that may be missing."""
    found = _of_type(dtype)
    return found | {"type": [found["type"], "null"]}


def _of_type(dtype: str) -> Document:
    name = dtype.split("(")[0]
    if name in _TEXTS:
        return {"type": "string", "format": _TEXTS[name]}
    by_sort = {"boolean": {"type": "boolean"}, "text": _TEXT}
    number = _WHOLE if name.startswith(("Int", "UInt")) else {"type": "number"}
    return by_sort.get(sort_of(dtype), number)


def _predictions(model: Model) -> Document:
    row: Document = {"event_id": {"type": ["string", "null"]}, "event_time": _TEXT}
    for name, values in no_outputs(model).items():
        is_truth = of_values(values) == "BOOL"
        row[name] = {"type": "boolean"} if is_truth else {"type": ["number", "null"]}
    answers = {"type": "array", "items": {"type": "object", "properties": row}}
    told = dict.fromkeys(("pipeline", "version", "deployment", "candidate"), _TEXT)
    return {
        "type": "object",
        "properties": {**told, "predictions": answers},
        "required": [*told, "predictions"],
    }


def _object() -> Document:
    return {"type": "object"}


def _binary() -> Document:
    return {"type": "string", "contentMediaType": ARROW.decode()}


def _get(summary: str, schema: Document | None, kind: str = "application/json") -> Document:
    return {
        "summary": summary,
        "responses": {"200": _response("It is.", schema, kind)} | _refusals(503),
    }


def _post(summary: str, content: Document, schema: Document, status: int = 200) -> Document:
    return {
        "summary": summary,
        "requestBody": {"required": True, "content": content},
        "responses": {str(status): _response("The answer.", schema)} | _refusals(413, 422, 503),
    }


def _response(told: str, schema: Document | None, kind: str = "application/json") -> Document:
    return {"description": told, "content": {kind: {} if schema is None else {"schema": schema}}}


_REFUSALS = {
    400: "It does not fit.",
    406: "It is not there in such a form.",
    409: "There is no such data.",
    413: "It is too large.",
    415: "It is of another kind.",
    422: "It does not fit: field and reason.",
    429: "Later: there is too much of it.",
    503: "Not now: field and reason.",
}


def _refusals(*statuses: int) -> Document:
    return {str(status): _response(_REFUSALS[status], _ERROR) for status in statuses}
