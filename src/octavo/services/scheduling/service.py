"""The service that keeps a scheduler looking: the one place here where time is read."""

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial

from octavo.errors import OctavoError
from octavo.services.scheduling.jobs import Job
from octavo.services.scheduling.runs import Run
from octavo.services.scheduling.scheduler import Scheduler
from octavo.stores.catalog import Catalog, now
from octavo.stores.leases import Lease

LEASE = "scheduler"
"""The lease under which one process begins what is due."""
LOOK = 1.0
"""Seconds between two looks."""
WATCH = 5.0
"""Seconds between two looks for new data."""


class SchedulingService:
    """Begins what is due in a home, until told to stop.

    Parameters
    ----------
    offered
        Gives a fingerprint of what there is for a job that waits for data, None for nothing.
    command
        Gives the command line that runs some jobs.
    tell
        Takes what runs say, and what went wrong.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        catalog: Catalog,
        *,
        offered: Callable[[Job], str | None],
        command: Callable[[Sequence[Job]], Sequence[str]],
        tell: Callable[[str], None],
        seconds: float = 15,
    ) -> None:
        self._catalog, self._command, self._tell = catalog, command, tell
        self._lease = Lease(catalog, LEASE, seconds)
        self._run: Run | None = None
        settled = {job.name: Settled(partial(offered, job)) for job in jobs}
        self._scheduler = Scheduler(
            jobs,
            catalog,
            self._lease,
            offered=lambda job: settled[job.name].value(time.monotonic()),
            start=self._start,
        )

    def run(self, stop: threading.Event) -> None:
        """Look again and again; a run that is under way at the end is interrupted."""
        while not stop.is_set():
            try:
                self._scheduler.look(now())
            except OctavoError as error:  # the catalog is busy, or the disk full: the next look
                self._tell(f"error: {error}")
            stop.wait(LOOK)
        if self._run is not None and self._run.ended() is None:
            self._run.interrupt()
        self._lease.leave()

    def _start(self, jobs: Sequence[Job]) -> Run:
        self._tell(f"Runs {', '.join(job.name for job in jobs)}")
        self._run = Run(self._command(jobs), self._catalog, self._tell)
        return self._run


class Settled:
    """A value that is looked at now and then, and counts when it is the same twice.

    A file that is being written is another one each time.
    """

    def __init__(self, look: Callable[[], str | None]) -> None:
        self._look, self._seen, self._value = look, "", None
        self._next = 0.0

    def value(self, at: float) -> str | None:
        """Return the value that was the same at the last two looks; None before.

        Parameters
        ----------
        at
            Seconds, by any clock that goes on.
        """
        if at >= self._next:
            found = self._look()
            self._value = found if found == self._seen else None
            self._seen, self._next = found, at + WATCH
        return self._value
