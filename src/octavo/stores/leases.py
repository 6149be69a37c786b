"""Leases: what one process at a time may do, until it is silent for too long.

A process that was stopped may come back and believe that it still may. So each taking has a
number, its *epoch*, and whoever writes under a lease sees in the same transaction that it is held.
"""

import uuid

import sqlalchemy as sa

from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

_TABLE = tables.leases
SECONDS = 15
"""How long a lease is held by who is silent, unless said otherwise."""


def is_held(catalog: Catalog, name: str, now: int) -> bool:
    """Say whether any process holds a lease."""
    row = catalog.one(sa.select(_TABLE).where(_TABLE.c.name == name))
    return row is not None and row["until"] >= now


class LeaseLost(Exception):
    """Another process has taken the lease: what was to be written does not count."""


class Lease:
    """One process's part in a lease.

    Parameters
    ----------
    name
        What it is for.
    seconds
        How long it is held after the last `hold`.
    """

    def __init__(self, catalog: Catalog, name: str, seconds: float = SECONDS) -> None:
        self.epoch = 0
        """Of the newest taking; 0 before the first."""
        self._catalog, self._name = catalog, name
        self._length = round(seconds * 1_000_000)
        self._holder = uuid.uuid4().hex
        self._renew_at = 0

    def hold(self, now: int) -> bool:
        """Take it or keep it; return whether this process holds it.

        Parameters
        ----------
        now
            Microseconds since the epoch. What was taken at a later time is taken anew: a clock was
            set back.
        """
        row = self._row()
        if row is not None and row["holder"] != self._holder:
            if 0 <= row["until"] - now <= self._length:
                return False
        elif row is not None and now < self._renew_at <= now + self._length:
            return True
        with self._catalog.transaction(alone=True) as connection:
            if self._row(connection) != row:
                return False  # somebody was quicker
            self._take(connection, row, now)
        self._renew_at = now + self._length // 2
        return True

    def _take(self, connection: sa.Connection, row: Row | None, now: int) -> None:
        is_mine = row is not None and row["holder"] == self._holder
        epoch = (row["epoch"] if row else 0) + (not is_mine)
        told = {"name": self._name, "holder": self._holder, "epoch": epoch}
        tables.put(connection, _TABLE, **told, until=now + self._length)
        if not is_mine:
            tables.emit(connection, f"{self._name} took over", f"epoch {epoch}")
        self.epoch = epoch

    def check(self, connection: sa.Connection) -> None:
        """See to it that what is written in a transaction counts.

        Raises
        ------
        LeaseLost
            If another process has taken the lease.
        """
        row = self._row(connection)
        if row is None or row["holder"] != self._holder:
            raise LeaseLost

    def leave(self) -> None:
        """Let others take it at once, if this process holds it."""
        mine = (_TABLE.c.name == self._name) & (_TABLE.c.holder == self._holder)
        with self._catalog.transaction() as connection:
            connection.execute(_TABLE.update().where(mine).values(until=0))

    def _row(self, connection: sa.Connection | None = None) -> Row | None:
        query = sa.select(_TABLE).where(_TABLE.c.name == self._name)
        if connection is None:
            return self._catalog.one(query)
        found = connection.execute(query).mappings().one_or_none()
        return None if found is None else dict(found)
