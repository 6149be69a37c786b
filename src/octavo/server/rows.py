"""``GET /v1/pipelines/{name}/data``: rows of a part as JSON, NDJSON or an Arrow IPC stream."""

import asyncio
import io
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

import polars as pl

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.server.answers import JSON, Answer, Refused, as_json
from octavo.services.rows import PAGE, Page, RowService

PARAMETERS = ("split", "labels", "columns", "filter", "fold", "limit", "cursor")
ARROW, NDJSON = b"application/vnd.apache.arrow.stream", b"application/x-ndjson"


async def rows(service: RowService, name: str, query: bytes, accept: str) -> Answer:
    """Answer a question for rows.

    Every answer has the headers ``octavo-data-version``, ``octavo-rows`` (of all pages) and, unless
    it is the last page, ``octavo-cursor``.
    """
    kind = _kind(accept)
    try:
        question, limit, cursor = _question(query)
        page = await asyncio.to_thread(service.page, question, limit, cursor)
    except DefinitionError as error:
        raise Refused(400, str(error)) from error
    except DataError as error:
        raise Refused(409, str(error)) from error
    except ResourceError as error:
        raise Refused(503, str(error)) from error
    told = {"octavo-data-version": page.data_version, "octavo-rows": str(page.rows)}
    if page.cursor:
        told["octavo-cursor"] = page.cursor
    headers = tuple((key.encode(), value.encode()) for key, value in told.items())
    body = await asyncio.to_thread(_WRITERS[kind], page, name)
    return Answer(body, kind, headers=headers)


def _question(query: bytes) -> tuple[dict[str, Any], int, str | None]:
    """Return the question, the limit and the cursor that an address holds."""
    found: dict[str, list[str]] = {}
    for key, value in parse_qsl(query.decode("latin-1"), keep_blank_values=True):
        if key not in PARAMETERS:
            raise DefinitionError.unknown("parameter", key, PARAMETERS)
        found.setdefault(key, []).append(value)
    filters = found.pop("filter", [])
    for key, values in found.items():
        if len(values) > 1:
            raise DefinitionError("it is given twice.", where=key, fix="Only filter may be.")
    given = {key: value for key, (value,) in found.items()}
    question: dict[str, Any] = {key: given[key] for key in ("split", "labels") if key in given}
    if "columns" in given:
        question["columns"] = [c for c in given["columns"].split(",") if c]
    if "fold" in given:
        question["fold"] = _number(given, "fold", 0)
    question["filters"] = filters
    return question, _number(given, "limit", PAGE), given.get("cursor")


def _number(given: dict[str, str], key: str, default: int) -> int:
    text = given.get(key, str(default))
    if not text.isdecimal():
        raise DefinitionError(f"{text!r} is not a whole number.", where=key, fix="Write digits.")
    return int(text)


def _kind(accept: str) -> bytes:
    """Return the first of the content types asked for that there is."""
    for asked in accept.split(","):
        kind = asked.split(";")[0].strip().lower().encode()
        if kind in _WRITERS:
            return kind
        if kind in (b"*/*", b"application/*", b""):
            return JSON
    kinds = ", ".join(kind.decode() for kind in _WRITERS)
    raise Refused(406, f"Accept: there is no {accept}. Ask for {kinds}.")


def _json(page: Page, name: str) -> bytes:
    head = {"pipeline": name, "data_version": page.data_version, "cursor": page.cursor}
    told = as_json(head | {"total": page.rows, "rows": []})
    return told.removesuffix(b"]}") + page.frame.write_json().encode()[1:-1] + b"]}"


def _arrow(page: Page, _name: str) -> bytes:
    buffer = io.BytesIO()
    page.frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()


_WRITERS: dict[bytes, Callable[[Page, str], bytes]] = {
    JSON: _json,
    NDJSON: lambda page, _: page.frame.write_ndjson().encode(),
    ARROW: _arrow,
}
