"""A group of a view's features while events stream in: piece after piece, each in one transaction.

The owner's memory is a cache of the store: a piece is folded in memory and then committed with its
position and the rows it emits; if that fails, memory is given up and loaded again. A piece that
comes again is recognized by its position, and changes nothing.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from octavo.definition.events import KNOWN_AT, POSITION
from octavo.stages.prep.committer import packed
from octavo.stages.prep.folding import Group, is_time_to_sweep, late, texts_of
from octavo.stages.prep.lanes import Lane, Observed, as_columns, observations, queries
from octavo.stores.features import STAMPS
from octavo.windows import LiveLane, TiledLane

ROOM = 1 << 30
"""Bytes of memory above which a shard forgets what it can load again."""


class Shard:
    """The one owner of a group's log.

    Parameters
    ----------
    group
        Its state is opened for writing.
    stored
        Stored column to the feature's name in the definition.
    """

    def __init__(self, group: Group, stored: Mapping[str, str]) -> None:
        self.group, self.stored = group, stored
        self._forget()

    def _forget(self) -> None:
        self._live = {
            lane.name: _kind_of(lane)(lane.plan, late(self.group.view), self._loader(lane.name))
            for lane in self.group.lanes
        }

    def _loader(self, lane: str):
        def load(entities: np.ndarray):
            with self.group.store.snapshot() as snapshot:
                return snapshot.observations_of(lane, entities)

        return load

    @property
    def position(self) -> int:
        """How far in the order of batches the state has come."""
        return self.group.position

    def apply(self, events: Mapping[str, pl.DataFrame], rows: pl.DataFrame, position: int) -> int:
        """Fold the next piece of the log, emit the features of its rows, and commit both.

        Parameters
        ----------
        events
            Name of dataset to its events in the piece: source columns and stamps, in log order.
        rows
            Those that ask for features, in log order.
        position
            Up to where the piece goes; one that the state has come to changes nothing.

        Returns
        -------
        int
            How many rows were emitted.

        Raises
        ------
        DataError
            If the piece is not later in the log than what was folded.
        """
        if position <= self.position:
            return 0
        try:
            return self._fold(events, rows, position)
        except BaseException:
            self._forget()
            raise

    def _fold(self, events: Mapping[str, pl.DataFrame], rows: pl.DataFrame, position: int) -> int:
        view, store = self.group.view, self.group.store
        before = store.place
        frames = [frame for frame in (*events.values(), rows) if frame.height]
        end = max(map(_end, frames), default=before[:2])
        asked, mask = queries(view, rows)
        columns: dict[str, pl.Series] = {}
        with store.transaction() as transaction:
            for lane in self.group.lanes:
                new = events.get(lane.window.dataset.name)
                seen = Observed.nothing() if new is None else observations(view, lane, new)
                found = self._live[lane.name].fold(seen.observations, asked)
                log = seen.observations
                transaction.append(lane.name, log.entity, log.event_time, log.value, log.known_at)
                columns |= as_columns(lane, found, mask, *self._texts(lane, found, seen))
                if lane.speaks:
                    transaction.add_categories(lane.name, *_texts_of(seen.dictionary))
            if rows.height:
                transaction.emit(position, packed(self._emitted(rows, columns)))
            transaction.set_position(*end, position)
            transaction.trim(end[0])
            if is_time_to_sweep(store, before.known_at, end[0]):
                transaction.sweep(end[0])
        if sum(lane.nbytes for lane in self._live.values()) > ROOM:
            self._forget()
        return rows.height

    def _texts(self, lane: Lane, found: np.ndarray, seen: Observed) -> list[pl.DataFrame]:
        """Return the dictionaries of the texts among a lane's results."""
        if not lane.speaks:
            return []
        with self.group.store.snapshot() as snapshot:
            return [texts_of(snapshot, lane, found), seen.dictionary]

    def _emitted(self, rows: pl.DataFrame, columns: Mapping[str, pl.Series]) -> pl.DataFrame:
        named = (columns[name].alias(stored) for stored, name in self.stored.items())
        return rows.select(STAMPS).with_columns(*named)


def _kind_of(lane: Lane) -> type[LiveLane | TiledLane]:
    return LiveLane if lane.plan.tiles is None else TiledLane


def _end(frame: pl.DataFrame) -> tuple[int, int]:
    """Place in the log of the last row."""
    return frame[KNOWN_AT].to_physical()[-1], frame[POSITION][-1]


def _texts_of(dictionary: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
    return dictionary["hash"].to_numpy(), dictionary["text"].to_list()
