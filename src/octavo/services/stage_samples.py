"""What the catalog tells of all eight stages, as numbers with names and labels.

Every number is one of `FAMILIES`. Only what changes by itself is read: no rows, and of events those
that are new.
"""

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

from octavo.definition import Pipeline
from octavo.definition.kinds import STAGES
from octavo.stages.prep.stale import ALL
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog

STATES = ("waiting", "running", "succeeded", "failed", "interrupted")
"""Of a stage; ``waiting`` before its first run."""
_FIGURES = ("test", "validation", "baseline", "threshold")
"""Of a verdict: ``threshold`` is what was needed."""

FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "stage_state": ("1 for the state of a stage's last run, 0 for others.", ("stage", "state")),
    "stage_seconds": ("What the last run of a stage took.", ("stage",)),
    "stage_rows": ("Rows of a stage's last run: in, out, rejected.", ("stage", "direction")),
    "stage_last_success_timestamp_seconds": ("When a stage last succeeded.", ("stage",)),
    "dataset_batches": ("Batches that count.", ("dataset",)),
    "dataset_rows": ("Their accepted rows.", ("dataset",)),
    "dataset_rejected_rows": ("Their rejected rows.", ("dataset",)),
    "dataset_last_batch_timestamp_seconds": ("When the last of them came.", ("dataset",)),
    "dataset_known_until_timestamp_seconds": (
        "The newest moment at which one of their rows could be known.",
        ("dataset",),
    ),
    "feature_group_position": ("How far a feature group has come.", ("view", "group")),
    "feature_group_rows": ("Rows that its last prep left.", ("view", "group")),
    "feature_group_too_late_rows": ("Of these, later than is kept.", ("view", "group")),
    "stale_entities": ("Entities whose features are stale; +Inf for all.", ("view",)),
    "trials": ("Trials of the newest search.", ("state",)),
    "trial_best_figure": ("The best of them, on validation.", ("metric",)),
    "verdict_answered": ("Whether the newest verdict says that the problem is answered.", ()),
    "verdict_figure": ("Figures of the newest verdict.", ("metric", "figure")),
    "verdict_timestamp_seconds": ("When it was given.", ()),
    "deployment_info": ("1: what is live.", ("deployment", "candidate", "algorithm")),
    "deployment_live_since_timestamp_seconds": ("Since when it is.", ()),
    "drift": ("How far the newest data are from those of training.", ("feature", "measure")),
    "drift_threshold": ("From which a feature has drifted.", ("measure",)),
    "drifted_features_ratio": ("Share of the features that have.", ()),
    "performance_figure": ("Of predictions whose label has come.", ("metric",)),
    "performance_labeled_rows": ("How many these are.", ()),
    "catalog_read_timestamp_seconds": ("When all this was read from the catalog.", ()),
    "events_total": ("What happened.", ("kind", "severity")),
}
"""Name, without ``octavo_``, to what it means and its labels besides ``pipeline``."""


class Sample(NamedTuple):
    """A number of a family."""

    family: str
    labels: tuple[str, ...]
    value: float


class Events:
    """How many events of each kind and severity there are; counts on where it was."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, str]] = Counter()
        self._last = 0

    def counted(self, catalog: Catalog) -> Iterator[Sample]:
        """Count what is new, and give all counts."""
        table = tables.events
        kind = (table.c.kind, table.c.severity)
        counts = (sa.func.count().label("count"), sa.func.max(table.c.id).label("id"))
        new = _select(*kind, *counts).where(table.c.id > self._last).group_by(*kind)
        for row in catalog.rows(new):
            self._counts[row["kind"], row["severity"]] += row["count"]
            self._last = max(self._last, row["id"])
        for labels, count in sorted(self._counts.items()):
            yield Sample("events_total", labels, count)


def samples(pipeline: Pipeline, catalog: Catalog) -> Iterator[Sample]:
    """Give all that is told but `Events`, and the time."""
    yield from _stages(catalog)
    yield from _datasets(catalog)
    yield from _features(catalog)
    yield from _search(catalog, more_is_better=pipeline.problem.more_is_better)
    yield from _verdict(catalog)
    yield from _deployment(catalog)
    yield from _monitoring(catalog)


def _stages(catalog: Catalog) -> Iterator[Sample]:
    table = tables.stage_runs
    newest = sa.select(sa.func.max(table.c.id)).group_by(table.c.stage)
    wanted = ("stage", "state", "seconds", "rows_in", "rows_out", "rejected")
    last = catalog.rows(
        sa.select(*(table.c[name] for name in wanted)).where(table.c.id.in_(newest))
    )
    states = dict.fromkeys(STAGES, "waiting") | {row["stage"]: row["state"] for row in last}
    for stage, found in states.items():
        for state in STATES:
            yield Sample("stage_state", (stage, state), state == found)
    for row in last:
        if row["seconds"] is not None:
            yield Sample("stage_seconds", (row["stage"],), row["seconds"])
        for direction in ("rows_in", "rows_out", "rejected"):
            if row[direction] is not None:
                label = direction.removeprefix("rows_")
                yield Sample("stage_rows", (row["stage"], label), row[direction])
    done = _select(table.c.stage, sa.func.max(table.c.finished_at).label("at"))
    for row in catalog.rows(done.where(table.c.state == "succeeded").group_by(table.c.stage)):
        yield _moment("stage_last_success", row["at"], row["stage"])


def _datasets(catalog: Catalog) -> Iterator[Sample]:
    for dataset, row in catalog.totals().items():
        yield Sample("dataset_batches", (dataset,), row["batches"])
        yield Sample("dataset_rows", (dataset,), row["rows"] or 0)
        yield Sample("dataset_rejected_rows", (dataset,), row["rejected"] or 0)
        if row["last"] is not None:
            yield _moment("dataset_last_batch", row["last"], dataset)
        if row["newest"]:  # facts of a static dataset are known from the beginning, 0
            yield _moment("dataset_known_until", row["newest"], dataset)


def _features(catalog: Catalog) -> Iterator[Sample]:
    for group in catalog.live_groups():
        labels = group["name"], group["group_id"]
        yield Sample("feature_group_position", labels, group["position"])
        yield Sample("feature_group_rows", labels, group["rows"])
        yield Sample("feature_group_too_late_rows", labels, group["too_late"])
    table = tables.stale
    # One entity may be stale by several corrections.
    entities = sa.func.count(sa.distinct(table.c.key)).label("entities")
    whole = sa.func.max(table.c.key == ALL).label("whole")
    marks = _select(table.c.name, entities, whole)
    for row in catalog.rows(marks.group_by(table.c.name)):
        count = float("inf") if row["whole"] else row["entities"]
        yield Sample("stale_entities", (row["name"],), count)


def _search(catalog: Catalog, *, more_is_better: bool) -> Iterator[Sample]:
    study = catalog.newest(tables.studies, "started_at")
    if study is None:
        return
    table = tables.trials
    best = (sa.func.max if more_is_better else sa.func.min)(table.c.figure).label("best")
    query = _select(table.c.state, sa.func.count().label("count"), best)
    rows = catalog.rows(query.where(table.c.study == study["study"]).group_by(table.c.state))
    for row in rows:
        yield Sample("trials", (row["state"],), row["count"])
        if row["state"] == "complete" and row["best"] is not None:
            yield Sample("trial_best_figure", (_metric(catalog),), row["best"])


def _metric(catalog: Catalog) -> str:
    """Return the metric of the newest definition."""
    found = catalog.newest(tables.definitions, "created_at")
    return found["problem"]["metric"] if found else ""


def _verdict(catalog: Catalog) -> Iterator[Sample]:
    row = catalog.newest(tables.verdicts, "id")
    if row is None:
        return
    document = row["document"]
    yield Sample("verdict_answered", (), bool(row["answered"]))
    for figure in _FIGURES:
        if document[figure] is not None:
            yield Sample("verdict_figure", (document["metric"], figure), document[figure])
    yield _moment("verdict", row["at"])


def _deployment(catalog: Catalog) -> Iterator[Sample]:
    live = catalog.live_deployment()
    if live is None:
        return
    candidate = catalog.candidate(live["candidate_id"])
    algorithm = candidate["algorithm"] if candidate else ""
    yield Sample("deployment_info", (live["deployment_id"], live["candidate_id"], algorithm), 1)
    yield _moment("deployment_live_since", live["live_from"])


def _monitoring(catalog: Catalog) -> Iterator[Sample]:
    table = tables.stage_runs
    looked = (table.c.stage == "monitoring") & (table.c.state == "succeeded")
    row = catalog.one(sa.select(table.c.outputs).where(looked).order_by(table.c.id.desc()))
    if row is None or "drift" not in row["outputs"]:
        return
    found = row["outputs"]
    measure, drift = found["measure"], found["drift"]
    for feature, values in drift.items():
        yield Sample("drift", (feature, measure), values[measure])
    yield Sample("drift_threshold", (measure,), found["threshold"])
    yield Sample("drifted_features_ratio", (), len(found["drifted"]) / max(len(drift), 1))
    if performance := found["performance"]:
        yield Sample("performance_figure", (performance["metric"],), performance["figure"])
        yield Sample("performance_labeled_rows", (), performance["labeled"])


def _select(*columns: sa.ColumnElement[Any]) -> sa.Select[Any]:
    return sa.select(*columns)


def _moment(name: str, microseconds: int, *labels: Any) -> Sample:
    return Sample(f"{name}_timestamp_seconds", labels, microseconds / 1e6)
