"""What a pipeline has to run by itself: a job for each schedule, and the stages it runs.

A stage that has no schedule belongs to the job of the stage before it, so it follows that as in
`octavo run`. Segregation goes with prep, and comes before training.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.definition import Pipeline, Schedule, fingerprint
from octavo.definition.kinds import STAGES

_BEFORE = {"ingestion": "problem", "training": "segregation"}
"""What has no schedule of its own, and comes before a stage that has one."""


@dataclass(frozen=True)
class Job:
    """Something that runs by a schedule."""

    name: str
    """The stage, of datasets and views with ``/`` and their name."""
    schedule: Schedule
    first: str
    last: str
    """The stages it runs: these, and what lies between."""

    @property
    def stage(self) -> str:
        """The stage whose schedule it is."""
        return self.name.partition("/")[0]

    @property
    def dataset(self) -> str:
        """The dataset that is ingested; "": it is another stage's."""
        stage, _, part = self.name.partition("/")
        return part if stage == "ingestion" else ""

    @property
    def declared(self) -> str:
        """A fingerprint of its schedule: with another one it begins anew."""
        return fingerprint(self.schedule)


def jobs_of(pipeline: Pipeline) -> list[Job]:
    """Return the jobs of a pipeline, in the order of its stages."""
    schedules = pipeline.schedules
    scheduled = {name.partition("/")[0] for name in schedules}
    found = []
    for name, schedule in schedules.items():
        stage = name.partition("/")[0]
        first = _BEFORE.get(stage, stage)
        found.append(Job(name, schedule, first, _last(stage, scheduled)))
    return found


def _last(stage: str, scheduled: set[str]) -> str:
    """Return the last stage that follows one: before the next that has a schedule."""
    last = stage
    for name in STAGES[STAGES.index(stage) + 1 :]:
        if name in scheduled:
            break
        last = name
    return last


def ingested_with(pipeline: Pipeline, jobs: Sequence[Job]) -> list[str]:
    """Return the datasets that are ingested with some jobs: theirs, and those of no schedule."""
    chosen = {job.dataset for job in jobs}
    return [d.name for d in pipeline.datasets if d.schedule is None or d.name in chosen]
