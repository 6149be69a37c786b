"""Which handler answers an address: a table of patterns, looked up segment by segment.

A pattern such as ``/v1/pipelines/{name}/predict`` is found in as many steps as it has segments,
however many there are. It knows nothing of what handlers do.
"""

from collections.abc import Awaitable, Callable
from functools import lru_cache
from typing import NamedTuple, Protocol

from octavo.server.answers import Answer, Refused
from octavo.server.asgi import Receive, Scope

LARGEST_BODY = 16 * 1024 * 1024
"""Bytes; a larger request is refused with 413."""

_KNOWN, _SHORT = 1024, 256
"""How many addresses are remembered, and of how many characters at the most."""


class Request:
    """What is asked: one HTTP request."""

    __slots__ = ("_receive", "method", "params", "path", "query", "scope")

    def __init__(self, scope: Scope, receive: Receive, params: tuple[str, ...]) -> None:
        self.scope = scope
        self._receive = receive
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.query: bytes = scope["query_string"]
        self.params = params
        """What the braces of its pattern stand for, in order."""

    def header(self, name: bytes) -> bytes | None:
        """Return a header's value, by its name in small letters; None if it is not sent."""
        for key, value in self.scope["headers"]:
            if key == name:
                return value
        return None

    @property
    def headers(self) -> dict[bytes, bytes]:
        """All headers, names in small letters; of one that is sent twice the last."""
        return dict(self.scope["headers"])

    async def body(self, largest: int = LARGEST_BODY) -> bytes:
        """Read the body.

        Raises
        ------
        Refused
            If it is larger than that many bytes, or its client has gone away.
        """
        length = self.header(b"content-length")
        if length is not None and int(length) > largest:  # before any of it is read
            raise _too_large(largest)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if not message.get("more_body") and message["type"] == "http.request":
            if len(body) <= largest:
                return body
            raise _too_large(largest)
        parts, size = [body], len(body)
        while message.get("more_body"):
            if size > largest:
                raise _too_large(largest)
            message = await self._receive()
            parts.append(message.get("body", b""))
            size += len(parts[-1])
        if message["type"] == "http.disconnect":
            raise Refused(400, "the client went away")
        if size > largest:
            raise _too_large(largest)
        return b"".join(parts)


Handler = Callable[[Request], Awaitable[Answer]]


class Reply(Protocol):
    """Takes an answer, or why there is none; see `octavo.services.batching.Owed`."""

    def done(self) -> bool:
        """Return whether nobody waits for it any more."""
        ...

    def cancel(self) -> object:
        """Learn that it is given up, for nobody waits for it."""
        ...

    def set_result(self, answer: Answer, /) -> None:
        """Take an answer."""
        ...

    def set_exception(self, error: BaseException, /) -> None:
        """Take what a handler raises."""
        ...


Begin = Callable[[bytes, Reply], None]
"""Begins to answer a body; it may raise what a handler does."""
AtOnce = Callable[[Request], Begin | None]
"""Gives what answers the bodies of requests whose heads say the same, without a task of its own;
None: a handler does, as of all others. The request it is given has no body."""


class Found(NamedTuple):
    """A pattern that an address fits."""

    pattern: str
    methods: dict[str, Handler]
    params: tuple[str, ...]
    at_once: AtOnce | None
    """Of ``POST``."""


class _Node:
    """What may follow after some segments."""

    __slots__ = ("any", "at_once", "methods", "named", "pattern")

    def __init__(self) -> None:
        self.at_once: AtOnce | None = None
        self.named: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.pattern = ""
        self.methods: dict[str, Handler] = {}


class Routes:
    """The table. A segment that is written out goes before one in braces."""

    def __init__(self) -> None:
        self._root = _Node()
        self._known = lru_cache(_KNOWN)(self._find)  # few are asked for, again and again

    def add(
        self, method: str, pattern: str, handler: Handler, at_once: AtOnce | None = None
    ) -> None:
        """Let a handler answer what fits a pattern; and ``at_once`` what it can, of ``POST``."""
        node = self._root
        for segment in pattern.split("/"):
            if segment.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.named.setdefault(segment, _Node())
        node.pattern = pattern
        node.methods[method] = handler
        node.at_once = at_once or node.at_once
        self._known.cache_clear()

    def find(self, path: str) -> Found | None:
        """Return the pattern that an address fits; None: there is no such address."""
        return self._known(path) if len(path) <= _SHORT else self._find(path)

    def _find(self, path: str) -> Found | None:
        node, params = self._root, []
        for segment in path.split("/"):
            following = node.named.get(segment)
            if following is None:
                following = node.any
                params.append(segment)
            if following is None:
                return None
            node = following
        if not node.methods:
            return None
        return Found(node.pattern, node.methods, tuple(params), node.at_once)


def _too_large(largest: int) -> Refused:
    return Refused(413, f"the body is larger than {largest} bytes")
