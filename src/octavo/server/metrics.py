"""What ``/metrics`` tells: requests, predictions and their parts, streams, and the eight stages.

A child of a metric is looked up once and kept: looking it up by its labels for each request costs
more than counting. With several workers on one port, counts are kept in files that all of them
write (prometheus_client's own way), so that whichever is asked tells of all.
"""

import asyncio
import os
from collections import Counter as TallyCounter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.multiprocess import MultiProcessCollector

from octavo.services.inference_log import InferenceLog
from octavo.services.models import Predicted
from octavo.services.stage_metrics import StageMetrics

FOLD = 1.0
"""Seconds after which what was counted is in the metrics, at the latest."""
SHARED = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the folder of the workers' counts."""
PARTS = ("decode", "wait", "features", "model", "encode")
"""Of the time of a prediction: reading the request, waiting for its batch, looking features up, the
model, writing the answer."""
_BUCKETS = (1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.1, 1.0)

_STREAM = {
    "lag": "Rows that wait to be ingested.",
    "freshness": "Seconds from the append of the newest batch's first row to its commit.",
}
_VIEW = {
    "rows": "Rows in the raw store that the features of a view have not seen.",
    "waits": "Seconds since the oldest of them was received.",
}
_TABLE = {
    "files": "Data files of a table; many are slow to read.",
    "bytes": "Bytes of a table's data files.",
}

_STATE = (
    ("streams", "stream", _STREAM, ("dataset", "partition")),
    ("views", "features", _VIEW, ("view",)),
    ("tables", "table", _TABLE, ("table",)),
)

Flow = Callable[[], Mapping[str, Any]]
"""How far what is sent has come, as `octavo.status.flow`."""


class Metrics:
    """The metrics of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self._requests = Counter("octavo_requests", "Requests answered.", ["path", "status"], **own)
        self._latency = _Histogram(
            "octavo_predict_seconds", "Time from request to answer.", buckets=_BUCKETS, **own
        )
        parts = _Histogram(
            "octavo_predict_part_seconds", "Parts of it.", ["part"], buckets=_BUCKETS, **own
        )
        self._parts = [parts.labels(part) for part in PARTS]
        self._taken: list[tuple[int, ...]] = []
        """Nanoseconds of parts, an answer each, that are not in the histograms yet."""
        self._rows = 0
        """Rows predicted that are not counted yet."""
        self._is_folding = False
        self.predicted = Counter("octavo_predictions", "Rows predicted.", **own)
        self.flagged = Counter(
            "octavo_predictions_flagged", "Rows predicted of which something was found.", **own
        )
        self.received = Counter("octavo_received_rows", "Rows on disk.", ["dataset"], **own)
        self._answered: TallyCounter[tuple[str, int | str]] = TallyCounter()
        """Answers by path and status that are not in the counter yet."""
        self._watched: list[tuple[str, Flow, InferenceLog]] = []
        self._stages: StageMetrics = StageMetrics([])

    def watch(self, pipeline: str, flow: Flow, log: InferenceLog) -> None:
        """Tell of a pipeline's streams, features, tables and log too."""
        self._watched.append((pipeline, flow, log))

    def watch_stages(self, stages: StageMetrics) -> None:
        """Tell of what the catalog knows too."""
        self._stages = stages

    def predicted_in(self, nanoseconds: tuple[int, ...], found: Predicted) -> None:
        """Count an answer, by how long each of `PARTS` took. Belongs to the event loop."""
        self._taken.append(nanoseconds)
        self._rows += len(found.outputs)
        if not self._is_folding:
            self._fold_soon()
        if found.flags is not None:
            self.flagged.inc(sum(each is not None for each in found.flags))

    def answered(self, path: str, status: int | str) -> None:
        """Count a request, by its path's pattern and status. Belongs to the event loop."""
        self._answered[path, status] += 1
        if not self._is_folding:
            self._fold_soon()

    def _fold_soon(self) -> None:
        self._is_folding = True
        asyncio.get_running_loop().call_later(FOLD, self.fold)

    def fold(self) -> None:
        """Put what was counted into the metrics. Belongs to the event loop."""
        self._is_folding = False
        answers, self._answered = self._answered, TallyCounter()
        for (path, status), count in answers.items():
            self._requests.labels(path, status).inc(count)
        rows, self._rows = self._rows, 0
        self.predicted.inc(rows)
        taken, self._taken = self._taken, []
        if taken:
            parts = np.array(taken, np.float64).T * 1e-9
            self._latency.observe_all(parts.sum(axis=0))
            for histogram, seconds in zip(self._parts, parts, strict=True):
                histogram.observe_all(seconds)

    def text(self) -> bytes:
        """Return all of it as Prometheus reads it; `fold` first."""
        registry = self.registry
        if SHARED in os.environ:
            registry = CollectorRegistry()
            MultiProcessCollector(registry)
        state = CollectorRegistry()
        state.register(_Gauges(self._watched))
        state.register(self._stages)
        return generate_latest(registry) + generate_latest(state)


_REASONS = {
    "not_logged": "Predictions that were answered and not logged.",
    "without_features": "Predictions that were logged without features.",
}


class _Histogram(Histogram):
    """One that takes many values at once: one by one they cost more than predicting."""

    def observe_all(self, seconds: np.ndarray) -> None:
        """Observe some values."""
        at = np.searchsorted(self._upper_bounds, seconds)  # a bound belongs to its own bucket
        for bucket, count in zip(self._buckets, np.bincount(at).tolist(), strict=False):
            if count:
                bucket.inc(count)
        self._sum.inc(float(seconds.sum()))


class _Gauges:
    """What is looked up when metrics are asked for."""

    def __init__(self, watched: Sequence[tuple[str, Flow, InferenceLog]]) -> None:
        self._watched = watched

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Look now."""
        flows = [(pipeline, flow()) for pipeline, flow, _ in self._watched]
        for kind, prefix, told, labels in _STATE:
            for name, help_ in told.items():
                found = _family(f"{prefix}_{name}", help_, labels)
                for pipeline, each in ((p, each) for p, flow in flows for each in flow[kind]):
                    if each[name] is not None:
                        found.add_metric([pipeline, *(str(each[at]) for at in labels)], each[name])
                yield found
        unread = _family(
            "followed_bytes",
            "Bytes of growing files that are not in their stream yet.",
            ["dataset"],
        )
        for pipeline, flow in flows:
            for dataset, size in flow["followed"].items():
                unread.add_metric([pipeline, dataset], size)
        yield unread
        logged = _family("predictions_logged", "Predictions that outlive the process.", [])
        for pipeline, _, log in self._watched:
            logged.add_metric([pipeline], log.logged)
        yield logged
        for name, told in _REASONS.items():
            found = _family(f"predictions_{name}", told, ["reason"])
            for pipeline, _, log in self._watched:
                for reason, rows in sorted(dict(getattr(log, name)).items()):
                    found.add_metric([pipeline, reason], rows)
            yield found


def _family(name: str, told: str, labels: Sequence[str]) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"octavo_{name}", told, labels=["pipeline", *labels])
