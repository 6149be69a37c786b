"""Candidates that a person is asked for: a request for each verdict, of which the newest counts."""

import sqlalchemy as sa

from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

_TABLE = tables.approvals
ASKED, APPROVED, DECLINED, SUPERSEDED = "asked", "approved", "declined", "superseded"


def newest(catalog: Catalog, candidate_id: str = "") -> Row | None:
    """Return the newest request there was, for a candidate or at all; None if there was none."""
    query = sa.select(_TABLE).order_by(_TABLE.c.id.desc())
    return catalog.one(
        query.where(_TABLE.c.candidate_id == candidate_id) if candidate_id else query
    )


def of_verdict(catalog: Catalog, verdict: Row) -> Row | None:
    """Return the request that was made with a verdict, a row of the catalog; None if none was."""
    found = newest(catalog, verdict["candidate_id"])
    return found if found and found["asked_at"] == verdict["at"] else None


def supersede(connection: sa.Connection) -> list[str]:
    """End what is asked for, since there is a newer verdict; return the candidates."""
    open_ = _TABLE.c.state == ASKED
    found = connection.scalars(sa.select(_TABLE.c.candidate_id).where(open_)).all()
    connection.execute(_TABLE.update().where(open_).values(state=SUPERSEDED))
    return list(found)


def ask(connection: sa.Connection, candidate_id: str, run_id: str, *, at: int, reason: str) -> None:
    """Ask for a candidate.

    Parameters
    ----------
    at
        The time of its verdict, microseconds since the epoch.
    """
    row = {"candidate_id": candidate_id, "run_id": run_id, "state": ASKED, "asked_at": at}
    connection.execute(_TABLE.insert().values(**row))
    told = {"severity": "warning", "run_id": run_id, "reason": reason}
    tables.emit(connection, "approval asked", candidate_id, **told)


def decide(
    connection: sa.Connection, request: Row, state: str, *, actor: str, reason: str, at: int
) -> bool:
    """Write down what was decided, and tell of it; false: somebody, or a verdict, was quicker.

    Parameters
    ----------
    at
        Microseconds since the epoch.
    """
    mine = _TABLE.update().where(_TABLE.c.id == request["id"], _TABLE.c.state == ASKED)
    about = {"actor": actor, "reason": reason}
    if not connection.execute(mine.values(state=state, decided_at=at, **about)).rowcount:
        return False
    severity = "info" if state == APPROVED else "warning"
    told = about | {"severity": severity, "run_id": request["run_id"]}
    tables.emit(connection, state, request["candidate_id"], approval=request["id"], **told)
    return True
