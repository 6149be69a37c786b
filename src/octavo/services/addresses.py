"""Sending to a URL, through Apprise. What a URL holds is in no message, log or traceback.

Variables of the environment are read here alone, and what is made of them is kept by nobody.
"""

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any
from urllib.parse import quote

from octavo.definition.notify import VARIABLE, Notify, redacted
from octavo.errors import DefinitionError, OctavoError, ResourceError
from octavo.services.messages import Message

_KINDS = {"error": "failure"}
"""Apprise's word for a severity, where it has another one."""
_PARTS = re.compile(r"([^/?#]*@)?([^?]*)(.*)", re.DOTALL)
"""User and password, place, options."""
_STATUS = re.compile(r"\berror=(\d{3})\b")


def check(notifies: Sequence[Notify], environment: Mapping[str, str]) -> None:
    """Refuse what can never be sent, before anything runs.

    Raises
    ------
    ResourceError
        If Apprise is not installed, or a variable is not set.
    DefinitionError
        If Apprise knows no service for a URL.
    """
    for number, notify in enumerate(notifies):
        _opened(notify.url, environment, f"Pipeline.notify[{number}]")


def sent(url: str, message: Message, environment: Mapping[str, str]) -> str:
    """Send a message; return why it was not taken, or nothing."""
    try:
        target = _opened(url, environment, redacted(url))
    except OctavoError as error:
        return error.what
    import apprise

    told = {"title": message.title, "body": message.body, "body_format": "text"}
    kind = _KINDS.get(message.severity, message.severity)
    with apprise.LogCapture(level=logging.WARNING) as log:
        try:
            is_taken = target.notify(notify_type=kind, **told)
        except Exception as error:  # noqa: BLE001  the code of a hundred services runs here
            return f"it failed with {type(error).__name__}"
        said: Any = log  # in memory, since it was given no path
        return "" if is_taken else _reason(said.getvalue())


def _opened(url: str, environment: Mapping[str, str], where: str) -> Any:
    """Return what sends to a URL."""
    try:
        import apprise
    except ImportError as error:
        raise ResourceError.not_installed("Apprise", extra="notify", where=where) from error
    logger = logging.getLogger("apprise")
    logger.propagate = False  # what it logs may hold the URL
    if not logger.handlers:
        logger.addHandler(logging.NullHandler())
    whole = expanded(url, environment, where)
    target = apprise.Apprise(asset=apprise.AppriseAsset(storage_mode="memory"))
    if not target.add(whole):
        raise DefinitionError(
            f"Apprise knows no such service, or cannot read the URL ({redacted(url)}).",
            where=where,
            fix="Write the URL as Apprise's list of services shows it.",
        )
    return target


def expanded(url: str, environment: Mapping[str, str], where: str) -> str:
    """Return a URL with the values of its variables.

    In the place of a user, a password or an option a value is percent-encoded, so that it may hold
    any character; elsewhere it is taken as it is.

    Raises
    ------
    ResourceError
        If one is not set; names it.
    """

    def filled(text: str, encode: Callable[[str], str] = str) -> str:
        return VARIABLE.sub(lambda found: encode(value(found[1])), text)

    def value(name: str) -> str:
        if not (found := environment.get(name)):
            raise ResourceError(
                f"the environment has no {name}.", where=where, fix=f"Set {name}, and run again."
            )
        return found

    scheme, separator, rest = url.partition("://")
    if not separator:
        return filled(url)
    parts = _PARTS.fullmatch(rest)
    assert parts is not None, "it fits every text"
    user, place, options = parts.groups("")
    encode = partial(quote, safe="")
    return f"{scheme}://{filled(user, encode)}{filled(place)}{filled(options, encode)}"


def _reason(log: str) -> str:
    """Return what may be told of Apprise's own words: nothing that could be a secret."""
    if status := _STATUS.search(log):
        return f"HTTP {status[1]}"
    return "no connection, or it was ended" if "onnection" in log else "it was not taken"
