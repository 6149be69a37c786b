"""``/v1/pipelines/{name}/settings``: the config service over HTTP.

``GET``, ``PUT``, ``PATCH`` · ``GET …/versions`` · ``GET …/diff`` · ``POST …/rollback``. A version
is an ETag; a change that was made to an older one than the newest is refused with 412.
"""

import asyncio
from collections.abc import Callable
from typing import Annotated, Any
from urllib.parse import parse_qsl

import msgspec

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.server.answers import JSON, Answer, Refused, as_json, not_allowed
from octavo.services.config import ConfigService
from octavo.services.keys import Caller

Whole = Annotated[int, msgspec.Meta(ge=0)]


class Change(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``PUT`` and ``PATCH``."""

    settings: dict[str, Any]
    """Setting to value; None: it is no longer set."""
    comment: str = ""
    by: str = "http"


class Rollback(msgspec.Struct, forbid_unknown_fields=True):
    """The body of ``POST …/rollback``."""

    version: Whole
    comment: str = ""
    by: str = "http"


class Query(msgspec.Struct, forbid_unknown_fields=True, rename={"old": "from", "new": "to"}):
    """What an address may hold of ``…/diff``."""

    old: Whole
    new: Whole | None = None


class Asked(msgspec.Struct, frozen=True):
    """What a request for settings says."""

    method: str
    path: str
    """Below ``…/settings``."""
    query: bytes
    kind: str
    """Content type of the body."""
    body: bytes
    if_match: str | None
    caller: Caller | None = None
    """Whose key it came with, who is then named as the one that changes."""


async def settings(service: ConfigService, asked: Asked) -> Answer:
    """Answer a request for settings, off the event loop."""
    methods = _ROUTES.get(asked.path)
    if methods is None:
        known = ", ".join(path for path in _ROUTES if path)
        raise Refused(404, f"settings have no {asked.path}; known: {known}")
    if asked.method not in methods:
        raise not_allowed(methods)
    if asked.method != "GET" and asked.kind.split(";")[0].strip() != JSON.decode():
        # Of other types a browser sends what any page tells it to, without asking here first.
        raise Refused(415, f"send the change as Content-Type: {JSON.decode()}")
    try:
        return await asyncio.to_thread(methods[asked.method], service, asked)
    except msgspec.ValidationError as error:
        raise Refused(400, f"{error}.") from error
    except msgspec.DecodeError as error:
        raise Refused(400, f"the body is no JSON: {error}.") from error
    except DefinitionError as error:
        raise Refused(422, str(error)) from error
    except DataError as error:
        raise Refused(412, str(error)) from error
    except ResourceError as error:
        raise Refused(503, str(error)) from error


def _get(service: ConfigService, asked: Asked) -> Answer:
    return _held(service)


def _put(service: ConfigService, asked: Asked) -> Answer:
    version = _expected(asked)
    if version is None:
        raise Refused(428, "PUT replaces all settings: say with If-Match which version it replaces")
    return _change(service, asked, version, replace=True)


def _patch(service: ConfigService, asked: Asked) -> Answer:
    return _change(service, asked, _expected(asked), replace=False)


def _change(service: ConfigService, asked: Asked, version: int | None, *, replace: bool) -> Answer:
    change = msgspec.json.decode(asked.body, type=Change)
    told = {"comment": change.comment, "by": _by(asked, change)}
    service.change(change.settings, **told, if_version=version, replace=replace)
    return _held(service)


def _rollback(service: ConfigService, asked: Asked) -> Answer:
    wanted = msgspec.json.decode(asked.body, type=Rollback)
    told = {"comment": wanted.comment, "by": _by(asked, wanted)}
    service.rollback(wanted.version, **told, if_version=_expected(asked))
    return _held(service)


def _versions(service: ConfigService, asked: Asked) -> Answer:
    return Answer(as_json(service.history()))


def _diff(service: ConfigService, asked: Asked) -> Answer:
    given = dict(parse_qsl(asked.query.decode("latin-1"), keep_blank_values=True))
    query = msgspec.convert(given, Query, strict=False)
    new = service.version if query.new is None else query.new
    return Answer(as_json(service.diff(query.old, new)))


_ROUTES: dict[str, dict[str, Callable[[ConfigService, Asked], Answer]]] = {
    "": {"GET": _get, "PUT": _put, "PATCH": _patch},
    "/versions": {"GET": _versions},
    "/diff": {"GET": _diff},
    "/rollback": {"POST": _rollback},
}


def _held(service: ConfigService) -> Answer:
    held = service.held()
    values = {n: {"value": held.values[n], "from": held.origins[n]} for n in held.values}
    told = {"version": held.version, "profile": held.profile, "settings": values}
    return Answer(as_json(told), headers=((b"etag", f'"{held.version}"'.encode()),))


def _by(asked: Asked, change: Change | Rollback) -> str:
    return asked.caller.name if asked.caller else change.by


def _expected(asked: Asked) -> int | None:
    """Return the version that ``If-Match`` names; None if any is welcome."""
    if asked.if_match in (None, "*"):
        return None
    number = asked.if_match.strip().strip('"')
    if not number.isdecimal():
        raise Refused(400, f'If-Match: {asked.if_match} is no version; write it as "3"')
    return int(number)
