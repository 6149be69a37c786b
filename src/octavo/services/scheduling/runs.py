"""A run that the scheduler began: ``octavo run`` as a process of its own.

So training takes no memory of the scheduler, a scheduler that is stopped stops no run, and one that
is killed ends its run as a kill does: the next one takes it up at the stage where it was.
"""

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence

import sqlalchemy as sa

from octavo.errors import ExitCode
from octavo.services.scheduling.deciding import Ended
from octavo.services.supervisor import as_parent
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog

GRACE = 20.0
"""Seconds that a run has to end when it is interrupted."""


class Run:
    """A process that runs stages.

    Parameters
    ----------
    tell
        Takes each line that it says.
    """

    def __init__(self, words: Sequence[str], catalog: Catalog, tell: Callable[[str], None]) -> None:
        self._catalog, self._tell = catalog, tell
        self._before = self._newest()
        self._said = ""
        pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, "errors": "replace"}
        environment = {**os.environ, **as_parent()}
        self._process = subprocess.Popen(words, env=environment, text=True, **pipes)
        self._listening = threading.Thread(target=self._listen, daemon=True)
        self._listening.start()

    def ended(self) -> Ended | None:
        """Return how it ended; None: it goes on."""
        code = self._process.poll()
        if code is None:
            return None
        self._listening.join(1.0)
        if code < 0:
            return Ended(True, f"it was ended by {signal.Signals(-code).name}")
        if code == ExitCode.NO_CANDIDATE:
            return Ended(False, f"{self._did()}; no candidate answers the problem")
        if code == ExitCode.DONE:
            return Ended(False, self._did())
        return Ended(True, self._said, definite=code == ExitCode.USAGE)

    def interrupt(self) -> None:
        """End it, so that the next one continues where it is."""
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _listen(self) -> None:
        assert self._process.stderr is not None, "it is a pipe"
        with self._process.stderr as lines:
            for line in lines:
                self._said = line.strip().removeprefix("octavo: ") or self._said
                self._tell(line.rstrip())

    def _did(self) -> str:
        table = tables.stage_runs
        new = (table.c.id > self._before) & (table.c.state == "succeeded")
        rows = self._catalog.rows(sa.select(table.c.stage).where(new).order_by(table.c.id))
        return (
            f"it ran {', '.join(row['stage'] for row in rows)}" if rows else "there was nothing new"
        )

    def _newest(self) -> int:
        query = sa.select(sa.func.max(tables.stage_runs.c.id).label("id"))
        return self._catalog.rows(query)[0]["id"] or 0
