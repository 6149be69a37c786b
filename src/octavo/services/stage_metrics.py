"""The eight stages as Prometheus reads them: from the catalog, seldom, and in nobody's way.

What is told may be some seconds old, and says when it was read. A catalog that is busy, or gone,
fails no scrape: what was known before is told again.
"""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from octavo.definition import Pipeline
from octavo.errors import ResourceError
from octavo.services.stage_samples import FAMILIES, Events, Sample, samples
from octavo.stores.catalog import Catalog, now

AGE = 5.0
"""Seconds for which what was read is told again."""
SHARE = 0.05
"""Of the time, that reading takes at the most: what takes long is read more seldom."""
PATIENCE = 1.0
"""Seconds to wait for a catalog that somebody writes to."""


class Watched:
    """What is told of one pipeline.

    Parameters
    ----------
    path
        The catalog's file; opened for this alone, as others wait for it longer.
    clock
        Seconds, of no particular beginning.
    moment
        Microseconds since the epoch.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        name: str,
        path: Path,
        *,
        clock: Callable[[], float] = time.monotonic,
        moment: Callable[[], int] = now,
    ) -> None:
        self.name = name
        self._pipeline, self._path = pipeline, path
        self._clock, self._now = clock, moment
        self._lock = threading.Lock()
        self._catalog: Catalog | None = None
        self._events = Events()
        self._found: list[Sample] = []
        self._due = float("-inf")

    def samples(self) -> list[Sample]:
        """Return what is known, read anew if that is long ago; none before the first time.

        Of several threads one reads, and the others are told what was known before.
        """
        if self._clock() >= self._due and self._lock.acquire(blocking=False):
            try:
                self._read()
            finally:
                self._lock.release()
        return self._found

    def _read(self) -> None:
        began = self._clock()
        with suppress(ResourceError):  # how old what is told gets tells of it
            self._found = self._all()
        ended = self._clock()
        self._due = ended + max(AGE, (ended - began) / SHARE)

    def _all(self) -> list[Sample]:
        at = Sample("catalog_read_timestamp_seconds", (), self._now() / 1e6)
        if self._catalog is None:
            self._catalog = Catalog(self._path, patience=PATIENCE)
        found = samples(self._pipeline, self._catalog)
        return [*found, at, *self._events.counted(self._catalog)]


class StageMetrics:
    """All pipelines' together, a collector as prometheus_client takes it."""

    def __init__(self, watched: Sequence[Watched]) -> None:
        self._watched = watched

    def collect(self) -> Iterator[Metric]:
        """Give each family once."""
        families = {name: _family(name) for name in FAMILIES}
        for each in self._watched:
            for sample in each.samples():
                families[sample.family].add_metric([each.name, *sample.labels], sample.value)
        yield from families.values()


def _family(name: str) -> GaugeMetricFamily | CounterMetricFamily:
    told, labels = FAMILIES[name]
    kind = CounterMetricFamily if name.endswith("_total") else GaugeMetricFamily
    return kind(f"octavo_{name}", told, labels=["pipeline", *labels])


def text(watched: Watched) -> str:
    """Return what is told of one pipeline in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(StageMetrics([watched]))
    return generate_latest(registry).decode()
