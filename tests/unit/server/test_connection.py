"""A connection answers to the same bytes as uvicorn's own, in fewer pieces."""

import asyncio
import gc
from itertools import pairwise

import pytest
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from octavo.server.answers import Answer
from octavo.server.connection import LONGEST_HEAD, Connection, answered, arrived

ANSWER = Answer(b'{"y":0.5}')


class Wire(asyncio.Transport):
    """Keeps what is written."""

    def __init__(self):
        super().__init__()
        self.written, self.is_closed = [], False

    def get_extra_info(self, name, default=None):
        return default

    def write(self, data):
        self.written.append(bytes(data))

    def is_closing(self):
        return self.is_closed

    def close(self):
        self.is_closed = True

    def pause_reading(self):
        pass

    def resume_reading(self):
        pass


def asked(protocol, *parts, answer=ANSWER, is_last=False):
    """Return what was written for parts that come one after the other, and the bodies read."""
    bodies = []

    async def app(scope, receive, send):
        body = b""
        while True:
            message = arrived(scope) or await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        bodies.append(body)
        await answered(answer, scope, send, is_last=is_last)

    async def run():
        config = uvicorn.Config(app, http=protocol, lifespan="off", log_config=None)
        config.load()
        state = ServerState()
        state.default_headers = [(b"date", b"now")]
        wire = Wire()
        connection = protocol(config=config, server_state=state, app_state={})
        connection.connection_made(wire)
        for part in parts:
            if not wire.is_closed:
                connection.data_received(part)
            await asyncio.sleep(0.01)
        seen = -1
        while seen != len(bodies):
            seen = len(bodies)
            await asyncio.sleep(0.03)
        is_open = not wire.is_closed
        connection.connection_lost(None)
        return wire.written, bodies, is_open

    return asyncio.run(run())


def post(body=b"{}", *, version=b"1.1", method=b"POST", more=b""):
    head = b"%s /x HTTP/%s\r\nhost: h\r\n%scontent-length: %d\r\n\r\n"
    return head % (method, version, more, len(body)) + body


HALVES = post(b"x" * 100)[:-50], b"x" * 50
CASES = {
    "one": [post()],
    "one after the other": [post(b"1"), post(b"2")],
    "at the same time": [post(b"1") + post(b"2") + post(b"3")],
    "in halves": [*HALVES],
    "byte by byte": [bytes([byte]) for byte in post(b"abc")],
    "no body": [post(b"")],
    "asked to go on": [post(b"", more=b"expect: 100-continue\r\n")],
    "of another length": [
        b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"
    ],
    "head": [post(b"", method=b"HEAD")],
    "old": [post(version=b"1.0")],
    "last": [post(more=b"connection: close\r\n")],
}


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
@pytest.mark.parametrize("is_last", [False, True])
def test_it_writes_what_uvicorn_does(parts, is_last):
    ours = asked(Connection, *parts, is_last=is_last)
    theirs = asked(HttpToolsProtocol, *parts, is_last=is_last)
    assert (b"".join(ours[0]), *ours[1:]) == (b"".join(theirs[0]), *theirs[1:])


@pytest.mark.parametrize("case", ["one", "one after the other", "at the same time", "in halves"])
def test_an_ordinary_answer_is_one_piece(case):
    written, bodies, _ = asked(Connection, *CASES[case])
    assert len(written) == len(bodies) > 0
    assert all(each.endswith(ANSWER.body) for each in written)


def test_headers_of_its_own_are_checked():
    answer = Answer(b"", headers=((b"octavo-x", b"1\r\nset-cookie: 2"),))
    written, _, is_open = asked(Connection, post(), answer=answer)
    assert (written, is_open) == ([], False)


@pytest.mark.parametrize(
    ("length", "is_long"), [(LONGEST_HEAD // 2, False), (LONGEST_HEAD + 1, True)]
)
def test_a_head_is_bounded(length, is_long):
    parts = b"POST /x HTTP/1.1\r\nx: ", b"y" * length, b"z\r\ncontent-length: 0\r\n\r\n"
    written, bodies, is_open = asked(Connection, *parts)
    assert (b" 431 " in b"".join(written), is_open) == (is_long, not is_long)
    assert len(bodies) == (not is_long)


@pytest.mark.parametrize("size", [0, 2 * LONGEST_HEAD])
def test_many_requests_one_after_the_other_are_no_head(size):
    one = post(b"x" * size)
    many = one * (3 + 3 * LONGEST_HEAD // len(one))
    cuts = [0, 10, len(many) - len(one) + 10, len(many)]
    parts = [many[first:end] for first, end in pairwise(cuts)]
    _, bodies, is_open = asked(Connection, *parts)
    assert (len(bodies), is_open) == (len(many) // len(one), True)


def test_what_follows_a_body_is_bounded():
    begun = b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    trailers = [b"x-t: " + b"y" * 10_000 + b"\r\n"] * 10
    written, _, is_open = asked(Connection, begun, *trailers)
    assert (b" 431 " in b"".join(written), is_open) == (True, False)


def test_nothing_of_a_request_waits_for_the_garbage_collector():
    gc.collect()
    gc.disable()
    try:
        asked(Connection, *[post()] * 50)
        kept = [each for each in gc.get_objects() if type(each) is RequestResponseCycle]
    finally:
        gc.enable()
    assert len(kept) <= 1


def test_who_has_gone_is_not_answered():
    async def run():
        late = asyncio.Event()

        async def app(scope, receive, send):
            await late.wait()
            await answered(ANSWER, scope, send, is_last=False)

        config = uvicorn.Config(app, http=Connection, lifespan="off", log_config=None)
        config.load()
        wire = Wire()
        connection = Connection(config=config, server_state=ServerState(), app_state={})
        connection.connection_made(wire)
        connection.data_received(post())
        await asyncio.sleep(0)
        connection.connection_lost(ConnectionResetError())
        late.set()
        await asyncio.sleep(0.01)
        return wire.written

    assert asyncio.run(run()) == []
