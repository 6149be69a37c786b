"""URLs that notifications are sent to. They hold passwords and tokens, so no message shows them."""

import re

from octavo.errors import DefinitionError

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S+")
_HOST = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^@/?#]*@)?([A-Za-z0-9.-]+)(?::\d+)?(?:[/?#][^@]*)?"
)
_WITH_HOST = ("form", "forms", "json", "jsons", "mailto", "mailtos", "xml", "xmls")
"""Schemes whose URLs begin with a host; those of many services begin with a token."""


def notify_urls(value: object, *, where: str) -> tuple[str, ...]:
    """Return a list of URLs as a tuple.

    Raises
    ------
    DefinitionError
        If it is no list, or one of them is no URL; says which, not what it is.
    """
    if not isinstance(value, list | tuple):
        raise DefinitionError(
            "it is not a list of URLs.", where=where, fix='notify=["mailto://…", "json://…"].'
        )
    for number, url in enumerate(value):
        if not isinstance(url, str) or not _URL.fullmatch(url):
            raise DefinitionError(
                "it is not a URL.",
                where=f"{where}[{number}]",
                fix="Write scheme://…, as Apprise does.",
            )
    return tuple(value)


def redacted(url: str) -> str:
    """Return a URL's scheme, and its host where that can be told from a token.

    >>> redacted("json://user:password@example.org:8080/path?key=secret")
    'json://example.org'
    >>> redacted("tgram://123456:token/chat")
    'tgram://…'
    """
    scheme = url.split("://")[0].lower()
    host = _HOST.fullmatch(url) if scheme in _WITH_HOST else None
    return f"{scheme}://{host[1] if host else '…'}"
