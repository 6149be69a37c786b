"""MLflow's scoring server: ``/invocations``, ``/ping``, ``/version``; ``/health`` is there anyway.

Rows are features. Answers, and errors, are what MLflow's own server gives, so that its clients read
them. Of several pipelines one is named: ``/endpoints/{name}/invocations``, as MLflow's deployments
client has it.
"""

import io
from collections.abc import Mapping, Sequence
from time import perf_counter_ns
from typing import Any

import numpy as np
import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.errors import DataError
from octavo.server.answers import JSON, Answer, Refused, as_json
from octavo.server.bodies import LARGE, MANY, apart, loads
from octavo.server.columns import Columns, of_lists, of_texts
from octavo.server.metrics import Metrics
from octavo.server.outputs import outputs
from octavo.server.routes import Request, Routes
from octavo.services.models import Model, Models, Predicted
from octavo.version import __version__

FORMATS = ("dataframe_split", "dataframe_records", "instances", "inputs")
CSV = "text/csv"
_PACKED = (b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x5e", b"x\x9c", b"x\xda")
"""How gzip, zstd and zlib begin: Polars would unpack it, however large it becomes."""


def add(routes: Routes, models: Models, metrics: Metrics) -> None:
    """Add the routes to a table."""
    wire = _Scoring(models, metrics)
    routes.add("GET", "/ping", wire.ping)
    routes.add("GET", "/version", wire.version)
    routes.add("POST", "/invocations", wire.invocations)
    routes.add("POST", "/endpoints/{name}/invocations", wire.invocations)


class _Scoring:
    """The handlers."""

    def __init__(self, models: Models, metrics: Metrics) -> None:
        self._models, self._metrics = models, metrics

    async def ping(self, request: Request) -> Answer:
        """Say whether there is something to answer with."""
        there = any(self._models.live(name) is not None for name in self._models.names)
        return Answer(b"\n", status=200 if there else 404)

    async def version(self, request: Request) -> Answer:
        """Say which Octavo this is."""
        return Answer(__version__.encode())

    async def invocations(self, request: Request) -> Answer:
        """Predict from features."""
        kind = (request.header(b"content-type") or b"").decode("latin-1")
        if refused := _refused(kind):
            return refused
        try:
            model = await self._models.get(self._name(request))
            body = await request.body()
            began = perf_counter_ns()
            read = _of_csv if _mime(kind) == CSV else _of_json
            given = await apart(len(body) > LARGE, read, body, model.features)
            decoded = perf_counter_ns() - began
            predicted = await model.predict_features(given)
        except DataError as error:
            raise Refused(400, str(error)) from error
        began = perf_counter_ns()
        answer = await apart(len(predicted.outputs) > MANY, _answer, model, predicted)
        taken = (decoded, *predicted.took, perf_counter_ns() - began)
        self._metrics.predicted_in(taken, predicted)
        return answer

    def _name(self, request: Request) -> str:
        """Return the pipeline that is asked."""
        if request.params:
            return request.params[0]
        names = self._models.names
        if len(names) > 1:
            raise DataError(
                f"this server has several pipelines: {', '.join(names)}.",
                where=request.path,
                fix="Ask /endpoints/NAME/invocations.",
            )
        return names[0]


def _mime(kind: str) -> str:
    return kind.split(";")[0].strip().lower()


def _refused(kind: str) -> Answer | None:
    """Return the answer to a content type that is not read; None: it is."""
    given = {}
    for part in kind.split(";")[1:]:
        key, _, value = part.strip().partition("=")
        given[key.lower()] = value.strip().strip('"').lower()
    if given.pop("charset", "utf-8") not in ("utf-8", "utf8"):
        return Answer(b"The scoring server only supports UTF-8", b"text/plain", 415)
    if given:
        told = f"Unrecognized content type parameters: {', '.join(given)}."
        return Answer(told.encode(), b"text/plain", 415)
    if _mime(kind) not in (JSON.decode(), CSV):
        told = (
            "This predictor only supports the following content types: "
            f"{JSON.decode()}, {CSV}. Got {kind!r}."
        )
        return Answer(told.encode(), b"text/plain", 415)
    return None


def _answer(model: Model, predicted: Predicted) -> Answer:
    found = _predictions(outputs(model, predicted.outputs))
    return Answer(as_json({"predictions": found}))


def _predictions(found: Mapping[str, np.ndarray]) -> Sequence[Any]:
    """Return a number for each row, or a record where there are several."""
    columns = [values.tolist() for values in found.values()]
    if len(columns) == 1:
        return columns[0]
    return [dict(zip(found, row, strict=True)) for row in zip(*columns, strict=True)]


def _of_csv(body: bytes, features: Mapping[str, str]) -> Columns:
    if body.startswith(_PACKED):
        raise DataError("it is no CSV, but packed.", where="request body", fix="Send plain text.")
    try:
        frame = pl.read_csv(io.BytesIO(body), infer_schema=False)
    except (PolarsError, PanicException) as error:
        told = str(error).splitlines()[0]
        raise DataError(f"it is no CSV ({told}).", where="request body") from error
    return of_texts(frame, features)


def _of_json(body: bytes, features: Mapping[str, str]) -> Columns:
    asked = loads(body, Any)
    if not isinstance(asked, dict) or len(asked.keys() & {*FORMATS}) != 1:
        got = ", ".join(map(str, asked)) if isinstance(asked, dict) else type(asked).__name__
        raise DataError(
            f"The input must be a JSON dictionary with exactly one of the input fields {FORMATS}. "
            f"Received: {got}."
        )
    (form,) = asked.keys() & {*FORMATS}
    read = {"dataframe_split": _of_split, "dataframe_records": _of_records}.get(form, _of_any)
    return of_lists(read(asked[form], features, form), features)


def _of_split(told: Any, features: Mapping[str, str], form: str) -> Mapping[str, list[Any]]:
    if (
        not isinstance(told, dict)
        or "data" not in told
        or told.keys() - {"columns", "data", "index"}
    ):
        raise DataError(
            "it must be a dictionary of data, and optionally columns and index.", where=form
        )
    names = told.get("columns")
    if names is not None and not isinstance(names, list):
        raise DataError("columns is no list.", where=form)
    return _of_rows(told["data"], list(features) if names is None else names, form)


def _of_rows(rows: Any, names: Sequence[Any], form: str) -> Mapping[str, list[Any]]:
    """Return columns of rows that are lists, in the order of names."""
    if not isinstance(rows, list):
        raise DataError("it is no list of rows.", where=form)
    for number, row in enumerate(rows):
        if not isinstance(row, list) or len(row) != len(names):
            raise DataError(
                f"row {number} is no list of {len(names)} values.",
                where=form,
                fix=f"Send one for each of {', '.join(map(str, names))}.",
            )
    return {str(name): [row[at] for row in rows] for at, name in enumerate(names)}


def _of_records(rows: Any, features: Mapping[str, str], form: str) -> Mapping[str, list[Any]]:
    """Return columns of rows that are dictionaries; what a row has not is missing there."""
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise DataError("it is no list of records.", where=form)
    there = {name for row in rows for name in row} if rows else features
    return {name: [row.get(name) for row in rows] for name in features if name in there}


def _of_any(told: Any, features: Mapping[str, str], form: str) -> Mapping[str, list[Any]]:
    """Return columns of what ``instances`` and ``inputs`` may hold."""
    if isinstance(told, dict):
        return {k: v if isinstance(v, list) else [v] for k, v in told.items()}
    if not isinstance(told, list):
        raise DataError("it is neither a list of rows nor a dictionary of columns.", where=form)
    if told and isinstance(told[0], dict):
        return _of_records(told, features, form)
    if len(features) == 1 and not any(isinstance(row, list) for row in told):
        return dict.fromkeys(features, told)
    return _of_rows(told, list(features), form)
