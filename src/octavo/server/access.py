"""Who may ask what, how often and how much: a gate around the HTTP application.

It looks at the head of a request alone, before the application knows of it, and counts what is read
of its body. It knows nothing of what is asked. Of a request with a key the application finds the
`Caller` in its scope, under `CALLER`.
"""

import asyncio
import math
import re
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from prometheus_client import CollectorRegistry, Counter

from octavo.errors import ResourceError
from octavo.server.answers import AGAIN, Refused
from octavo.server.asgi import Receive, Scope, Send
from octavo.server.connection import Owed, Take, answered
from octavo.server.incoming import Bodies
from octavo.server.refusals import refusal
from octavo.services.keys import Caller, KnownKeys, Role
from octavo.services.limits import Buckets, Limits

CALLER = "octavo.caller"
OPEN = "open"
"""In the place of a role: anybody may ask, at any time, whether the server is there."""
NEEDED = (
    ("", "/health", OPEN),
    ("", "/v2/health/(live|ready)|/ping|/version", OPEN),
    ("", "/metrics", Role.READ),
    ("", "/v1/datasets/[^/]+/events", Role.INGEST),
    ("", "/v1/pipelines(/[^/]+)?", Role.PREDICT),
    ("", "/v1/pipelines/[^/]+(/versions/[^/]+)?/predict(/features)?", Role.PREDICT),
    ("", "/v2/?|/v2/models/.+", Role.PREDICT),
    ("", "(/endpoints/[^/]+)?/invocations", Role.PREDICT),
    ("", "/openapi.json|/docs(/.*)?", Role.PREDICT),
    ("", "/v1/pipelines/[^/]+(/versions/[^/]+)?/features", Role.READ),
    ("", "/v1/pipelines/[^/]+/data", Role.READ),
    ("GET", "/v1/pipelines/[^/]+/settings(/.*)?", Role.READ),
    ("", "/v1/pipelines/[^/]+/settings(/.*)?", Role.OPERATE),
)
"""Method (none: any), path and the role it needs; the first that fits holds. With keys on there is
nothing else: a route that is forgotten here is not there, rather than open."""


LONGEST_PATH = 1024
"""Characters; no route is longer, and what is remembered of paths must not grow with them."""


def needed(method: str, path: str) -> str | None:
    """Return the role that a route needs, or `OPEN`; None if there is no such route."""
    return _needed(method, path) if len(path) <= LONGEST_PATH else None


@lru_cache(1024)
def _needed(method: str, path: str) -> str | None:
    fits = (role for of, form, role in NEEDED if of in ("", method) and re.fullmatch(form, path))
    return next(fits, None)


class Access:
    """Answers what is refused, and hands on the rest.

    Parameters
    ----------
    app
        Turns a `Refused` that reading a body raises into an answer. ``is_leaving`` as of
        `octavo.server.App`.
    keys
        Those that are usable; None: nobody needs one.
    registry
        Counts what is refused.
    """

    def __init__(
        self, app: Any, limits: Limits, keys: KnownKeys | None, registry: CollectorRegistry
    ) -> None:
        self._app, self._limits, self._keys = app, limits, keys
        self._buckets = Buckets()
        self._bodies = Bodies(limits.largest_body)
        self._busy = 0
        self._refused = Counter(
            "octavo_refused", "Requests refused at the gate.", ["status"], registry=registry
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI scope."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            self.admit(scope)
        except Refused as refused:
            self._refused.labels(refused.status).inc()
            answer = refusal(refused, scope["path"])
            await answered(answer, scope, send, is_last=self._app.is_leaving)
            return
        body = self._bodies.begin(scope, receive)
        self._busy += 1
        try:
            await self._app(scope, body.receive, send)
        finally:
            self._busy -= 1
            self._bodies.end(body)

    def at_once(self, scope: Scope) -> Take | None:
        """Return what answers requests of one head at once, as `App.at_once`; None: nothing does.

        Whoever asks is let in, or refused, each time; where neither keys nor rates are looked at,
        only the load and the body are.
        """
        take = self._app.at_once(scope)
        is_known = self._keys is not None or self._limits.rate is not None
        if is_known or needed(scope["method"], scope["path"]) == OPEN:
            return take and partial(self._take, take, self.admit)
        return take and partial(self._take, take, self._check_load)

    def _take(
        self,
        take: Take,
        admit: Callable[[Scope], None],
        scope: Scope,
        body: bytes,
        owed: Owed,
    ) -> None:
        size = len(body)
        try:
            admit(scope)
            self._bodies.hold(size)
        except Refused as refused:
            self._refused.labels(refused.status).inc()
            owed.give(refusal(refused, scope["path"]), is_last=self._app.is_leaving)
            return
        self._busy += 1
        owed.then = partial(self._ended, size)
        take(scope, body, owed)

    def _ended(self, size: int) -> None:
        self._busy -= 1
        self._bodies.let_go(size)

    def admit(self, scope: Scope) -> None:
        """Refuse a request by its head, an ASGI scope.

        Raises
        ------
        Refused
            401, 403, 404, 413 or 429; 503 if it cannot be known whose key it is.
        """
        authorization = api_key = length = b""
        for name, value in scope["headers"]:
            if name == b"content-length":
                length = value
            elif name == b"authorization":
                authorization = value
            elif name == b"x-api-key":
                api_key = value
        role = needed(scope["method"], scope["path"])
        if role == OPEN:
            return
        caller = None
        if self._keys is not None:
            caller = scope[CALLER] = _caller(self._keys, authorization, api_key)
            if role is None:
                raise Refused(404, f"there is no {scope['path']}")
            if role not in caller.roles:
                raise _forbidden(caller, role)
        self._check_rate(caller, scope)
        if length:
            self._bodies.check(int(length))
        self._check_load(scope)

    def _check_load(self, scope: Scope) -> None:
        if self._busy >= self._limits.in_flight:
            raise Refused(429, "the server has as much to do as it takes on", (AGAIN,))

    def _check_rate(self, caller: Caller | None, scope: Scope) -> None:
        rate = self._limits.rate
        client: str = (scope.get("client") or ("",))[0]
        if caller is not None:
            rate, client = caller.rate or rate, caller.key_id
        if rate is None:
            return
        wait = self._buckets.take(client, rate, asyncio.get_running_loop().time())
        if wait:
            seconds = str(math.ceil(wait)).encode()
            of = f"{rate.requests:g} requests in {rate.seconds:g} s"
            raise Refused(429, f"more than {of}", ((b"retry-after", seconds),))


def _caller(keys: KnownKeys, authorization: bytes, api_key: bytes) -> Caller:
    """Return who asks, by one of the two headers that a key comes in."""
    scheme, _, found = authorization.partition(b" ")
    key = found.strip() if scheme.lower() == b"bearer" else api_key
    try:
        caller = keys.caller(key)
    except ResourceError as error:
        raise Refused(503, str(error), (AGAIN,)) from error
    if caller is None:
        # Source of the words in the header: RFC 6750, section 3.
        what = 'Bearer realm="octavo"' + (', error="invalid_token"' if key else "")
        told = "the key is not known here, has expired or was revoked" if key else "there is no key"
        fix = "Send one as Authorization: Bearer octavo_…; `octavo keys create` makes it."
        raise Refused(401, f"{told}. {fix}", ((b"www-authenticate", what.encode()),))
    return caller


def _forbidden(caller: Caller, role: str) -> Refused:
    what = f'Bearer realm="octavo", error="insufficient_scope", scope="{role}"'
    has = ", ".join(each for each in Role if each in caller.roles)
    told = f"it needs the role {role}; the key of {caller.name} has {has}."
    return Refused(403, told, ((b"www-authenticate", what.encode()),))
