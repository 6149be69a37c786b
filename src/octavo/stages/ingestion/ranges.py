"""Ranges of offsets as batches: which rows of a stream are which batch, decided before any is read.

A range is planned in one transaction, and begins where the last one of its partition ended: so no
offset is in two batches, and none is left out, whoever is killed, comes too late or comes twice. It
knows nothing of rows.
"""

from typing import Any, NamedTuple

import sqlalchemy as sa
import xxhash

from octavo.stages.ingestion.batches import behind_all, planned
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row
from octavo.streams import LeaseLostError
from octavo.streams.topics import GROUP

ONLINE = "online"
"""Stands for the run of batches that no run has ingested."""


class Range(NamedTuple):
    """Rows of one partition, and under which lease they were planned."""

    topic: str
    partition: int
    begin: int
    end: int
    epoch: int
    received_at: int
    """When the first of them was appended, microseconds."""

    def __str__(self) -> str:
        return f"{self.topic}/{self.partition}@{self.begin}"

    @property
    def metadata(self) -> dict[str, str]:
        """What the Delta commit of its rows says."""
        return {name: str(getattr(self, name)) for name in ("topic", "partition", "begin", "end")}


def range_of(batch: Row) -> Range:
    """Return the range that a batch of a stream is."""
    names = ("topic", "partition", "first_offset", "end_offset", "epoch", "received_at")
    return Range(*(batch[name] for name in names))


def plan(catalog: Catalog, dataset: str, offsets: Range, now: int) -> Row:
    """Write down that a range is the next batch of a dataset; return it.

    Its clock is now, or the newest ``known_at`` there is: knowledge never goes back.

    Raises
    ------
    LeaseLostError
        If it does not begin where the last one ended, or a later owner has planned one.
    """
    with catalog.transaction(alone=True) as connection:
        newest = _newest(offsets.topic, offsets.partition).limit(1)
        last = connection.execute(newest).mappings().one_or_none()
        if last and (last["end_offset"] != offsets.begin or last["epoch"] > offsets.epoch):
            raise LeaseLostError(offsets.topic, GROUP, offsets.partition)
        return _insert(connection, dataset, offsets, now)


def end_of(catalog: Catalog, topic: str, partition: int) -> int | None:
    """Return the offset after the last planned one; None before the first plan."""
    last = catalog.one(_newest(topic, partition))
    return last["end_offset"] if last else None


def after(catalog: Catalog, topic: str, partition: int, committed: int) -> list[Row]:
    """Return the batches that have offsets from a committed one on, in order."""
    table = tables.batches
    here = (table.c.topic == topic) & (table.c.partition == partition)
    query = sa.select(table).where(here, table.c.end_offset > committed)
    return catalog.rows(query.order_by(table.c.end_offset))


def _newest(topic: str, partition: int) -> sa.Select[Any]:
    table = tables.batches
    here = (table.c.topic == topic) & (table.c.partition == partition)
    return sa.select(table).where(here).order_by(table.c.end_offset.desc())


def _insert(connection: sa.Connection, dataset: str, offsets: Range, now: int) -> Row:
    name = f"{offsets.topic}/{offsets.partition}@{offsets.begin}-{offsets.end}"
    place, clock = behind_all(connection)
    batch: dict[str, Any] = planned(
        dataset,
        str(offsets),
        content=xxhash.xxh3_128_hexdigest(name.encode()),
        sequence=place,
        clock=max(now, clock),
        run_id=ONLINE,
        at=now,
    )
    batch |= {
        "topic": offsets.topic,
        "partition": offsets.partition,
        "first_offset": offsets.begin,
        "end_offset": offsets.end,
        "epoch": offsets.epoch,
        "received_at": offsets.received_at,
    }
    connection.execute(tables.batches.insert().values(**batch))
    return batch
