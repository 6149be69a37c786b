"""What a route gives back: an answer, or a refusal that the application turns into one."""

from collections.abc import Collection
from typing import Any

import msgspec

JSON = b"application/json"
AGAIN = (b"retry-after", b"1")
"""The header of a refusal that will not last."""


class Answer(msgspec.Struct, frozen=True):
    """One HTTP answer."""

    body: bytes
    kind: bytes = JSON
    """Its content type."""
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ()
    """Besides content type and length."""


class Refused(Exception):
    """Why there is another answer than 200; `octavo.server.refusals` words it."""

    def __init__(
        self, status: int, error: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.headers = headers
        super().__init__(error)


def not_allowed(methods: Collection[str]) -> Refused:
    """Return the refusal of a method where there are others."""
    return Refused(405, f"use {' or '.join(methods)}", ((b"allow", ", ".join(methods).encode()),))


def as_json(document: Any) -> bytes:
    """Return a document as JSON."""
    return msgspec.json.encode(document)
