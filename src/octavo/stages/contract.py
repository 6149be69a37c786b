"""What a stage is given and what it gives back."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import polars as pl

from octavo.definition import Dataset, Pipeline
from octavo.engines import LocalEngine
from octavo.stages.parts import Parts
from octavo.stores.catalog import Catalog
from octavo.stores.catalog import now as wall_clock
from octavo.stores.features import FeatureStore
from octavo.stores.home import Home
from octavo.stores.predictions import PredictionStore
from octavo.stores.raw import RawStore

LOOKED = 1_000_000
"""Rows that are looked at where not all are needed; of more, so many drawn from all of them."""


class Progress(Protocol):
    """Where a stage tells how far it is."""

    def __call__(self, task: str, done: float, total: float, note: str = "") -> None:
        """Say that ``done`` of ``total`` (in any unit, the same for both) of a task is done.

        ``note``: what is best to know of it so far.
        """


class Segregation(Protocol):
    """The only way by which training and evaluation reach data."""

    @property
    def data_version(self) -> str:
        """The data version that is read."""
        ...

    @property
    def features(self) -> dict[str, str]:
        """Every feature, derived ones too, with its fingerprint."""
        ...

    @property
    def positions(self) -> dict[str, int]:
        """How far prep had come with the rows and with each view."""
        ...

    @property
    def leaks(self) -> list[dict[str, Any]]:
        """What looks like a leak in it: kind, columns, what was seen, the next step."""
        ...

    @property
    def folds(self) -> int:
        """How often the search validates; the last fold is train and validation."""
        ...

    def data(
        self,
        split: str = "all",
        labels: str = "with",
        columns: Sequence[str] | None = None,
        *,
        fold: int | None = None,
        most: int | None = None,
    ) -> pl.DataFrame:
        """Return the rows of one part: stamps, features and, with labels, the label.

        Of all features unless some are named; of the last fold unless another is; if there are
        more than ``most`` rows, so many drawn from them.
        """
        ...

    def outcomes(self, split: str, labels: str, *, fold: int | None = None) -> pl.Series:
        """Return the label of the rows that `data` gives, null where it is not known."""
        ...

    def settled(self, rows: pl.DataFrame) -> pl.Series:
        """Return of which of the rows one may learn before test: labels settled by its cut."""
        ...

    def newest(self, most: int | None = None) -> pl.DataFrame:
        """Return the rows that monitoring looks at, labeled or not; or so many drawn from them."""
        ...

    def newest_blocks(self, size: int) -> Iterator[pl.DataFrame]:
        """Give the same rows, so many at a time; at least one block."""
        ...


@dataclass(frozen=True)
class Context:
    """All that a stage works with. It holds no data of its own."""

    pipeline: Pipeline
    folder: Any
    """Folder of ``pipeline.py``; relative file patterns begin there."""
    home: Home
    catalog: Catalog
    engine: LocalEngine
    run_id: str
    settings: Mapping[str, Any]
    """The training settings of one version of the config service."""
    config_version: int
    segregation: Callable[[], Segregation]
    progress: Progress
    now: Callable[[], int]
    """The clock, microseconds since the epoch."""
    databases: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Connection name to URL, which may hold a password."""
    only: Collection[str] = ()
    """Names of the datasets that are ingested; none: all."""

    @classmethod
    def beside_runs(
        cls,
        pipeline: Pipeline,
        folder: Any,
        home: Home,
        catalog: Catalog,
        *,
        run_id: str,
        progress: Progress = lambda task, done, total, note="": None,
        clock: Callable[[], int] = wall_clock,
    ) -> Self:
        """Return what prep works with where there is no run: no settings, and no segregation."""
        return cls(
            pipeline=pipeline,
            folder=folder,
            home=home,
            catalog=catalog,
            engine=LocalEngine(),
            run_id=run_id,
            settings={},
            config_version=0,
            segregation=_no_segregation,
            progress=progress,
            now=clock,
        )

    @property
    def ingested(self) -> list[Dataset]:
        """The datasets that ingestion looks at."""
        datasets = self.pipeline.datasets
        return [each for each in datasets if not self.only or each.name in self.only]

    @property
    def raw(self) -> RawStore:
        """The raw store."""
        return RawStore(self.home)

    @property
    def features(self) -> FeatureStore:
        """The offline feature store."""
        return FeatureStore(self.home)

    @property
    def predictions(self) -> PredictionStore:
        """The prediction store."""
        return PredictionStore(self.home)


@dataclass(frozen=True)
class Outcome:
    """What a stage did."""

    rows_in: int
    rows_out: int
    rejected: int = 0
    outputs: dict[str, Any] = field(default_factory=dict)
    """Plain JSON values, kept with the run."""


class Stage(Protocol):
    """A module ``offline.py`` with these two functions."""

    def inputs(self, context: Context) -> Parts:
        """Return what the stage depends on, by name; the same again means nothing to do."""
        ...

    def run(self, context: Context) -> Outcome:
        """Do the work. Killed at any instant and run again, it gives the same."""
        ...


def _no_segregation() -> Segregation:
    raise AssertionError("prep reads no rows that are segregated")
