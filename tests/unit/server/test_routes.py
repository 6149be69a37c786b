"""Which pattern an address fits."""

import asyncio

import pytest

from octavo.server.answers import Refused
from octavo.server.routes import Request, Routes


async def nothing(request):
    raise AssertionError


PATTERNS = [
    "/health",
    "/v1/pipelines",
    "/v1/pipelines/{name}",
    "/v1/pipelines/{name}/predict",
    "/v1/pipelines/{name}/versions/{version}/predict",
    "/v1/pipelines/all",
]


@pytest.mark.parametrize(
    ("path", "pattern", "params"),
    [
        ("/health", "/health", ()),
        ("/v1/pipelines", "/v1/pipelines", ()),
        ("/v1/pipelines/a b", "/v1/pipelines/{name}", ("a b",)),
        ("/v1/pipelines/all", "/v1/pipelines/all", ()),
        ("/v1/pipelines/x/predict", "/v1/pipelines/{name}/predict", ("x",)),
        (
            "/v1/pipelines/x/versions/3/predict",
            "/v1/pipelines/{name}/versions/{version}/predict",
            ("x", "3"),
        ),
        ("/v1/pipelines/x/versions/3", None, None),
        ("/", None, None),
        ("", None, None),
        ("/health/", None, None),
        ("/v1", None, None),
    ],
)
def test_a_path_is_found(path, pattern, params):
    routes = Routes()
    for each in PATTERNS:
        routes.add("GET", each, nothing)
    found = routes.find(path)
    assert (found and found.pattern, found and found.params) == (pattern, params)


def body_of(*messages, largest=10):
    waiting = list(messages)

    async def receive():
        return waiting.pop(0)

    scope = {"method": "POST", "path": "/", "query_string": b"", "headers": []}
    return asyncio.run(Request(scope, receive, ()).body(largest))


def part(body, *, more):
    return {"type": "http.request", "body": body, "more_body": more}


def test_a_body_is_read_to_its_end():
    assert body_of(part(b"all", more=False)) == b"all"
    assert body_of(part(b"a", more=True), part(b"", more=True), part(b"b", more=False)) == b"ab"
    assert body_of({"type": "http.request"}) == b""


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([part(b"x" * 11, more=False)], 413),
        ([part(b"x" * 6, more=True), part(b"x" * 6, more=True)], 413),
        ([part(b"x" * 6, more=True), part(b"x" * 6, more=False)], 413),
        ([part(b"x", more=True), {"type": "http.disconnect"}], 400),
        ([{"type": "http.disconnect"}], 400),
    ],
)
def test_a_body_that_is_too_large_or_ends_early_is_refused(messages, status):
    with pytest.raises(Refused) as caught:
        body_of(*messages)
    assert caught.value.status == status
