"""One HTTP connection: uvicorn's own, but for the ordinary request, read and answered in one piece.

uvicorn writes the head of an answer and its body apart: two calls of the system, and a client that
is woken twice. An answer that is whole when it is given is written in one piece here; and a body
that is there is taken without waiting for it.

A client sends the same head again and again. One that was read before, byte by byte the same, is
not read again: what it asks is known, and its body goes to whoever answers without an ASGI scope,
messages or a task of its own. See `Take`.
"""

from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

from uvicorn.protocols.http.httptools_impl import (
    HEADER_RE,
    HEADER_VALUE_RE,
    STATUS_LINE,
    HttpToolsProtocol,
)

from octavo.server import request_ids
from octavo.server.answers import Answer
from octavo.server.asgi import CLOSE, Message, Scope, Send

_CYCLE = "octavo.cycle"
"""Where an application finds, in its scope, what uvicorn has of one request and its answer."""


LONGEST_HEAD = 64 * 1024
"""Bytes of a request's head that are waited for, after those that came with its beginning."""
_TOO_LONG = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class Owed:
    """An answer that is owed on a connection; uvicorn finds in it what it looks for in its own."""

    __slots__ = (
        "_connection",
        "disconnected",
        "keep_alive",
        "message_event",
        "response_complete",
        "then",
    )

    def __init__(self, connection: "Connection") -> None:
        self._connection = connection
        self.then: Callable[[], None] = _nothing
        """Is called when it is answered, or cannot be."""
        self.message_event = _NOBODY
        self.response_complete = self.disconnected = False
        self.keep_alive = True

    def give(self, answer: Answer, *, is_last: bool) -> None:
        """Write an answer, unless nobody is there; after the last one the connection ends.

        Raises
        ------
        RuntimeError
            If a header would be another one too; then another answer may be given.
        """
        connection = self._connection
        is_last = is_last or not self.keep_alive or CLOSE in answer.headers
        piece = _piece(answer, connection.server_state.default_headers, is_last=is_last)
        self.response_complete = True
        self.then()
        if self.disconnected:
            return
        transport = connection.transport
        transport.write(piece)
        if is_last:
            transport.close()
        connection.on_response_complete()

    def work(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a task that gives it, for whose end the server waits before it ends."""
        task, tasks = self._connection.loop.create_task(work), self._connection.tasks
        tasks.add(task)  # the loop itself holds none
        task.add_done_callback(tasks.discard)

    def drop(self) -> None:
        """Learn that there will be no answer, for nobody is there."""
        self.response_complete = True
        self.then()


class _Nobody:
    """Waits for no message."""

    def set(self) -> None:
        """Do nothing."""


_NOBODY = _Nobody()


def _nothing() -> None:
    pass


Take = Callable[[Scope, bytes, Owed], None]
"""Answers a request whose body is there: it never raises, and what it is given is an ASGI scope."""


class Known(NamedTuple):
    """What a head asks."""

    scope: Scope
    size: int
    """Bytes of the request, its body among them."""
    take: Take


class Heads:
    """The heads that were read more than once; shared by connections.

    Parameters
    ----------
    at_once
        Gives what answers requests with a head; None: `uvicorn` has to.
    """

    def __init__(self, at_once: Callable[[Scope], Take | None]) -> None:
        self._at_once = at_once
        self._seen: set[bytes] = set()
        self._known: dict[bytes, Known] = {}
        self.find = self._known.get

    def learn(self, head: bytes, size: int, scope: Scope) -> None:
        """Keep what a head asks when it comes again; many carry what is never sent twice."""
        if head not in self._seen:
            _make_room(self._seen)
            self._seen.add(head)
            return
        asks = {name: value for name, value in scope.items() if name != _CYCLE}
        if (take := self._at_once(asks)) is not None:
            _make_room(self._known)
            self._known[head] = Known(asks, size, take)


_HEADS, _SHORT_HEAD = 1024, 2048
"""How many heads are kept, and of how many bytes at the most."""
_END = b"\r\n\r\n"
_MORE = {b"expect", b"upgrade", b"transfer-encoding", request_ids.HEADER}
"""Headers after which more may come than a body of the length that is said; and the one that no
other request has."""
_OTHERS = ("HEAD", "CONNECT")
"""Methods: of one the answer has no body, of the other the request, whatever length it says."""
_HEADERS = 64
"""Of a head at the most: short ones take many times their bytes of memory."""
_DIGITS = 15
"""Of a length; no body is longer."""


def _make_room(kept: set[bytes] | dict[bytes, Any]) -> None:
    if len(kept) >= _HEADS:
        kept.clear()  # few clients send more, and it is soon read again


class Connection(HttpToolsProtocol):
    """Adds to each scope what it takes to read and write in one piece; bounds heads."""

    heads: Heads | None = None
    """None: every head is read."""
    _is_between = True
    """Whether nothing came of the next request."""
    _owed: Owed | None = None
    """The last answer that was owed to a head that was known."""
    _waiting: tuple[Known, bytes] | None = None
    """A head whose body has not come."""
    _begun = 0
    """Requests that began in what came last."""
    _head = 0
    """Bytes that came in a row of a head, or of what follows a body."""
    _goes_on = False
    """Whether a head began or ended in what came last, or there was something of a body in it."""
    _answered = 0.0
    """When the last answer was written, by the clock of the event loop."""

    def data_received(self, data: bytes) -> None:
        """Read what came; end with a head, or what follows a body, that becomes too long."""
        if self.heads is None or not self._is_between:
            self._read(data)
        elif self._waiting is not None:
            known, head = self._waiting
            self._waiting = None
            if known.size == len(head) + len(data):
                self._take(known, data)
            else:
                self._read(head + data)
        else:
            self._begin(self.heads, data)

    def _begin(self, heads: Heads, data: bytes) -> None:
        head = data[: data.find(_END, 0, _SHORT_HEAD) + len(_END)]
        known, is_free = heads.find(head), self._is_free()
        if known is not None and is_free and known.size == len(data):
            self._take(known, data[len(head) :])
        elif known is not None and is_free and len(head) == len(data):
            self._waiting = known, head  # many clients send a body after its head
            if self.timeout_keep_alive_task is None:  # one that never comes is given up as others
                self._wait(self.timeout_keep_alive)
        else:
            last = self.cycle
            self._read(data)
            is_new = is_free and self.cycle is not last  # else it is no head, or was refused
            if known is None and is_new and (size := self._size(len(head), len(data))):
                heads.learn(head, size, self.cycle.scope)  # type: ignore[arg-type]

    def _is_free(self) -> bool:
        """Return whether all that was asked is answered, and somebody reads it."""
        cycle: Any = self.cycle
        is_answered = cycle is None or cycle.response_complete
        return is_answered and not self.flow.write_paused and not self.transport.is_closing()

    def _take(self, known: Known, body: bytes) -> None:
        self._head = 0
        owed = self._owed = self.cycle = Owed(self)  # type: ignore[assignment]
        known.take({**known.scope, "client": self.client}, body, owed)

    def _size(self, head: int, came: int) -> int:
        """Return how long a request is of which the head says all; 0: there may be more to it.

        Parameters
        ----------
        head, came
            Bytes of a head, and of all that came with it.
        """
        cycle: Any = self.cycle
        if self._begun != 1 or head <= len(_END) or not cycle or not cycle.keep_alive:
            return 0
        headers = dict(cycle.scope["headers"])
        if cycle.scope["method"] in _OTHERS or not headers.keys().isdisjoint(_MORE):
            return 0
        if len(cycle.scope["headers"]) > _HEADERS:
            return 0
        length = headers.get(b"content-length", b"0")
        size = head + int(length) if len(length) <= _DIGITS else 0
        is_whole = self._is_between and came == size
        return size if is_whole or head == came < size else 0

    def _resume(self) -> None:
        """Read a head whose body did not come yet."""
        if self._waiting is not None:
            _, head = self._waiting
            self._waiting = None
            self._read(head)

    def shutdown(self) -> None:
        """End when what was asked is answered."""
        self._resume()
        super().shutdown()

    def connection_lost(self, exc: Exception | None) -> None:
        """Owe nothing any more: uvicorn tells only the request that came last."""
        self._waiting = None
        if self._owed is not None:
            self._owed.disconnected = True
        super().connection_lost(exc)
        self._unset_keepalive_if_required()

    def _read(self, data: bytes) -> None:
        self._begun, self._goes_on = 0, False
        super().data_received(data)
        if self._goes_on or self.transport.is_closing():
            self._head = 0
            return
        self._head += len(data)
        if self._head > LONGEST_HEAD:
            self.transport.write(_TOO_LONG)
            self.transport.close()

    def on_message_begin(self) -> None:
        """Begin a head."""
        super().on_message_begin()
        self._begun += 1
        self._is_between = False
        self._goes_on = True

    def on_headers_complete(self) -> None:
        """Begin a request."""
        super().on_headers_complete()
        self._goes_on = True
        self.scope[_CYCLE] = self.cycle  # type: ignore[typeddict-unknown-key]

    def on_body(self, body: bytes) -> None:
        """Take a part of a body."""
        super().on_body(body)
        self._goes_on = True

    def on_message_complete(self) -> None:
        """End a request."""
        super().on_message_complete()
        self._is_between = True

    def on_response_complete(self) -> None:
        """Begin what came meanwhile, or wait for the next request: with one timer for many."""
        if self.pipeline or self.transport.is_closing():
            super().on_response_complete()
            return
        self.server_state.total_requests += 1
        if self.flow.read_paused:
            self.flow.resume_reading()
        self._answered = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._wait(self.timeout_keep_alive)

    def timeout_keep_alive_handler(self) -> None:
        """End a connection on which nothing is asked."""
        self.timeout_keep_alive_task = None
        self._resume()
        left = self._answered + self.timeout_keep_alive - self.loop.time()
        if self.cycle is not None and not self.cycle.response_complete:
            self._wait(self.timeout_keep_alive)
        elif left > 0:
            self._wait(left)
        else:
            super().timeout_keep_alive_handler()

    def _wait(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )


_ORDINARY = b"%bcontent-type: %b\r\ncontent-length: %d\r\n\r\n%b"


def _piece(answer: Answer, more: list[tuple[bytes, bytes]], *, is_last: bool = False) -> bytes:
    """Return an answer as it is sent.

    Parameters
    ----------
    more
        The headers that all answers have.

    Raises
    ------
    RuntimeError
        If a header would be another one too.
    """
    status, body = STATUS_LINE[answer.status], answer.body
    if not (more or answer.headers or is_last):  # as most are, and in two thirds of the time
        return _ORDINARY % (status, answer.kind, len(body), body)
    parts = [status]
    for name, value in more:
        parts += (name, b": ", value, b"\r\n")
    parts += (b"content-type: ", answer.kind, b"\r\ncontent-length: %d\r\n" % len(body))
    for name, value in answer.headers:
        if HEADER_RE.search(name) or HEADER_VALUE_RE.search(value):
            raise RuntimeError(f"{name!r}: {value!r} is no header")
        parts += (name, b": ", value, b"\r\n")
    if is_last and CLOSE not in answer.headers:
        parts.append(b"connection: close\r\n")
    parts += (b"\r\n", body)
    return b"".join(parts)


def _is_written(answer: Answer, scope: Scope) -> bool:
    """Write an answer in one piece, and return whether that was done.

    It is left to ASGI where there is more to it: headers of its own, which uvicorn checks, a
    connection that ends with it, a client that reads slowly or sends more than was read.
    """
    cycle: Any = scope.get(_CYCLE)
    if (
        cycle is None
        or answer.headers
        or cycle.more_body
        or not cycle.keep_alive
        or cycle.disconnected
        or cycle.flow.write_paused
        or scope["method"] == "HEAD"
    ):
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(_piece(answer, cycle.default_headers))
    cycle.message_event.set()
    cycle.on_response()
    return True


def arrived(scope: Scope) -> Message | None:
    """Take the body of a request, as ASGI gives it, if all of it is there and nothing was taken."""
    cycle: Any = scope.get(_CYCLE)
    if cycle is None or cycle.more_body or not cycle.body or cycle.disconnected:
        return None
    body, cycle.body = bytes(cycle.body), bytearray()
    cycle.message_event.clear()
    return {"type": "http.request", "body": body, "more_body": False}


async def answered(answer: Answer, scope: Scope, send: Send, *, is_last: bool) -> None:
    """Send an answer, with the ID of its request; after the last one the connection ends."""
    answer = request_ids.identified(answer, scope)
    is_written = not is_last and _is_written(answer, scope)
    scope.pop(_CYCLE, None)  # which has the scope: they would wait for the garbage collector
    if is_written:
        return
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [(b"content-type", answer.kind), length, *answer.headers]
    if is_last and CLOSE not in headers:
        headers.append(CLOSE)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
