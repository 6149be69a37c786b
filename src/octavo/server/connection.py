"""One HTTP connection: uvicorn's own, but for the ordinary request, read and answered in one piece.

uvicorn writes the head of an answer and its body apart: two calls of the system, and a client that
is woken twice. An answer that is whole when it is given is written in one piece here; and a body
that is there is taken without waiting for it.
"""

from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

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


class Connection(HttpToolsProtocol):
    """Adds to each scope what it takes to read and write in one piece; bounds heads."""

    _head = 0
    """Bytes that came in a row of a head, or of what follows a body."""
    _goes_on = False
    """Whether a head began or ended in what came last, or there was something of a body in it."""

    def data_received(self, data: bytes) -> None:
        """Read what came; end with a head, or what follows a body, that becomes too long."""
        self._goes_on = False
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
    parts = [STATUS_LINE[answer.status]]
    for name, value in cycle.default_headers:
        parts += (name, b": ", value, b"\r\n")
    parts += (b"content-type: ", answer.kind)
    parts += (b"\r\ncontent-length: %d\r\n\r\n" % len(answer.body), answer.body)
    cycle.response_started = cycle.response_complete = True
    cycle.transport.write(b"".join(parts))
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
    """Send an answer; after the last one the connection ends."""
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
