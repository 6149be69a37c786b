"""A connection answers to the same bytes as uvicorn's own, in fewer pieces."""

import asyncio
import gc
from itertools import pairwise

import pytest
import uvicorn
from hypothesis import given, settings
from hypothesis import strategies as st
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from octavo.server.answers import Answer
from octavo.server.connection import LONGEST_HEAD, Connection, Heads, answered, arrived

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


def asked(protocol, *parts, answer=ANSWER, is_last=False, pause=0.01):
    """Return what was written for parts that come one after the other, and the bodies read.

    If the protocol has heads, these are told the bodies too.
    """
    bodies = []
    if getattr(protocol, "heads", None) is not None:
        protocol.heads.bodies, protocol.heads.answer = bodies, (answer, is_last)

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
            await asyncio.sleep(pause)
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


class Knowing(Connection):
    """A connection that knows heads again, and answers them in the next turn of the event loop."""

    @classmethod
    def anew(cls):
        heads = Heads(lambda scope: heads.take)
        heads.taken = 0

        def take(scope, body, owed):
            heads.taken += 1
            heads.bodies.append(body)
            answer, is_last = heads.answer
            later = asyncio.get_running_loop().call_soon
            later(lambda: owed.disconnected or owed.give(answer, is_last=is_last))

        heads.take = take
        return type("Knowing", (cls,), {"heads": heads})


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


@pytest.mark.parametrize("parts", CASES.values(), ids=CASES)
@pytest.mark.parametrize("is_last", [False, True])
def test_it_writes_the_same_for_heads_that_it_knows(parts, is_last):
    knowing = Knowing.anew()
    for _ in range(3):
        ours = asked(knowing, *parts, is_last=is_last)
    theirs = asked(HttpToolsProtocol, *parts, is_last=is_last)
    assert (b"".join(ours[0]), *ours[1:]) == (b"".join(theirs[0]), *theirs[1:])


REQUESTS = [
    post(b"1"),
    post(b"22"),
    post(b""),
    post(b"3", more=b"x: y\r\n"),
    b"GET /x HTTP/1.1\r\n\r\n",
]
REQUESTS += [b"POST /x HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n"]


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(REQUESTS), min_size=1, max_size=12), st.data())
def test_however_requests_are_cut_each_is_answered_once_and_in_order(requests, data):
    whole = b"".join(requests)
    ends, at = [], 0
    for each in requests:
        ends.append(at := at + len(each))
    more = data.draw(st.lists(st.integers(1, len(whole)), max_size=4))
    cuts = sorted({0, *data.draw(st.sets(st.sampled_from(ends))), *more, len(whole)})
    parts = [whole[first:end] for first, end in pairwise(cuts)]
    ours, theirs = Knowing.anew(), HttpToolsProtocol
    told = [asked(protocol, *parts, pause=0) for protocol in (ours, theirs)]
    assert b"".join(told[0][0]) == b"".join(told[1][0])
    assert told[0][1:] == told[1][1:]


def test_a_head_is_known_when_it_came_twice():
    knowing = Knowing.anew()
    _, bodies, _ = asked(knowing, *[post(b"1"), post(b"2"), post(b"3"), post(b"4")])
    assert (bodies, knowing.heads.taken) == ([b"1", b"2", b"3", b"4"], 2)


def test_heads_that_never_come_again_are_not_kept():
    knowing = Knowing.anew()
    asked(knowing, *[post(more=b"x-id: %d\r\n" % number) for number in range(1500)], pause=0)
    assert len(knowing.heads._known) == 0
    assert len(knowing.heads._seen) <= 1024


def test_who_sends_on_before_he_is_answered_is_answered_in_order():
    knowing = Knowing.anew()
    asked(knowing, post(b"1"), post(b"2"))
    told = asked(knowing, *[post(b"%d" % digit) for digit in range(10)], pause=0)
    assert told[1] == [b"%d" % digit for digit in range(10)]
    assert len(told[0]) == 10


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


NO_REQUESTS = [b"POST /x HTTP/1.1\r\nno header\r\n\r\n", b"POST http:// HTTP/1.1\r\n\r\n"]


@pytest.mark.parametrize("refused", NO_REQUESTS)
def test_what_is_refused_after_a_head_that_is_known_is_refused(refused):
    knowing = Knowing.anew()
    parts = [*[post(b"%d" % digit) for digit in range(4)], refused]
    told = asked(knowing, *parts)
    assert knowing.heads.taken == 2
    assert b" 400 " in told[0][-1]
    assert told[2] is False


@pytest.mark.parametrize("refused", NO_REQUESTS)
def test_what_is_refused_never_means_what_was_asked_before(refused):
    knowing = Knowing.anew()
    for number in range(3):  # heads that are not known, of whoever asked before
        asked(knowing, post(b"1", more=b"authorization: %d\r\n" % number), refused)
    assert refused not in knowing.heads._known
    told = asked(knowing, refused + b"2")
    assert (told[1], told[2]) == ([], False)


def test_empty_lines_between_requests_are_no_head():
    knowing = Knowing.anew()
    parts = [post(b"%d" % (number % 10)) for number in range(400)]
    many = [piece for part in parts for piece in (part, b"\r\n" * 100)]
    _, bodies, is_open = asked(knowing, *many, pause=0)
    assert (len(bodies), is_open) == (400, True)


@pytest.mark.parametrize("came", [post(b"1"), post(b"1")[:-1]])
def test_nothing_is_left_of_a_connection_that_broke(came):
    heads, errors = Heads(lambda scope: lambda scope, body, owed: None), []
    for _ in range(2):
        heads.learn(post(b"1")[:-1], len(post(b"1")), {})

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda loop, told: errors.append(told))
        config = uvicorn.Config(lambda: None, lifespan="off", log_config=None)
        config.load()
        config.timeout_keep_alive = 0.05
        protocol = type("Knowing", (Connection,), {"heads": heads})
        connection = protocol(config=config, server_state=ServerState(), app_state={})
        connection.connection_made(Wire())
        connection.on_response_complete()  # of an earlier request
        connection.data_received(came)
        connection.connection_lost(ConnectionResetError())
        await asyncio.sleep(0.2)
        return connection.timeout_keep_alive_task

    assert (asyncio.run(run()), errors) == (None, [])


def test_only_a_head_that_says_all_of_a_short_request_is_known():
    knowing = Knowing.anew()
    others = [
        post(b"ab", method=b"CONNECT"),  # what follows is no body
        post(b"ab", more=b"a:\r\n" * 100),  # small, and large as objects
        post(b"ab", more=b"upgrade: h2c\r\nconnection: upgrade\r\n"),
    ]
    for other in others:
        parts = [other, post(b"1")] * 3
        ours, theirs = asked(knowing, *parts), asked(HttpToolsProtocol, *parts)
        assert (b"".join(ours[0]), *ours[1:]) == (b"".join(theirs[0]), *theirs[1:])
    assert [*knowing.heads._known] == [post(b"1")[:-1]]
