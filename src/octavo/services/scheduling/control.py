"""What people do with jobs: look at them, pause, resume, and ask for a run now."""

from collections.abc import Mapping, Sequence
from typing import Any

from octavo.errors import DefinitionError
from octavo.services.scheduling import deciding
from octavo.services.scheduling.jobs import Job
from octavo.stores import jobs as store
from octavo.stores.catalog import Catalog, Row
from octavo.stores.jobs import ARMED, PAUSED, RUNNING
from octavo.stores.user import user


def listed(jobs: Sequence[Job], catalog: Catalog, now: int) -> list[dict[str, Any]]:
    """Return each job with its state, its newest run, and when the next is.

    Times are microseconds since the epoch. Jobs that no scheduler has seen yet are as it would find
    them.
    """
    known = store.known(catalog)
    found = []
    for job in jobs:
        row = known.get(job.name) or deciding.fresh(job, now)
        if row["state"] != RUNNING and job.schedule.on is None:
            at = deciding.standing(job, row, now)
            row = row | {"state": at.state, "reason": at.reason}
        found.append(_told(job, row, now))
    return found


def _told(job: Job, row: Row, now: int) -> dict[str, Any]:
    shown = ("job", "state", "reason", "due", "began_at", "ended_at", "result", "why", "tries")
    times = {"next": deciding.upcoming(job, row, now), "zone": job.schedule.zone}
    times["on"] = job.schedule.on
    return {name: row[name] for name in shown} | times | {"stages": [job.first, job.last]}


def pause(job: Job, catalog: Catalog, reason: str, now: int) -> Row:
    """Let a job begin no more, until it is resumed; a run that is under way goes on."""
    with catalog.transaction(alone=True) as connection:
        row = _row(job, store.known(connection), now)
        row["paused"] = reason or f"by {user()}"
        if row["state"] != RUNNING:
            row |= {"state": PAUSED, "reason": row["paused"], "since": now}
        store.write(connection, row, kind="job paused", reason=row["paused"])
    return row


def resume(job: Job, catalog: Catalog, now: int) -> Row:
    """Let a paused job begin again.

    Raises
    ------
    DefinitionError
        If it is not paused.
    """
    with catalog.transaction(alone=True) as connection:
        row = _row(job, store.known(connection), now)
        if row["paused"] is None:
            raise DefinitionError("it is not paused.", where=job.name, fix="See `octavo schedule`.")
        row["paused"] = None
        if row["state"] != RUNNING:
            row |= {"state": ARMED, "reason": "", "since": now}
        store.write(connection, row, kind="job resumed")
    return row


def run_now(job: Job, catalog: Catalog, now: int) -> Row:
    """Ask for a run as soon as no other is under way, whatever the schedule says."""
    with catalog.transaction(alone=True) as connection:
        row = _row(job, store.known(connection), now)
        row |= {"asked_at": now, "asked_by": user()}
        store.write(connection, row, kind="job asked for")
    return row


def _row(job: Job, known: Mapping[str, Row], now: int) -> Row:
    return dict(known.get(job.name) or deciding.fresh(job, now))


def named(jobs: Sequence[Job], name: str) -> Job:
    """Return a job by its name.

    Raises
    ------
    DefinitionError
        If there is none.
    """
    found = {job.name: job for job in jobs}
    if name not in found:
        raise DefinitionError.unknown("job", name, found)
    return found[name]
