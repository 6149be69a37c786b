"""Connections on which no request comes: each for so long, and so many, at the most.

Any number of them costs a client nothing, and the server a file descriptor each, of which it needs
some to log what it answers. It knows nothing of requests that have come: how long these may take
`octavo.server.incoming` says.
"""

import resource
from collections.abc import Collection
from typing import Any

HEAD = 20.0
"""Seconds in which the head of a request comes."""
UNREAD = 60.0
"""Seconds in which a client reads something of what was written to it; as nginx has it."""
FILES = 10_240
"""Files that may be open, connections among them, if the system allows as many."""


class Idle:
    """Closes connections.

    Parameters
    ----------
    most
        Connections; of more, those that have waited longest for a request are closed.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._since: dict[Any, tuple[Any, float]] = {}
        self._unread: dict[Any, tuple[int, float]] = {}

    def look(self, connections: Collection[Any], now: float) -> None:
        """Close what has waited for too long; to be called again and again.

        Parameters
        ----------
        connections
            All that are open, as uvicorn keeps them.
        now
            Seconds of a clock that never goes back.
        """
        before, self._since = self._since, {}
        for each in connections:
            last = each.cycle  # the last request, if there was one
            if last is None or last.response_complete:
                of, since = before.get(each, (last, now))
                self._since[each] = last, since if of is last else now
        longest = sorted(self._since, key=lambda each: self._since[each][1])
        longest = [each for each in longest if not each.transport.is_closing()]
        surplus = max(0, len(connections) - self.most)
        for place, each in enumerate(longest):
            if place < surplus or now - self._since[each][1] >= HEAD:
                each.transport.close()
        self._end_unread(connections, now)

    def _end_unread(self, connections: Collection[Any], now: float) -> None:
        """End connections whose client reads nothing: to close them would wait for it."""
        before, self._unread = self._unread, {}
        for each in connections:
            if left := each.transport.get_write_buffer_size():
                of, since = before.get(each, (left, now))
                self._unread[each] = left, since if of == left else now
                if now - self._unread[each][1] >= UNREAD:
                    each.transport.abort()


def most_connections() -> int:
    """Return how many connections there may be: half of the files, since others are needed too.

    As many files may be open as the system lets this process have, which is more than it begins
    with: Go does the same when it starts.
    """
    begun, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    files = FILES if most == resource.RLIM_INFINITY else min(FILES, most)
    if begun != resource.RLIM_INFINITY and begun < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, most))
    return files // 2
