"""The door to the state of one view: opening it, reading it, changing it.

This module knows nothing of windows, expressions or tables.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Self

import lmdb

from octavo.stores.state.environment import Environment
from octavo.stores.state.records import (
    OUTBOX,
    RECORDS,
    TABLES,
    Identity,
    Opened,
    Place,
    Tiling,
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
        tiles: Mapping[str, Tiling] | None = None,
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
            microseconds; None for ever. A reader need not say. Who begins a state names them all;
            later an owner may keep for less long, or leave lanes out, which `sweep` then drops.
        tiles
            How the older observations are kept, of the lanes of which these are not kept one by
            one. Later an owner may need less of them.
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
            plans = {lane: tiling.plan for lane, tiling in (tiles or {}).items()}
            wanted = Identity(view, fingerprint, tuple(lanes or ()), plans)
            environment.write(lambda transaction: begin(transaction, table, wanted))
        transaction = environment.begin()
        try:
            found = read_identity(transaction, table, path, view)
        finally:
            environment.end(transaction)
        new = found.lacking(lanes or (), tiles or {})
        if found.fingerprint != fingerprint or new:
            what = f"of features {found.fingerprint}, not of {fingerprint}"
            if found.fingerprint == fingerprint:
                what = f"without lane {', '.join(map(repr, new))}"
            raise unusable(f"the state is {what}.", path, view)
        loose = {lane: tiling.loose for lane, tiling in (tiles or {}).items()}
        return cls(Opened(environment, found, dict(lanes or {}), loose), readonly=readonly)

    @property
    def path(self) -> Path:
        """The state's folder."""
        return self._opened.environment.path

    @property
    def view(self) -> str:
        """Whose state it is."""
        return self._opened.identity.view

    @property
    def lanes(self) -> tuple[str, ...]:
        """Names of the lanes that the state was begun with."""
        return self._opened.identity.lanes

    @property
    def retain(self) -> dict[str, int | None]:
        """For each lane that its owner writes how long it keeps observations, microseconds."""
        return dict(self._opened.retain)

    @property
    def place(self) -> Place:
        """How far the state has come."""
        with self.snapshot() as snapshot:
            return snapshot.place

    @property
    def held(self) -> dict[str, int]:
        """Observations by lane that the state holds one by one; some may have expired."""
        with self.snapshot() as snapshot:
            return snapshot.held

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
        """Do `Transaction.sweep` in a transaction of its own; return how many fewer it holds."""
        before = sum(self.held.values())
        with self.transaction() as transaction:
            transaction.sweep(clock)
        return before - sum(self.held.values())

    def drained(self, first_offsets: Iterable[int]) -> None:
        """Take emitted blobs out of the outbox, by their first offsets."""
        table = self._opened.environment.tables[OUTBOX]
        keys = [offset.to_bytes(8, "big") for offset in first_offsets]

        def work(transaction: lmdb.Transaction) -> None:
            for key in keys:
                transaction.delete(key, db=table)

        self._opened.environment.write(work)
