"""The ID of a request: as its client gave it, else made where it is needed.

Clients, and whoever stands before a server, tell requests apart by ``x-request-id``. It comes back
with the answer and is in each line that is logged meanwhile. A request without one costs nothing,
unless there is a fault that is to be found again in the log.
"""

import re
import uuid
from collections.abc import Iterable

from octavo.server.answers import Answer
from octavo.server.asgi import Scope

HEADER = b"x-request-id"
_FORM = re.compile(rb"[!-~]{1,128}")


def given(scope: Scope) -> bytes | None:
    """Return the ID that a client gave; None: it gave none, or none that can be told."""
    return among(scope["headers"])


def among(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """Return the ID among some headers, as `given`."""
    for name, value in headers:
        if name == HEADER:
            return value if _FORM.fullmatch(value) else None
    return None


def made() -> str:
    """Return an ID that no other request has."""
    return uuid.uuid4().hex


def identified(answer: Answer, scope: Scope) -> Answer:
    """Return an answer with the ID of its request, if that has one."""
    found = given(scope)
    if found is None:
        return answer
    return Answer(answer.body, answer.kind, answer.status, (*answer.headers, (HEADER, found)))
