"""How much may be asked for: rates as token buckets, sizes, and how these are written.

A bucket holds as many tokens as a rate has requests and fills evenly; each request takes one. So
the whole of it may come at once, and never more than the rate in the long run. Source: the
token bucket of Turner, New Directions in Communications (1986). It knows nothing of keys or wires.
"""

import re
from collections import OrderedDict
from collections.abc import Hashable
from typing import NamedTuple, Self

from octavo.errors import DefinitionError

MOST_BUCKETS = 10_000
"""Clients that are remembered; of more, those that were silent longest begin with a full bucket."""
_RATE = re.compile(r"(\d+)/([smh])")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SIZE = re.compile(r"(\d+)(B|kB|KiB|MB|MiB|GB|GiB)")
_BYTES = {"B": 1, "kB": 10**3, "KiB": 2**10, "MB": 10**6, "MiB": 2**20, "GB": 10**9, "GiB": 2**30}


class Rate(NamedTuple):
    """So many requests in so many seconds."""

    requests: float
    seconds: float

    @classmethod
    def of(cls, text: str, *, where: str) -> Self:
        """Read ``100/s``, ``600/m`` or ``5000/h``.

        Raises
        ------
        DefinitionError
            If it is none of these, or nothing at all.
        """
        found = _RATE.fullmatch(text)
        if not found or not int(found[1]):
            raise DefinitionError(
                f"{text!r} is not a rate.", where=where, fix='Write "100/s", "600/m" or "5000/h".'
            )
        return cls(float(found[1]), _SECONDS[found[2]])


class Limits(NamedTuple):
    """What one server process takes."""

    rate: Rate | None = None
    """Of each key that has none of its own, and without keys of each address; None: any."""
    largest_body: int = 64 * 2**20
    """Bytes of a request; what a route takes may be less."""
    in_flight: int = 512
    """Requests that are answered at the same time."""


def size(text: str, *, where: str) -> int:
    """Return bytes of a text such as ``16MiB``.

    Raises
    ------
    DefinitionError
        If it is no size.
    """
    found = _SIZE.fullmatch(text)
    if not found:
        fix = f'Write a whole number and one of {", ".join(_BYTES)}, such as "16MiB".'
        raise DefinitionError(f"{text!r} is not a size.", where=where, fix=fix)
    return int(found[1]) * _BYTES[found[2]]


class Buckets:
    """A bucket for each client. Not thread-safe: it belongs to one event loop."""

    def __init__(self, most: int = MOST_BUCKETS) -> None:
        self._most = most
        self._full_at: OrderedDict[Hashable, float] = OrderedDict()

    def take(self, client: Hashable, rate: Rate, now: float) -> float:
        """Take a token; return 0, or the seconds until there is one.

        A bucket is one number, the time at which it will be full again: each token moves it on by
        what one takes to come.

        Parameters
        ----------
        now
            Seconds of a clock that never goes back.
        """
        each = rate.seconds / rate.requests
        full_at = max(self._full_at.get(client, now), now) + each
        wait = full_at - now - rate.seconds
        if wait > 1e-9 * rate.seconds:  # rounding must not refuse the last token
            return wait
        self._full_at[client] = full_at
        self._full_at.move_to_end(client)
        if len(self._full_at) > self._most:
            self._full_at.popitem(last=False)
        return 0.0
