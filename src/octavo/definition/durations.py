"""Lengths of time, written the way people say them: ``"90s"``, ``"1h"``, ``"7d"``."""

import re
from datetime import timedelta

from octavo.errors import DefinitionError

MICROSECONDS = {
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
_PART = re.compile(r"(\d+)(ms|s|m|h|d|w)")

Duration = str | timedelta


def microseconds(duration: Duration, *, where: str) -> int:
    """Return a duration in microseconds.

    Parameters
    ----------
    duration
        A ``timedelta`` or text such as ``"1h"``, ``"7d"``, ``"1d12h"`` (units ms, s, m, h, d, w).
    where
        Names the field in the error.

    Raises
    ------
    DefinitionError
        If the text is no duration, or is negative.
    """
    if isinstance(duration, timedelta):
        value = round(duration / timedelta(microseconds=1))
    else:
        parts = _PART.findall(duration) if isinstance(duration, str) else []
        if not parts or "".join(n + unit for n, unit in parts) != duration:
            raise DefinitionError(
                f"{duration!r} is not a duration.",
                where=where,
                fix='Write a number and a unit: "30m", "1h", "7d", "1d12h" (ms, s, m, h, d, w).',
            )
        value = sum(int(n) * MICROSECONDS[unit] for n, unit in parts)
    if value < 0:
        raise DefinitionError("a duration cannot be negative.", where=where, fix="Use 0 or more.")
    return value


def spoken(duration: int) -> str:
    """Return microseconds as the shortest text that `microseconds` reads back.

    >>> spoken(3_600_000_000)
    '1h'
    >>> spoken(129_600_000_000)
    '1d12h'
    """
    text, rest = "", duration
    for unit in ("w", "d", "h", "m", "s", "ms"):
        if unit == "w" and rest % MICROSECONDS["w"]:
            continue
        if unit == "w" and rest == MICROSECONDS["w"]:
            continue  # people say 7d
        count, rest = divmod(rest, MICROSECONDS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"
