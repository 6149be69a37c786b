"""``POST /v1/pipelines/{name}/features``, and what ``…/predict`` takes besides plain events.

That is entities at a time, events that are to be kept in their dataset's stream too, and tables
of events in Arrow.
"""

import asyncio
from collections.abc import Callable
from time import perf_counter_ns
from typing import Any, NamedTuple

import msgspec
import polars as pl

from octavo.server import arrow
from octavo.server.answers import JSON, Answer, Refused, as_json
from octavo.server.columns import as_events
from octavo.server.events import Events
from octavo.server.routes import Request
from octavo.services.lookups import as_served, look_up
from octavo.services.models import Model
from octavo.services.questions import Question, question
from octavo.services.waiting import BehindError
from octavo.stages.prep.request_time import Answer as Found
from octavo.errors import DefinitionError


class LookedUp(NamedTuple):
    """What was found for a request, off the event loop."""

    question: Question | None
    """None: a table of events."""
    found: Found
    decoded: int
    """Nanoseconds that reading the request took."""


async def looked_up(model: Model, request: Request) -> LookedUp:
    """Return the features of the rows that a request asks about.

    Raises
    ------
    DataError
        If it does not fit.
    Refused
        If the features have not seen in time what they were to see.
    """
    is_table = arrow.is_arrow(request.header(b"content-type"))
    body = await request.body(arrow.LARGEST_TABLE) if is_table else await request.body()
    try:
        return await asyncio.to_thread(_of_table if is_table else _of_json, model, body)
    except BehindError as error:
        raise Refused(503, str(error), ((b"retry-after", b"1"),)) from error


def _of_table(model: Model, body: bytes) -> LookedUp:
    began = perf_counter_ns()
    source = as_events(arrow.read(body), model.events)
    decoded = perf_counter_ns() - began
    return LookedUp(None, model.scorer.features.answer(source), decoded)


def _of_json(model: Model, body: bytes) -> LookedUp:
    began = perf_counter_ns()
    asked = question(model.decoder, body)
    decoded = perf_counter_ns() - began
    return LookedUp(asked, look_up(model, asked), decoded)
