"""What the catalog is told of groups that are kept up live: how far their tables have come.

One row of the catalog for each group and session of a worker, which goes on. What a worker that was
killed had written, and not told, is told by whoever comes next.
"""

from collections.abc import Collection, Iterable

import sqlalchemy as sa

from octavo.definition.versions import ROWS
from octavo.errors import DataError
from octavo.stages.contract import Context
from octavo.stages.prep.committer import Committer
from octavo.stages.prep.following import Written
from octavo.stages.prep.groups import Work
from octavo.stages.prep.late import EVERY, newly_late, tell_late
from octavo.stages.prep.stale import new_marks, write_marks
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row
from octavo.stores.state import StateStore


def record(
    context: Context,
    session: str,
    found: Iterable[tuple[Work, Written]],
    told: dict[str, int] | None = None,
) -> None:
    """Let what was written count, and mark the entities that corrections in it make stale.

    People are told of what came too late: of a view once an hour at the most.

    Parameters
    ----------
    told
        When they were told last, by view, microseconds since the epoch; kept up here. None: never.
    """
    moved = [(work, written) for work, written in found if written.position > _position(work)]
    if not moved:
        return
    marks = [mark for work, written in moved for mark in _marks(context, work, written.position)]
    told, now = {} if told is None else told, context.now()
    late = newly_late((work, written.too_late) for work, written in moved)
    late = {view: many for view, many in late.items() if now - told.get(view, -EVERY) >= EVERY}
    with context.catalog.transaction() as connection:
        for work, written in moved:
            _put(connection, context, session, work, written)
        write_marks(connection, marks, now, None)
        tell_late(connection, context.run_id, late)
    told |= dict.fromkeys(late, now)
    for work, written in moved:
        assert work.last is not None, "a group that is kept up was prepped before"
        work.last.update(position=written.position, rows=work.last["rows"] + written.rows)
        if work.name in late:
            work.last.update(too_late=written.too_late)


def settle(context: Context, names: Collection[str] | None = None) -> None:
    """Complete what workers that were killed have folded: write it, and let it count.

    The rows' own features have no state: what was written of them and not told, an offline prep
    writes again under the same position, or a later one.

    Parameters
    ----------
    names
        Of which views; None: of all.
    """
    for group in context.catalog.live_groups():
        name, path = group["name"], context.home.state(group["name"], group["group_id"])
        if name == ROWS or not path.exists() or (names is not None and name not in names):
            continue
        try:
            store = StateStore.open(path, view=name, fingerprint=group["group_id"])
        except DataError:  # damaged: who extends it tells so, and who rebuilds it needs it not
            continue
        if store.place.offset > group["position"]:
            work = Work(name, group["group_id"], group["columns"], {}, group)
            record(context, f"after-{group['position']}", [(work, _left(context, work, store))])


def _left(context: Context, work: Work, store: StateStore) -> Written:
    """Write what is left in a state, and return how far it goes beyond what the catalog knows."""
    position, table = store.place.offset, context.features.table(work.name, work.group_id)
    Committer(store, table).drain(position)
    rows = context.features.rows_of(work.name, work.group_id, _position(work) + 1, position)
    return Written(position, rows, sum(store.too_late.values()))


def _position(work: Work) -> int:
    assert work.last is not None, "a group that is kept up was prepped before"
    return work.last["position"]


def _put(
    connection: sa.Connection, context: Context, session: str, work: Work, written: Written
) -> None:
    assert work.last is not None, "a group that is kept up was prepped before"
    table, batches = tables.feature_versions, tables.batches
    counts = (batches.c.sequence <= written.position) & (batches.c.state == "committed")
    newest = sa.select(batches.c.newest).where(counts).order_by(batches.c.newest.desc()).limit(1)
    values = {
        "position": written.position,
        "clock": max(work.last["clock"], connection.scalar(newest) or 0),
        "rows": work.last["rows"] + written.rows,
        "too_late": written.too_late,
        "state": work.last["state"],
        "run_id": session,
        "committed_at": context.now(),
    }
    mine = (table.c.group_id == work.group_id) & (table.c.run_id == session)
    if not connection.execute(table.update().where(mine).values(**values)).rowcount:
        first = {"group_id": work.group_id, "first": work.last["position"] + 1}
        connection.execute(table.insert().values(**first, **values))


def _marks(context: Context, work: Work, position: int) -> list[Row]:
    """Return the marks that corrections make in a group since it was recorded last."""
    table = tables.batches
    restating = sa.select(table.c.batch_id).where(
        table.c.sequence > _position(work), table.c.sequence <= position, table.c.restated > 0
    )
    if context.catalog.one(restating) is None:
        return []
    return new_marks(context.pipeline, context.raw, context.catalog, [work], position)
