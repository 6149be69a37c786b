"""What was done and decided, by whom, when, why and on what evidence; and that none of it changed.

The log is the catalog's events: each is written in the transaction of what it tells of, and chained
to the one before (`octavo.stores.catalog.chain`).
"""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from octavo.errors import DataError
from octavo.stores import catalog as tables
from octavo.stores import deployments
from octavo.stores.catalog import Catalog, Row
from octavo.stores.catalog.chain import FIX, Head, verified

ROUTINE = frozenset(
    {"batch committed", "run began", "stage began", "trial finished"}
    | {"job armed", "job done", "job running", "job waiting"}
)
"""What goes on by itself, and nobody decided."""
DEPLOYING = ("deployed", "rolled back")
"""The kinds of events by which something is deployed."""


def entries(
    catalog: Catalog,
    *,
    since: int | None = None,
    until: int | None = None,
    kind: str = "",
    subject: str = "",
    actor: str = "",
    everything: bool = False,
    last: int | None = None,
) -> list[Row]:
    """Return events, oldest first.

    Parameters
    ----------
    since, until
        Microseconds since the epoch; until is no part of it.
    kind, actor
        Exactly so.
    subject
        Text that occurs in it: a candidate's ID, a dataset's name, …
    everything
        Also what is in `ROUTINE`.
    last
        The newest so many; None: all of them.
    """
    table = tables.events
    query = sa.select(table).order_by(table.c.id.desc())
    if since is not None:
        query = query.where(table.c.at >= since)
    if until is not None:
        query = query.where(table.c.at < until)
    if kind:
        query = query.where(table.c.kind == kind)
    elif not everything:
        query = query.where(table.c.kind.not_in(ROUTINE))
    if subject:
        query = query.where(table.c.subject.contains(subject, autoescape=True))
    if actor:
        query = query.where(table.c.actor == actor)
    return catalog.rows(query.limit(last))[::-1]


def verify(catalog: Catalog, kept: Head | None = None) -> Head:
    """Return the end of the log if nothing in it was changed.

    Parameters
    ----------
    kept
        An end that was kept elsewhere, which the log must have come by.

    Raises
    ------
    DataError
        Naming the first event that is not what was written, a deployment of which the log says
        nothing, or something else, or a version of the settings of which it says nothing.
    """
    # Rows before events: each is committed with its event, and others go on meanwhile.
    live = deployments.history(catalog)
    versions = catalog.rows(sa.select(tables.config.c.version))
    with catalog.transaction() as connection:
        head = verified(connection, kept)
    said = {row["document"].get("deployment"): row["subject"] for row in _told(catalog, DEPLOYING)}
    for row in live:
        if said.get(row["deployment_id"]) != row["candidate_id"]:
            raise _unsaid(f"{row['deployment_id']} of {row['candidate_id']}")
    if gone := set(said) - {row["deployment_id"] for row in deployments.history(catalog)}:
        raise DataError(
            f"{min(gone)} was deployed, as an event says, and is not in the catalog.",
            where="event log",
            fix=FIX,
        )
    changes = {row["subject"] for row in _told(catalog, ("config changed",))}
    for row in versions:
        if f"version {row['version']}" not in changes:
            raise _unsaid(f"version {row['version']} of the settings")
    return head


def _told(catalog: Catalog, kinds: Sequence[str]) -> list[Row]:
    """Return subject and document of events of some kinds: all events need not be in memory."""
    table = tables.events
    columns = [table.c.subject, table.c.document]
    return catalog.rows(sa.select(*columns).where(table.c.kind.in_(kinds)))


def live_at(catalog: Catalog, at: int) -> dict[str, Any] | None:
    """Return what answered at a time, who let it, and on what evidence; None: nothing did.

    Parameters
    ----------
    at
        Microseconds since the epoch.
    """
    for row in deployments.history(catalog):
        if row["live_from"] <= at and (row["live_to"] is None or at < row["live_to"]):
            event = _event_of(catalog, row)
            about = {"verdict": _verdict_of(catalog, row), "approval": _approval_of(catalog, event)}
            return row | {"event": event} | about
    return None


def _event_of(catalog: Catalog, deployment: Row) -> Row | None:
    found = entries(catalog, subject=deployment["candidate_id"])
    of = deployment["deployment_id"]
    return next((row for row in found if row["document"].get("deployment") == of), None)


def _approval_of(catalog: Catalog, event: Row | None) -> Row | None:
    """Return the request by whose approval something was deployed; None: it needed none."""
    table = tables.approvals
    approval = event["document"].get("approval") if event else None
    return catalog.one(sa.select(table).where(table.c.id == approval)) if approval else None


def _verdict_of(catalog: Catalog, deployment: Row) -> Row | None:
    """Return the newest verdict on a candidate before it was deployed."""
    table = tables.verdicts
    query = sa.select(table).where(
        table.c.candidate_id == deployment["candidate_id"], table.c.at <= deployment["live_from"]
    )
    return catalog.one(query.order_by(table.c.at.desc()))


def _unsaid(what: str) -> DataError:
    return DataError(
        f"{what} is in the catalog, and no event says how it came there.",
        where="event log",
        fix=FIX,
    )
