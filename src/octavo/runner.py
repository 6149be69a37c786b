"""What to run next, and why.

The eight stages in order. A stage runs if what it depends on is not what it was when it last
succeeded; so a killed run resumes at the stage it was killed in, and a run with nothing new does
nothing. Only the runner reacts to what stages wrote; stages do not know of each other.
"""

import os
import time
import traceback
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy import exc

from octavo.definition import Pipeline, fingerprint
from octavo.engines import LocalEngine
from octavo.errors import DefinitionError, OctavoError, ResourceError
from octavo.logs import about
from octavo.services.addresses import check
from octavo.services.config import ConfigService
from octavo.services.deliveries import Deliveries
from octavo.services.mirror import Mirror
from octavo.services.notifications import NotificationService
from octavo.services.provenance import BEGAN, code_version, libraries
from octavo.services.releasing import declared
from octavo.stages.contract import Context, Outcome, Stage
from octavo.stages.deployment import offline as deployment
from octavo.stages.evaluation import offline as evaluation
from octavo.stages.ingestion import offline as ingestion
from octavo.stages.monitoring import offline as monitoring
from octavo.stages.parts import Parts, Stored, changes, stored, whole
from octavo.stages.prep import offline as prep
from octavo.stages.problem import offline as problem
from octavo.stages.segregation import offline as segregation
from octavo.stages.segregation.api import SplitRows
from octavo.stages.training import offline as training
from octavo.stages.training.algorithms import require
from octavo.stages.training.search import chosen
from octavo.stores import catalog as tables
from octavo.stores import releases
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home
from octavo.stores.versions import latest

STAGES: dict[str, Stage] = {
    "problem": problem,
    "ingestion": ingestion,
    "prep": prep,
    "segregation": segregation,
    "training": training,
    "evaluation": evaluation,
    "deployment": deployment,
    "monitoring": monitoring,
}
"""The one list of stages that run, dry run, status and schedules walk."""
KILLED = "the last run of it was killed"
"""Why a stage is to run that began and did not end, to who holds the home for a run."""


class Display(Protocol):
    """Where a run shows itself; the terminal's is in `octavo.cli`."""

    def began(self, stage: str, reason: str) -> None:
        """Say that a stage begins, and why."""

    def progress(self, stage: str, task: str, done: float, total: float, note: str = "") -> None:
        """Say how far a task of a stage is, and what is best to know of it."""

    def ended(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """Say what a stage did."""

    def unchanged(self, stage: str) -> None:
        """Say that a stage had nothing to do."""

    def notify(self, severity: str, text: str) -> None:
        """Show a notification."""


class Unseen:
    """A display that shows nothing."""

    def began(self, stage: str, reason: str) -> None:
        """Show nothing."""

    def progress(self, stage: str, task: str, done: float, total: float, note: str = "") -> None:
        """Show nothing."""

    def ended(self, stage: str, outcome: Outcome, seconds: float) -> None:
        """Show nothing."""

    def unchanged(self, stage: str) -> None:
        """Show nothing."""

    def notify(self, severity: str, text: str) -> None:
        """Show nothing."""


@dataclass(frozen=True)
class Step:
    """A stage, what it depends on, and why it is to run."""

    stage: str
    parts: Parts
    reason: str | None
    """None: it has nothing to do."""
    before: Stored = field(default_factory=dict)
    """Parts of its last success, where they were stored."""


@dataclass(frozen=True)
class Result:
    """What a run did."""

    run_id: str | None
    """None if there was nothing to do."""
    ran: list[str]


class Runner:
    """Runs the stages of one pipeline in one home.

    Parameters
    ----------
    config
        The config service, which is read here, once: what is changed later is for the next runner.
    mirror
        Woken when a run has ended, however that was.
    databases
        Connection name to URL, see `octavo.services.profiles.Profile`.
    only
        Names of the datasets that are ingested; none: all.
    now
        The clock, microseconds since the epoch.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        folder: Path,
        home: Home,
        catalog: Catalog,
        display: Display,
        *,
        config: ConfigService,
        mirror: Mirror | None = None,
        databases: Mapping[str, str] | None = None,
        only: Collection[str] = (),
        now: Callable[[], int] = tables.now,
    ) -> None:
        self.pipeline = pipeline
        self.folder = folder
        self.home = home
        self.catalog = catalog
        self.display = display
        self.now = now
        self.mirror = mirror
        self.databases = databases or {}
        self.only = only
        self.held = config.held()
        self.engine = LocalEngine()
        self._rows: SplitRows | None = None

    def run(self, stages: Sequence[str], *, wait: bool = False) -> Result:
        """Run those of the stages that have something to do, in order.

        Parameters
        ----------
        wait
            For another run that is under way, instead of refusing.

        Raises
        ------
        OctavoError
            What went wrong, after it was recorded; the next run continues at that stage.
        """
        try:
            return self._run(stages, wait)
        finally:
            if self.mirror is not None:
                self.mirror.wake(self.folder)

    def _run(self, stages: Sequence[str], wait: bool) -> Result:
        with self.home.lock(wait=wait):
            notifications = self._prepared(stages)
            run: Row | None = None
            ran: list[str] = []
            for name in stages:
                context = self._context(run["run_id"] if run else "", name)
                try:
                    step = self._step(context, name)
                    if step.reason is None:
                        self.display.unchanged(name)
                        continue
                    if run is None:
                        run = self._begin_run(f"{name}: {step.reason}")
                        context = self._context(run["run_id"], name)
                    self._run_stage(context, step, step.reason)
                    ran.append(name)
                except BaseException as error:
                    run = run or self._begin_run(f"{name}: failed before it began")
                    self._fail(run["run_id"], name, error)
                    raise
                finally:
                    notifications.tell()
            if run is not None:
                self._finish_run(run["run_id"], "succeeded", None)
            return Result(run["run_id"] if run else None, ran)

    def _prepared(self, stages: Sequence[str]) -> NotificationService:
        """Refuse, before any data are read, what lacks something; return what tells of events."""
        if "training" in stages:
            for algorithm in chosen(self.pipeline, self.held.training):
                require(algorithm)
        if "prep" in stages:
            self._check_released()
        if self.mirror is not None:
            self.mirror.require()
        check(self.pipeline.notify, os.environ)
        told = self.catalog, self.pipeline.notify, self.folder.name, os.environ, self.now
        return NotificationService(
            self.catalog, self.home.log, self.display.notify, deliveries=Deliveries(*told)
        )

    def _check_released(self) -> None:
        """Refuse to prep other features than services do: each would end those of the other."""
        if not self.home.is_supervised or (live := releases.live(self.catalog)) is None:
            return
        if live["declared"]["features"] != declared(self.pipeline)["features"]:
            raise DefinitionError(
                "it declares other features than the services that run.",
                where=f"{self.folder.name}/pipeline.py, {live['release_id']}",
                fix="Run `octavo release` first, or stop `octavo up`.",
            )

    def plan(self, stages: Sequence[str]) -> list[tuple[str, str]]:
        """Return (stage, reason) of what a run would do; what follows a due stage is due too."""
        due: list[tuple[str, str]] = []
        for name in stages:
            reason = None
            with suppress(OctavoError) if due else nullcontext():  # what it reads may come yet
                reason = self.step(name).reason
            if reason == KILLED and self.home.is_running:
                reason = "it runs now"
            if reason is None and due:
                reason = f"{due[0][0]} comes first and may change what it reads"
            if reason is not None:
                due.append((name, reason))
        return [(name, "; ".join([reason, *self._details(name)])) for name, reason in due]

    def _details(self, name: str) -> list[str]:
        """Return what a stage can say of what it would do; most say nothing."""
        say = getattr(STAGES[name], "details", None)
        return say(self._context("", name)) if say else []

    def _context(self, run_id: str, stage: str) -> Context:
        return Context(
            pipeline=self.pipeline,
            folder=self.folder,
            home=self.home,
            catalog=self.catalog,
            engine=self.engine,
            run_id=run_id,
            settings=self.held.training,
            config_version=self.held.version,
            segregation=self._segregation,
            progress=partial(self.display.progress, stage),
            now=self.now,
            databases=self.databases,
            only=self.only,
        )

    def _segregation(self) -> SplitRows:
        """Return the newest data version's rows, read once per run."""
        document = latest(self.catalog)
        if self._rows is None or self._rows.document != document:
            self._rows = SplitRows(self.pipeline, self.home, self.catalog, document)
        return self._rows

    def step(self, name: str) -> Step:
        """Return a stage with why it must run, if it must."""
        return self._step(self._context("", name), name)

    def _step(self, context: Context, name: str) -> Step:
        parts = STAGES[name].inputs(context)
        table = tables.stage_runs
        runs = sa.select(table).where(table.c.stage == name).order_by(table.c.id.desc())
        last = self.catalog.one(runs)
        if last is None:
            return Step(name, parts, "it never ran")
        done = self.catalog.one(runs.where(table.c.state == "succeeded"))
        before = (done["parts"] if done else None) or {}
        if last["state"] != "succeeded":
            failed = f"the last run of it {last['state']}"
            return Step(name, parts, KILLED if last["state"] == "running" else failed, before)
        return Step(name, parts, self._changed(last, parts), before)

    def _changed(self, last: Row, parts: Parts) -> str | None:
        """Say what became of what a stage reads since its last success."""
        if last["parts"] is None:  # of an earlier Octavo: a list, of ingestion by dataset
            earlier = {name: part.value for name, part in parts.items()}
            same = last["inputs"] in (whole(parts), fingerprint(earlier))
            return None if same else "what it reads has changed"
        looked = {n: p for n, p in last["parts"].items() if not self.only or n in parts}
        return "; ".join(changes(looked, parts)) or None

    def _begin_run(self, reason: str) -> Row:
        """Take up the unfinished run of this definition, or begin a new one, and say with what."""
        code, table = code_version(self.folder), tables.runs
        run = self.catalog.one(sa.select(table).order_by(table.c.started_at.desc()))
        same = run is not None and run["definition"] == self.pipeline.fingerprint
        if run is not None and same and run["state"] != "succeeded":
            values = {"state": "running", "error": None, "finished_at": None}
            values["config_version"] = self.held.version
            with self.catalog.transaction() as connection:
                resumed = table.update().where(table.c.run_id == run["run_id"])
                connection.execute(resumed.values(**values))
        else:
            run = {
                "run_id": f"run-{uuid.uuid4().hex[:10]}",
                "definition": self.pipeline.fingerprint,
                "code_version": code,
                "config_version": self.held.version,
                "state": "running",
                "reason": reason,
                "started_at": self.now(),
            }
            self.catalog.insert(table, **run)
        self.catalog.emit(
            BEGAN,
            run["run_id"],
            run_id=run["run_id"],
            config_version=self.held.version,
            profile=self.held.profile,
            settings=self.held.training,
            code=code,
            libraries=libraries(),
        )
        return run

    def _run_stage(self, context: Context, step: Step, reason: str) -> None:
        name, parts = step.stage, stored(step.parts)
        self.display.began(name, reason)
        began = time.monotonic()
        table = tables.stage_runs
        with self.catalog.transaction() as connection:
            row = connection.execute(
                table.insert().values(
                    run_id=context.run_id,
                    stage=name,
                    inputs=whole(step.parts),
                    parts={**step.before, **parts} if self.only else parts,
                    state="running",
                    reason=reason,
                    started_at=self.now(),
                )
            ).inserted_primary_key
            told = {"run_id": context.run_id, "reason": reason}
            tables.emit(connection, "stage began", name, **told)
        try:
            with about(run_id=context.run_id, stage=name):
                outcome = _run_guarded(STAGES[name], context)
        except BaseException as error:
            state = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self._end_stage(row[0], state, time.monotonic() - began)  # type: ignore[index]
            raise
        seconds = time.monotonic() - began
        self._end_stage(row[0], "succeeded", seconds, outcome)  # type: ignore[index]
        self.display.ended(name, outcome, seconds)

    def _end_stage(
        self, row: int, state: str, seconds: float, outcome: Outcome | None = None
    ) -> None:
        values: dict[str, Any] = {"state": state, "seconds": seconds, "finished_at": self.now()}
        if outcome is not None:
            values |= {
                "rows_in": outcome.rows_in,
                "rows_out": outcome.rows_out,
                "rejected": outcome.rejected,
                "outputs": outcome.outputs,
            }
        table = tables.stage_runs
        with self.catalog.transaction() as connection:
            connection.execute(table.update().where(table.c.id == row).values(**values))

    def _fail(self, run_id: str, stage: str, error: BaseException) -> None:
        """Record a failure; if even that fails (a full disk), the error itself still gets out."""
        interrupted = isinstance(error, KeyboardInterrupt)
        text = "interrupted" if interrupted else str(error) or type(error).__name__
        with suppress(exc.SQLAlchemyError, ResourceError):
            self._finish_run(run_id, "interrupted" if interrupted else "failed", text)
            self.catalog.emit(
                "run failed",
                stage,
                severity="error",
                run_id=run_id,
                error=text.splitlines()[0],
                trace=None if isinstance(error, OctavoError) else traceback.format_exc(),
            )

    def _finish_run(self, run_id: str, state: str, error: str | None) -> None:
        table = tables.runs
        with self.catalog.transaction() as connection:
            connection.execute(
                table.update()
                .where(table.c.run_id == run_id)
                .values(state=state, error=error, finished_at=self.now())
            )


def _run_guarded(stage: Stage, context: Context) -> Outcome:
    """Run a stage, turning what the operating system refuses into an error with a next step."""
    try:
        return stage.run(context)
    except OSError as error:
        raise ResourceError.refused(error, where=str(context.home.path)) from error
