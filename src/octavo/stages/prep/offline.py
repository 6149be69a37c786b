"""Fold all new batches into features and state: one replay of the log per view.

Nothing counts before the last transaction, in which the new versions of all views become live
together. What a killed prep left behind is computed again, and written once.
"""

from typing import Any

import polars as pl

from octavo.bundle.columns import Column
from octavo.definition import Dataset, View
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, evaluate
from octavo.definition.expressions import sample_disagreement
from octavo.definition.versions import ROWS, feature_fingerprints, row_keys
from octavo.errors import DataError, DefinitionError
from octavo.stages.contract import Context, Outcome
from octavo.stages.prep.lanes import (
    Lane,
    Observed,
    as_columns,
    check_key,
    event_schemas,
    lanes,
    observations,
    queries,
)
from octavo.stages.prep.quality import Hot, check_most, hot_entities, report_quality, tell_hot
from octavo.stages.prep.values import joined, load_dictionaries, save_dictionaries
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row
from octavo.stores.features import row_features, with_derived
from octavo.windows import Step, ViewState, advance

SAMPLE = 64
"""Rows on which every row expression is compared, whole frame against row by row."""


def inputs(context: Context) -> Any:
    """Return the committed batches and the fingerprints of the features wanted."""
    batches = context.catalog.committed()
    return [[b["batch_id"] for b in batches], _wanted(context, batches)]


def _check_rows(context: Context, batches: list[Row]) -> None:
    name = context.pipeline.rows.name
    if not sum(b["rows"] for b in batches if b["dataset"] == name):
        raise DataError(
            "there is no row to predict: nothing was ingested, or all of it was rejected.",
            where=f"dataset {name!r}",
            fix="Run `octavo ingest`, and see `octavo batches --rejected`.",
        )


def _wanted(context: Context, batches: list[Row]) -> dict[str, str]:
    return feature_fingerprints(context.pipeline, {b["dataset"] for b in batches})


def run(context: Context) -> Outcome:
    """Prep everything that was ingested since the last time, views one after the other."""
    batches = context.catalog.committed()
    _check_rows(context, batches)
    report_quality(context, batches)
    position = max(b["sequence"] for b in batches)
    clock = max(b["newest"] for b in batches if b["newest"] is not None)
    wanted = _wanted(context, batches)
    events = _Events(context, batches)
    names = [ROWS, *(view.name for view in context.pipeline.views)]
    versions: list[dict[str, Any]] = []
    hot: list[Hot] = []
    for number, name in enumerate(names):
        context.progress(name, number, len(names))
        known = context.catalog.feature_version(name, wanted[name])
        if known is None or known["position"] < position:
            prep = _prep_rows if name == ROWS else _prep_view
            counts = prep(context, events, name, wanted[name], known, position)
            hot += counts.pop("hot", [])
            versions.append({"name": name, "fingerprint": wanted[name], **counts})
    context.progress("views", len(names), len(names))
    with context.catalog.transaction() as connection:
        for version in versions:
            values = {"position": position, "clock": clock, "committed_at": context.now()}
            connection.execute(
                tables.feature_versions.insert().values(run_id=context.run_id, **values, **version)
            )
        told = tell_hot(connection, context.run_id, hot)
        tables.emit(
            connection,
            "features ready",
            f"{len(context.pipeline.features)} features",
            run_id=context.run_id,
            position=position,
        )
    rows = context.catalog.feature_version(ROWS, wanted[ROWS])
    return Outcome(
        rows_in=sum(batch["rows"] for batch in batches),
        rows_out=rows["rows"] if rows else 0,
        outputs={
            "features": len(context.pipeline.features),
            "views": len(context.pipeline.views),
            "folded": [v["name"] for v in versions],
            "too_late": sum(v["too_late"] for v in versions),
            "hot": told,
        },
    )


class _Events:
    """Events of every dataset, read once per prep."""

    def __init__(self, context: Context, batches: list[Row]) -> None:
        self.context = context
        self.batches = batches
        self.frames: dict[str, pl.DataFrame] = {}

    def since(self, dataset: Dataset, position: int | None) -> pl.DataFrame | None:
        """Return a dataset's events of batches after a position; None if it has no batch."""
        batches = [b for b in self.batches if b["dataset"] == dataset.name]
        if not batches:
            return None
        if dataset.name not in self.frames:
            self.frames[dataset.name] = self.context.raw.events(dataset, batches)
        frame = self.frames[dataset.name]
        if position is None:
            return frame
        new = [b["batch_id"] for b in batches if b["sequence"] > position]
        return frame.filter(pl.col("_batch_id").is_in(new))


def _prep_rows(
    context: Context,
    events: _Events,
    name: str,
    fingerprint: str,
    known: Row | None,
    position: int,
) -> dict[str, Any]:
    """Write the rows' own features, times and keys."""
    pipeline = context.pipeline
    rows = _rows(context, events, known)
    for view in pipeline.views:
        check_key(view, rows)
    where = "Pipeline.row"
    frame = row_features(pipeline, rows)
    _check_sample(rows, list(pipeline.row), where)
    keys = evaluate(rows, [pl.col(c).alias(f"key:{c}") for c in row_keys(pipeline)], where=where)
    stamps = [EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION]
    frame = pl.concat(
        [
            keys.select(*stamps, *(f"key:{c}" for c in row_keys(pipeline))),
            frame.select(pipeline.row_features),
        ],
        how="horizontal",
    )
    _check_inputs(context, frame)
    context.features.append(name, fingerprint, frame, position)
    return {"rows": (known["rows"] if known else 0) + frame.height, "too_late": 0, "state": None}


def _prep_view(
    context: Context,
    events: _Events,
    name: str,
    fingerprint: str,
    known: Row | None,
    position: int,
) -> dict[str, Any]:
    """Fold new events and rows into a view; write its features and leave its state."""
    view = context.pipeline.view(name)
    rows = _rows(context, events, known)
    asked, mask = queries(view, rows)
    since = known["position"] if known else None
    steps = {}
    found = lanes(view, event_schemas(context.pipeline, context.catalog))
    texts = load_dictionaries(context.home.path / known["state"]) if known else {}
    before = _state(context, view, found, fingerprint, known)
    observed = {}
    for lane in found:
        new = events.since(lane.window.dataset, since)
        seen = Observed.nothing() if new is None else observations(view, lane, new)
        check_most(lane, before.lane(lane.name), seen)
        steps[lane.name] = Step(lane.plan, seen.observations, asked)
        texts[lane.name] = joined(texts.get(lane.name, joined()), seen.dictionary)
        observed[lane.name] = seen
    results, state = advance(before, steps)
    state = state.trim()
    path = context.home.state(name, fingerprint, position)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_dictionaries(texts, path)
    state.save(path)
    columns: dict[str, pl.Series] = {}
    hot: list[Hot] = []
    for lane in found:
        columns |= as_columns(lane, results[lane.name], mask, texts[lane.name])
        hot += hot_entities(lane, state.lane(lane.name), observed[lane.name])
    order = [feature.name for feature in view.features]
    frame = rows.select(EVENT_ID, EVENT_TIME, POSITION).with_columns([columns[c] for c in order])
    context.features.append(name, fingerprint, frame, position)
    return {
        "rows": (known["rows"] if known else 0) + frame.height,
        "too_late": sum(lane.too_late for lane in state.lanes.values()),
        "state": str(path.relative_to(context.home.path)),
        "hot": hot,
    }


def _state(
    context: Context, view: View, found: list[Lane], fingerprint: str, known: Row | None
) -> ViewState:
    if known is None:
        return ViewState.begin(fingerprint, {lane.name: view.retain for lane in found})
    return ViewState.load(context.home.path / known["state"])


def _rows(context: Context, events: _Events, known: Row | None) -> pl.DataFrame:
    rows = events.since(context.pipeline.rows, known["position"] if known else None)
    assert rows is not None, "checked by _check_rows"
    return rows


def _check_sample(rows: pl.DataFrame, expressions: list[pl.Expr], where: str) -> None:
    """Compare expressions over a frame with the same row by row: what training sees is served."""
    differing = sample_disagreement(rows.head(SAMPLE), expressions) if expressions else None
    if differing is not None:
        raise DefinitionError(
            f"the feature {differing!r} depends on other rows than its own.",
            where=where,
            fix="A row feature may only use its own row; use a Window for anything else.",
        )


def _check_inputs(context: Context, frame: pl.DataFrame) -> None:
    """Check names and types of row and derived features before any window is folded."""
    schemas = event_schemas(context.pipeline, context.catalog)
    found = [lane for view in context.pipeline.views for lane in lanes(view, schemas)]
    windows = [column for lane in found for column in lane.columns.items()]
    sample = frame.head(SAMPLE).with_columns(
        pl.lit(number).cast(dtype).alias(name) for number, (name, dtype) in enumerate(windows)
    )
    sample = with_derived(context.pipeline, sample)
    for name in (*context.pipeline.row_features, *context.pipeline.derived_features):
        Column.of(sample[name])
