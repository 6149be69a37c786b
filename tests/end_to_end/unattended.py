"""A scheduler by a clock of its own: what is due is run here, while that clock stands still."""

from dataclasses import dataclass

from octavo.project import Project
from octavo.runner import Unseen
from octavo.services.scheduling.deciding import Ended
from octavo.services.scheduling.jobs import ingested_with
from octavo.services.scheduling.scheduler import Scheduler
from octavo.stores.leases import Lease


@dataclass
class Ran:
    """A run that has ended."""

    stages: str

    def ended(self):
        return Ended(False, self.stages or "there was nothing new")


class Unattended:
    """A project that nobody looks after but its scheduler.

    Parameters
    ----------
    now
        The clock, microseconds since the epoch.
    """

    def __init__(self, project: Project, now: int) -> None:
        self.project, self.now = project, now
        self.ran: list[tuple[str, str]] = []
        """Jobs that ran, with the stages that they ran."""
        told = {"offered": project.offered, "start": self._start}
        lease = Lease(project.catalog, "scheduler")
        self._scheduler = Scheduler(project.jobs, project.catalog, lease, **told)

    def _start(self, jobs):
        only = ingested_with(self.project.definition, jobs) if jobs[0].dataset else []
        done = self.project.run(Unseen(), first=jobs[0].first, last=jobs[0].last, only=only)
        stages = ", ".join(done.ran)
        self.ran += [(job.name, stages) for job in jobs]
        return Ran(stages)

    def goes_on(self, seconds: int) -> list[tuple[str, str]]:
        """Let that much time pass, a look each ten seconds; return what ran."""
        before = len(self.ran)
        for _ in range(seconds // 10):
            self.now += 10_000_000
            self._scheduler.look(self.now)
        return self.ran[before:]
