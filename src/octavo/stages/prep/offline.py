"""Fold all new batches into features and state: one replay of the log per feature group.

Groups that hold what is wanted are extended; what no group holds, and what is to be rebuilt, is
folded from the beginning. Nothing counts before the last transaction, in which the new versions of
all groups become live together. What a killed prep left behind is computed again, and written once.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa

from octavo.bundle.columns import Column, ColumnKind
from octavo.definition.events import EVENT_ID
from octavo.definition.expressions import sample_disagreement
from octavo.definition.versions import ROWS, feature_fingerprints, table_fingerprints
from octavo.errors import DataError, DefinitionError
from octavo.stages.contract import Context, Outcome
from octavo.stages.parts import Part, Parts, named
from octavo.stages.prep.arrived import came, counted
from octavo.stages.prep.folding import Group, observed
from octavo.stages.prep.groups import REBUILD, Work, plan, rebuild_names
from octavo.stages.prep.history import Events
from octavo.stages.prep.hot import Hot, tell_hot
from octavo.stages.prep.lanes import Lane, Observed, check_key, event_schemas, lanes
from octavo.stages.prep.late import newly_late, tell_late
from octavo.stages.prep.own import keys_of, own_columns, stored
from octavo.stages.prep.recording import settle
from octavo.stages.prep.reports import report_quality
from octavo.stages.prep.stale import new_marks, write_marks
from octavo.stores import catalog as tables
from octavo.stores import releases
from octavo.stores.catalog import Row
from octavo.stores.features import STAMPS, at_position, row_features, with_derived
from octavo.stores.history import FIRST_KNOWN_AT, FIRST_POSITION
from octavo.stores.staged import Staged

SAMPLE = 64
"""Rows on which every row expression is compared, whole frame against row by row."""


def inputs(context: Context) -> Parts:
    """Return batches, the fingerprints of the features wanted and the newest rebuild asked for."""
    batches, wanted = context.catalog.batches(), _wanted(context)
    features = feature_fingerprints(context.pipeline, wanted)
    rebuilds = context.catalog.rows(sa.select(sa.func.max(tables.rebuilds.c.id).label("newest")))
    return {
        "batches": Part(
            [b["batch_id"] for b in batches if b["state"] == "committed"], counted(batches), came
        ),
        "features": Part([wanted, features], *named("feature", features)),
        "rebuild": Part(rebuilds[0]["newest"], how=lambda *_: "a rebuild was asked for"),
    }


def details(context: Context) -> list[str]:
    """Say what the next prep would fold from the beginning although the view is not new."""
    planned = _planned(context, context.catalog.position())
    return [f"{work} at position {planned.position}" for work in planned.work if work.is_cut_over]


def _check_rows(context: Context, batches: list[Row]) -> None:
    name = context.pipeline.rows.name
    if not sum(b["rows"] for b in batches if b["dataset"] == name):
        raise DataError(
            "there is no row to predict: nothing was ingested, or all was rejected or withdrawn.",
            where=f"dataset {name!r}",
            fix="Run `octavo ingest`, and see `octavo batches --rejected`.",
        )


def _wanted(context: Context) -> dict[str, dict[str, str]]:
    return table_fingerprints(context.pipeline, context.catalog.loaded(context.pipeline.datasets))


@dataclass(frozen=True)
class _Planned:
    """What one prep does."""

    position: int
    """How far it goes in the order of batches and withdrawals."""
    work: Sequence[Work]
    """Group by group, the rows first."""
    marks: Sequence[Row]
    """The entities that newly came batches and withdrawals make stale in groups to be extended."""
    rebuilds: Sequence[Row]
    """The requests it fulfils."""
    kept: Sequence[Row]
    """The live groups that stay."""
    ended: Sequence[Row]
    """Those that a rebuild replaces, and those that are wanted no more and would fall behind; not
    those that were back-filled for a release to come."""


@dataclass(frozen=True)
class _Later:
    """What a prep does when all groups are folded."""

    hot: list[Hot] = field(default_factory=list)
    """Entities to warn of, in the transaction that ends it."""
    commits: list[Callable[[], None]] = field(default_factory=list)
    """What the states of live groups take in, after that transaction."""


def _planned(context: Context, position: int) -> _Planned:
    catalog, wanted = context.catalog, _wanted(context)
    extended = plan(catalog, wanted, position, rebuild=())
    coming = releases.coming(catalog)
    new = new_marks(context.pipeline, context.raw, catalog, extended, position)
    stale = {mark["name"] for mark in [*catalog.stale(), *new]}
    rebuilds, names = rebuild_names(catalog, wanted, stale)
    work = plan(catalog, wanted, position, names) if names else extended
    live, ended = catalog.live_groups(), []
    for group in live:
        awaited = coming & set(group["columns"].values())
        is_behind = group["position"] < position and not awaited
        if (group["name"] in names or is_behind) and group["group_id"] not in {
            each.group_id for each in work
        }:
            ended.append(group)
    kept = [group for group in live if group not in ended]
    return _Planned(position, work, new, rebuilds, kept, ended)


def run(context: Context) -> Outcome:
    """Prep everything that was ingested since the last time, groups one after the other.

    Who folds live lets go meanwhile; quality is looked at beside it.
    """
    batches = context.catalog.committed()
    _check_rows(context, batches)
    report_quality(context, batches)
    with context.home.prepping():
        return alone(context)


def alone(context: Context) -> Outcome:
    """Do what `run` does, where the home is held for it; nothing is said of quality."""
    settle(context)
    batches, position = context.catalog.draw_barrier()
    _check_rows(context, batches)
    planned = _planned(context, position)
    check_features(context, batches)
    later = _Later()
    versions = _fold(context, batches, planned.work, planned.position, later)
    with context.catalog.transaction() as connection:
        _count(context, connection, batches, versions)
        told = tell_hot(connection, context.run_id, later.hot)
        tell_late(connection, context.run_id, newly_late(_counted(planned.work, versions)))
        _cut_over(context, connection, planned)
        tables.emit(
            connection,
            "features ready",
            f"{len(context.pipeline.features)} features",
            run_id=context.run_id,
            position=planned.position,
        )
    for commit in later.commits:
        commit()
    live = {group["group_id"] for group in context.catalog.live_groups()}
    context.home.forget_states(live)
    return _outcome(context, batches, planned, versions, told)


def backfill(context: Context) -> tuple[int, list[Work]]:
    """Fold what no group holds beside who folds live, as far as prep has come, and let it count.

    Whoever preps next extends it from there, as any other group. Until then the live groups go on
    under the definition that they have.

    Returns
    -------
    position : int
        From which it counts; 0 if nothing was ever prepped.
    work : list of Work
        What was folded.
    """
    with context.home.backfilling():
        position = context.catalog.barrier()  # what is committed from now on has a later place
        planned = plan(context.catalog, _wanted(context), position, rebuild=())
        work = [each for each in planned if each.last is None] if position else []
        if work:
            batches, later = context.catalog.committed_at(position), _Later()
            versions = _fold(context, batches, work, position, later)
            with context.catalog.transaction() as connection:
                _count(context, connection, batches, versions)
                tell_hot(connection, context.run_id, later.hot)
                for each in work:
                    _begin_group(context, connection, each, position)
    return position, work


def _fold(
    context: Context, batches: list[Row], work: Sequence[Work], position: int, later: _Later
) -> list[Row]:
    """Bring groups to a position, one after the other; return how far they have come."""
    events = Events(context.pipeline, context.raw, batches, position)
    versions: list[Row] = []
    for number, each in enumerate(work):
        context.progress(each.name, number, len(work))
        if each.since is None or each.since < position:
            prep = _prep_rows if each.name == ROWS else _prep_view
            versions.append(prep(context, events, each, position, later))
        elif each.name != ROWS:
            _opened(context, each)
    context.progress("groups", len(work), len(work))
    return versions


def _counted(work: Sequence[Work], versions: list[Row]) -> Iterator[tuple[Work, int]]:
    """Give the groups that were folded, with all that ever came too late for each."""
    counts = {version["group_id"]: version["too_late"] for version in versions}
    return ((each, counts[each.group_id]) for each in work if each.group_id in counts)


def _count(
    context: Context, connection: sa.Connection, batches: list[Row], versions: list[Row]
) -> None:
    """Let what was folded count."""
    clock = max(b["newest"] for b in batches if b["newest"] is not None)
    for version in versions:
        values = {"clock": clock, "run_id": context.run_id, "committed_at": context.now()}
        connection.execute(tables.feature_versions.insert().values(**values, **version))


def _cut_over(context: Context, connection: sa.Connection, planned: _Planned) -> None:
    """Let new groups count, forget what they take the place of, and mark what became stale."""
    position, now = planned.position, context.now()
    for work in planned.work:
        if work.last is None:
            _begin_group(context, connection, work, position)
        elif work.last["position"] < position and work.columns != work.last["columns"]:
            table = tables.feature_groups
            kept = table.update().where(table.c.group_id == work.group_id)
            connection.execute(kept.values(columns=dict(work.columns)))
    table = tables.feature_groups
    ended = table.c.group_id.in_([group["group_id"] for group in planned.ended])
    connection.execute(table.update().where(ended).values(replaced=position))
    write_marks(connection, planned.marks, now, context.run_id)
    table = tables.stale
    for name in {group["name"] for group in (*planned.kept, *planned.ended)}:
        places = [group["cut_over"] for group in planned.kept if group["name"] == name]
        corrected = (table.c.name == name) & (table.c.position <= min(places, default=position))
        connection.execute(table.delete().where(corrected))
    for row in planned.rebuilds:
        table = tables.rebuilds
        done = table.update().where(table.c.id == row["id"])
        connection.execute(done.values(position=position))


def _begin_group(context: Context, connection: sa.Connection, work: Work, position: int) -> None:
    connection.execute(
        tables.feature_groups.insert().values(
            group_id=work.group_id,
            name=work.name,
            columns=dict(work.columns),
            cut_over=position,
            cause=work.cause,
            run_id=context.run_id,
            committed_at=context.now(),
        )
    )
    if work.is_cut_over:
        tables.emit(
            connection,
            "features cut over",
            f"{work.name} at position {position}",
            run_id=context.run_id,
            reason=str(work),
            group=work.group_id,
            features=sorted(work.wanted.values()),
            position=position,
        )


def _outcome(
    context: Context,
    batches: list[Row],
    planned: _Planned,
    versions: list[dict[str, Any]],
    told: list[dict[str, Any]],
) -> Outcome:
    begun = [work for work in planned.work if work.last is None]
    counts = {version["group_id"]: version["rows"] for version in versions}
    rows = planned.work[0]
    return Outcome(
        rows_in=sum(batch["rows"] for batch in batches),
        rows_out=counts.get(rows.group_id, rows.last["rows"] if rows.last else 0),
        outputs={
            "features": len(context.pipeline.features),
            "views": len(context.pipeline.views),
            "position": planned.position,
            "folded": {work.name: sorted(work.wanted.values()) for work in begun},
            "rebuilt": [work.name for work in begun if work.cause == REBUILD],
            "extended": [work.name for work in planned.work if work.last is not None],
            "too_late": sum(version["too_late"] for version in versions),
            "hot": told,
        },
    )


def _prep_rows(context: Context, events: Events, work: Work, position: int, _: _Later) -> Row:
    """Write the rows' own features, times and keys."""
    pipeline = context.pipeline
    with context.features.receive() as staged:
        for rows in events.row_blocks(work.since):
            staged.add(at_position(own_columns(pipeline, rows, work), position))
        _write(context, work, staged, position)
    before = work.last["rows"] if work.last else 0
    return _version(work, position, before + staged.rows, 0, None)


def _prep_view(context: Context, events: Events, work: Work, position: int, later: _Later) -> Row:
    """Fold new events and rows into a group of a view, and write its features.

    The state of a new group is there before the catalog names it; it was folded already if a prep
    was killed in between. That of a live group follows the catalog, so that it is never ahead: what
    is ingested after a kill is stamped by what the catalog knows.
    """
    group = _opened(context, work)
    too_late = group.too_late
    if work.last is not None or group.position != position:
        asking = _asking(group, events, work.since)
        seen = _seen(group, events, work.since)
        columns = group.fold(seen, asking, later.hot)
        frame = asking.select(STAMPS).hstack(stored(pl.DataFrame(columns), work))
        _write(context, work, at_position(frame, position), position)
        too_late += group.too_late_in(seen)
        if work.last is None:
            group.commit(seen, asking, position)
        else:
            later.commits.append(partial(group.commit, seen, asking, position))
    rows = work.last["rows"] if work.last else 0
    rows += context.features.rows_of(work.name, work.group_id, position, position)
    return _version(work, position, rows, too_late, group.path)


def _opened(context: Context, work: Work) -> Group:
    """Open a group's state, and bring it to where the catalog says that it is.

    A killed prep left it behind; it takes in what that prep did, also what was withdrawn since.

    Raises
    ------
    DataError
        If it was lost.
    """
    view = context.pipeline.view(work.name)
    schemas = event_schemas(context.pipeline, context.catalog)
    group = Group.open(context.home, view, lanes(view, schemas, work.wanted.values()), work)
    if work.since is not None and not group.position:
        raise DataError(
            "its state was lost.",
            where=f"view {work.name!r}, {group.path}",
            fix=f"Run `octavo prep --rebuild --view {work.name}`: it is read again from the raw "
            "store.",
        )
    if work.since is not None and group.position < work.since:
        then = context.catalog.committed_at(work.since)
        events = Events(context.pipeline, context.raw, then, work.since)
        seen = _seen(group, events, group.position)
        group.commit(seen, _asking(group, events, group.position), work.since)
    return group


def _asking(group: Group, events: Events, since: int | None) -> pl.DataFrame:
    """Return the rows that put queries to a view, with no more of them than that needs."""
    key = group.view.query_key
    rows = events.rows(since, key)
    return rows.select([*dict.fromkeys([*STAMPS, *(c for c in key if c in rows.columns)])])


def _seen(group: Group, events: Events, since: int | None) -> Callable[[Lane], Observed]:
    """Return what tells, of each lane, what it observes after a position.

    The observations of all lanes together are several times the columns that they come from.
    """
    columns: dict[str, set[str]] = {}
    for lane in group.lanes:
        columns.setdefault(lane.window.dataset.name, set()).update(lane.columns_read(group.view))
    read = {name: _observable(events, name, since, wanted) for name, wanted in columns.items()}
    return lambda lane: observed(group.view, lane, read[lane.window.dataset.name])


def _observable(
    events: Events, dataset: str, since: int | None, wanted: set[str]
) -> pl.DataFrame | None:
    """Return a dataset's events without what no lane looks at."""
    found = events.of(events.pipeline.dataset(dataset), since, wanted)
    unused = {EVENT_ID, FIRST_KNOWN_AT, FIRST_POSITION} - wanted
    return None if found is None else found.drop(unused, strict=False)


def _version(work: Work, position: int, rows: int, too_late: int, state: Path | None) -> Row:
    """Return how far a group has come, as the catalog keeps it."""
    return {
        "group_id": work.group_id,
        "position": position,
        "rows": rows,
        "too_late": too_late,
        "state": None if state is None else state.name,
    }


def _write(context: Context, work: Work, rows: pl.DataFrame | Staged, position: int) -> None:
    """Append a group's new rows, once."""
    height = rows.rows if isinstance(rows, Staged) else rows.height
    if height or work.last is None:
        context.features.append(work.name, work.group_id, rows, position)


def check_features(context: Context, batches: list[Row]) -> None:
    """Check keys, names and types of the definition on some rows, before anything is folded.

    Raises
    ------
    DefinitionError
        If a feature cannot be computed of what was ingested.
    """
    pipeline = context.pipeline
    rows = context.raw.sample(pipeline.rows, batches, SAMPLE)
    for view in pipeline.views:
        check_key(view, rows)
    found = row_features(pipeline, rows, pipeline.row_features)
    differing = sample_disagreement(rows, list(pipeline.row)) if pipeline.row else None
    if differing is not None:
        raise DefinitionError(
            f"the feature {differing!r} depends on other rows than its own.",
            where="Pipeline.row",
            fix="A row feature may only use its own row; use a Window for anything else.",
        )
    own = found.select(pipeline.row_features)
    sample = pl.concat([keys_of(pipeline, rows), own], how="horizontal")
    schemas = event_schemas(pipeline, context.catalog)
    folded = [lane for view in pipeline.views for lane in lanes(view, schemas)]
    windows = [column for lane in folded for column in lane.columns.items()]
    sample = sample.with_columns(
        pl.lit(number).cast(dtype).alias(name) for number, (name, dtype) in enumerate(windows)
    )
    sample = with_derived(pipeline, sample, pipeline.derived_features)
    for name in (*pipeline.row_features, *pipeline.derived_features):
        declared = pipeline.training.encodings.get(name)
        Column.of(sample[name], ColumnKind(declared) if declared else None)
