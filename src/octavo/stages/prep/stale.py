"""Which entities a correction makes stale: restated rows, and batches that are withdrawn.

A group goes on with what it has folded. Until it is rebuilt the catalog knows, for each view and
correction, the entities whose features differ from what the raw store now says.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import polars as pl
import sqlalchemy as sa

from octavo.definition import Dataset, Pipeline
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    POSITION,
    computed,
    evaluate,
    joined_id,
)
from octavo.definition.versions import ROWS
from octavo.stages.prep.groups import Work
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.stores.raw import RawStore

MOST_KEYS = 10_000
"""Entities named for one view and correction; above, the mark is for all of them."""

ALL = "*"
"""The key of a mark for all entities."""

RESTATED, WITHDRAWN = "restated", "withdrawn"


class Correction(NamedTuple):
    """A batch that restates rows, or is withdrawn."""

    batch: Row
    cause: str

    @property
    def position(self) -> int:
        """Its place in the order of batches and withdrawals."""
        return self.batch["withdrawn" if self.cause == WITHDRAWN else "sequence"]


def corrections(batches: Iterable[Row], after: int, through: int) -> list[Correction]:
    """Return what corrects, between two positions, that which was folded up to the first."""
    found = []
    for batch in batches:
        if batch["withdrawn"] is not None:
            if batch["sequence"] <= after < batch["withdrawn"] <= through:
                found.append(Correction(batch, WITHDRAWN))
        elif batch["restated"] and after < batch["sequence"] <= through:
            found.append(Correction(batch, RESTATED))
    return found


def new_marks(
    pipeline: Pipeline, raw: RawStore, catalog: Catalog, extended: Sequence[Work], position: int
) -> list[Row]:
    """Return the marks that extending some groups to a position makes."""
    batches = catalog.batches()
    concerned: dict[tuple[str, str], tuple[Correction, set[str]]] = {}
    for work in extended:
        for each in corrections(batches, work.since, position) if work.since is not None else ():
            key = each.batch["batch_id"], each.cause
            concerned.setdefault(key, (each, set()))[1].add(work.name)
    return [
        mark
        for correction, names in concerned.values()
        for mark in marks(pipeline, raw, batches, correction, sorted(names))
    ]


def marks(
    pipeline: Pipeline,
    raw: RawStore,
    batches: Sequence[Row],
    correction: Correction,
    names: Iterable[str],
) -> list[Row]:
    """Return the marks that one correction makes in some views (or the rows).

    Parameters
    ----------
    batches
        All batches, also withdrawn ones.
    """
    batch = correction.batch
    if batch["dataset"] not in [dataset.name for dataset in pipeline.datasets]:
        return []
    dataset = pipeline.dataset(batch["dataset"])
    contents = _contents(raw, dataset, correction, batches)
    found = []
    for name in names:
        keys = _keys(pipeline, name, dataset, contents)
        found += [
            {
                "name": name,
                "batch_id": batch["batch_id"],
                "cause": correction.cause,
                "position": correction.position,
                "key": key,
                "rows": rows,
            }
            for key, rows in keys.iter_rows()
        ]
    return found


def _contents(
    raw: RawStore, dataset: Dataset, correction: Correction, batches: Sequence[Row]
) -> pl.DataFrame:
    """Return all versions of the events concerned, with the columns the dataset computes.

    And what `_asking` reads: ``_again``, whether it restates the event; ``_own``, whether it is
    the correction's; ``_stands``, whether its batch is not withdrawn.
    """
    of = [batch for batch in batches if batch["dataset"] == dataset.name]
    corrected = correction.batch["batch_id"]
    concerned = raw.restated(dataset.name, [correction.batch]).select(EVENT_ID)
    gone = [batch["batch_id"] for batch in of if batch["withdrawn"] is not None]
    if correction.cause == WITHDRAWN:
        taken = raw.scan(dataset.name, [correction.batch]).select(EVENT_ID)
        concerned = pl.concat([concerned, taken])
        gone.append(corrected)
    versions = (raw.scan(dataset.name, of), False), (raw.restated(dataset.name, of), True)
    found = [
        table.join(concerned, on=EVENT_ID, how="semi").with_columns(_again=pl.lit(again))
        for table, again in versions
    ]
    contents = pl.concat(found).with_columns(
        _own=pl.col("_batch_id") == corrected, _stands=~pl.col("_batch_id").is_in(gone)
    )
    return computed(dataset, contents.collect())


def _keys(pipeline: Pipeline, name: str, dataset: Dataset, contents: pl.DataFrame) -> pl.DataFrame:
    """Return the entities concerned, and with how many events."""
    events = pl.col(EVENT_TIME).is_not_null()
    if name == ROWS:
        concerned = dataset.name in (pipeline.rows.name, pipeline.label.of.name)
        count = contents.filter(events)[EVENT_ID].n_unique() if concerned else 0
        return pl.DataFrame({"key": [ALL] * bool(count), "rows": [count] * bool(count)})
    view = pipeline.view(name)
    where = f"view {view.name!r}, key"
    found = [pl.DataFrame(schema={"key": pl.String, EVENT_ID: pl.String})]
    if dataset.name in view.datasets:
        versions = evaluate(contents, [joined_id(tuple(view.key)).alias("key")], where=where)
        found.append(versions.filter(events).select("key", EVENT_ID))
    if dataset.name == pipeline.rows.name:
        versions = evaluate(contents, [joined_id(tuple(view.query_key)).alias("key")], where=where)
        found.append(_asking(versions).filter(events).select("key", EVENT_ID))
    keys = pl.concat(found).drop_nulls("key").group_by("key").agg(pl.col(EVENT_ID).n_unique())
    if keys.height > MOST_KEYS:
        return pl.DataFrame({"key": [ALL], "rows": [keys[EVENT_ID].sum()]})
    return keys.sort("key")


def _asking(versions: pl.DataFrame) -> pl.DataFrame:
    """Keep the versions of predicted rows that ask something else now than they did.

    They ask for another ``key``, or at another time, or at another place in the log, which is that
    of the first version that counts. Versions before an event was delivered anew do not matter:
    they were withdrawn by then.
    """
    position, own, stands = pl.col(POSITION), pl.col("_own"), pl.col("_stands")
    anew = position.filter(~pl.col("_again")).max().over(EVENT_ID)
    first = position.filter(own | stands).min()
    # The place moves where the first version goes, or one that is no raw row comes first.
    moves = own & (position == first) & (~stands | pl.col("_again"))
    differ = pl.struct("key", EVENT_TIME).n_unique() > 1
    concerned = own.any() & stands.any() & (moves.any() | differ)
    return versions.filter(position >= anew).filter(concerned.over(EVENT_ID))


def write_marks(
    connection: sa.Connection, found: Sequence[Row], now: int, run_id: str | None
) -> None:
    """Write marks, and for each view and batch that had none an event that tells of them."""
    table = tables.stale
    told: dict[tuple[str, str, str], list[Row]] = {}
    for mark in found:
        told.setdefault((mark["name"], mark["batch_id"], mark["cause"]), []).append(mark)
    for (name, batch_id, cause), group in told.items():
        same = (table.c.name == name) & (table.c.batch_id == batch_id) & (table.c.cause == cause)
        if connection.execute(sa.select(table).where(same).limit(1)).first():
            continue
        connection.execute(table.insert(), [mark | {"at": now} for mark in group])
        everyone = any(mark["key"] == ALL for mark in group)
        tables.emit(
            connection,
            "features stale",
            f"{name}: " + ("all entities" if everyone else f"{len(group)} entities"),
            severity="warning",
            run_id=run_id,
            reason=f"batch {batch_id} {cause}; `octavo prep --rebuild` corrects them",
            batch_id=batch_id,
            rows=sum(mark["rows"] for mark in group),
        )
