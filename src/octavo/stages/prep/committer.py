"""Bringing emitted feature rows from a state's outbox into a feature table, each exactly once.

Rows are emitted in the transaction that folds them, and drained here, every second or so: one
append for many blocks. The append carries the place of its last block as its version. Whoever is
killed between the append and the clearing of the outbox will find blocks in the outbox that the
table has: these are those whose place is not above the table's version, whatever came in one
append, and they are left out. The outbox is cleared when the append is on disk, not before.

This module knows nothing of how rows are computed.
"""

import io

import polars as pl

from octavo.stores.delta import DeltaLog
from octavo.stores.features import WRITER, at_position
from octavo.stores.state import StateStore

MOST = 1 << 25
"""Bytes of the outbox that go into one append."""


def packed(rows: pl.DataFrame) -> bytes:
    """Return rows as a blob for `Transaction.emit`: an Arrow IPC stream."""
    blob = io.BytesIO()
    rows.write_ipc_stream(blob)
    return blob.getvalue()


class Committer:
    """Drains the outbox of one state into one table.

    Parameters
    ----------
    store
        The state, opened to be written; each blob in its outbox has the position of the prep that
        it is of.
    table
        Where its rows go, marked with that position, or with a later one.
    """

    def __init__(self, store: StateStore, table: DeltaLog) -> None:
        self.store, self.table = store, table

    def drain(self, through: int) -> int:
        """Bring what was emitted up to a position into the table; return how many rows that were.

        What is emitted meanwhile waits: rows are marked with no later position than is told of.

        Raises
        ------
        DataError
            If rows have other types than the table, or the outbox is damaged.
        ResourceError
            If the disk is full or may not be written. Nothing is lost; drain again.
        """
        rows = 0
        while blobs := self._oldest(through):
            rows += self._append(blobs)
            self.store.drained(blobs)
        return rows

    def _oldest(self, through: int) -> dict[int, bytes]:
        """Return the oldest blobs of the outbox, by their positions."""
        blobs, size = {}, 0
        with self.store.snapshot() as snapshot:
            for position, blob in snapshot.outbox():
                if position > through or size >= MOST:
                    break
                blobs[position] = blob
                size += len(blob)
        return blobs

    def _append(self, blobs: dict[int, bytes]) -> int:
        """Append the blobs that the table does not have."""
        done = self.table.transaction_version(WRITER)
        new = [blob for position, blob in blobs.items() if done is None or position > done]
        if not new:
            return 0
        last = max(blobs)
        rows = at_position(pl.concat([pl.read_ipc_stream(blob) for blob in new]), last)
        self.table.append(rows, app_id=WRITER, version=last, merge=True)
        return rows.height
