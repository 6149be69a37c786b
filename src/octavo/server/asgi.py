"""What the server calls the parts of ASGI, and an answer sent through it."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from octavo.server.answers import Answer

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLOSE = (b"connection", b"close")
"""The header of the last answer of a connection."""


async def answered(answer: Answer, send: Send, *, is_last: bool) -> None:
    """Send an answer; after the last one the connection ends."""
    length = (b"content-length", str(len(answer.body)).encode())
    headers = [(b"content-type", answer.kind), length, *answer.headers]
    if is_last and CLOSE not in headers:
        headers.append(CLOSE)
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
