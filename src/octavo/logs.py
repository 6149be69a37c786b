"""What services say, a line each: to be read, or as JSON with what it is about.

Whoever says something uses ``logging``, and knows nothing of lines; what is being worked on is said
once, by `about`, where that begins.
"""

import json
import logging
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from octavo.errors import DefinitionError

LOG = logging.getLogger("octavo")
TEXT, JSON = "text", "json"
_FIRST = ("time", "level", "service")
"""What every object begins with."""

_ABOUT: ContextVar[Mapping[str, str]] = ContextVar("about", default=MappingProxyType({}))


@contextmanager
def about(**ids: str) -> Iterator[None]:
    """Say what all that is logged within is about, such as ``stage``, ``dataset``, ``batch_id``."""
    before = _ABOUT.set({**_ABOUT.get(), **ids})
    try:
        yield
    finally:
        _ABOUT.reset(before)


def also(**ids: str) -> None:
    """Say more, until the `about` around it ends: for an error that is told outside of the work."""
    _ABOUT.set({**_ABOUT.get(), **ids})


def begin(form: str, service: str, pipeline: str = "") -> None:
    """Write all that this process logs, from now on: information to standard output, else to error.

    Raises
    ------
    DefinitionError
        If there is no such form.
    """
    if form not in (TEXT, JSON):
        raise DefinitionError.unknown("form", form, (TEXT, JSON), where="log_format")
    handler = _Lines()
    handler.setFormatter(_Json(service, pipeline) if form == JSON else _Text())
    logging.basicConfig(handlers=[handler], level=logging.WARNING, force=True)
    LOG.setLevel(logging.INFO)


def relayed(line: str, *, service: str, pipeline: str, is_error: bool) -> str:
    """Return as JSON what a service said in whatever form."""
    found = _object(line)
    if not found.keys() >= {*_FIRST, "message"}:
        level = "error" if is_error else "info"
        found = {"time": _moment(datetime.now(UTC)), "level": level, "message": line}
    return _line(found | {"service": service}, pipeline)


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


class _Lines(logging.Handler):
    """Looks for the streams when it writes: they may have been replaced since it was made."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            stream = sys.stderr if record.levelno >= logging.WARNING else sys.stdout
            stream.write(self.format(record) + "\n")
            stream.flush()
        except Exception:  # noqa: BLE001  as all handlers do: a log that is full fails nothing
            self.handleError(record)


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = super().format(record)
        if record.levelno < logging.WARNING:
            return said
        return f"{record.levelname.lower()}: {said}"


class _Json(logging.Formatter):
    def __init__(self, service: str, pipeline: str) -> None:
        super().__init__()
        self._service, self._pipeline = service, pipeline

    def format(self, record: logging.LogRecord) -> str:
        found: dict[str, Any] = {
            "time": _moment(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname.lower(),
            "service": self._service,
            "message": record.getMessage().strip(),
            **_ABOUT.get(),
        }
        if record.exc_info:
            found["exception"] = self.formatException(record.exc_info)
        return _line(found, self._pipeline)


def _line(found: Mapping[str, Any], pipeline: str) -> str:
    named = {name: found[name] for name in _FIRST} | ({"pipeline": pipeline} if pipeline else {})
    return json.dumps(named | {k: v for k, v in found.items() if k not in _FIRST}, default=str)


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
