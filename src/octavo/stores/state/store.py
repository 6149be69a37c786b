"""The door to the state of one view: opening it, reading it, changing it.

This module knows nothing of windows, expressions or tables.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import lmdb

from octavo.stores.state.chunks import Damaged
from octavo.stores.state.environment import Environment
from octavo.stores.state.placing import sweep
from octavo.stores.state.records import (
    OBSERVATIONS,
    OUTBOX,
    RECORDS,
    TABLES,
    Identity,
    Opened,
    Place,
    begin,
    read_identity,
    unusable,
)
from octavo.stores.state.snapshot import Snapshot
from octavo.stores.state.transaction import Transaction


class StateStore:
    """The state of one view, or of one shard of it; `open` gives one. Thread-safe."""

    def __init__(self, opened: Opened, *, readonly: bool) -> None:
        self._opened = opened
        self.readonly = readonly

    @classmethod
    def open(
        cls,
        path: Path,
        *,
        view: str,
        fingerprint: str,
        lanes: Mapping[str, int | None] | None = None,
        readonly: bool = False,
    ) -> Self:
        """Open a state; an owner begins one if there is none.

        Parameters
        ----------
        path
            Its folder.
        view
            Whose state it is, for messages.
        fingerprint
            Of the features it serves; it never mixes with another's.
        lanes
            For each lane how much later than its event an observation may be asked for,
            microseconds; None for ever. A reader need not say.
        readonly
            Nothing will be written.

        Raises
        ------
        DataError
            There is none to read, it serves other features, it is damaged or of another format.
        ResourceError
            The folder cannot be read or written.
        """
        environment = Environment.at(path, TABLES, readonly=readonly)
        table = environment.tables[RECORDS]
        if not readonly:
            wanted = Identity(view, fingerprint, dict(lanes or {}))
            environment.write(lambda transaction: begin(transaction, table, wanted))
        transaction = environment.begin()
        try:
            found = read_identity(transaction, table, path, view)
        finally:
            environment.end(transaction)
        if found.fingerprint != fingerprint or (lanes is not None and dict(lanes) != found.lanes):
            raise unusable(
                f"the state is of features {found.fingerprint}, not of {fingerprint}.", path, view
            )
        return cls(Opened(environment, found), readonly=readonly)

    @property
    def path(self) -> Path:
        """The state's folder."""
        return self._opened.environment.path

    @property
    def view(self) -> str:
        """Whose state it is."""
        return self._opened.identity.view

    @property
    def lanes(self) -> dict[str, int | None]:
        """Name of each lane to how long its observations are kept, microseconds."""
        return dict(self._opened.identity.lanes)

    @property
    def place(self) -> Place:
        """How far the state has come."""
        with self.snapshot() as snapshot:
            return snapshot.place

    @property
    def too_late(self) -> dict[str, int]:
        """Observations by lane that came when nothing could see them: counted, not kept."""
        with self.snapshot() as snapshot:
            return snapshot.too_late

    def snapshot(self) -> Snapshot:
        """Return a context to read one moment of the state in."""
        return Snapshot(self._opened)

    def transaction(self) -> Transaction:
        """Return a context to collect changes in; they are made when it ends."""
        assert not self.readonly, "opened to be read"
        return Transaction(self._opened)

    def sweep(self, clock: int) -> int:
        """Drop what no query at this knowledge time can see; return how many chunks that were.

        Entities that are written to lose it by `Transaction.trim`; this is for the silent ones.
        """
        table, lanes = self._opened.environment.tables[OBSERVATIONS], self.lanes.values()

        def work(transaction: lmdb.Transaction) -> int:
            return sum(
                sweep(transaction, table, number, clock - retain)
                for number, retain in enumerate(lanes)
                if retain is not None
            )

        try:
            return self._opened.environment.write(work)
        except Damaged as error:
            raise self._opened.explained(error) from error

    def drained(self, first_offsets: Iterable[int]) -> None:
        """Take emitted blobs out of the outbox, by their first offsets."""
        table = self._opened.environment.tables[OUTBOX]
        keys = [offset.to_bytes(8, "big") for offset in first_offsets]

        def work(transaction: lmdb.Transaction) -> None:
            for key in keys:
                transaction.delete(key, db=table)

        self._opened.environment.write(work)
