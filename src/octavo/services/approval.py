"""What a person decides on a candidate: it answers from then on, or it does not.

A decision counts for one candidate and one verdict. Going back needs none: see `rollback`.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from octavo.errors import DataError, DefinitionError
from octavo.stores import approvals, deployments
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row, now


def approve(
    catalog: Catalog, prove: Callable[[Row], Any], candidate: str, *, actor: str, reason: str
) -> Row:
    """Let the candidate answer that is asked for; return its deployment.

    Parameters
    ----------
    prove
        Refuses a deployment that could not answer, before anything is changed.
    candidate
        Its ID; empty: the one that is asked for.
    actor, reason
        Kept with the events.

    Raises
    ------
    DefinitionError
        If there is no such candidate.
    DataError
        If it is not asked for (any more), or cannot answer.
    """
    request = asked(catalog, candidate)
    prove({"deployment_id": "deployment-0", "candidate_id": request["candidate_id"]})
    at = now()
    with catalog.transaction(alone=True) as connection:
        told = {"actor": actor, "reason": reason}
        if approvals.decide(connection, request, approvals.APPROVED, at=at, **told):
            about = told | {"approval": request["id"]}
            name = request["candidate_id"]
            return deployments.replace(connection, name, request["run_id"], at=at, about=about)
    raise _answered(catalog, request["candidate_id"])


def decline(catalog: Catalog, candidate: str, *, actor: str, reason: str) -> Row:
    """Refuse the candidate that is asked for, as `approve` lets it answer; return the request."""
    request = asked(catalog, candidate)
    with catalog.transaction(alone=True) as connection:
        told = {"actor": actor, "reason": reason, "at": now()}
        if approvals.decide(connection, request, approvals.DECLINED, **told):
            return request
    raise _answered(catalog, request["candidate_id"])


def asked(catalog: Catalog, candidate: str = "") -> Row:
    """Return the request that waits for an answer.

    Raises
    ------
    DefinitionError
        If there is no such candidate.
    DataError
        If there is no request, or it has its answer.
    """
    if candidate and catalog.candidate(candidate) is None:
        names = sa.select(tables.candidates.c.candidate_id)
        known = [row["candidate_id"] for row in catalog.rows(names)]
        raise DefinitionError.unknown("candidate", candidate, known)
    request = approvals.newest(catalog, candidate)
    if request is None:
        raise DataError(
            "nobody asks for approval.",
            where=candidate,
            fix="A candidate that passes ov.Gate(approval=True) is asked for; see `octavo status`.",
        )
    if request["state"] != approvals.ASKED:
        raise _answered(catalog, request["candidate_id"])
    return request


def _answered(catalog: Catalog, candidate: str) -> DataError:
    """Say what became of the newest request for a candidate."""
    request, newest = approvals.newest(catalog, candidate), approvals.newest(catalog)
    assert request is not None, "it was asked for"
    assert newest is not None, "it was asked for"
    fix = "Only a new verdict is asked for again."
    if newest["state"] == approvals.ASKED:
        fix = f"Asked for is {newest['candidate_id']} now."
    if request["state"] == approvals.SUPERSEDED:
        return DataError("a newer verdict has superseded the request.", where=candidate, fix=fix)
    at = datetime.fromtimestamp(request["decided_at"] / 1e6, UTC)
    what = f"it was {request['state']} by {request['actor']} at {at:%Y-%m-%d %H:%M:%S} UTC."
    return DataError(what, where=candidate, fix=fix)
