"""The notification service: catalog events told to people, in the log and on the console."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import sqlalchemy as sa

from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

BROADCAST = {
    "model ready",
    "champion stays",
    "no candidate answers the problem",
    "deployed",
    "drift",
    "rows rejected",
    "rows flagged",
    "batch withdrawn",
    "features stale",
    "features cut over",
    "champion not scored",
    "hot entity",
    "no model input",
    "batch failed",
    "run failed",
}
"""The events that people are told of on the console; the log has all of them."""


class NotificationService:
    """Tells of every event written after it was built, each once.

    Parameters
    ----------
    console
        Takes severity and text of the events in `BROADCAST`.
    """

    def __init__(self, catalog: Catalog, log: Path, console: Callable[[str, str], None]) -> None:
        self.catalog = catalog
        self.log = log
        self.console = console
        self.told = max((row["id"] for row in self._after(0)), default=0)

    def _after(self, event: int) -> list[Row]:
        table = tables.events
        return self.catalog.rows(sa.select(table).where(table.c.id > event).order_by(table.c.id))

    def tell(self) -> None:
        """Deliver what is new."""
        for event in self._after(self.told):
            moment = datetime.fromtimestamp(event["at"] / 1e6, UTC)
            with self.log.open("a") as log:
                line = {**event, "at": moment.isoformat()}
                log.write(json.dumps(line, default=str) + "\n")
            if event["kind"] in BROADCAST:
                self.console(event["severity"], _sentence(event))
            self.told = event["id"]


def _sentence(event: Row) -> str:
    document = event["document"]
    detail = document.get("reason") or document.get("error") or ""
    if event["kind"] == "rows rejected":
        rules = ", ".join(f"{count} {rule}" for rule, count in document["rules"].items())
        detail = rules
    if event["kind"] == "drift":
        detail = "most: " + ", ".join(document["drifted"][:3])
    return f"{event['kind']}: {event['subject']}" + (f" — {detail}" if detail else "")
