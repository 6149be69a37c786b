"""What a server's answers become, and that a home does not get its own rows."""

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.services.targets import BusyError, Elsewhere, Server
from octavo.streams import Block, Place, Topic
from octavo.streams.memory import MemoryStream


@contextmanager
def answering(*answers):
    """Give the address of a server that gives some answers in turn, and what it was asked."""
    left, asked = list(answers), []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, self.headers["Idempotency-Key"], body))
            status, headers, told = left.pop(0)
            if status is None:
                self.close_connection = True
                return
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(told))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(told)

        def log_message(self, format, *args):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}", asked
        finally:
            server.shutdown()
            thread.join()


TAKEN = (202, {}, json.dumps({"partition": 1, "offset": 7, "repeated": False}).encode())


def test_a_block_goes_to_its_dataset_under_its_key():
    with answering(TAKEN) as (url, asked):
        target = Server(f"{url}/behind/")
        assert target("pay ments", b"rows", "k/1") == Place(1, 7, False)
        target.close()
    assert asked == [("/behind/v1/datasets/pay%20ments/events", "k/1", b"rows")]


@pytest.mark.parametrize(
    ("status", "kind"),
    [(400, DataError), (404, DefinitionError), (422, DataError)]
    + [(each, ResourceError) for each in (502, 503, 504, 507)],
)
def test_a_refusal_tells_who_must_act(status, kind):
    with answering((status, {}, b'{"error": "so it is"}')) as (url, _):
        target = Server(url)
        with pytest.raises(kind, match="so it is"):
            target("a", b"", "k")
        target.close()


def test_too_much_is_to_wait_for():
    with answering((429, {"Retry-After": "17"}, b"<html>")) as (url, _):
        target = Server(url)
        with pytest.raises(BusyError) as found:
            target("a", b"", "k")
        target.close()
    assert found.value.retry_after == 17


def test_a_connection_that_is_lost_is_opened_anew():
    with answering((None, {}, b""), TAKEN) as (url, asked):
        target = Server(url)
        with pytest.raises(ResourceError, match="cannot be reached"):
            target("a", b"", "k")
        assert target("a", b"", "k").offset == 7
        target.close()
    assert len(asked) == 2


@pytest.mark.parametrize("url", ["127.0.0.1:8080", "ftp://there", "http://", "8080"])
def test_what_is_no_address_is_refused(url):
    with pytest.raises(DefinitionError, match="no address"):
        Server(url)


def test_the_home_that_is_replayed_is_recognized_by_the_first_block():
    own, other = MemoryStream(), MemoryStream()
    for stream in (own, other):
        stream.create(Topic("incoming.a"))
        stream.append("incoming.a", [Block(rows=1, key="before")])

    def into(stream):
        return lambda dataset, data, key: stream.append("incoming.a", [Block(rows=2, key=key)])[0]

    with pytest.raises(DataError, match="where these rows come from"):
        Elsewhere(into(own), own, {"a": "incoming.a"})("a", b"", "k")
    for name in ("k", "k2"):
        assert Elsewhere(into(other), own, {"a": "incoming.a"})("a", b"", name).offset in (1, 3)
