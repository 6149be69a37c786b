"""``POST /v1/pipelines/{name}/features``: features as they are served, and no prediction.

Of events (JSON, or Arrow for very many) or of entities at a time; with the positions that they
have seen.
"""

import asyncio

import polars as pl

from octavo.server import arrow
from octavo.server.answers import Answer, as_json
from octavo.server.bodies import LARGE, apart
from octavo.server.columns import as_events
from octavo.server.routes import Request, Routes
from octavo.services.lookups import as_served, look_up
from octavo.services.models import Model, Models
from octavo.services.questions import question
from octavo.stages.prep.request_time import Answer as Found


def add(routes: Routes, models: Models) -> None:
    """Add the routes to a table."""

    async def features(request: Request) -> Answer:
        model = await models.get(*request.params)
        if arrow.is_arrow(request.header(b"content-type")):
            body = await request.body(arrow.LARGEST_TABLE)
            found = await asyncio.to_thread(of_table, model, body)
        else:
            body = await request.body()
            asked = await apart(len(body) > LARGE, question, model.decoder, body)
            found = await look_up(model, asked)
        write = _arrow if arrow.is_arrow(request.header(b"accept")) else _json
        return await asyncio.to_thread(write, model, found)

    for version in ("", "/versions/{version}"):
        routes.add("POST", f"/v1/pipelines/{{name}}{version}/features", features)


def of_table(model: Model, body: bytes) -> Found:
    """Return the features of a table of events.

    Raises
    ------
    DataError
        If it is none, or one cannot be answered.
    """
    return model.scorer.features.answer(as_events(arrow.read(body), model.events))


def as_arrow(model: Model, frame: pl.DataFrame, **more: str) -> Answer:
    """Return a table as an answer; what answers is in its headers."""
    told = {**model.about, **more}.items()
    headers = tuple((f"octavo-{name}".encode(), text.encode()) for name, text in told)
    return Answer(arrow.write(frame), arrow.ARROW, headers=headers)


def _arrow(model: Model, found: Found) -> Answer:
    table = as_served(model, found).unnest("features")
    return as_arrow(model, table, positions=as_json(found.positions).decode())


def _json(model: Model, found: Found) -> Answer:
    told = {
        **model.about,
        "positions": found.positions,
        "rows": as_served(model, found).to_dicts(),
    }
    return Answer(as_json(told))
