"""Writing a state: changes that happen together or not at all.

This module knows nothing of windows; whoever folds the log gives it what is new.
"""

from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import lmdb
import numpy as np

from octavo.errors import DataError
from octavo.stores.state import folding, fresh
from octavo.stores.state.chunks import Damaged, checked
from octavo.stores.state.folding import Folding
from octavo.stores.state.fresh import Rows
from octavo.stores.state.placing import Placing, sweep
from octavo.stores.state.records import (
    CATEGORIES,
    CATEGORY,
    FRESH,
    OBSERVATIONS,
    OUTBOX,
    RECORDS,
    TILES,
    Opened,
    Place,
    Progress,
    read_progress,
    write_progress,
)

EVERYTHING = 2**63 - 1
"""Event time up to which all has expired of a lane that is no longer written."""


@dataclass
class Transaction:
    """Changes to a state, collected in a context and made when it ends without an exception.

    Arrays given to it must not change before that.
    """

    _opened: Opened
    _appended: dict[str, list[Rows]] = field(default_factory=dict)
    _late: dict[str, int] = field(default_factory=dict)
    _place: Place | None = None
    _clock: int | None = None
    _swept: int | None = None
    _emitted: dict[bytes, bytes] = field(default_factory=dict)
    _categories: dict[bytes, bytes] = field(default_factory=dict)

    def append(
        self,
        lane: str,
        entity: np.ndarray,
        event_time: np.ndarray,
        value: np.ndarray,
        known_at: np.ndarray | int | None = None,
    ) -> None:
        """Add observations, in the order of the log.

        Parameters
        ----------
        lane
            Name of the lane.
        entity, event_time, value
            uint64, int64 (microseconds) and float64 (rows,).
        known_at
            When each was known, microseconds. A lane that does not keep everything needs it: what
            was known later after its event than the lane keeps is counted as too late.
        """
        retain = self._retain(lane)
        rows = Rows(
            np.ascontiguousarray(entity, np.uint64),
            np.ascontiguousarray(event_time, np.int64),
            np.ascontiguousarray(value, np.float64),
        )
        if retain is not None:
            assert known_at is not None, "a lane that does not keep everything needs known_at"
            kept = rows.time > np.asarray(known_at, np.int64) - retain
            if not kept.all():
                self._late[lane] = self._late.get(lane, 0) + int((~kept).sum())
                rows = Rows(*(column[kept] for column in rows))
        self._appended.setdefault(lane, []).append(rows)

    def _retain(self, lane: str) -> int | None:
        self._opened.number(lane)
        assert lane in self._opened.retain, f"the state was opened without lane {lane!r}"
        return self._opened.retain[lane]

    def set_position(self, known_at: int, position: int, offset: int) -> None:
        """Say how far the state comes by this: see `Place`. What is appended belongs to one.

        When the context ends, a state that has come so far already refuses all of it with a
        DataError: an observation is never added twice.
        """
        self._place = Place(known_at, position, offset)

    def trim(self, clock: int) -> None:
        """Drop, of the entities written to, what no query at this knowledge time can see.

        And fold into tiles what none can see a part of, where a lane has tiles.
        """
        self._clock = clock

    def sweep(self, clock: int) -> None:
        """Do, of all entities, what `trim` does.

        And drop all of the lanes that the owner has left out. It reads the whole state, or of
        lanes without tiles its keys.
        """
        self._swept = clock

    def emit(self, first_offset: int, blob: bytes) -> None:
        """Put rows into the outbox.

        Parameters
        ----------
        first_offset
            Offset of the first of them, from 0: blobs are drained in this order.
        blob
            The rows, in a form that the committer reads.
        """
        self._emitted[first_offset.to_bytes(8, "big")] = checked(blob)

    def add_categories(self, lane: str, hashes: np.ndarray, texts: list[str]) -> None:
        """Remember the texts behind some hashes, uint64 (texts,)."""
        number = self._opened.number(lane)
        for each, text in zip(np.asarray(hashes, np.uint64).tolist(), texts, strict=True):
            self._categories[CATEGORY.pack(number, each)] = checked(text.encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if kind is None:
            assert self._place or not self._appended, "observations belong to a position"
            rows = {lane: Rows.joined(parts) for lane, parts in self._appended.items()}
            room = 32 * sum(each.entity.size for each in rows.values())
            try:
                self._opened.environment.write(lambda each: self._apply(each, rows), room)
            except Damaged as error:
                raise self._opened.explained(error) from error

    def _apply(self, transaction: lmdb.Transaction, rows: dict[str, Rows]) -> None:
        tables = self._opened.environment.tables
        lanes = self._opened.identity.lanes
        before = read_progress(transaction, tables[RECORDS], len(lanes))
        progress = self._advanced(before)
        for number, lane in enumerate(lanes):
            progress.held[number] += self._add(transaction, lane, rows.get(lane, Rows.none()))
            if self._swept is not None:
                progress.held[number] -= self._sweep(transaction, number, lane)
        if progress != before:
            write_progress(transaction, tables[RECORDS], progress)
        for key, value in self._emitted.items():
            transaction.put(key, value, db=tables[OUTBOX])
        for key, value in self._categories.items():
            transaction.put(key, value, overwrite=False, db=tables[CATEGORIES])

    def _add(self, transaction: lmdb.Transaction, lane: str, rows: Rows) -> int:
        """Put observations of a lane; return how many more there are than before."""
        now, number = rows, self._opened.number(lane)
        if lane not in self._opened.identity.tiles:
            table = self._opened.environment.tables[FRESH]
            # Of many, entities have several already; and a sweep looks at all that there is.
            waits = self._swept is None and rows.entity.size <= fresh.MOST
            if rows.entity.size or not waits:
                now = fresh.take_in(transaction, table, number, rows, waits * fresh.MOST)
        if not now.entity.size:
            return rows.entity.size
        placed = self._placing(transaction, lane, self._clock).append(*now)
        return rows.entity.size + placed - now.entity.size

    def _placing(self, transaction: lmdb.Transaction, lane: str, clock: int | None) -> Placing:
        """Return what puts observations into a lane."""
        tables, number = self._opened.environment.tables, self._opened.number(lane)
        horizon, plan = self._horizon(lane, clock), self._opened.identity.tiles.get(lane)
        if plan is None:
            return Placing(transaction, tables[OBSERVATIONS], number, horizon)
        into = Folding(transaction, tables[TILES], number, plan, horizon)
        edge = None
        if clock is not None:
            edge = (clock - self._opened.loose[lane]) // plan.width * plan.width
        return Placing(transaction, tables[OBSERVATIONS], number, None, into, edge)

    def _sweep(self, transaction: lmdb.Transaction, number: int, lane: str) -> int:
        """Sweep a lane; return how many observations fewer are kept one by one."""
        tables, horizon = self._opened.environment.tables, self._horizon(lane, self._swept)
        if lane in self._opened.loose:
            fewer = self._placing(transaction, lane, self._swept).sweep()
        elif horizon is None:
            return 0
        else:
            fewer = sweep(transaction, tables[OBSERVATIONS], number, horizon)
        if horizon is not None and lane in self._opened.identity.tiles:
            fewer += folding.sweep(transaction, tables[TILES], number, horizon)
        return fewer

    def _horizon(self, lane: str, clock: int | None) -> int | None:
        """Return the event time up to which a lane has expired; None: all of it may be needed."""
        if clock is None or lane not in self._opened.retain:
            return None if clock is None else EVERYTHING
        retain = self._opened.retain[lane]
        return None if retain is None else clock - retain

    def _advanced(self, progress: Progress) -> Progress:
        """Return the progress at the new place; refuse one that is not later."""
        before, place = progress.place, self._place or progress.place
        appends = any(rows[0].size for parts in self._appended.values() for rows in parts)
        same = place[:2] == before[:2] and not appends
        if place.offset < before.offset or not (place[:2] > before[:2] or same):
            raise DataError(
                f"the state has come as far as {tuple(before)}; {tuple(place)} is not later.",
                where=f"state of view {self._opened.identity.view!r}",
                fix="Fold each piece of the log once, in the order of the log.",
            )
        late = zip(self._opened.identity.lanes, progress.too_late, strict=True)
        too_late = [many + self._late.get(lane, 0) for lane, many in late]
        return Progress(place, too_late, list(progress.held))
