"""``GET /docs``: what ``/openapi.json`` says, as a page for people. It stands alone."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from typing import Any

from octavo.pages.html import Markup, code, document, paragraph, section, table
from octavo.server.answers import Answer, as_json
from octavo.server.openapi import document as described
from octavo.server.routes import Request, Routes
from octavo.services.models import Models

_STYLE = """
pre { background: var(--panel); border: 1px solid var(--line); border-radius: 4px;
  padding: .6rem .8rem; overflow-x: auto; }
summary { cursor: pointer; padding: .45rem 0; border-bottom: 1px solid var(--line); }
summary b { display: inline-block; min-width: 3.5rem; color: var(--bar); }
"""


def add(routes: Routes, models: Models, datasets: Mapping[str, Sequence[str]]) -> None:
    """Add the route to a table; ``datasets`` as in `octavo.server.openapi`."""

    async def docs(request: Request) -> Answer:
        told = await asyncio.to_thread(described, models, datasets)
        host = (request.header(b"host") or b"localhost").decode("latin-1")
        address = f"{request.scope.get('scheme', 'http')}://{host}"
        return Answer(page(told, address).encode(), b"text/html; charset=utf-8")

    routes.add("GET", "/docs", docs)


def page(described: Mapping[str, Any], address: str) -> str:
    """Return the page.

    Parameters
    ----------
    described
        An OpenAPI document.
    address
        How the server is reached, for the examples.
    """
    info = described["info"]
    head = (
        f"<h1>{escape(info['title'])}</h1>",
        paragraph(info["description"], soft=True),
        paragraph("For programs:", code(f"{address}/openapi.json")),
    )
    parts = [section(name, *calls) for name, calls in _sections(described["paths"], address)]
    return document(info["title"], [*head, *parts], _STYLE)


def _sections(paths: Mapping[str, Any], address: str) -> Iterator[tuple[str, list[Markup]]]:
    """Give the calls of each part: a pipeline's own, the protocols', the server's."""
    found: dict[str, list[Markup]] = {}
    for path, methods in paths.items():
        for method, call in methods.items():
            found.setdefault(_part(path), []).append(_call(method.upper(), path, call, address))
    yield from sorted(found.items())


def _part(path: str) -> str:
    _, first, *rest = path.split("/")
    if first == "v1":
        return rest[0].title() if len(rest) < 2 else f"{rest[0][:-1].title()} {rest[1]}"
    if first == "v2":
        return "The Open Inference Protocol"
    return "MLflow" if first in ("invocations", "endpoints", "ping", "version") else "This server"


def _call(method: str, path: str, call: Mapping[str, Any], address: str) -> Markup:
    body = call.get("requestBody", {}).get("content", {})
    told = [(kind, each["example"]) for kind, each in body.items() if "example" in each]
    examples = "".join(_curl(method, address + path, kind, example) for kind, example in told)
    others = [kind for kind in body if kind not in dict(told)]
    answers = table(
        ("Answer", ""),
        [(int(status), each["description"]) for status, each in call["responses"].items()],
    )
    named = ", ".join(each["name"] for each in call.get("parameters", ()))
    return Markup(
        f"<details><summary><b>{method}</b> {code(path)} "
        f'<span class="soft">{escape(call["summary"])}</span></summary>'
        f"{paragraph('Parameters:', code(named)) if named else ''}{examples}"
        f"{paragraph('Or as', code(', '.join(others))) if others and told else ''}"
        f"{answers}</details>"
    )


def _curl(method: str, url: str, kind: str, example: Any) -> str:
    text = example if isinstance(example, str) else _indented(example)
    quoted = text.replace("'", "'\\''")
    told = f"curl -X {method} '{url}' \\\n  -H 'Content-Type: {kind}' --data-binary '{quoted}'"
    return f"<pre>{escape(told)}</pre>"


def _indented(example: Any) -> str:
    return json.dumps(json.loads(as_json(example)), indent=1, ensure_ascii=False)
