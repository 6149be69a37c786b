"""Bodies of requests as they come: so many bytes at the most, and no clients that let it wait.

It knows nothing of what they hold.
"""

import asyncio
from typing import Any

from octavo.server.answers import AGAIN, Refused
from octavo.server.asgi import CLOSE, Message, Receive, Scope
from octavo.server.connection import arrived

SLOWEST = 20.0
"""Seconds that a client may send nothing of a body that it has begun."""
LEAST = 500.0
"""Bytes a second that come of a body that takes longer than that; as of Apache's mod_reqtimeout."""
TOGETHER = 4
"""Times the largest body that all bodies together take of memory."""


class Body:
    """The body of one request."""

    __slots__ = ("_of", "_receive", "_scope", "began", "late", "since", "size", "task")

    def __init__(self, of: "Bodies", scope: Scope, receive: Receive) -> None:
        self._of, self._scope, self._receive = of, scope, receive
        self.task: asyncio.Task[Any] | None = None
        self.size = 0
        """Bytes that came."""
        self.began = self.since = 0.0
        """When its client was waited for first, and last, by the clock of the event loop."""
        self.late = ""
        """Why it is given up."""

    async def receive(self) -> Message:
        """Receive the next part, as ASGI has it.

        Raises
        ------
        Refused
            If it, or all bodies together, are too large, or the client is too slow.
        """
        message = arrived(self._scope) or await self._waited()
        self._of.came(self, len(message.get("body", b"")))
        return message

    async def _waited(self) -> Message:
        self.task = asyncio.current_task()
        self._of.wait(self)
        try:
            return await self._receive()
        except asyncio.CancelledError:
            if not self.late or self.task is None:
                raise
            self.task.uncancel()
            raise Refused(408, self.late, (CLOSE,)) from None
        finally:
            self._of.waits_no_more(self)


class Bodies:
    """All bodies that are read, or held by whoever answers.

    Parameters
    ----------
    largest
        Bytes of one.
    """

    def __init__(self, largest: int) -> None:
        self.largest = largest
        self._bytes = 0
        self._silent: dict[Body, None] = {}
        self._is_timed = False

    def check(self, length: int) -> None:
        """Refuse a body by its length, before any of it is read."""
        if length > self.largest:  # who is still sending is told to end: nobody reads the rest
            raise Refused(413, f"the body is larger than {self.largest:,} bytes", (CLOSE,))

    def begin(self, scope: Scope, receive: Receive) -> Body:
        """Return the body of a request."""
        return Body(self, scope, receive)

    def end(self, body: Body) -> None:
        """Forget a body: the request is answered."""
        self._bytes -= body.size

    def hold(self, size: int) -> None:
        """Count a body that is there, until it is let go.

        Raises
        ------
        Refused
            If it, or all bodies together, are too large; then it is not counted.
        """
        self.check(size)
        if self._bytes + size > TOGETHER * self.largest:
            raise _too_much()
        self._bytes += size

    def let_go(self, size: int) -> None:
        """Forget a body that was held."""
        self._bytes -= size

    def wait(self, body: Body) -> None:
        """Note that a client is waited for, from now on."""
        loop = asyncio.get_running_loop()
        body.since = loop.time()
        body.began = body.began or body.since
        if not self._is_timed:
            self._is_timed = True
            loop.call_later(SLOWEST / 4, self._sweep)
        self._silent[body] = None

    def waits_no_more(self, body: Body) -> None:
        """Note that something came, or that nobody waits for it."""
        self._silent.pop(body, None)

    def came(self, body: Body, size: int) -> None:
        """Count what came of a body."""
        body.size += size
        self._bytes += size
        self.check(body.size)
        if self._bytes > TOGETHER * self.largest:
            raise _too_much()

    def _sweep(self) -> None:
        """Give up who is too slow: one timer for all, as each would cost a request."""
        loop = asyncio.get_running_loop()
        for body in list(self._silent):
            body.late = _why_late(body, loop.time())
            if body.late and body.task is not None:
                del self._silent[body]
                body.task.cancel()
        self._is_timed = bool(self._silent)
        if self._is_timed:
            loop.call_later(SLOWEST / 4, self._sweep)


def _too_much() -> Refused:
    return Refused(429, "too much is being sent at the same time", (AGAIN, CLOSE))


def _why_late(body: Body, now: float) -> str:
    """Return why a body is given up; empty: it is not."""
    if now - body.since >= SLOWEST:
        return f"nothing came of the body for {SLOWEST:g} seconds"
    taken = now - body.began
    if taken >= SLOWEST and body.size < LEAST * taken:
        return f"fewer than {LEAST:g} bytes a second came of the body"
    return ""
