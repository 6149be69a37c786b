"""What to do about a job now: a function of its schedule, its row in the catalog and the time."""

from dataclasses import dataclass
from typing import Any

from octavo.definition.durations import microseconds
from octavo.definition.schedule import ALL, SKIP
from octavo.services.scheduling.clockwork import (
    DAY,
    blackout_of,
    first_place,
    has_ended,
    is_active,
    local,
    newest_time,
    next_time,
)
from octavo.services.scheduling.jobs import Job
from octavo.stores.catalog import Row
from octavo.stores.jobs import (
    ARMED,
    BLACKED_OUT,
    DONE,
    EXPIRED,
    FAILED,
    PAUSED,
    RUNNING,
    WAITING,
)

_LATER = ("token", "paused", "asked_at", "asked_by", "due", "retry_at", "began_at", "ended_at")
_LATER += ("result", "why", "epoch")
"""What the catalog has of a job once it was begun, paused or asked for."""
PUNCTUAL = 60_000_000
"""Microseconds after its time in which a job begins that is to ``skip`` what it missed."""


@dataclass(frozen=True)
class Standing:
    """How it stands with a job."""

    state: str
    reason: str
    place: int
    """Up to where its times are settled, once this is written."""
    due: int | None = None
    """The time for which it can begin; None: it cannot."""
    skipped: tuple[int, int] | None = None
    """The first and the last of the times that are left out."""


@dataclass(frozen=True)
class Ended:
    """How a run ended."""

    failed: bool
    why: str
    """What it did, or what went wrong."""
    definite: bool = False
    """Whether another try would fail as well."""


def fresh(job: Job, now: int) -> Row:
    """Return what the catalog is to have of a job that begins."""
    nothing: dict[str, Any] = dict.fromkeys(_LATER)
    place = first_place(job.schedule, now)
    told = {"job": job.name, "declared": job.declared, "state": ARMED, "reason": "", "tries": 0}
    return nothing | told | {"since": now, "place": place}


def declared_anew(job: Job, row: Row, now: int) -> Row:
    """Return what the catalog is to have of a job whose schedule is another one now.

    An interval that declares no beginning goes on from the last time that was settled.
    """
    place = first_place(job.schedule, now)
    if job.schedule.from_ is None and row["place"] <= now:  # else it had not begun
        place = max(place, row["place"])
    return row | {"declared": job.declared, "place": place, "retry_at": None}


def standing(job: Job, row: Row, now: int, offered: str | None = None) -> Standing:
    """Return how it stands with a job that is not running.

    Parameters
    ----------
    offered
        A fingerprint of what there is for a job that waits for data; None: nothing.
    """
    place = row["place"]
    if row["asked_at"] is not None:
        return Standing(WAITING, f"{row['asked_by']} asked for it", place, row["asked_at"])
    if row["paused"] is not None:
        return Standing(PAUSED, row["paused"], place)
    if has_ended(job.schedule, now):
        return Standing(EXPIRED, f"it was to run until {job.schedule.until}", place)
    if (over := blackout_of(job.schedule, now)) is not None:
        return Standing(BLACKED_OUT, f"until {written(job, over)}", place)
    if row["retry_at"] is not None:
        is_due = now >= row["retry_at"]
        return Standing(WAITING, _again(row["why"]), place, row["due"] if is_due else None)
    return _by_schedule(job, row, now, offered)


def _by_schedule(job: Job, row: Row, now: int, offered: str | None) -> Standing:
    schedule, place = job.schedule, row["place"]
    resting = (FAILED, row["why"] or "") if row["result"] == FAILED else (ARMED, "")
    if schedule.on is not None:
        if offered in (None, row["token"]) or not is_active(schedule, now):
            return Standing(*resting, place)
        # Since it waits, so that it comes before what is due again and again.
        due = row["since"] if row["state"] == WAITING else now
        return Standing(WAITING, "there is something new", place, due)
    newest = newest_time(schedule, place, now)
    if newest is None:
        return Standing(*resting, place)
    first = next_time(schedule, place)
    assert first is not None, "there is one up to now"
    due = first if schedule.missed == ALL else newest
    before = newest_time(schedule, place, due - 1)
    skipped = None if before is None else (first, before)
    if schedule.missed == SKIP and now - newest > PUNCTUAL:
        return Standing(*resting, newest, skipped=(first, newest))
    return Standing(WAITING, f"due at {written(job, due)}", due, due, skipped)


def begun(job: Job, row: Row, now: int, at: Standing, token: str | None, epoch: int) -> Row:
    """Return a job's row when it begins."""
    is_again = row["state"] == RUNNING or (row["retry_at"] is not None and at.due == row["due"])
    return row | {
        "state": RUNNING,
        "reason": at.reason,
        "since": now,
        "place": at.place,
        "token": token or row["token"],
        "asked_at": None,
        "asked_by": None,
        "due": at.due,
        "tries": row["tries"] if is_again else job.schedule.retries + 1,
        "retry_at": None,
        "began_at": now,
        "ended_at": None,
        "epoch": epoch,
    }


def ended(job: Job, row: Row, now: int, how: Ended, *, alone: bool) -> Row:
    """Return a job's row when its run has ended.

    Parameters
    ----------
    alone
        Whether no other job was in that run: or else nobody knows which of them failed, and each is
        tried by itself.
    """
    told = row | {"since": now, "ended_at": now, "why": how.why}
    if not how.failed:
        return told | {"state": ARMED, "reason": "", "result": DONE, "tries": 0}
    told["result"], left = FAILED, row["tries"] - alone
    if (how.definite and alone) or left == 0:
        return told | {"state": FAILED, "reason": how.why, "tries": 0}
    wait = _backoff(job, left) if alone else 0
    told |= {"state": WAITING, "reason": _again(how.why)}
    return told | {"tries": left, "retry_at": now + wait}


def _again(why: str) -> str:
    return f"it is tried again: {why}"


def _backoff(job: Job, left: int) -> int:
    """Return how long it is waited for the next of the tries that are left."""
    failed = job.schedule.retries + 1 - left
    wait = microseconds(job.schedule.backoff, where="Schedule.backoff") << min(failed - 1, 40)
    return min(wait, DAY)


def upcoming(job: Job, row: Row, now: int) -> int | None:
    """Return when a job is to begin next, as far as its schedule and its state tell."""
    if row["asked_at"] is not None:
        return now
    if row["paused"] is not None or has_ended(job.schedule, now):
        return None
    if row["retry_at"] is not None:
        return _after_blackout(job, max(now, row["retry_at"]))
    at = row["place"]
    while (found := next_time(job.schedule, at)) is not None:
        begins = max(found, now)
        over = blackout_of(job.schedule, begins)
        late = begins - found > PUNCTUAL
        if job.schedule.missed != SKIP or (over is None and not late):
            return _after_blackout(job, begins)
        at = newest_time(job.schedule, found, over or now) or found
    return None


def _after_blackout(job: Job, at: int) -> int:
    over = blackout_of(job.schedule, at)
    return at if over is None else over + 1


def written(job: Job, at: int) -> str:
    """Return a time as people read it: on the clocks of the schedule's zone."""
    return f"{local(job.schedule, at):%Y-%m-%d %H:%M:%S %Z}"
