"""A shard of a view while events stream in: block after block, each in one transaction.

The owner's memory is a cache of the store: a block is folded in memory and then committed with
its position and the rows it emits; if that fails, memory is given up and loaded again. A block
that is delivered again is recognized by its place in the log, and changes nothing.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import polars as pl

from octavo.definition import View
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION
from octavo.stages.prep.committer import OFFSET, packed
from octavo.stages.prep.folding import late, texts_of
from octavo.stages.prep.lanes import Lane, Observed, as_columns, observations, queries
from octavo.stages.prep.values import joined
from octavo.stores.state import Place, StateStore
from octavo.windows import LiveLane, TiledLane

ROOM = 1 << 30
"""Bytes of memory above which a shard forgets what it can load again."""


class Shard:
    """The one owner of a view's log, or of one shard of it.

    Parameters
    ----------
    view
        What to compute.
    lanes
        Its lanes, of `octavo.stages.prep.lanes.lanes`.
    store
        Its state, opened for writing.
    """

    def __init__(self, view: View, lanes: Sequence[Lane], store: StateStore) -> None:
        self.view, self.lanes, self.store = view, lanes, store
        self._forget()

    def _forget(self) -> None:
        self._live = {
            lane.name: _kind_of(lane)(lane.plan, late(self.view), self._loader(lane.name))
            for lane in self.lanes
        }

    def _loader(self, lane: str):
        def load(entities: np.ndarray):
            with self.store.snapshot() as snapshot:
                return snapshot.observations_of(lane, entities)

        return load

    def apply(self, events: Mapping[str, pl.DataFrame], rows: pl.DataFrame) -> pl.DataFrame:
        """Fold the next block of the log, commit it, and return the features of its rows.

        Parameters
        ----------
        events
            Name of dataset to its events in the block: source columns and stamps.
        rows
            Those that ask for features.

        Returns
        -------
        polars.DataFrame
            `EVENT_ID`, `EVENT_TIME`, `POSITION`, `OFFSET` and the view's features, in the order of
            the log; without the rows that were applied before.
        """
        place = self.store.place
        events = {name: _later(frame, place) for name, frame in events.items()}
        rows = _later(rows, place).sort(KNOWN_AT, POSITION)
        end = max((_end(frame) for frame in (*events.values(), rows) if frame.height), default=None)
        if end is None:
            return self._emitted(rows, self._no_columns(), place.offset)
        try:
            return self._fold(events, rows, place, end)
        except BaseException:
            self._forget()
            raise

    def _fold(
        self,
        events: Mapping[str, pl.DataFrame],
        rows: pl.DataFrame,
        place: Place,
        end: tuple[int, int],
    ) -> pl.DataFrame:
        asked, mask = queries(self.view, rows)
        columns: dict[str, pl.Series] = {}
        with self.store.transaction() as transaction:
            for lane in self.lanes:
                new = events.get(lane.window.dataset.name)
                seen = Observed.nothing() if new is None else observations(self.view, lane, new)
                found = self._live[lane.name].fold(seen.observations, asked)
                log = seen.observations
                transaction.append(lane.name, log.entity, log.event_time, log.value, log.known_at)
                columns |= as_columns(lane, found, mask, *self._texts(lane, found, seen))
                if lane.speaks:
                    transaction.add_categories(lane.name, *_texts_of(seen.dictionary))
            emitted = self._emitted(rows, columns, place.offset)
            if emitted.height:
                transaction.emit(place.offset + 1, packed(emitted))
            transaction.set_position(*end, place.offset + emitted.height)
            transaction.trim(end[0])
        if sum(lane.nbytes for lane in self._live.values()) > ROOM:
            self._forget()
        return emitted

    def _no_columns(self) -> dict[str, pl.Series]:
        nobody = np.empty(0, np.bool_)
        columns: dict[str, pl.Series] = {}
        for lane in self.lanes:
            columns |= as_columns(lane, np.empty((0, len(lane.columns))), nobody, joined())
        return columns

    def _texts(self, lane: Lane, found: np.ndarray, seen: Observed) -> list[pl.DataFrame]:
        """Return the dictionaries of the texts among a lane's results."""
        if not lane.speaks:
            return []
        with self.store.snapshot() as snapshot:
            return [texts_of(snapshot, lane, found), seen.dictionary]

    def _emitted(
        self, rows: pl.DataFrame, columns: Mapping[str, pl.Series], offset: int
    ) -> pl.DataFrame:
        numbers = pl.int_range(offset + 1, offset + 1 + rows.height, dtype=pl.Int64, eager=True)
        return rows.select(EVENT_ID, EVENT_TIME, POSITION).with_columns(
            numbers.alias(OFFSET), *(columns[name] for lane in self.lanes for name in lane.columns)
        )


def _kind_of(lane: Lane) -> type[LiveLane | TiledLane]:
    return LiveLane if lane.plan.tiles is None else TiledLane


def _later(frame: pl.DataFrame, place: Place) -> pl.DataFrame:
    """Keep what is later in the log than a place."""
    known, position = pl.col(KNOWN_AT).cast(pl.Int64), pl.col(POSITION)
    return frame.filter(
        (known > place.known_at) | ((known == place.known_at) & (position > place.position))
    )


def _end(frame: pl.DataFrame) -> tuple[int, int]:
    """Last place in the log of any of the rows."""
    known = frame[KNOWN_AT].cast(pl.Int64)
    newest = known.max()
    return newest, frame.filter(known == newest)[POSITION].max()  # type: ignore[return-value]


def _texts_of(dictionary: pl.DataFrame) -> tuple[np.ndarray, list[str]]:
    return dictionary["hash"].to_numpy(), dictionary["text"].to_list()
