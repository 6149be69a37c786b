"""Lengths of time, written the way people say them: ``"90s"``, ``"1h"``, ``"7d"``."""

import re
from datetime import timedelta

from octavo.errors import DefinitionError

MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "m": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 604_800_000_000,
}
LONGEST = 1 << 58
"""Microseconds; 9,000 years, so that sums with an event time fit into int64."""
_PART = re.compile(r"(\d+)(us|ms|s|m|h|d|w)")

Duration = str | timedelta


def microseconds(duration: Duration, *, where: str) -> int:
    """Return a duration in microseconds.

    Parameters
    ----------
    duration
        A ``timedelta`` or text such as ``"1h"``, ``"7d"``, ``"1d12h"``; units us ms s m h d w.
    where
        Names the field in the error.

    Raises
    ------
    DefinitionError
        If the text is no duration, or is negative or beyond `LONGEST`.
    """
    if isinstance(duration, timedelta):
        value = duration // timedelta(microseconds=1)
    else:
        parts = _PART.findall(duration) if isinstance(duration, str) else []
        if not parts or "".join(n + unit for n, unit in parts) != duration:
            raise DefinitionError(
                f"{duration!r} is not a duration.",
                where=where,
                fix='Write number and unit (us, ms, s, m, h, d, w): "30m", "1h", "7d", "1d12h".',
            )
        value = sum(int(n) * MICROSECONDS[unit] for n, unit in parts)
    if not 0 <= value <= LONGEST:
        what = "negative" if value < 0 else "longer than 9,000 years"
        raise DefinitionError(
            f"a duration cannot be {what}.", where=where, fix="Use 0 or more, within reason."
        )
    return value


def written(duration: Duration, *, where: str) -> str:
    """Return a duration as `spoken` writes it, so that equal lengths are written equally.

    Raises
    ------
    DefinitionError
        As `microseconds` does.
    """
    return spoken(microseconds(duration, where=where))


def spoken(duration: int) -> str:
    """Return microseconds as the shortest text that `microseconds` reads back.

    >>> spoken(3_600_000_000)
    '1h'
    >>> spoken(129_600_000_000)
    '1d12h'
    """
    text, rest = "", duration
    for unit in ("w", "d", "h", "m", "s", "ms", "us"):
        if unit == "w" and rest % MICROSECONDS["w"]:
            continue
        if unit == "w" and rest == MICROSECONDS["w"]:
            continue  # people say 7d
        count, rest = divmod(rest, MICROSECONDS[unit])
        text += f"{count}{unit}" if count else ""
    return text or "0s"
