"""The online prep service: new batches of streams folded in memory, within milliseconds.

The catalog says which batches there are, in one order; this service goes through them as an offline
prep does, with the same fold, from the same state, and stamps nothing itself. So history goes over
into live without a gap, and what it emits is what a prep of the raw store gives.

A *stretch* is folded live, each group of features by its one owner. What is no plain step further
(files that were ingested, a batch withdrawn, new columns, features that no group holds) ends it:
then this service preps as `octavo prep` does, alone, and begins another.
"""

import threading
from collections.abc import Callable
from pathlib import Path

from octavo.definition import Pipeline
from octavo.errors import OctavoError
from octavo.logs import about
from octavo.stages.contract import Context
from octavo.stages.prep import offline
from octavo.stages.prep.stretch import Stretch
from octavo.stores.catalog import Catalog, now
from octavo.stores.home import Home
from octavo.streams import Stream

IDLE = 0.005
"""Seconds between two looks where nothing has come."""
PATIENCE = 2.0
"""Seconds after which is tried again what could not go on."""

Tell = Callable[[str], None]
"""Takes what a person must know at once."""


class OnlinePrep:
    """Keeps the features of a pipeline up with its streams.

    Any number of processes may: they share the views. What one that was killed had begun is
    completed by the others.

    Parameters
    ----------
    folder
        Of ``pipeline.py``.
    tell
        Is told why it cannot go on for now.
    clock
        Microseconds since the epoch.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        folder: Path,
        home: Home,
        catalog: Catalog,
        stream: Stream,
        *,
        tell: Tell,
        clock: Callable[[], int] = now,
    ) -> None:
        told = pipeline, folder, home, catalog
        self._context = Context.beside_runs(*told, run_id="online", clock=clock)
        self._stream, self._tell = stream, tell
        self._told: dict[str, int] = {}

    def run(self, stop: threading.Event) -> None:
        """Go on until told to stop; what was folded is written then, and counts."""
        with about(stage="prep"):
            self._go_on(stop)

    def _go_on(self, stop: threading.Event) -> None:
        is_due = True
        while not stop.is_set():
            try:
                if is_due and not self.prep(stop.is_set):
                    stop.wait(PATIENCE / 4)
                    continue
                is_due = True  # after an error, too
                is_due = self.stretch(stop.is_set, lambda: stop.wait(IDLE))
            except OctavoError as error:
                self._tell(f"prep: {error}")
                stop.wait(PATIENCE)

    def prep(self, is_over: Callable[[], bool] = lambda: False) -> bool:
        """Prep as a run does; return False if there is nothing to predict yet, or it is over."""
        rows = self._context.pipeline.rows.name
        if not any(batch["rows"] for batch in self._context.catalog.committed(rows)):
            return False
        with self._context.home.prepping(is_over) as is_alone:
            if is_alone:
                offline.alone(self._context)
        return is_alone

    def stretch(self, is_over: Callable[[], bool], wait: Callable[[], object]) -> bool:
        """Fold live until told that it is over, or somebody else waits to prep.

        Or until there is something to do that an offline prep must: then True is returned.

        Parameters
        ----------
        wait
            Is called where nothing has come.
        """
        with self._context.home.folding(is_over) as is_awaited:
            if is_awaited is None:
                return False
            with Stretch(self._context, self._stream, self._told) as stretch:
                while not (stretch.is_due or is_over() or is_awaited()):
                    if not stretch.turn():
                        wait()
            return stretch.is_due
