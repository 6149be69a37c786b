"""Which candidate answers: deployments, one after the other, of which the newest is live.

Each is numbered. Going back is a deployment too, of a candidate that was live before; so what
answered when is a list that only grows.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from octavo.errors import DataError, DefinitionError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

_TABLE = tables.deployments


def history(catalog: Catalog) -> list[Row]:
    """Return all deployments, the newest last."""
    found = catalog.rows(sa.select(_TABLE))
    return sorted(found, key=lambda row: int(number_of(row["deployment_id"])))


def number_of(deployment_id: str) -> str:
    """Return a deployment's number: the version that it is."""
    return deployment_id.removeprefix("deployment-")


def find(catalog: Catalog, name: str) -> Row:
    """Return a deployment.

    Parameters
    ----------
    name
        Its ID or number; or a candidate's ID, of which the newest deployment is meant.

    Raises
    ------
    DefinitionError
        If there is none.
    """
    rows = history(catalog)
    for row in reversed(rows):
        if name in (row["deployment_id"], number_of(row["deployment_id"]), row["candidate_id"]):
            return row
    known = [row["deployment_id"] for row in rows] + [row["candidate_id"] for row in rows]
    raise DefinitionError.unknown("deployment", name, {*known})


def before(catalog: Catalog) -> Row:
    """Return the deployment to go back to: the newest of another candidate than the live one.

    Raises
    ------
    DataError
        If there is none.
    """
    rows = history(catalog)
    for row in reversed(rows):
        if row["candidate_id"] != rows[-1]["candidate_id"]:
            return row
    raise DataError(
        "no other candidate was ever deployed.",
        fix="Run `octavo run` until a model is ready." if not rows else "There is nothing to undo.",
    )


def replace(
    connection: sa.Connection,
    candidate_id: str,
    run_id: str,
    *,
    at: int,
    kind: str = "deployed",
    severity: str = "info",
    about: Mapping[str, Any] = {},
) -> Row:
    """Let a candidate answer, in the place of what does, and tell of it.

    Parameters
    ----------
    connection
        Of a transaction in which no other process writes.
    at
        From when on, microseconds since the epoch.
    kind
        Of the event, which says ``about`` too.
    """
    rows = connection.execute(sa.select(_TABLE)).mappings().all()
    live = next((row for row in rows if row["live_to"] is None), None)
    row = {
        "deployment_id": f"deployment-{len(rows) + 1}",
        "candidate_id": candidate_id,
        "run_id": run_id,
        "live_from": at,
        "live_to": None,
    }
    connection.execute(_TABLE.update().where(_TABLE.c.live_to.is_(None)).values(live_to=at))
    connection.execute(_TABLE.insert().values(**row))
    tables.emit(
        connection,
        kind,
        candidate_id,
        run_id=run_id,
        severity=severity,
        deployment=row["deployment_id"],
        replaced=live["candidate_id"] if live else None,
        **about,
    )
    return row
