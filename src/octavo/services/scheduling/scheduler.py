"""The scheduler: it begins what is due, one run at a time, and writes down what became of it.

One process at a time, by a lease; another takes up what it was at when it is silent. A home takes
one run at a time, whoever begins it, so more at once cannot be. The time is told to it.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from octavo.services.scheduling import deciding
from octavo.services.scheduling.deciding import Ended, Standing
from octavo.services.scheduling.jobs import Job
from octavo.stores import jobs as store
from octavo.stores.catalog import Catalog, Row
from octavo.stores.jobs import RUNNING, WAITING
from octavo.stores.leases import Lease, LeaseLost


class Running(Protocol):
    """A run that was begun."""

    def ended(self) -> Ended | None:
        """Return how it ended; None: it goes on."""
        ...


Start = Callable[[Sequence[Job]], Running]
"""Begins a run of jobs that run the same stages; it waits by itself for any other run."""


@dataclass(frozen=True)
class _Move:
    """A change of a job: what the catalog is to have of it, and what is told."""

    row: Row
    kind: str
    told: Mapping[str, Any]


class Scheduler:
    """Runs the jobs of a pipeline.

    Parameters
    ----------
    offered
        Gives a fingerprint of what there is for a job that waits for data, None for nothing.
    start
        Begins a run.
    """

    def __init__(
        self,
        jobs: Sequence[Job],
        catalog: Catalog,
        lease: Lease,
        *,
        offered: Callable[[Job], str | None],
        start: Start,
    ) -> None:
        self._jobs = {job.name: job for job in jobs}
        self._catalog, self._lease = catalog, lease
        self._offered, self._start = offered, start
        self._work: tuple[list[Job], Running] | None = None

    def look(self, now: int) -> bool:
        """Do what is to be done now; return whether this process is the one that does.

        Parameters
        ----------
        now
            Microseconds since the epoch.
        """
        try:
            if not self._lease.hold(now):
                raise LeaseLost
            self._end(now)
            begun = self._move(now)
        except LeaseLost:
            self._work = None  # another one takes it up; that run goes on to its end, or has ended
            return False
        if begun:
            self._work = begun, self._start(begun)
        return True

    def _end(self, now: int) -> None:
        """Write down how a run ended."""
        how = self._work and self._work[1].ended()
        if self._work is None or how is None:
            return
        jobs = self._work[0]
        with self._writing() as (connection, rows):
            for job in jobs:
                if (row := rows.get(job.name)) is None:
                    continue
                after = deciding.ended(job, row, now, how, alone=len(jobs) == 1)
                kind = store.TOLD[store.DONE if not how.failed else after["state"]]
                told = {"due": row["due"], "reason": how.why, "tries": after["tries"]}
                store.write(connection, after, kind=kind, **told)
        self._work = None

    def _move(self, now: int) -> list[Job]:
        """Bring jobs to the state that they are in now; return those that begin."""
        waits = [job for job in self._jobs.values() if job.schedule.on is not None]
        offered = {job.name: self._offered(job) for job in waits}
        known = store.known(self._catalog)
        if not (self._moves(known, now, offered) or known.keys() - self._jobs.keys()):
            return []
        with self._writing() as (connection, rows):
            moves = self._moves(rows, now, offered)
            for move in moves:
                store.write(connection, move.row, kind=move.kind, **move.told)
            for name in rows.keys() - self._jobs.keys():
                store.forget(connection, name)
        begun = {move.row["job"] for move in moves if move.row["state"] == RUNNING}
        return [job for job in self._jobs.values() if job.name in begun]

    def _moves(
        self, known: Mapping[str, Row], now: int, offered: Mapping[str, str | None]
    ) -> list[_Move]:
        rows = {name: self._declared(job, known, now) for name, job in self._jobs.items()}
        mine = {job.name for job in self._work[0]} if self._work else set()
        stands = {
            name: self._standing(job, rows[name], now, offered.get(name))
            for name, job in self._jobs.items()
            if name not in mine
        }
        begin = [] if self._work else self._group(stands, rows)
        found = []
        for name, at in stands.items():
            row, before = rows[name], known.get(name)
            if name in begin:
                job, epoch = self._jobs[name], self._lease.epoch
                after = deciding.begun(job, row, now, at, offered.get(name), epoch)
            else:
                after = self._resting(row, now, at, mine or begin)
            if after != before:
                found.append(_moved(before, after, at))
        return found

    def _declared(self, job: Job, known: Mapping[str, Row], now: int) -> Row:
        row = known.get(job.name)
        if row is None:
            return deciding.fresh(job, now)
        if row["declared"] != job.declared:
            return deciding.declared_anew(job, row, now)
        return row

    def _standing(self, job: Job, row: Row, now: int, offered: str | None) -> Standing:
        if row["state"] == RUNNING:  # of a scheduler that is gone
            return Standing(WAITING, "it was cut off", row["place"], row["due"])
        return deciding.standing(job, row, now, offered)

    def _group(self, stands: Mapping[str, Standing], rows: Mapping[str, Row]) -> list[str]:
        """Return what begins: what is due first, and what can be done in the same run."""
        ready = [name for name, at in stands.items() if at.due is not None]
        if not ready:
            return []
        first = min(ready, key=lambda name: stands[name].due or 0)
        if rows[first]["retry_at"] is not None:
            return [first]
        span = self._jobs[first].first, self._jobs[first].last
        same = [n for n in ready if (self._jobs[n].first, self._jobs[n].last) == span]
        return [name for name in same if rows[name]["retry_at"] is None]

    def _resting(self, row: Row, now: int, at: Standing, busy: Sequence[str] | set[str]) -> Row:
        """Return the row of a job that does not begin now."""
        reason = at.reason
        if row["state"] == RUNNING:
            return row
        # What is due is settled when it begins, not before.
        place = row["place"] if at.due is not None else at.place
        if at.due is not None and busy:
            reason = f"{reason}; {', '.join(sorted(busy))} runs"
        since = row["since"] if row["state"] == at.state else now
        return row | {"state": at.state, "reason": reason, "since": since, "place": place}

    @contextmanager
    def _writing(self) -> Iterator[tuple[sa.Connection, dict[str, Row]]]:
        """Give a transaction that counts only while this process has the lease, and the jobs."""
        with self._catalog.transaction(alone=True) as connection:
            self._lease.check(connection)
            yield connection, store.known(connection)


def _moved(before: Row | None, after: Row, at: Standing) -> _Move:
    """Return a change as it is told: that times were left out, if the state is the same."""
    state = after["state"]
    is_new = before is None or before["state"] != state or state == RUNNING
    told: dict[str, Any] = {"reason": after["reason"]}
    # That its run failed was told when it ended; that it was paused since does not make it new.
    kind = store.TOLD[store.ARMED if state == store.FAILED else state] if is_new else ""
    if state == RUNNING:
        told["due"] = after["due"]
    if at.skipped is None or after["place"] != at.place:
        return _Move(after, kind, told)
    told["skipped"] = list(at.skipped)
    return _Move(after, kind or "times skipped", told)
