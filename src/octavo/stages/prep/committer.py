"""Bringing emitted feature rows from a state's outbox into a Delta table, each exactly once.

Rows are emitted in the transaction that folds them, and drained here, every second or so: one
append for many blocks. The append carries the offset of its last row as its version. Whoever is
killed between the append and the clearing of the outbox will find rows in the outbox that the
table has: these are the rows whose offset is not above the table's version, whatever blocks they
came in, and they are left out. The outbox is cleared when the append is on disk, not before.

This module knows nothing of how rows are computed.
"""

import io
import threading

import polars as pl

from octavo.errors import OctavoError
from octavo.stores.delta import DeltaLog
from octavo.stores.state import StateStore

OFFSET = "_offset"
"""Int64; offset in the input of the row that a feature row was emitted for: unique, growing."""

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
        The state, opened to be written.
    table
        Where its rows go; they have an `OFFSET` column, growing within a blob and from blob to
        blob.
    app_id
        Names the shard as a writer of the table; nobody else uses it.
    every
        Seconds between two drains in a thread of its own; None: only when `drain` is called.
    """

    def __init__(
        self, store: StateStore, table: DeltaLog, app_id: str, *, every: float | None = None
    ) -> None:
        self.store = store
        self.table = table
        self.app_id = app_id
        self.committed = 0
        """Rows appended to the table."""
        self.error: OctavoError | None = None
        """Why the last drain in the background failed; it is tried again."""
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        if every is not None:
            self._thread = threading.Thread(
                target=self._work, args=(every,), name=f"committer-{app_id}", daemon=True
            )
            self._thread.start()

    def drain(self) -> int:
        """Bring all that has been emitted into the table; return how many rows that were.

        Raises
        ------
        DataError
            If rows have other columns than the table, or the outbox is damaged.
        ResourceError
            If the disk is full or may not be written. Nothing is lost; drain again.
        """
        rows = 0
        with self._lock:
            while blobs := self._oldest():
                rows += self._append(list(blobs.values()))
                self.store.drained(blobs)
        return rows

    def _oldest(self) -> dict[int, bytes]:
        """Return the oldest blobs of the outbox, by their first offsets."""
        blobs, size = {}, 0
        with self.store.snapshot() as snapshot:
            for first, blob in snapshot.outbox():
                blobs[first] = blob
                size += len(blob)
                if size >= MOST:
                    break
        return blobs

    def _append(self, blobs: list[bytes]) -> int:
        """Append the rows that the table does not have."""
        done = self.table.transaction_version(self.app_id)
        rows = pl.concat([pl.read_ipc_stream(blob) for blob in blobs])
        if done is not None:
            rows = rows.filter(pl.col(OFFSET) > done)
        if rows.height:
            last = rows[OFFSET].max()
            assert isinstance(last, int)
            self.table.append(rows, app_id=self.app_id, version=last)
            self.committed += rows.height
        return rows.height

    def _work(self, every: float) -> None:
        while not self._stop.wait(every):
            try:
                self.drain()
            except OctavoError as error:
                self.error = error
            else:
                self.error = None

    def close(self) -> None:
        """Stop the thread, and drain what is left; raises as `drain` does."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
        self.drain()
