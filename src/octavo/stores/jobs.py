"""What the catalog knows of jobs; each change of state is an event.

It knows nothing of schedules, nor of what a job does.
"""

from typing import Any

import sqlalchemy as sa

from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

_TABLE = tables.jobs

ARMED, WAITING, RUNNING, PAUSED = "armed", "waiting", "running", "paused"
BLACKED_OUT, FAILED, EXPIRED = "blacked out", "failed", "expired"
DONE = "done"
"""The result of a run that did not fail."""
TOLD = {
    ARMED: "job armed",
    WAITING: "job waiting",
    RUNNING: "job running",
    PAUSED: "job paused",
    BLACKED_OUT: "job blacked out",
    FAILED: "job failed",
    EXPIRED: "job expired",
    DONE: "job done",
}
"""State to the kind of event that tells of it."""


def known(source: Catalog | sa.Connection) -> dict[str, Row]:
    """Return all jobs there are, by name."""
    query = sa.select(_TABLE)
    if isinstance(source, Catalog):
        return {row["job"]: row for row in source.rows(query)}
    return {row["job"]: dict(row) for row in source.execute(query).mappings()}


def write(connection: sa.Connection, row: Row, *, kind: str = "", **told: Any) -> None:
    """Let a job be as a row says, and, if it is of a kind, tell of it."""
    tables.put(connection, _TABLE, **row)
    if kind:
        severity = "warning" if kind == TOLD[FAILED] else "info"
        tables.emit(connection, kind, row["job"], severity=severity, **told)


def forget(connection: sa.Connection, job: str) -> None:
    """Take out a job that is no longer declared."""
    connection.execute(_TABLE.delete().where(_TABLE.c.job == job))
    tables.emit(connection, "job removed", job)
