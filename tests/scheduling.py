"""What tests of the scheduler share: a world whose clock is told, and whose runs are pretended."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import sqlalchemy as sa

from octavo.definition import Schedule
from octavo.services.scheduling.deciding import Ended
from octavo.services.scheduling.jobs import Job
from octavo.services.scheduling.scheduler import Scheduler
from octavo.stores import catalog as tables
from octavo.stores import jobs as store
from octavo.stores.catalog import Catalog
from octavo.stores.leases import Lease

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND


def at(text: str, zone: str = "UTC") -> int:
    """Return microseconds since the epoch of what clocks show; of two such times the first."""
    moment = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))
    return round(moment.astimezone(UTC).timestamp()) * SECOND


def job(name: str, first: str = "", last: str = "", **schedule: Any) -> Job:
    """Return a job that runs its own stage alone, unless others are named."""
    stage = name.partition("/")[0]
    return Job(name, Schedule(**schedule), first or stage, last or stage)


def minutes(start: int, end: int, zone: str) -> Iterator[tuple[int, datetime]]:
    """Give each minute, and what clocks show then; the oracle of what is due steps through them."""
    moment, there = datetime.fromtimestamp(start / SECOND, UTC), ZoneInfo(zone)
    while start < end:
        yield start, moment.astimezone(there)
        start, moment = start + MINUTE, moment + timedelta(minutes=1)


def due_by_clock(start: int, end: int, zone: str, hour: int, minute: int) -> list[int]:
    """Return when a job of one time a day is due: once a day, whatever the clocks do.

    A time that clocks leave out is due at the first minute after the gap.
    """
    found, before = [], None
    for now, shown in minutes(start, end, zone):
        wall = shown.replace(tzinfo=None, fold=0)
        wanted = wall.replace(hour=hour, minute=minute)
        passed = (
            before is not None and before < wanted < wall and wall - before > timedelta(minutes=1)
        )
        if (wall == wanted and not shown.fold) or passed:
            found.append(now)
        before = wall
    return found


class Killed(BaseException):
    """The process is no more."""


class Mortal(Catalog):
    """A catalog in which a process dies at some of its writes, before or after they count."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        sa.event.listen(self.engine, "connect", _hastily)
        self.engine.dispose()
        self.writes = 0
        self.deaths: dict[int, bool] = {}
        """Number of a write to whether it counts."""

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        self.writes += 1
        death = self.deaths.get(self.writes)
        with super().transaction(alone=alone) as connection:
            yield connection
            if death is False:
                raise Killed
        if death:
            raise Killed


def _hastily(connection: Any, _record: object) -> None:
    connection.execute("pragma synchronous = off")  # nobody pulls the plug of a test


@dataclass
class Pretended:
    """A run that ends at a time."""

    world: "World"
    names: list[str]
    until: int
    how: Ended

    def ended(self) -> Ended | None:
        return self.how if self.world.now >= self.until else None


@dataclass
class World:
    """A home with a scheduler, and a clock."""

    jobs: Sequence[Job]
    catalog: Catalog
    now: int
    takes: int = 5 * SECOND
    offered: dict[str, str | None] = field(default_factory=dict)
    ends: dict[str, list[Ended]] = field(default_factory=dict)
    """How the next runs with a job in them end; those after these do not fail."""
    begun: list[tuple[int, list[str]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.start_over()

    def start_over(self) -> None:
        """Begin with a new scheduler; the old one may go on to believe that it is one."""
        self.scheduler = Scheduler(
            self.jobs,
            self.catalog,
            Lease(self.catalog, "scheduler"),
            offered=lambda job: self.offered.get(job.name),
            start=self._start,
        )

    def _start(self, jobs: Sequence[Job]) -> Pretended:
        names = [job.name for job in jobs]
        self.begun.append((self.now, names))
        told = next(
            (self.ends[n].pop(0) for n in names if self.ends.get(n)), Ended(False, "it ran")
        )
        return Pretended(self, names, self.now + self.takes, told)

    def go(self, until: int, step: int = MINUTE) -> "World":
        """Let time pass, looking at each step."""
        while self.now < until:
            self.now = min(self.now + step, until)
            self.scheduler.look(self.now)
        return self

    def row(self, name: str) -> dict[str, Any]:
        return store.known(self.catalog)[name]

    def done(self, name: str) -> list[int]:
        """Return the times for which a job has run, as the events tell them."""
        return [e["document"]["due"] for e in self.events("job done") if e["subject"] == name]

    def events(self, *kinds: str) -> list[dict[str, Any]]:
        table = tables.events
        query = sa.select(table).order_by(table.c.id)
        return self.catalog.rows(query.where(table.c.kind.in_(kinds)) if kinds else query)
