"""The gate before the application, over a real socket: keys, rates, sizes, silent clients."""

import asyncio
import contextlib
import http.client
import json
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from pathlib import Path

import httpx
import polars as pl
import pytest

from octavo.errors import DataError
from octavo.server import idle, incoming
from octavo.server.access import Access, needed
from octavo.services import keys
from octavo.services.keys import KnownKeys, create, revoke
from octavo.services.limits import Limits, Rate
from octavo.services.targets import Server as Target
from octavo.services.targets import as_arrow
from octavo.stores.catalog import Catalog
from octavo.streams.memory import MemoryStream

sys.path.insert(0, str(Path(__file__).parents[1] / "ingestion"))
sys.path.insert(0, str(Path(__file__).parent))

from hosted import Scorer, hosting, served
from streaming import line, payments, pipeline_of

EVENTS = "/v1/datasets/payments/events"
NDJSON = {"content-type": "application/x-ndjson"}


class Slow(MemoryStream):
    """Takes its time."""

    seconds = 0.0

    def append(self, topic, blocks):
        time.sleep(self.seconds)
        return super().append(topic, blocks)


@contextmanager
def serving(limits=Limits(), known=None, stream=None, scorers=(), **told):  # noqa: B008  frozen
    app, _ = hosting(pipeline_of(payments()), *scorers, stream=stream or MemoryStream())
    with served(app, limits, known, **told) as client:
        yield client


def post(client, body=line(1), **headers):  # noqa: B008
    return client.post(EVENTS, content=body, headers={**NDJSON, **headers})


@pytest.fixture(scope="module")
def catalog(tmp_path_factory):
    return Catalog(tmp_path_factory.mktemp("keys") / "catalog.db")


@pytest.fixture(scope="module")
def made(catalog):
    """Give a key for each role."""
    return {role.value: create(catalog, role.value, [role]).key for role in keys.Role}


@pytest.fixture(scope="module")
def known(catalog, made):
    found = KnownKeys(catalog, lambda text: None)
    yield found
    found.close()


@pytest.fixture(scope="module")
def closed(known):
    """Give a client of a server that wants keys."""
    with serving(known=known) as client:
        yield client


def bearer(key):
    return {"authorization": f"Bearer {key}"}


def test_without_a_key(closed):
    answer = closed.post(EVENTS, content=line(1), headers=NDJSON)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="octavo"'
    assert "there is no key" in answer.json()["error"]
    assert closed.get("/health").status_code == 200, "whoever looks after it has none"


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer octavo_123456789012_nothing"},
        {"authorization": "Bearer"},
        {"authorization": b"Bearer \xff"},
        {"authorization": "Basic dXNlcjpwYXNz"},
        {"x-api-key": "wrong"},
    ],
)
def test_with_a_wrong_one(closed, headers):
    answer = closed.get("/metrics", headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "header",
    [
        lambda key: {"authorization": f"Bearer {key}"},
        lambda key: {"authorization": f"bearer  {key}"},
        lambda key: {"x-api-key": key},
        lambda key: {"authorization": "Basic dXNlcjpwYXNz", "x-api-key": key},
    ],
)
def test_both_headers(closed, made, header):
    assert post(closed, **header(made["ingest"])).status_code == 202


def test_who_replays_has_a_key_too(closed, made):
    rows = as_arrow(pl.DataFrame({"id": [1]}))
    for key, error in ((made["ingest"], None), (made["read"], "the role ingest"), ("", "no key")):
        target = Target(str(closed.base_url), key)
        with pytest.raises(DataError, match=error) if error else nullcontext():
            target("payments", rows, f"of {error}")
        target.close()


WHAT = {
    ("GET", "/metrics"): "read",
    ("POST", EVENTS): "ingest",
    ("POST", "/v1/pipelines/shop/predict"): "predict",
    ("GET", "/v1/pipelines/shop/data"): "read",
    ("GET", "/v1/pipelines/shop/settings"): "read",
    ("GET", "/v1/pipelines/shop/settings/versions"): "read",
    ("PATCH", "/v1/pipelines/shop/settings"): "operate",
    ("POST", "/v1/pipelines/shop/settings/rollback"): "operate",
}


@pytest.mark.parametrize(("method", "path"), WHAT)
@pytest.mark.parametrize("role", [role.value for role in keys.Role])
def test_which_role_may_what(closed, made, method, path, role):
    """What is not forbidden need not succeed: there is no deployment, and no data."""
    needs = WHAT[method, path]
    known = {"operate": ["read", "ingest", "predict", "operate"], "admin": [*keys.Role]}
    is_allowed = needs in known.get(role, [role])
    assert (needed(method, path) in known.get(role, [role])) == is_allowed
    if path.endswith(("data", "settings", "versions", "rollback")) and is_allowed:
        return  # nothing is behind them here
    answer = closed.request(method, path, headers=bearer(made[role]))
    assert (answer.status_code == 403) != is_allowed, answer.text
    if not is_allowed:
        assert f'scope="{needs}"' in answer.headers["www-authenticate"]
        assert f"it needs the role {needs}; the key of {role} has" in answer.json()["error"]


def test_every_route_of_the_application_is_in_the_table():
    app, _ = hosting(None)
    table = {(method, pattern) for pattern, method in routes(app.routes._root)}
    assert ("GET", "/health") in table
    assert ("PATCH", "/v1/pipelines/{name}/settings") in table
    for method, pattern in table:
        assert needed(method, pattern.replace("{", "a").replace("}", "b")), (method, pattern)
    assert needed("GET", "/v1/other") is None
    assert needed("GET", "/v2/models/" + "a" * 10**6) is None, "it would be remembered"
    assert needed("GET", "/v1/pipelines/a/b/predict") is None


def routes(node):
    """Give all patterns of a table, each with its methods."""
    yield from ((node.pattern, method) for method in node.methods)
    for each in (*node.named.values(), node.any):
        if each is not None:
            yield from routes(each)


def test_what_is_not_there_is_said_to_who_has_a_key(closed, made):
    assert closed.get("/v1/other").status_code == 401
    assert closed.get("/v1/other", headers=bearer(made["read"])).status_code == 404


def test_a_revoked_key_is_refused_within_the_time_said(catalog, closed):
    key = create(catalog, "leaver", ["ingest"]).key

    def within(status):
        until = time.monotonic() + keys.EVERY + 5
        while (answer := post(closed, **bearer(key))).status_code != status:
            assert time.monotonic() < until, answer.text
            time.sleep(0.05)

    within(202)
    revoke(catalog, "leaver")
    within(401)


def test_refusals_are_counted(closed, made):
    closed.get("/metrics")
    told = closed.get("/metrics", headers=bearer(made["read"])).text
    assert 'octavo_refused_total{status="401"}' in told


def test_each_key_has_its_own_rate(catalog, known, made):
    slow = create(catalog, "slow", ["ingest"], rate="2/m").key
    known.look()
    with serving(Limits(Rate(3, 60)), known) as client:
        of_slow = [post(client, **bearer(slow)) for _ in range(3)]
        of_other = [post(client, **bearer(made["ingest"])) for _ in range(4)]
        third = post(client, **bearer(made["admin"]))
        health = [client.get("/health").status_code for _ in range(9)]
    assert [r.status_code for r in of_slow] == [202, 202, 429]
    assert [r.status_code for r in of_other] == [202, 202, 202, 429]
    assert (third.status_code, set(health)) == (202, {200})
    assert 25 <= int(of_slow[-1].headers["retry-after"]) <= 30
    assert of_slow[-1].json()["error"] == "more than 2 requests in 60 s"


def test_without_keys_each_address_has_the_rate():
    with serving(Limits(Rate(2, 3600))) as client:
        assert [post(client).status_code for _ in range(3)] == [202, 202, 429]


def test_who_waits_as_told_is_answered():
    with serving(Limits(Rate(2, 1))) as client:
        while (answer := post(client)).status_code == 202:
            pass
        time.sleep(int(answer.headers["retry-after"]))
        assert post(client).status_code == 202


def test_more_than_is_answered_at_the_same_time():
    stream = Slow()
    stream.seconds = 0.5
    with serving(Limits(in_flight=4), stream=stream) as client:
        with ThreadPoolExecutor(20) as threads:
            found = [*threads.map(lambda n: post(client, line(n)), range(20))]
            assert client.get("/health").status_code == 200
        stream.seconds = 0.0
        assert post(client, line(99)).status_code == 202, "who has been answered makes room"
    statuses = [answer.status_code for answer in found]
    assert 4 <= statuses.count(202) < 20
    assert statuses.count(202) + statuses.count(429) == 20
    refused = next(answer for answer in found if answer.status_code == 429)
    assert refused.headers["retry-after"] == "1"


def head(length="", path=EVENTS, **more):
    told = [f"POST {path} HTTP/1.1", "host: test", "content-type: application/x-ndjson"]
    told += [f"content-length: {length}"] if length else []
    told += [f"{name.replace('_', '-')}: {value}" for name, value in more.items()]
    return "\r\n".join([*told, "", ""]).encode()


@contextmanager
def connected(client):
    with socket.create_connection((client.base_url.host, client.base_url.port), 30) as plain:
        yield plain


def answered(plain):
    answer = http.client.HTTPResponse(plain)
    answer.begin()
    return answer.status, answer.getheader("connection"), json.loads(answer.read())


def test_a_large_body_is_refused_before_it_is_sent():
    with serving(Limits(largest_body=1000)) as client, connected(client) as plain:
        plain.sendall(head(10**12, expect="100-continue"))
        status, connection, told = answered(plain)
        assert (status, connection) == (413, "close")
        assert told["error"] == "the body is larger than 1,000 bytes"
        assert plain.recv(1) == b"", "it hangs up"


def test_a_client_that_sends_it_all_the_same_reads_why():
    with serving(Limits(largest_body=1000)) as client:
        assert post(client, b"x" * 10_000_000).status_code == 413
        assert post(client, b"1\n" * 500).status_code == 202


def test_a_body_of_no_told_length_is_read_up_to_the_limit():
    def endless():
        while True:
            yield b"x" * 1000

    with serving(Limits(largest_body=100_000)) as client:
        answer = client.post(EVENTS, content=endless(), headers=NDJSON)
    assert answer.status_code == 413


def until(client, status, body):
    """Post until it is answered so, and return that answer."""
    end = time.monotonic() + 30
    while (answer := post(client, body)).status_code != status:
        assert time.monotonic() < end, answer.text
        time.sleep(0.05)
    return answer


def test_all_bodies_together_are_bounded():
    with serving(Limits(largest_body=50_000)) as client:
        with ExitStack() as held:
            for _ in range(incoming.TOGETHER):
                plain = held.enter_context(connected(client))
                plain.sendall(head(50_000) + b"x" * 49_999)
            answer = until(client, 429, b"1\n" * 100)
            assert answer.headers["connection"] == "close"
        until(client, 202, b"1\n" * 100)


def test_a_silent_client_is_given_up(monkeypatch):
    monkeypatch.setattr(incoming, "SLOWEST", 0.4)
    with serving(Limits(in_flight=1)) as client:
        with connected(client) as plain:
            plain.sendall(head(100) + b"{")
            status, connection, told = answered(plain)
            assert (status, connection) == (408, "close")
            assert "nothing came of the body" in told["error"]
        assert post(client).status_code == 202


def test_a_slow_client_that_goes_on_is_not(monkeypatch):
    monkeypatch.setattr(incoming, "SLOWEST", 0.6)
    monkeypatch.setattr(incoming, "LEAST", 1.0)
    with serving() as client, connected(client) as plain:
        body = b'{"id": 1}\n'
        plain.sendall(head(len(body)))
        for byte in body:
            plain.sendall(bytes([byte]))
            time.sleep(0.1)
        assert answered(plain)[0] == 202


def test_a_client_that_drips_is_given_up(monkeypatch):
    """It is never silent for long; its body would hold a place for as long as it likes."""
    monkeypatch.setattr(incoming, "SLOWEST", 1.0)
    with serving(Limits(in_flight=1)) as client, connected(client) as plain:
        plain.sendall(head(10**6))
        plain.settimeout(0.02)
        end = time.monotonic() + 30
        while time.monotonic() < end:
            plain.sendall(b"{")
            with contextlib.suppress(TimeoutError):
                if plain.recv(1, socket.MSG_PEEK):
                    break
        plain.settimeout(30)
        status, connection, told = answered(plain)
        assert (status, connection) == (408, "close")
        assert told["error"] == "fewer than 500 bytes a second came of the body"
        assert post(client).status_code == 202


@pytest.mark.parametrize("path", ["/invocations", "/endpoints/shop/invocations"])
def test_mlflows_clients_read_refusals_in_their_form(closed, monkeypatch, path):
    """The code that MLflow has for the status, where it has one; the reason is `message`."""
    monkeypatch.setattr(incoming, "SLOWEST", 0.4)
    found = [closed.post(path, json={})]
    with serving(Limits(Rate(3, 3600), largest_body=100), scorers=[Scorer(1)]) as client:
        with connected(client) as plain:
            plain.sendall(head(50, path).replace(b"x-ndjson", b"json") + b"{")
            silent = answered(plain)
        found.append(client.post(path, json=["x" * 100]))
        found.append(client.post(path, json={"inputs": [[1, 2]]}))
        found.append(client.post(path, json={}))
    assert (silent[0], silent[2]["error_code"]) == (408, "DEADLINE_EXCEEDED")
    codes = [(each.status_code, each.json()["error_code"]) for each in found]
    assert codes == [
        (401, "UNAUTHENTICATED"),
        (413, "BAD_REQUEST"),
        (400, "BAD_REQUEST"),
        (429, "REQUEST_LIMIT_EXCEEDED"),
    ]
    assert found[1].json() == {
        "error_code": "BAD_REQUEST",
        "message": "the body is larger than 100 bytes",
    }


def test_the_inference_protocol_s_clients_too():
    with serving(Limits(largest_body=100), scorers=[Scorer(1)]) as client:
        answer = client.post("/v2/models/shop/infer", json=["x" * 100])
    assert answer.json() == {"error": "the body is larger than 100 bytes"}


def is_closed(plain):
    """Return whether a server has hung up, without waiting."""
    plain.setblocking(False)
    try:
        return plain.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def comes_true(holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("before", ["nothing", "a request"])
def test_a_head_that_drips_is_given_up(monkeypatch, before):
    monkeypatch.setattr(idle, "HEAD", 0.5)
    with serving() as client, connected(client) as plain:
        if before == "a request":
            plain.sendall(head(len(line(1))) + line(1).encode())
            assert answered(plain)[0] == 202
        plain.sendall(b"POST / HTTP/1.1\r\nx: ")

        def is_over():
            with contextlib.suppress(OSError):
                plain.send(b"a")
            return is_closed(plain)

        comes_true(is_over)


def test_who_waits_for_an_answer_is_not(monkeypatch):
    monkeypatch.setattr(idle, "HEAD", 0.2)
    stream = Slow()
    stream.seconds = 2.5
    with serving(stream=stream) as client:
        assert post(client).status_code == 202


def test_connections_are_bounded():
    """Those go first that have waited longest; whoever asks is answered all the same."""
    with serving(connections=10) as client, ExitStack() as held:
        older = [held.enter_context(connected(client)) for _ in range(8)]
        time.sleep(1.5)
        newer = [held.enter_context(connected(client)) for _ in range(12)]
        comes_true(lambda: sum(map(is_closed, older + newer)) >= 10)
        assert all(map(is_closed, older))
        assert not all(map(is_closed, newer))
        for _ in range(3):
            assert client.get("/health").status_code == 200


def test_who_reads_no_answers_is_given_up(monkeypatch):
    monkeypatch.setattr(idle, "UNREAD", 1.0)
    with serving() as client, connected(client) as plain:
        plain.settimeout(0.2)
        asked = b"GET /openapi.json HTTP/1.1\r\nhost: x\r\n\r\n" * 1000

        def is_over():
            try:
                plain.send(asked)
            except TimeoutError:
                return False
            except OSError:
                return True

        comes_true(is_over)
        assert client.get("/health").status_code == 200


def test_a_client_that_leaves_makes_room():
    with serving(Limits(in_flight=1)) as client:
        with connected(client) as plain:
            plain.sendall(head(100) + b"{")
            until(client, 429, line(1))
        until(client, 202, line(1))


def test_who_refuses_leaves_too():
    """A server that is succeeded ends connections with refusals as with answers."""

    async def refused():
        app, _ = hosting(None)
        app.is_leaving = True
        gate = Access(app, Limits(in_flight=0), None, app.metrics.registry)
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=gate), base_url="http://test"
        ) as client:
            return await client.get("/metrics")

    answer = asyncio.run(refused())
    assert (answer.status_code, answer.headers["connection"]) == (429, "close")
