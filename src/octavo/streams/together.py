"""Group commit: what several threads ask for at the same time is done together, by one of them.

The first leads. While it waits for the disk, others queue up; when it is done, the first of these
leads, for all who wait by then. It knows nothing of what is asked for.
"""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Request = TypeVar("Request")


@dataclass(eq=False)
class _Waiting(Generic[Request]):
    request: Request
    leads: bool
    woken: threading.Event = field(default_factory=threading.Event)


class Together(Generic[Request]):
    """Serves requests of several threads together.

    Parameters
    ----------
    serve
        Serves some requests, in the order in which they came; never called by two threads at once.
        What it raises reaches the one that leads, so it has to leave with the others' requests what
        they must know.
    lock
        Held while it serves; requests that come before it is got are served too.
    """

    def __init__(self, serve: Callable[[Sequence[Request]], None], lock: threading.Lock) -> None:
        self._serve = serve
        self._serving = lock
        self._queueing = threading.Lock()
        self._queue: list[_Waiting[Request]] = []
        self._is_led = False

    def do(self, request: Request) -> None:
        """Return when a request was served, by this thread or by another one."""
        with self._queueing:
            mine = _Waiting(request, leads=not self._is_led)
            self._is_led = True
            self._queue.append(mine)
        if not mine.leads:
            self._wait(mine)
        if mine.leads:
            self._lead()

    def _wait(self, mine: _Waiting[Request]) -> None:
        try:
            mine.woken.wait()
        except BaseException:  # interrupted: others must not wait for this thread to lead
            with self._queueing:
                if mine in self._queue:
                    self._queue.remove(mine)
                if mine.leads:
                    self._hand_over()
            raise

    def _lead(self) -> None:
        served: list[_Waiting[Request]] = []
        try:
            with self._serving:
                with self._queueing:
                    served, self._queue = self._queue, []
                self._serve([each.request for each in served])
        finally:
            with self._queueing:
                self._hand_over()
            for each in served:
                each.woken.set()

    def _hand_over(self) -> None:
        """Let the first in the queue lead, if there is one."""
        self._is_led = bool(self._queue)
        for first in self._queue[:1]:
            first.leads = True
            first.woken.set()
