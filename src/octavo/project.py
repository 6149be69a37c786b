"""A project: a folder with a ``pipeline.py``, and its home. The door for Python users."""

import importlib.util
import os
import sys
import traceback
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any, Literal

from octavo import status
from octavo.definition import Pipeline
from octavo.definition.durations import microseconds
from octavo.definition.settings import declared
from octavo.errors import DefinitionError, OctavoError
from octavo.runner import STAGES, Display, Result, Runner
from octavo.services import corrections
from octavo.services.config import ConfigService, check
from octavo.services.maintenance import Maintenance
from octavo.services.mirror import Mirror
from octavo.services.profiles import load_profile
from octavo.services.reproduce import Reproduction, reproduce
from octavo.services.rows import RowService
from octavo.services.serving import Scorer
from octavo.services.verifying import Verified, verify
from octavo.stages.prep.request_time import OnlineFeatures
from octavo.stages.segregation.api import SplitRows
from octavo.stores import versions
from octavo.stores.catalog import Catalog
from octavo.stores.home import Home
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
    ) -> None:
        self.folder = Path(folder).resolve()
        self.home = Home(Path(home).resolve() if home else self.folder / ".octavo")
        self.definition = load_definition(self.folder)
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
    ) -> Result:
        """Run the stages from first to last that have something to do.

        Parameters
        ----------
        fresh
            Delete the home before: everything is ingested and computed anew.
        """
        if fresh:
            self.home.start_over()
            self.__dict__.pop("catalog", None)
        return self.runner(display).run(between(first, last))

    def runner(self, display: Display) -> Runner:
        """Return the runner of this project."""
        return Runner(
            self.definition,
            self.folder,
            self.home,
            self.catalog,
            display,
            config=self.config,
            mirror=self.mirror,
            databases=self.profile.databases,
        )

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

    def withdraw(self, batch_id: str, reason: str) -> list[dict[str, Any]]:
        """Take a batch back, and return the marks of what is stale by that."""
        return corrections.withdraw(self.definition, self.home, self.catalog, batch_id, reason)

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

    def scorer(self) -> Scorer:
        """Return what the live deployment answers with, online and for files."""
        return Scorer(self.definition, self.home, self.catalog)

    def stream(self) -> Stream:
        """Open the stream of the profile; whoever asked for it closes it."""
        return open_stream(self.profile.stream, self.home.streams)

    def maintenance(self, stream: Stream) -> Maintenance:
        """Return what keeps the home's tables, and a stream, quick and small."""
        keep = microseconds(self.profile.keep_files, where="keep_files") / 1e6
        return Maintenance(self.home, stream, keep=keep)

    def features(self) -> OnlineFeatures:
        """Return the online features, as of the newest prep."""
        return OnlineFeatures(self.definition, self.home, self.catalog)

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


def load_definition(folder: Path) -> Pipeline:
    """Run a folder's ``pipeline.py`` and return its ``pipeline``.

    Raises
    ------
    DefinitionError
        With file and line, if the script is missing, fails, or defines no pipeline.
    """
    script = folder / SCRIPT
    if not script.exists():
        raise DefinitionError(
            f"there is no {SCRIPT}.", where=str(folder), fix="Name the folder: `octavo run DIR`."
        )
    module = _execute(script)
    pipeline = getattr(module, "pipeline", None)
    if not isinstance(pipeline, Pipeline):
        raise DefinitionError(
            "it defines no `pipeline = ov.Pipeline(…)`.", where=str(script), fix="Add one."
        )
    check(pipeline, declared(pipeline))
    return pipeline


def _execute(script: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"octavo_pipeline_{script.parent.name}", script)
    assert spec is not None, "a .py file always has one"
    assert spec.loader is not None, "a .py file always has one"
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(script.parent))
    try:
        spec.loader.exec_module(module)
    except OctavoError as error:
        where = f"{_place(script, error)}, {error.where}" if error.where else _place(script, error)
        raise DefinitionError(error.what, where=where, fix=error.fix) from error
    except (Exception, SystemExit) as error:  # the user's own code runs here
        raise DefinitionError(
            f"{type(error).__name__}: {error}.", where=_place(script, error), fix="Correct it."
        ) from error
    finally:
        sys.path.remove(str(script.parent))
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
    folder: str | Path = ".", home: str | Path | None = None, profile: str | None = None
) -> Project:
    """Open a project; see `Project`."""
    return Project(folder, home, profile)
