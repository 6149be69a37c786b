"""What a route gives back: an answer, or a refusal that the application turns into one."""

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
    """An answer other than 200: ``{"error": …}``."""

    def __init__(
        self, status: int, error: str, headers: tuple[tuple[bytes, bytes], ...] = ()
    ) -> None:
        self.status = status
        self.headers = headers
        super().__init__(error)

    @property
    def answer(self) -> Answer:
        """What the client reads."""
        return Answer(as_json({"error": str(self)}), status=self.status, headers=self.headers)


def as_json(document: Any) -> bytes:
    """Return a document as JSON."""
    return msgspec.json.encode(document)
