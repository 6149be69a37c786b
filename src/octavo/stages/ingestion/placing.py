"""A batch that prep has passed, at a later place: what is on disk of it is written again.

Its rows are those of the source, which need not be read again: only where they are in the log
changes. It knows nothing of why or when.
"""

import polars as pl

from octavo.definition.events import KNOWN_AT, POSITION, TIMESTAMP
from octavo.stores.catalog import Row
from octavo.stores.raw import ROWS_PER_BATCH, Parts, RawStore
from octavo.stores.staged import Staged


def written_again(raw: RawStore, parts: Parts, batch: Row, later: Row) -> int | None:
    """Write what there is of a batch as that of a later one, piece by piece.

    Parameters
    ----------
    parts
        What there is of it: on its way, or in the tables.
    batch, later
        The same rows, planned twice. Positions move on with the sequence; what was known when it
        came in is known at the later clock, if there is one.

    Returns
    -------
    int or None
        As of `octavo.stores.raw.Incoming.commit`.
    """
    shift = (later["sequence"] - batch["sequence"]) * ROWS_PER_BATCH
    clock = pl.lit(later["clock"], dtype=pl.Int64).cast(TIMESTAMP)
    mine = pl.lit(later["batch_id"]).alias("_batch_id")
    moved = pl.max_horizontal(KNOWN_AT, clock).alias(KNOWN_AT), pl.col(POSITION) + shift, mine
    with raw.receive(later["dataset"], later["batch_id"]) as incoming:
        _copy(parts.rows, incoming.rows, *moved)
        _copy(parts.restated, incoming.restated, *moved)
        _copy(parts.rejected, incoming.rejected, mine)
        return incoming.commit()


def _copy(rows: pl.LazyFrame | None, into: Staged, *changed: pl.Expr) -> None:
    if rows is None:
        return
    into.add(pl.DataFrame(schema=rows.collect_schema()))  # which has columns without rows, too
    for frame in rows.collect_batches(maintain_order=True):
        into.add(frame.with_columns(changed))
