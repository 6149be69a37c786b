"""Feature groups that follow the log live: folded piece by piece, written every second or so.

The rows' own features need no state: they are computed from their piece, and wait in memory until
they are written. This module knows nothing of the catalog.
"""

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol

import polars as pl

from octavo.definition import Pipeline
from octavo.definition.versions import ROWS
from octavo.stages.prep.committer import Committer
from octavo.stages.prep.folding import Group
from octavo.stages.prep.groups import Work
from octavo.stages.prep.shard import Shard
from octavo.stores.features import FeatureStore, at_position

Pieces = Mapping[str, pl.DataFrame]
"""Name of dataset to its events in a piece of the log, in log order."""


class Written(NamedTuple):
    """How far the table of a group has come."""

    position: int
    rows: int
    """New ones."""
    too_late: int
    """Observations that ever came when nothing could see them."""


class Follower(Protocol):
    """A group that is kept up."""

    work: Work

    @property
    def position(self) -> int:
        """How far in the order of batches it has come."""
        ...

    def fold(self, events: Pieces, position: int) -> None:
        """Take in the next piece of the log, up to a position; nothing if it has come that far."""
        ...

    def write(self) -> Written:
        """Bring all rows of the pieces so far into the group's table; from another thread, too."""
        ...


class ViewFollower:
    """A group of a view: its state is the memory of what was emitted."""

    def __init__(self, pipeline: Pipeline, features: FeatureStore, work: Work, group: Group):
        self.work = work
        self._rows, self._group = pipeline.rows.name, group
        self._shard = Shard(group, work.wanted)
        self._committer = Committer(group.store, features.table(work.name, work.group_id))

    @property
    def position(self) -> int:
        """How far the state has come."""
        return self._group.position

    def fold(self, events: Pieces, position: int) -> None:
        """Fold a piece into the state, and emit the features of its rows."""
        self._shard.apply(events, events[self._rows], position)

    def write(self) -> Written:
        """Drain the state's outbox."""
        position = self.position
        return Written(position, self._committer.drain(position), self._group.too_late)


class RowsFollower:
    """The rows' own features, times and keys."""

    def __init__(
        self,
        pipeline: Pipeline,
        features: FeatureStore,
        work: Work,
        compute: Callable[[pl.DataFrame], pl.DataFrame],
    ) -> None:
        self.work = work
        self._rows, self._features, self._compute = pipeline.rows.name, features, compute
        assert work.since is not None, "only a group that was prepped before is followed"
        self._position = work.since
        self._waiting: list[pl.DataFrame] = []
        self._lock = threading.Lock()

    @property
    def position(self) -> int:
        """How far the rows in memory go."""
        return self._position

    def fold(self, events: Pieces, position: int) -> None:
        """Compute the features of a piece's rows."""
        if position <= self._position:
            return
        rows = events[self._rows]
        found = [self._compute(rows)] if rows.height else []
        with self._lock:
            self._waiting += found
            self._position = position

    def write(self) -> Written:
        """Append what waits; if that fails, it waits on."""
        with self._lock:
            waiting, position = list(self._waiting), self._position
        rows = 0
        if waiting:
            frame = at_position(pl.concat(waiting), position)
            self._features.append(ROWS, self.work.group_id, frame, position)
            rows = frame.height
        with self._lock:
            self._waiting = self._waiting[len(waiting) :]
        return Written(position, rows, 0)
