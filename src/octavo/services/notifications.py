"""The notification service: catalog events told to people, on the console, in the log, by URL."""

import json
import logging
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from octavo.definition.notify import redacted
from octavo.errors import DefinitionError, ResourceError
from octavo.stages.ingestion.ranges import ONLINE
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

BROADCAST = {
    "model ready",
    "champion stays",
    "candidate refused",
    "no candidate answers the problem",
    "deployed",
    "rolled back",
    "drift",
    "rows rejected",
    "rows flagged",
    "faults found",
    "columns changed",
    "hot entity",
    "leak suspected",
    "no model input",
    "not trained on all rows",
    "search widened",
    "batch withdrawn",
    "features stale",
    "features cut over",
    "champion not scored",
    "batch failed",
    "run failed",
}
"""The events that people are told of; the log has all of them."""
UNDELIVERED = "notification failed"
"""Told on the console and in the log alone: another URL may be as unreachable."""


class NotificationService:
    """Tells of every event written after it was built, each once.

    Nothing that goes wrong with telling fails what is told of. Events stay in the catalog.

    Parameters
    ----------
    console
        Takes severity and text of the events in `BROADCAST`.
    urls
        Where they are sent besides, through Apprise.
    name
        The pipeline's; stands in the title of what is sent.
    online
        Tell of what the online ingestion service does, and of nothing else; by default of all else.
        So each event is told once, also while a run goes on beside the service.

    Raises
    ------
    ResourceError
        If there are URLs and Apprise is not installed.
    DefinitionError
        If Apprise knows no service for a URL.
    """

    def __init__(
        self,
        catalog: Catalog,
        log: Path,
        console: Callable[[str, str], None],
        *,
        urls: Sequence[str] = (),
        name: str = "",
        online: bool = False,
    ) -> None:
        self.catalog = catalog
        self.log = log
        self.console = console
        self.targets = [_target(url, f"Pipeline.notify[{n}]") for n, url in enumerate(urls)]
        self.title = f"octavo: {name}"
        run = tables.events.c.run_id
        self._mine = run == ONLINE if online else run.is_distinct_from(ONLINE)
        newest = sa.select(sa.func.max(tables.events.c.id).label("id"))
        self.told = catalog.rows(newest)[0]["id"] or 0

    def _after(self, event: int) -> list[Row]:
        table = tables.events
        query = sa.select(table).where(table.c.id > event, self._mine)
        return self.catalog.rows(query.order_by(table.c.id))

    def tell(self) -> None:
        """Deliver what is new; what could not be delivered is itself an event."""
        while events := self._after(self.told):
            for event in events:
                self._write(event)
                if event["kind"] in BROADCAST or event["kind"] == UNDELIVERED:
                    self.console(event["severity"], _sentence(event))
                if event["kind"] in BROADCAST:
                    self._send(event)
                self.told = event["id"]

    def _write(self, event: Row) -> None:
        """Add a line to the log; a full disk is told by whatever else meets it."""
        moment = datetime.fromtimestamp(event["at"] / 1e6, UTC)
        line = {**event, "at": moment.isoformat()}
        with suppress(OSError), self.log.open("a") as log:
            log.write(json.dumps(line, default=str) + "\n")

    def _send(self, event: Row) -> None:
        for shown, target in self.targets:
            if not _delivered(target, self.title, event):
                with suppress(ResourceError):
                    self.catalog.emit(
                        UNDELIVERED,
                        shown,
                        severity="warning",
                        run_id=event["run_id"],
                        reason=f"it did not take {event['kind']!r}",
                    )


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


def _target(url: str, where: str) -> tuple[str, Any]:
    """Return how a URL is shown, and what sends to it."""
    try:
        import apprise
    except ImportError as error:
        raise ResourceError.not_installed("Apprise", extra="notify", where=where) from error
    logging.getLogger("apprise").disabled = True  # what it logs may hold the URL
    target = apprise.Apprise()
    if not target.add(url):
        raise DefinitionError(
            f"Apprise knows no such service ({redacted(url)}).",
            where=where,
            fix="Write the URL as Apprise's list of services shows it.",
        )
    return redacted(url), target


def _delivered(target: Any, title: str, event: Row) -> bool:
    kind = {"error": "failure"}.get(event["severity"], event["severity"])
    try:
        return bool(target.notify(body=_sentence(event), title=title, notify_type=kind))
    except Exception:  # noqa: BLE001  the code of a hundred services runs here
        return False


def _sentence(event: Row) -> str:
    document = event["document"]
    detail = document.get("reason") or document.get("error") or ""
    if event["kind"] == "rows rejected":
        rules = ", ".join(f"{count} {rule}" for rule, count in document["rules"].items())
        detail = rules
    if event["kind"] == "drift":
        detail = "most: " + ", ".join(document["drifted"][:3])
    return f"{event['kind']}: {event['subject']}" + (f" — {detail}" if detail else "")
