"""Whoever asks again and again is answered at once, and as the first time, over a real socket."""

import http.client
import json
import socket
import sys
import threading
import time
from concurrent.futures import Future
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from octavo.errors import ResourceError
from octavo.server import app as app_
from octavo.services.batching import Bounds
from octavo.services.keys import KnownKeys, create, revoke
from octavo.services.limits import Limits, Rate
from octavo.stores.catalog import Catalog

sys.path.insert(0, str(Path(__file__).parent))

from hosted import Scorer, hosting, served

FEATURES = "/v1/pipelines/shop/predict/features"
ROW = {"a": 0.25, "b": 2.0, "c": 1.0}
V2 = {
    "inputs": [
        {"name": "X", "shape": [1, 3], "datatype": "FP64", "data": [0.25, 2.0, 1.0]},
    ]
}
CASES = {
    "features": ("POST", FEATURES, {"features": [ROW]}),
    "several": ("POST", FEATURES, {"features": [ROW] * 3}),
    "more than a batch": ("POST", FEATURES, {"features": [ROW] * 20}),
    "none": ("POST", FEATURES, {"features": []}),
    "unknown feature": ("POST", FEATURES, {"features": [{"d": 1}]}),
    "no JSON": ("POST", FEATURES, b"no"),
    "timing": ("POST", f"{FEATURES}?timing=2", {"features": [ROW]}),
    "events": ("POST", "/v1/pipelines/shop/predict", {"events": [{"a": 1.0, "b": 1.0, "c": 1.0}]}),
    "refused events": ("POST", "/v1/pipelines/shop/predict", {"events": [{"c": -1.0}]}),
    "version": ("POST", "/v1/pipelines/shop/versions/2/predict/features", {"features": [ROW]}),
    "no such version": ("POST", "/v1/pipelines/shop/versions/x/predict", {"events": []}),
    "no such pipeline": ("POST", "/v1/pipelines/shup/predict/features", {"features": [ROW]}),
    "protocol": ("POST", "/v2/models/shop/infer", V2),
    "mlflow": ("POST", "/invocations", {"inputs": [[0.25, 2.0, 1.0]]}),
    "not mlflow": ("POST", "/invocations", {"nothing": 1}),
    "no such address": ("POST", "/v1/nothing", {}),
    "no such method": ("PUT", FEATURES, {"features": [ROW]}),
    "get": ("GET", "/health", b""),
    "head": ("HEAD", "/health", b""),
}


class Asking:
    """Asks over one connection, with the same head each time."""

    def __init__(self, client, *, in_pieces=False):
        self._socket = socket.create_connection((client.base_url.host, client.base_url.port), 20)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._in_pieces = in_pieces
        self.close = self._socket.close

    def __call__(self, method, path, document, **headers):
        body = document if isinstance(document, bytes) else json.dumps(document).encode()
        headers = {"host": "x", "content-type": "application/json", **headers}
        headers |= {"content-length": len(body)} if body else {}
        lines = [f"{method} {path} HTTP/1.1", *(f"{n}: {v}" for n, v in headers.items()), "", ""]
        self.send("\r\n".join(lines).encode("latin-1"), body)
        answer = http.client.HTTPResponse(self._socket, method=method)
        with answer:
            answer.begin()
            told = {name: value for name, value in answer.getheaders() if name != "date"}
            return answer.status, told, answer.read()

    def send(self, head, body):
        for piece in [head, body] if self._in_pieces else [head + body]:
            self._socket.sendall(piece)
            time.sleep(0.02 * self._in_pieces)

    def is_closed(self):
        """Say whether the server closes it."""
        return self._socket.recv(1) == b""


@pytest.fixture
def asking():
    with ExitStack() as stack:
        yield lambda client, **told: stack.enter_context(closing(Asking(client, **told)))


@pytest.fixture(scope="module")
def hosted_app():
    return hosting(None, Scorer(1), Scorer(2), bounds=Bounds(rows=16))


@pytest.fixture(scope="module")
def client(hosted_app):
    with served(hosted_app[0]) as client:
        yield client


@pytest.fixture
def taken(monkeypatch):
    """Count what is answered at once."""
    found = []
    reply = app_._Reply

    def made(*told):
        found.append(told)
        return reply(*told)

    monkeypatch.setattr(app_, "_Reply", made)
    return found


@pytest.mark.parametrize("in_pieces", [False, True])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_each_answer_is_as_the_first(client, taken, case, in_pieces, asking):
    ask = asking(client, in_pieces=in_pieces)
    way = {"x-way": str(in_pieces)}  # heads that no other test has sent
    first, *others = [ask(*case, **way) for _ in range(5)]
    assert others == [first] * 4
    known = case[1] != "/v1/nothing" and case[0] in ("POST", "GET")
    assert len(taken) == (3 if known else 0)


def test_what_is_answered_at_once_is_counted_and_logged(hosted_app, client, asking):
    app, log = hosted_app
    ask, before = asking(client), len(log.records())
    for _ in range(6):
        assert ask(*CASES["features"])[0] == 200
    assert len(log.records()) == before + 6
    app.metrics.fold()
    told = client.get("/metrics").text
    assert f'octavo_requests_total{{path="{FEATURES.replace("shop", "{name}")}"' in told


def test_the_next_request_is_answered_by_what_is_live(asking):
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client)
        seen = []
        for version in (1, 1, 1, 2, 2, 3):
            app.models.serve("shop", Scorer(version))
            seen.append(json.loads(ask(*CASES["features"])[2])["predictions"][0]["y"])
    assert seen == [1.25, 1.25, 1.25, 2.25, 2.25, 3.25]


def test_without_a_deployment(asking):
    app, _ = hosting(None)
    app.models.add("shop", None, None, None)
    with served(app) as client:
        ask = asking(client)
        told = [ask(*CASES["features"]) for _ in range(4)]
    assert {status for status, *_ in told} == {503}
    assert told == told[:1] * 4


def test_a_key_that_is_revoked_is_refused_at_once(tmp_path, asking):
    catalog = Catalog(tmp_path / "catalog.db")
    keys = [create(catalog, name, ["predict"]) for name in ("one", "two")]
    known = KnownKeys(catalog, lambda text: None)
    app, _ = hosting(None, Scorer(1))
    with served(app, known=known) as client:
        ask = asking(client)

        def status(key):
            return ask(*CASES["features"], authorization=f"Bearer {key.key}")[0]

        assert [status(key) for key in keys * 4] == [200] * 8
        revoke(catalog, "one")
        until = time.monotonic() + 20
        while status(keys[0]) == 200 and time.monotonic() < until:
            time.sleep(0.05)
        assert [status(key) for key in keys] == [401, 200]
        assert ask(*CASES["features"])[0] == 401
    known.close()


def test_rates_hold(asking):
    app, _ = hosting(None, Scorer(1))
    with served(app, Limits(rate=Rate(5, 3600))) as client:
        ask = asking(client)
        told = [ask(*CASES["features"]) for _ in range(8)]
    assert [status for status, *_ in told] == [200] * 5 + [429] * 3
    assert "retry-after" in told[-1][1]
    assert b"more than 5 requests" in told[-1][2]


class Waiting:
    """A log whose records wait until they are let."""

    logged = 0

    def __init__(self):
        self.futures, self.not_logged, self.without_features = [], {}, {}

    def add(self, inference):
        self.futures.append(Future())
        return self.futures[-1]

    def close(self):
        pass


def waiting_app():
    app, _ = hosting(None, Scorer(1))
    log = Waiting()
    served_ = app.models._served["shop"]
    served_.log = log
    app.models.serve("shop", Scorer(1))
    return app, log


def let(log, number, error=None):
    until = time.monotonic() + 20
    while len(log.futures) <= number:
        assert time.monotonic() < until
        time.sleep(0.01)
    if error:
        log.futures[number].set_exception(error)
    else:
        log.futures[number].set_result(None)


def test_an_answer_waits_for_its_record(asking):
    app, log = waiting_app()
    with served(app) as client:
        ask, told = asking(client), []
        thread = threading.Thread(
            target=lambda: told.extend(ask(*CASES["features"]) for _ in range(5))
        )
        thread.start()
        for number in range(4):
            let(log, number)
        time.sleep(0.1)
        until = time.monotonic() + 20
        while len(log.futures) < 5 and time.monotonic() < until:
            time.sleep(0.01)
        let(log, 4, ResourceError("the disk is full.", where="predictions"))
        thread.join(20)
    assert [status for status, *_ in told] == [200] * 4 + [503]
    assert b"the disk is full" in told[-1][2]


def test_who_has_gone_is_not_answered_and_takes_no_place():
    app, log = waiting_app()
    with served(app, Limits(in_flight=2)) as client:
        host = client.base_url.host, client.base_url.port
        body = json.dumps({"features": [ROW]})
        asked = (
            f"POST {FEATURES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n{body}"
        ).encode()
        for number in range(8):
            with socket.create_connection(host) as connection:
                connection.sendall(asked)
                until = time.monotonic() + 20
                while len(log.futures) <= number:
                    assert time.monotonic() < until, "there is no place left"
                    time.sleep(0.01)
            let(log, number)
        assert client.get("/health").status_code == 200


def test_too_many_at_the_same_time_are_refused(asking):
    app, log = waiting_app()
    with served(app, Limits(in_flight=2)) as client:
        asks = [asking(client) for _ in range(3)]
        for number, ask in enumerate((asks[0], asks[0], asks[0])):
            thread = threading.Thread(target=let, args=(log, number))
            thread.start()
            assert ask(*CASES["features"])[0] == 200
            thread.join()
        threads = [threading.Thread(target=a, args=CASES["features"]) for a in asks[:2]]
        for thread in threads:
            thread.start()
        time.sleep(0.3)  # the two may be in one batch
        assert asks[2](*CASES["features"])[0] == 429
        for number in range(3, len(log.futures)):
            let(log, number)
        for thread in threads:
            thread.join(20)


def test_a_fault_of_ours_is_answered_and_ends_the_connection(monkeypatch, capfd, caplog, asking):
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client)
        assert [ask(*CASES["features"])[0] for _ in range(3)] == [200] * 3

        def fails(*told):
            raise ZeroDivisionError("of ours")

        monkeypatch.setattr("octavo.server.predicting._json", fails)
        status, headers, body = ask(*CASES["features"])
        assert (status, headers["connection"]) == (500, "close")
        assert b"of ours" not in body
        monkeypatch.undo()
        assert ask.is_closed()
        assert asking(client)(*CASES["features"])[0] == 200
    assert "ZeroDivisionError: of ours" in capfd.readouterr().err + caplog.text


def test_one_that_leaves_says_so(asking):
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client)
        for _ in range(3):
            assert "connection" not in ask(*CASES["features"])[1]
        app.is_leaving = True
        assert ask(*CASES["features"])[1]["connection"] == "close"


def test_a_quiet_connection_is_closed_after_a_while(monkeypatch, asking):
    monkeypatch.setattr("octavo.server.leaving.IDLE", 1)
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client)
        for _ in range(6):  # for longer than it may be quiet
            assert ask(*CASES["features"])[0] == 200
            time.sleep(0.3)
        began = time.monotonic()
        assert ask.is_closed()
        assert time.monotonic() - began < 3


def test_a_body_may_come_late(monkeypatch, asking):
    monkeypatch.setattr("octavo.server.leaving.IDLE", 1)
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client, in_pieces=True)
        told = [ask(*CASES["features"]) for _ in range(3)]

        def send(head, body):
            ask._socket.sendall(head)
            time.sleep(2.5)
            ask._socket.sendall(body[:7])
            time.sleep(0.1)
            ask._socket.sendall(body[7:])

        ask.send = send
        assert ask(*CASES["features"]) == told[0]


def together(wait_us=200_000, in_flight=512):
    """Return an application whose batches wait, and what one server of it takes."""
    app, _ = hosting(None, Scorer(1), bounds=Bounds(wait_us=wait_us))
    return app, Limits(in_flight=in_flight)


def asked_again(client, asking, more=b""):
    """Send a request whose head is known, and what comes after it; return the connection."""
    warm = asking(client)
    assert [warm(*CASES["features"])[0] for _ in range(3)] == [200] * 3
    ask = asking(client)
    body = json.dumps(CASES["features"][2]).encode()
    head = f"POST {FEATURES} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    head += f"content-length: {len(body)}\r\n\r\n"
    ask.send(head.encode(), body)
    if more:
        time.sleep(0.05)
        ask.send(b"", more)
    return ask


def test_who_goes_before_his_batch_takes_no_place(asking):
    app, limits = together(in_flight=2)
    with served(app, limits) as client:
        for _ in range(3):
            ask = asked_again(client, asking)
            time.sleep(0.05)
            ask.close()
            time.sleep(0.4)
        assert asking(client)(*CASES["features"])[0] == 200


def test_who_sends_what_is_no_request_after_one_leaves_others_their_answers(asking):
    app, limits = together()
    with served(app, limits) as client:
        more = b"GET /health HTTP/1.1\r\nhost: x\r\n\r\nno request\r\n\r\n"
        asked_again(client, asking, more)
        other = asking(client)
        assert [other(*CASES["features"])[0] for _ in range(2)] == [200] * 2


@pytest.mark.parametrize("is_known", [False, True])
def test_after_an_answer_that_ends_a_connection_it_is_closed(is_known, asking):
    app, _ = hosting(None, Scorer(1))
    with served(app, Limits(largest_body=10)) as client:
        for _ in range(3 if is_known else 1):
            ask = asking(client)
            status, headers, _ = ask(*CASES["features"])
        assert (status, headers["connection"]) == (413, "close")
        began = time.monotonic()
        assert ask.is_closed()
        assert time.monotonic() - began < 3


def test_a_body_that_never_comes_is_given_up(monkeypatch, asking):
    monkeypatch.setattr("octavo.server.leaving.IDLE", 1)
    monkeypatch.setattr("octavo.server.incoming.SLOWEST", 2)
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client, in_pieces=True)
        for _ in range(3):
            ask(*CASES["features"])
        ask = asking(client)
        ask.send = lambda head, body: ask._socket.sendall(head)
        assert ask(*CASES["features"])[0] == 408


ARROW = "application/vnd.apache.arrow.stream"


class Several(Asking):
    """Asks with a header that is sent twice."""

    def send(self, head, body):
        super().send(head.replace(b"\r\nagain-", b"\r\n"), body)


@pytest.mark.parametrize("accept", [(ARROW, "*/*"), ("*/*", ARROW)])
def test_of_a_header_that_is_sent_twice_it_reads_the_same(client, accept):
    with closing(Several(client)) as ask:
        told = [
            ask(*CASES["features"], **{"accept": accept[0], "again-accept": accept[1]})
            for _ in range(4)
        ]
    assert [headers["content-type"] for _, headers, _ in told] == [told[0][1]["content-type"]] * 4


@pytest.mark.parametrize("rows", [1000, 1001])
def test_large_answers_are_written_off_the_event_loop(
    hosted_app, client, monkeypatch, rows, asking
):
    from octavo.server import predicting

    threads, write = [], predicting._json

    def written(*told):
        threads.append(threading.current_thread().name.startswith(("uvloop", "asyncio")))
        return write(*told)

    monkeypatch.setattr(predicting, "_json", written)
    ask = asking(client)
    told = [ask("POST", FEATURES, {"features": [{}] * rows}) for _ in range(4)]
    assert told == told[:1] * 4
    assert threads == [rows > 1000] * 4


def test_bodies_that_are_answered_together_are_bounded(asking):
    app, log = waiting_app()
    with served(app, Limits(largest_body=3000)) as client:
        rows = {"features": [{"a": 0.123456789}] * 100}  # 2,000 bytes and more
        asks = [asking(client) for _ in range(8)]
        thread = threading.Thread(target=lambda: [let(log, number) for number in range(3)])
        thread.start()
        assert [asks[0]("POST", FEATURES, rows)[0] for _ in range(3)] == [200] * 3
        thread.join()
        told = []
        threads = [
            threading.Thread(target=lambda ask=ask: told.append(ask("POST", FEATURES, rows)[0]))
            for ask in asks
        ]
        for thread in threads:
            thread.start()
        until = time.monotonic() + 5
        while not told and time.monotonic() < until:
            time.sleep(0.05)
        time.sleep(0.5)
        for number in range(3, len(log.futures)):
            let(log, number)
        for thread in threads:
            thread.join(20)
    assert set(told) == {200, 429}
    assert told.count(200) <= 6


def test_it_ends_when_what_was_asked_is_done_though_its_client_has_gone(asking):
    scorer, seen = Scorer(1), []
    answer = scorer.answer

    def slow(events):
        seen.append("begun")
        if len(seen) > 3:
            time.sleep(1)
        return answer(events)

    scorer.answer = slow
    app, log = hosting(None, scorer)
    log.close = lambda: seen.append(("closed", len(log.kept)))
    with served(app) as client:
        ask = asking(client)
        for _ in range(3):
            assert ask(*CASES["events"])[0] == 200
        ask._socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            ask(*CASES["events"])
        ask.close()
        time.sleep(0.1)
    assert seen[-1] == ("closed", 4)


def test_what_is_no_request_never_gets_the_key_of_who_asked_before(tmp_path, asking):
    """As behind a proxy, which sends requests of several clients over one connection."""
    catalog = Catalog(tmp_path / "catalog.db")
    key = create(catalog, "one", ["predict"]).key
    known = KnownKeys(catalog, lambda text: None)
    app, _ = hosting(None, Scorer(1))
    with served(app, known=known) as client:
        refused = b"POST / HTTP/1.1\r\nno header\r\n\r\n"
        for number in range(2):
            ask = asking(client)
            headers = {"authorization": f"Bearer {key}", "x-id": number}
            assert ask(*CASES["features"], **headers)[0] == 200
            ask.send = lambda head, body, to=ask: to._socket.sendall(refused)
            assert ask(*CASES["features"])[0] == 400
        ask = asking(client)
        ask.send = lambda head, body: ask._socket.sendall(refused + body)
        assert ask(*CASES["features"])[0] == 400
    known.close()


@pytest.mark.parametrize("path", ["/v1/nothing", "/health", FEATURES])
def test_the_id_of_a_request_comes_back(client, path, asking):
    ask, method = asking(client), "GET" if path == "/health" else "POST"
    for number in range(4):
        _, headers, _ = ask(method, path, {}, **{"x-request-id": f"mine-{number}"})
        assert headers["x-request-id"] == f"mine-{number}"
    for given in ("x" * 129, "\xe4", "a b"):
        assert "x-request-id" not in ask(method, path, {}, **{"x-request-id": given})[1]
    assert "x-request-id" not in ask(method, path, {})[1]


def test_the_gate_gives_it_back_too(tmp_path, asking):
    known = KnownKeys(Catalog(tmp_path / "catalog.db"), lambda text: None)
    app, _ = hosting(None, Scorer(1))
    with served(app, known=known) as client:
        status, headers, _ = asking(client)(*CASES["features"], **{"x-request-id": "mine"})
        assert (status, headers["x-request-id"]) == (401, "mine")
    known.close()


@pytest.mark.parametrize("given", [{}, {"x-request-id": "mine"}])
@pytest.mark.parametrize("times", [1, 4])
def test_a_fault_is_found_in_the_log_by_its_id(monkeypatch, caplog, given, times, asking):
    app, _ = hosting(None, Scorer(1))
    with served(app) as client:
        ask = asking(client)
        for _ in range(times - 1):
            assert ask(*CASES["features"], **given)[0] == 200

        def fails(*told):
            raise ZeroDivisionError("of ours")

        monkeypatch.setattr("octavo.server.predicting._json", fails)
        status, headers, body = ask(*CASES["features"], **given)
        monkeypatch.undo()
        found = headers["x-request-id"]
        assert (status, headers["connection"]) == (500, "close")
        assert found in json.loads(body)["error"]
        assert found == given.get("x-request-id", found)
        assert ask.is_closed()
    (record,) = [each for each in caplog.records if each.exc_info]
    assert found in record.getMessage()


def test_a_body_that_is_too_large_is_refused_each_time(asking):
    app, _ = hosting(None, Scorer(1))
    with served(app, Limits(largest_body=100)) as client:
        for _ in range(4):  # each ends its connection
            assert asking(client)("POST", FEATURES, {"features": [ROW] * 9})[0] == 413
        assert asking(client)(*CASES["features"])[0] == 200
