"""Who is told of what, and when: URLs of Apprise, and rules beside each.

URLs hold passwords and tokens, so no message shows them. ``${NAME}`` in one is a variable of the
environment, which is read when something is sent, and never before.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time
from string import Formatter
from zoneinfo import ZoneInfo

from octavo.definition.arguments import columns, instance, listed, whole_number
from octavo.definition.durations import Duration, written
from octavo.definition.fingerprint import Declaration
from octavo.definition.kinds import ACROSS, KINDS, STAGES
from octavo.errors import DefinitionError

SEVERITIES = ("info", "warning", "error")
"""From least to gravest."""
VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
FIELDS = {
    "pipeline": "shop",
    "kind": "model ready",
    "stage": "evaluation",
    "severity": "info",
    "subject": "candidate-1",
    "detail": "0.5 on test",
    "text": "model ready: candidate-1 — 0.5 on test",
    "at": datetime(2026, 1, 1, tzinfo=UTC),
    "by": "jane",
    "run": "run-1",
    "count": 1,
}
"""What a template may name, each with an example."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://\S+")
_HOST = re.compile(
    r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^@/?#]*@)?([A-Za-z0-9.-]+)(?::\d+)?(?:[/?#][^@]*)?"
)
_WITH_HOST = ("form", "forms", "json", "jsons", "mailto", "mailtos", "xml", "xmls")
"""Schemes whose URLs begin with a host; those of many services begin with a token."""


def redacted(url: str) -> str:
    """Return a URL's scheme, and its host where that can be told from a token.

    >>> redacted("json://user:password@example.org:8080/path?key=secret")
    'json://example.org'
    >>> redacted("tgram://123456:token/chat")
    'tgram://…'
    >>> redacted("${TEAM_URL}")
    '${TEAM_URL}'
    """
    if VARIABLE.fullmatch(url):
        return url
    scheme = url.split("://")[0].lower()
    host = _HOST.fullmatch(url) if scheme in _WITH_HOST else None
    return f"{scheme}://{host[1] if host else '…'}"


@dataclass(frozen=True, eq=False)
class Quiet(Declaration):
    """Hours of every day in which nobody is to be disturbed.

    Examples
    --------
    >>> Quiet("22:00", "07:00", zone="Europe/Berlin")
    Quiet(begin='22:00', end='07:00', zone='Europe/Berlin')

    Raises
    ------
    DefinitionError
        If there is no such time of day or zone, or begin and end are the same.
    """

    begin: str
    """Hours and minutes, such as ``"22:00"``; part of it."""
    end: str
    """Not part of it; before ``begin``: on the next day."""
    zone: str = "UTC"
    """Whose clock it is, such as ``"Europe/Berlin"``."""

    def __post_init__(self) -> None:
        for name in ("begin", "end"):
            value = getattr(self, name)
            if not isinstance(value, str) or not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", value):
                raise DefinitionError(
                    "it is not a time of day.", where=f"Quiet.{name}", fix='Write "22:00".'
                )
        if self.begin == self.end:
            raise DefinitionError(
                "it begins when it ends.",
                where="Quiet",
                fix="Give it some length, or leave it out.",
            )
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, TypeError, OSError) as error:
            raise DefinitionError(
                f"there is no time zone {self.zone!r}.",
                where="Quiet.zone",
                fix='Write one of the IANA data base, such as "Europe/Berlin".',
            ) from error

    @property
    def hours(self) -> tuple[time, time]:
        """Begin and end, as times of day."""
        return time.fromisoformat(self.begin), time.fromisoformat(self.end)


@dataclass(frozen=True)
class Notify:
    """People who are told of events at a URL, of which, when, and in what words.

    Examples
    --------
    >>> Notify("mailto://octavo:${SMTP_PASSWORD}@example.org", severity="warning").shown
    'mailto://example.org'

    Raises
    ------
    DefinitionError
        If something in it cannot be; says what, but never what the URL is.
    """

    url: str = field(repr=False, metadata={"meaning": False, "written": redacted})
    """As Apprise writes it. ``${NAME}`` is a variable of the environment."""
    severity: str = "info"
    """``info``, ``warning`` or ``error``: only events that are at least so grave."""
    stages: Sequence[str] = ()
    """Only events of these stages; ``across`` are those of none. Empty: of all."""
    kinds: Sequence[str] = ()
    """Only events of these kinds. Empty: of all that people are told of by default."""
    share: float = 0.0
    """Of which share of a batch's rows, 0 to 1, being rejected is told."""
    title: str = "octavo: {pipeline}"
    """A template of `str.format`; see `FIELDS`."""
    body: str = "{text}"
    """The same, of each event."""
    quiet: Quiet | None = None
    """When nothing is sent; what happens then is told afterwards, in one message."""
    digest: Duration | None = None
    """How long events are collected from the first one on, for one message."""
    at_once: str | None = None
    """Events at least so grave wait neither for a digest nor for the end of quiet hours."""
    attempts: int = 12
    """How often a message is tried, in about three hours, until it is given up."""

    def __post_init__(self) -> None:
        _check_url(self.url, where="Notify.url")
        for name in ("severity", "at_once"):
            value = getattr(self, name)
            if value not in SEVERITIES and not (name == "at_once" and value is None):
                raise DefinitionError.unknown(
                    "severity", str(value), SEVERITIES, where=f"Notify.{name}"
                )
        for name, kind, known in (("stages", "stage", (*STAGES, ACROSS)), ("kinds", "kind", KINDS)):
            where = f"Notify.{name}"
            object.__setattr__(self, name, columns(getattr(self, name), where=where))
            for each in getattr(self, name):
                if each not in known:
                    raise DefinitionError.unknown(kind, each, known, where=where)
        instance(self.share, (int, float), where="Notify.share")
        if not 0 <= self.share <= 1:
            raise DefinitionError("it is no share.", where="Notify.share", fix="Use 0 to 1.")
        for name in ("title", "body"):
            _check_template(getattr(self, name), where=f"Notify.{name}")
        if self.quiet is not None:
            instance(self.quiet, Quiet, where="Notify.quiet")
        if self.digest is not None:
            object.__setattr__(self, "digest", written(self.digest, where="Notify.digest"))
        whole_number(self.attempts, least=1, where="Notify.attempts")

    @property
    def shown(self) -> str:
        """The URL as it may be shown."""
        return redacted(self.url)


def notifies(value: object, *, where: str) -> tuple[Notify, ...]:
    """Return a list of URLs and `Notify` as a tuple of the latter.

    Raises
    ------
    DefinitionError
        If it is no list, or one of them is no URL; says which, not what it is.
    """
    if not isinstance(value, list | tuple):
        raise DefinitionError(
            "it is not a list of URLs.", where=where, fix='notify=["mailto://…", "json://…"].'
        )
    for number, each in enumerate(value):
        if not isinstance(each, Notify):
            _check_url(each, where=f"{where}[{number}]")
    return listed([Notify(e) if isinstance(e, str) else e for e in value], Notify, where=where)


def _check_url(url: object, *, where: str) -> None:
    if not isinstance(url, str) or not (_URL.fullmatch(url) or VARIABLE.fullmatch(url)):
        raise DefinitionError(
            "it is not a URL.",
            where=where,
            fix="Write scheme://…, as Apprise does, or ${NAME}, a variable that holds all of it.",
        )
    if "${" in VARIABLE.sub("", url):
        raise DefinitionError(
            "a variable in it is not written so.", where=where, fix="Write ${SMTP_PASSWORD}."
        )


def _check_template(text: object, *, where: str) -> None:
    """Refuse what `str.format` cannot fill, and names that are none of `FIELDS`."""
    if not isinstance(text, str) or not text.strip():
        raise DefinitionError("it is no text.", where=where, fix='Write "{text}", for one.')
    try:
        for _, name, format_, _ in Formatter().parse(text):
            inner = [each for _, each, _, _ in Formatter().parse(format_ or "")]
            for each in (name, *inner):
                if each is not None and each not in FIELDS:
                    raise DefinitionError.unknown("field", each, FIELDS, where=where)
        text.format_map(FIELDS)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DefinitionError(
            f"it cannot be filled: {error}.",
            where=where,
            fix="Write fields as {subject}, and a brace that is meant twice.",
        ) from error
