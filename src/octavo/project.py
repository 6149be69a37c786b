"""A project: a folder with a ``pipeline.py``, and its home. The door for Python users."""

import importlib.util
import os
import shutil
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from octavo import status
from octavo.definition import Pipeline
from octavo.definition.durations import microseconds
from octavo.definition.schedule import DRIFT
from octavo.definition.settings import declared
from octavo.definition.versions import table_fingerprints
from octavo.errors import DefinitionError, OctavoError
from octavo.runner import STAGES, Display, Result, Runner, Unseen
from octavo.services import approval, corrections, releasing
from octavo.services.collecting import Collecting
from octavo.services.config import ConfigService, check
from octavo.services.deliveries import Deliveries
from octavo.services.inference_log import InferenceLog
from octavo.services.lineage.traced import Lineage
from octavo.services.maintenance import Maintenance
from octavo.services.mirror import Mirror
from octavo.services.notifications import NotificationService
from octavo.services.profiles import load_profile
from octavo.services.reproduce import Reproduction, reproduce
from octavo.services.rollback import roll_back
from octavo.services.rows import RowService
from octavo.services.scheduling.jobs import Job, jobs_of
from octavo.services.serving import Scorer
from octavo.services.verifying import Verified, verify
from octavo.stages.contract import Context, Progress
from octavo.stages.deployment.offline import SERVABLE_ROWS, check_servable
from octavo.stages.parts import whole
from octavo.stages.prep.request_time import OnlineFeatures
from octavo.stages.segregation.api import SplitRows
from octavo.stores import releases, versions
from octavo.stores.catalog import Catalog, Row
from octavo.stores.home import Home
from octavo.stores.user import user
from octavo.streams import Stream, open_stream

SCRIPT = "pipeline.py"


class Project:
    """One pipeline and where it lives.

    Parameters
    ----------
    folder
        Holds ``pipeline.py``, whose variable ``pipeline`` is an ``ov.Pipeline``.
    home
        Where data are kept; ``.octavo`` in the folder unless said otherwise.
    profile
        One of those in ``octavo.toml``; by default what ``OCTAVO_PROFILE`` says, or ``default``.
    release
        The ID of a release, whose copy of the script is loaded instead of the folder's.

    Examples
    --------
    >>> pipeline = octavo.project.load("examples/flights")  # doctest: +SKIP
    >>> train = pipeline.data(split="train", labels="with") # doctest: +SKIP
    """

    def __init__(
        self,
        folder: str | Path = ".",
        home: str | Path | None = None,
        profile: str | None = None,
        release: str | None = None,
    ) -> None:
        self.folder = Path(folder).resolve()
        self.home = Home(Path(home).resolve() if home else self.folder / ".octavo")
        self.release = release
        kept = self.home.release(release) if release else None
        self.definition = load_definition(self.folder, kept)
        self.profile = load_profile(self.folder, profile, os.environ)

    @property
    def name(self) -> str:
        """The pipeline's name: that of its folder."""
        return self.folder.name

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog, opened when first asked for."""
        return Catalog(self.home.catalog)

    @property
    def config(self) -> ConfigService:
        """The config service."""
        return ConfigService(self.definition, self.catalog, self.profile.name, os.environ)

    @property
    def mirror(self) -> Mirror | None:
        """What is shown in the profile's MLflow server, if it has one."""
        url = self.profile.mlflow
        return Mirror(self.catalog, self.home, url, self.name) if url else None

    def run(
        self,
        display: Display,
        *,
        first: str = "problem",
        last: str = "monitoring",
        fresh: bool = False,
        only: Sequence[str] = (),
        wait: bool = False,
    ) -> Result:
        """Run the stages from first to last that have something to do.

        Parameters
        ----------
        fresh
            Delete the home before: everything is ingested and computed anew.
        only
            Names of the datasets that are ingested; none: all.
        wait
            For another run that is under way, instead of refusing.
        """
        if fresh:
            self.home.start_over()
            self.__dict__.pop("catalog", None)
        return self.runner(display, only).run(between(first, last), wait=wait)

    def runner(self, display: Display, only: Sequence[str] = ()) -> Runner:
        """Return the runner of this project.

        Parameters
        ----------
        only
            Names of the datasets that are ingested; none: all.
        """
        for name in only:
            self.definition.dataset(name)
        return Runner(
            self.definition,
            self.folder,
            self.home,
            self.catalog,
            display,
            config=self.config,
            mirror=self.mirror,
            databases=self.profile.databases,
            only=only,
        )

    @property
    def jobs(self) -> list[Job]:
        """What runs by a schedule."""
        return jobs_of(self.definition)

    def offered(self, job: Job) -> str | None:
        """Return a fingerprint of what there is for a job to run on; None if nothing is new.

        Training brings segregation with it: a data version that is to be fixed is new as well.
        """
        only = [job.dataset] if job.dataset else []
        if job.schedule.on == DRIFT and not self._is_out_of_date():
            return None
        runner = self.runner(Unseen(), only)
        try:
            for name in between(job.stage if job.dataset else job.first, job.stage):
                if (step := runner.step(name)).reason:
                    return whole(step.parts)
        except (OctavoError, OSError):  # what it reads is not there yet, or cannot be looked at
            pass
        return None

    def _is_out_of_date(self) -> bool:
        """Say whether nothing is live, or what is live sees other data than it learned from.

        Only a look at the newest data tells that.
        """
        live, seen = self.catalog.live_deployment(), status.outputs(self.catalog, "monitoring")
        if live is None:
            return True
        newest = live["deployment_id"], versions.latest(self.catalog)["data_version"]
        looked = seen.get("deployment"), seen.get("data_version")
        return looked == newest and bool(seen["drifted"])

    def status(self) -> dict[str, Any]:
        """Return the state of stages, streams, tables and the mirror, as one document."""
        document = status.status(self.definition, self.name, self.catalog)
        mirror = self.mirror
        told = {"due": mirror.due, "error": mirror.error} if mirror else None
        stream = self.stream()
        flow = self.flow(stream)
        stream.close()
        return document | flow | {"mirror": told}

    def flow(self, stream: Stream) -> dict[str, Any]:
        """Return how far what is sent and what files grow by has come, and how large tables are."""
        return status.flow(self.definition, self.folder, self.home, self.catalog, stream)

    def reproduce(self, candidate_id: str) -> Reproduction:
        """Train a candidate once more from what was recorded, and say whether it is the same."""
        return reproduce(self.definition, self.folder, self.home, self.catalog, candidate_id)

    def withdraw(
        self, batch_id: str, reason: str, *, rebuild: bool = False
    ) -> list[dict[str, Any]]:
        """Take a batch back, and return the marks of what is stale by that.

        Parameters
        ----------
        rebuild
            Ask the next prep, whoever does it, to fold that anew.
        """
        of = self.definition, self.home, self.catalog
        with self._told():
            return corrections.withdraw(*of, batch_id, reason, rebuild=rebuild)

    def ask_rebuild(self, names: Sequence[str] = ()) -> None:
        """Ask the next prep to fold views anew; none named: all that is stale."""
        corrections.ask_rebuild(self.definition, self.catalog, names)

    def data(
        self,
        split: str = "all",
        labels: str = "with",
        columns: Sequence[str] | None = None,
        as_: Literal["polars", "lazy", "arrow"] = "polars",
        *,
        fold: int | None = None,
        filters: Sequence[str] = (),
        limit: int | None = None,
    ) -> Any:
        """Return rows of the newest data version.

        Parameters
        ----------
        split
            ``train``, ``validation``, ``test`` or ``all``.
        labels
            ``with`` labeled rows only, ``without`` (unlabeled rows only), or ``both``.
        columns
            Features wanted; None for all of them.
        fold
            Of which fold, from 1, the oldest; None: the last one.
        filters
            Conditions that all must hold, such as ``"amount >= 10"``.
        limit
            Give the first so many rows; None: all of them.
        as_
            ``polars`` a DataFrame, ``lazy`` a LazyFrame; ``arrow`` a ``pyarrow.Table`` (needs
            pyarrow; without it, a DataFrame is itself an Arrow stream by its
            ``__arrow_c_stream__``).
        """
        frame = self.rows().data(split, labels, columns, fold=fold, filters=filters, limit=limit)
        if as_ == "lazy":
            return frame.lazy()
        return frame.to_arrow() if as_ == "arrow" else frame

    def rows(self) -> SplitRows:
        """Return the segregation API over the newest data version."""
        document = versions.latest(self.catalog)
        return SplitRows(self.definition, self.home, self.catalog, document)

    def row_service(self) -> RowService:
        """Return the segregation API page by page, as HTTP asks it."""
        return RowService(self.definition, self.home, self.catalog)

    def scorer(self, deployment: Row | None = None) -> Scorer:
        """Return what a deployment, by default the live one, answers with: online and for files."""
        return Scorer(self.definition, self.home, self.catalog, deployment)

    def warm_scorer(self, deployment: Row | None = None) -> Scorer:
        """Return `scorer` when it has answered once, so that no request waits for a first time."""
        scorer = self.scorer(deployment)
        rows = self.catalog.committed(self.definition.rows.name)
        scorer.warm_up(rows[-1:], self.home)
        return scorer

    def rollback(self, to: str = "", reason: str = "") -> tuple[Row, Row]:
        """Let a model answer again that did before; see `octavo.services.rollback.roll_back`."""
        with self._told():
            return roll_back(self.catalog, self.warm_scorer, to, reason)

    def approve(self, candidate: str = "", reason: str = "", by: str = "") -> Row:
        """Let a candidate answer that waits for it; see `octavo.services.approval.approve`.

        Parameters
        ----------
        by
            Who approves; the user of this process by default.
        """
        with self._told():
            about = {"actor": by or user(), "reason": reason}
            return approval.approve(self.catalog, self._prove, candidate, **about)

    def decline(self, candidate: str = "", reason: str = "", by: str = "") -> Row:
        """Refuse a candidate that waits for approval."""
        with self._told():
            about = {"actor": by or user(), "reason": reason}
            return approval.decline(self.catalog, candidate, **about)

    def deliveries(self) -> Deliveries:
        """Return what people have been told, and are to be."""
        return Deliveries(self.catalog, self.definition.notify, self.name, os.environ)

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Tell people of what is done, when it is done."""
        quiet: Callable[[str, str], None] = lambda *_: None  # noqa: E731
        told = {"console": quiet, "deliveries": self.deliveries()}
        notifications = NotificationService(self.catalog, self.home.log, **told)
        yield
        notifications.tell()

    def _prove(self, deployment: Row) -> None:
        """Refuse a deployment that could not answer, or not as it was judged."""
        scorer = self.warm_scorer(deployment)
        learns_from = self.definition.problem.learns_from
        check_servable(
            scorer.bundle, self.rows().data("validation", learns_from, limit=SERVABLE_ROWS)
        )

    def of_release(self, release: str, profile: str | None) -> "Project":
        """Return this project as a release has it."""
        return Project(self.folder, self.home.path, profile, release)

    def kept_for_release(self, profile: str | None) -> "Project":
        """Return this project with a copy of its script, as it is now, that nobody writes to."""
        release = releases.new_release_id()
        kept = self.home.release(release)
        releasing.keep_script(self.folder, kept, SCRIPT)
        try:
            found = self.of_release(release, profile)
        except OctavoError:
            shutil.rmtree(kept)
            raise
        releasing.keep_modules(self.folder, kept)
        return found

    def begin_release(self) -> None:
        """Write down what is to be released."""
        assert self.release is not None, "it was kept for one"
        pipeline = self.definition
        wanted = table_fingerprints(pipeline, self.catalog.loaded(pipeline.datasets))
        releases.begin(self.catalog, self.release, releasing.declared(pipeline), wanted)

    def forget_release(self) -> None:
        """Delete the copy of one that was not begun."""
        assert self.release is not None, "it was kept for one"
        shutil.rmtree(self.home.release(self.release), ignore_errors=True)

    def beside_runs(self, progress: Progress) -> Context:
        """Return what prep works with for a release."""
        told = self.definition, self.folder, self.home, self.catalog
        return Context.beside_runs(*told, run_id=self.release or "", progress=progress)

    def stream(self) -> Stream:
        """Open the stream of the profile; whoever asked for it closes it."""
        return open_stream(self.profile.stream, self.home.streams)

    def inference_log(self, stream: Stream, tell: Callable[[str], None]) -> InferenceLog:
        """Return what logs the predictions that a process serves."""
        return InferenceLog(self.home, stream, self.profile.log, tell)

    def collecting(self, stream: Stream, tell: Callable[[str], None]) -> Collecting:
        """Return what takes predictions from a stream into their table, and tells of errors."""
        return Collecting(self.home, stream, tell)

    def maintenance(self, stream: Stream) -> Maintenance:
        """Return what keeps the home's tables, and a stream, quick and small."""
        keep = microseconds(self.profile.keep_files, where="keep_files") / 1e6
        return Maintenance(self.home, stream, keep=keep)

    def features(self) -> OnlineFeatures:
        """Return the online features, as of the newest prep."""
        return OnlineFeatures(self.definition, self.home, self.catalog)

    def lineage(self) -> Lineage:
        """Return what tells of anything what it was made of, and what came of it."""
        return Lineage(self.definition, self.home, self.catalog)

    def verify(self, last: int | None = None) -> Verified:
        """Compute the features of served predictions again, and hold them against each other.

        Parameters
        ----------
        last
            Of the newest so many; None: of all of them.
        """
        return verify(self.definition, self.home, self.catalog, last)


def between(first: str, last: str) -> list[str]:
    """Return the stages from first to last, both included."""
    names = list(STAGES)
    for name in (first, last):
        if name not in STAGES:
            raise DefinitionError.unknown("stage", name, names)
    chosen = names[names.index(first) : names.index(last) + 1]
    if not chosen:
        raise DefinitionError(
            f"{first} does not come before {last}.", fix=f"The order is {', '.join(names)}."
        )
    return chosen


def load_definition(folder: Path, kept: Path | None = None) -> Pipeline:
    """Run a folder's ``pipeline.py`` and return its ``pipeline``.

    Parameters
    ----------
    kept
        Where a copy of the script is, and of what it imports beside it, that is run instead.

    Raises
    ------
    DefinitionError
        With file and line, if the script is missing, fails, or defines no pipeline.
    """
    script = folder / SCRIPT
    if not ((kept or folder) / SCRIPT).exists():
        raise DefinitionError(
            f"there is no {SCRIPT}.",
            where=str(kept or folder),
            fix="Name the folder: `octavo run DIR`.",
        )
    module = _execute(script, kept or folder)
    pipeline = getattr(module, "pipeline", None)
    if not isinstance(pipeline, Pipeline):
        raise DefinitionError(
            "it defines no `pipeline = ov.Pipeline(…)`.", where=str(script), fix="Add one."
        )
    check(pipeline, declared(pipeline))
    return pipeline


class _Kept(SourceFileLoader):
    """Runs a copy of a script in the place of the script: with its name, and paths beside it."""

    def __init__(self, name: str, script: Path, copy: Path) -> None:
        super().__init__(name, str(script))
        self._copy = copy

    def get_data(self, path: str) -> bytes:
        return self._copy.read_bytes()

    def path_stats(self, path: str) -> Mapping[str, Any]:
        raise OSError  # compiled anew each time: what Python cached is of the script

    def path_mtime(self, path: str) -> float:
        raise OSError


def _execute(script: Path, kept: Path) -> ModuleType:
    name = f"octavo_pipeline_{script.parent.name}"
    loader = _Kept(name, script, kept / script.name)
    spec = importlib.util.spec_from_file_location(name, script, loader=loader)
    assert spec is not None, "a .py file always has one"
    module = importlib.util.module_from_spec(spec)
    beside = [*dict.fromkeys([str(kept), str(script.parent)])]
    sys.path[:0] = beside
    try:
        loader.exec_module(module)
    except OctavoError as error:
        where = f"{_place(script, error)}, {error.where}" if error.where else _place(script, error)
        raise DefinitionError(error.what, where=where, fix=error.fix) from error
    except (Exception, SystemExit) as error:  # the user's own code runs here
        raise DefinitionError(
            f"{type(error).__name__}: {error}.", where=_place(script, error), fix="Correct it."
        ) from error
    finally:
        for each in beside:
            sys.path.remove(each)
    return module


def _place(script: Path, error: BaseException) -> str:
    """Return file:line of the user's line that led to an error."""
    if isinstance(error, SyntaxError) and error.lineno:
        return f"{script.name}:{error.lineno}"
    lines = [
        f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == str(script)
    ]
    return f"{script.name}:{lines[-1]}" if lines else script.name


def load(
    folder: str | Path = ".",
    home: str | Path | None = None,
    profile: str | None = None,
    release: str | None = None,
) -> Project:
    """Open a project; see `Project`."""
    return Project(folder, home, profile, release)
