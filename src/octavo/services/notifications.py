"""The notification service: catalog events told to people, on the console, in the log, by URL."""

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

import sqlalchemy as sa

from octavo.definition.kinds import BROADCAST
from octavo.errors import ResourceError
from octavo.services.deliveries import DELAYED_KIND, FAILED_KIND, Deliveries
from octavo.services.messages import sentence
from octavo.stages.ingestion.ranges import ONLINE
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

_SHOWN = BROADCAST | {DELAYED_KIND, FAILED_KIND}
"""What the console shows; the log has all events."""


class NotificationService:
    """Tells of every event written after it was built, each once.

    Nothing that goes wrong with telling fails what is told of. Events stay in the catalog.

    Parameters
    ----------
    console
        Takes severity and text of the events that people are told of.
    deliveries
        What sends them besides; None: nobody is told from here.
    online
        Tell of what the online ingestion service does, and of nothing else; by default of all else.
        So each event is told once, also while a run goes on beside the service.
    """

    def __init__(
        self,
        catalog: Catalog,
        log: Path,
        console: Callable[[str, str], None],
        *,
        deliveries: Deliveries | None = None,
        online: bool = False,
    ) -> None:
        self.catalog = catalog
        self.log = log
        self.console = console
        self.deliveries = deliveries
        run = tables.events.c.run_id
        self._mine = run == ONLINE if online else run.is_distinct_from(ONLINE)
        newest = sa.select(sa.func.max(tables.events.c.id).label("id"))
        self.told = catalog.rows(newest)[0]["id"] or 0

    def _after(self, event: int) -> list[Row]:
        table = tables.events
        query = sa.select(table).where(table.c.id > event, self._mine)
        return self.catalog.rows(query.order_by(table.c.id))

    def tell(self) -> None:
        """Tell what is new, and send what is due; what cannot be sent now stays in the queue."""
        with suppress(ResourceError):  # the catalog is busy or full: told with what comes next
            self._show()
            if self.deliveries is not None:
                with suppress(ResourceError):  # what was written down until then is told
                    self.deliveries.deliver()
                self._show()

    def _show(self) -> None:
        while events := self._after(self.told):
            for event in events:
                self._write(event)
                if event["kind"] in _SHOWN:
                    self.console(event["severity"], sentence(event))
                self.told = event["id"]

    def _write(self, event: Row) -> None:
        """Add a line to the log; a full disk is told by whatever else meets it."""
        moment = datetime.fromtimestamp(event["at"] / 1e6, UTC)
        line = {**event, "at": moment.isoformat()}
        with suppress(OSError), self.log.open("a") as log:
            log.write(json.dumps(line, default=str) + "\n")


class Aside:
    """Delivers in a thread of its own: who takes long to deliver to holds up nobody; a context.

    What has happened by the end of the context is delivered before it is left.
    """

    def __init__(self, service: NotificationService) -> None:
        self._service = service
        self._happened = threading.Event()
        self._is_over = False
        self._thread = threading.Thread(target=self._work, name="notifications", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_told: object) -> None:
        self._is_over = True
        self._happened.set()
        self._thread.join()

    def wake(self) -> None:
        """Say that something has happened."""
        self._happened.set()

    def _work(self) -> None:
        while not self._is_over or self._happened.is_set():
            self._happened.wait()
            self._happened.clear()
            with suppress(ResourceError):  # the catalog is busy or full: told with what comes next
                self._service.tell()
