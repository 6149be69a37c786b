"""A batch in the catalog: planned with its place in the log, committed with what came of it.

The same for files and streams. It knows nothing of how rows are read or written.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import polars as pl
import sqlalchemy as sa

from octavo.definition import Dataset, fingerprint
from octavo.errors import DefinitionError
from octavo.stages.ingestion.types import declared
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.schemas import from_json, joined

Clock = Callable[[], int]
"""Gives microseconds since the epoch."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """What came of the rows of a batch; they are on disk, and do not count yet."""

    rows: int
    rules: Mapping[str, int]
    """How many rows each rule has set aside."""
    restated: int = 0
    duplicates: int = 0
    bytes: int
    newest: int | None
    schema: Mapping[str, str] | None
    """What its columns are, as `octavo.stores.schemas` writes it; None: not one row was read."""
    noticed: list[dict[str, Any]] = field(default_factory=list)
    version: int | None
    """Of the raw table; None if that has no row of it."""
    seconds: float


def planned(
    dataset: str,
    source: str,
    *,
    content: str,
    sequence: int,
    clock: int | None,
    run_id: str,
    at: int,
) -> Row:
    """Return a new batch, as it is written down before anything is read."""
    return {
        "batch_id": _uuid7(at),
        "dataset": dataset,
        "sequence": sequence,
        "source": source,
        "content_hash": content,
        "state": "planned",
        "run_id": run_id,
        "clock": clock,
        "planned_at": at,
    }


def commit(
    catalog: Catalog, dataset: Dataset, batch: Row, written: Written, *, name: str, now: Clock
) -> bool:
    """Make a written batch count, and tell of it.

    Parameters
    ----------
    batch
        With the ID of the run that commits it, not of the one which planned it, and failed.
    name
        What people call it.

    Returns
    -------
    bool
        False, and nothing is changed, if prep has passed its place: rows that come into the log
        behind it would never be seen.
    """
    rejected = sum(written.rules.values())
    told: Row = {name: batch[name] for name in ("run_id", "batch_id")} | {"rejected": rejected}
    with catalog.transaction(alone=True) as connection:
        if is_passed(connection, batch):
            return False
        if written.schema is not None:
            _learn(connection, dataset, written.schema)
        table = tables.batches
        connection.execute(
            table.update()
            .where(table.c.batch_id == batch["batch_id"])
            .values(
                state="committed",
                run_id=batch["run_id"],
                rows=written.rows,
                rejected=rejected,
                duplicates=written.duplicates,
                restated=written.restated,
                bytes=written.bytes,
                newest=written.newest,
                schema_fingerprint=fingerprint(written.schema),
                delta_version=written.version,
                quality={"noticed": written.noticed, "schema": written.schema or {}},
                seconds=written.seconds,
                committed_at=now(),
            )
        )
        if batch.get("topic") is not None:
            tables.fix_order(connection)
        subject = f"{dataset.name}: {name}"
        tables.emit(connection, "batch committed", subject, rows=written.rows, **told)
        if rejected:
            told |= {"rows": written.rows, "rules": dict(written.rules)}
            tables.emit(connection, "rows rejected", subject, severity="warning", **told)
    return True


def earlier(catalog: Catalog, dataset: str) -> list[Row]:
    """Return the batches of a dataset that count and have rows in the raw store."""
    return [b for b in catalog.committed(dataset) if b["delta_version"] is not None]


def plan_again(catalog: Catalog, batch: Row, now: int, *, rows: int | None = None) -> Row:
    """Give a planned batch a later place and clock: prep has passed those it had.

    It is another batch then, since rows of the first may be in the raw store.

    Parameters
    ----------
    rows
        How many were written; prep waits longer for it, so that it is not passed for ever.
    """
    table = tables.batches
    with catalog.transaction(alone=True) as connection:
        place, clock = behind_all(connection)
        if batch.get("topic") is not None:
            clock = max(now, clock)
        elif batch["clock"] is None and is_first_load(connection, batch["dataset"]):
            clock = None
        again = {"batch_id": _uuid7(now), "sequence": place, "clock": clock}
        again = batch | again | {"planned_at": now, "rows": rows}
        connection.execute(table.delete().where(table.c.batch_id == batch["batch_id"]))
        connection.execute(table.insert().values(**again))
    return again


def in_place(catalog: Catalog, batch: Row, now: int, *, rows: int | None = None) -> Row:
    """Return a planned batch, or what it is now, if its place is no longer behind all others.

    That is so if prep has passed it, or if a batch of its dataset that came later counts already:
    what restates an event has a later place than the event.

    Parameters
    ----------
    rows
        As for `plan_again`.
    """
    table = tables.batches
    later = (table.c.dataset == batch["dataset"]) & (table.c.sequence > batch["sequence"])
    overtaken = sa.select(sa.exists().where(later, table.c.state != "planned"))
    with catalog.transaction() as connection:
        if not is_passed(connection, batch) and not connection.scalar(overtaken):
            return batch
    return plan_again(catalog, batch, now, rows=rows)


def behind_all(connection: sa.Connection) -> tuple[int, int]:
    """Return the first place behind all there are, and the newest ``known_at`` so far."""
    table, barrier = tables.batches, tables.barrier
    columns = (
        *(table.c.sequence, table.c.withdrawn, barrier.c.position),
        *(table.c.newest, table.c.clock, barrier.c.clock),
    )
    # Each by itself: so it is looked up in its index.
    each = (sa.select(sa.func.max(column)).scalar_subquery() for column in columns)
    found = [value or 0 for value in connection.execute(sa.select(*each)).one()]
    return 1 + max(found[:3]), max(found[3:])


def is_passed(connection: sa.Connection, batch: Row) -> bool:
    """Say whether prep has gone, or is going, beyond a batch's place or clock.

    A first load has no clock, and needs none until something of its dataset was folded.
    """
    at = connection.execute(sa.select(tables.barrier)).mappings().one_or_none()
    if at is None:
        return False
    if batch["clock"] is None:
        is_behind = not is_first_load(connection, batch["dataset"])
    else:
        is_behind = batch["clock"] < at["clock"]
    return batch["sequence"] <= at["position"] or is_behind


def clock_of_load(connection: sa.Connection, dataset: str) -> int | None:
    """Return the newest ``known_at`` that prep has come to; None for a dataset's first load."""
    clocks = (tables.feature_versions.c.clock, tables.barrier.c.clock)
    newest = max(connection.scalar(sa.select(sa.func.max(clock))) or 0 for clock in clocks)
    return None if is_first_load(connection, dataset) else newest


def is_first_load(connection: sa.Connection, dataset: str) -> bool:
    """Say whether nothing of a dataset was folded: features that read it are then back-filled.

    A batch with a clock is folded when prep draws the barrier behind it, if there are features at
    all; one without when features were made of it.
    """
    table, versions = tables.batches, tables.feature_versions
    prepped = connection.scalar(sa.select(sa.func.max(versions.c.position)))
    if prepped is None:
        return True
    passed = connection.scalar(sa.select(tables.barrier.c.position)) or 0
    is_folded = (table.c.sequence <= prepped) | (
        (table.c.sequence <= passed) & table.c.clock.is_not(None)
    )
    here = (table.c.dataset == dataset) & (table.c.state == "committed")
    return connection.scalar(sa.select(sa.exists().where(here, is_folded))) is False


def _learn(connection: sa.Connection, dataset: Dataset, schema: Mapping[str, str]) -> None:
    """Add what the columns of a batch are to what is known of its dataset."""
    table = tables.datasets
    known = connection.scalar(sa.select(table.c.schema).where(table.c.dataset == dataset.name))
    tables.put(
        connection,
        table,
        dataset=dataset.name,
        stamps=dataset.stamps_fingerprint,
        schema=joined(known or {}, schema),
    )


def check_stamps(catalog: Catalog, dataset: Dataset) -> None:
    """Refuse to mix rows stamped under two definitions of identity and time in one raw store.

    Raises
    ------
    DefinitionError
        If stamps, or types of columns, are declared otherwise than those of earlier batches.
    """
    table = tables.datasets
    known = catalog.one(sa.select(table).where(table.c.dataset == dataset.name))
    if known and known["stamps"] != dataset.stamps_fingerprint:
        raise DefinitionError(
            "event_id, event_time, available or where, or a treatment of what they use, changed "
            "since its batches were ingested.",
            where=f"dataset {dataset.name!r}",
            fix=_anew(dataset, "everything is ingested anew, under the new definition."),
        )
    if known:
        _check_types(dataset, from_json(known["schema"]))


def _check_types(dataset: Dataset, schema: dict[str, pl.DataType]) -> None:
    """Refuse a type of a column that the raw store holds as something else."""
    where = f"dataset {dataset.name!r}"
    for name, given in declared(dataset.source.types, where=where).items():
        held = schema.get(name, given.dtype)
        if held != given.dtype and not (held.is_numeric() and given.dtype == pl.Float64()):
            raise DefinitionError(
                f"{name!r} is declared as {given.dtype}, and was ingested as {held}.",
                where=f"{where}, types",
                fix=_anew(dataset, "it is ingested anew, as declared."),
            )
    for name in dataset.kept_as_text:
        if schema.get(name, pl.String()) != pl.String():
            raise DefinitionError(
                f"a treatment reads the text of {name!r}, which was ingested as {schema[name]}.",
                where=f"{where}, treat",
                fix=_anew(dataset, "it is ingested anew, as text."),
            )


def _anew(dataset: Dataset, what: str) -> str:
    """Return how to start over, and what that costs."""
    lost = " What was sent is deleted with the home: keep a copy." if dataset.online else ""
    return f"Run `octavo run --fresh`: {what}{lost}"


def _uuid7(at: int) -> str:
    """Return a UUIDv7 (RFC 9562) for a time in microseconds."""
    value = ((at // 1000) << 80) | (uuid.uuid4().int & ((1 << 80) - 1))
    value = (value & ~(0xF << 76)) | (0x7 << 76)
    return str(uuid.UUID(int=(value & ~(0x3 << 62)) | (0x2 << 62)))
