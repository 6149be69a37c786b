"""A feature group's share of a prep: fold a piece of the log from its state, then keep it.

The features of a piece are written before the state takes it in, and the state says how far it has
come: a prep that was killed between the two computes the same rows again, which are not written
twice. This module knows nothing of the catalog.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
import polars as pl

from octavo.definition import View
from octavo.definition.durations import microseconds
from octavo.definition.events import KNOWN_AT, POSITION
from octavo.stages.prep.groups import Work
from octavo.stages.prep.hot import Hot, check_most, hot_entities
from octavo.stages.prep.lanes import Lane, Observed, as_columns, observations, queries
from octavo.stages.prep.values import DICTIONARY, joined
from octavo.stores.history import GONE_KNOWN_AT, GONE_POSITION
from octavo.stores.home import Home
from octavo.stores.state import Snapshot, StateStore, Tiling
from octavo.windows import NEVER, Observations, Tiles, category_hashes, fold
from octavo.windows.plan import LIMIT


@dataclass(frozen=True)
class Group:
    """The columns of a view that were back-filled together, and their state."""

    view: View
    lanes: Sequence[Lane]
    store: StateStore

    @classmethod
    def open(cls, home: Home, view: View, lanes: Sequence[Lane], work: Work) -> Self:
        """Open a group's state for writing; begin it if it is new."""
        path = home.state(work.name, work.group_id)
        return cls(view, lanes, open_state(path, view, lanes, work.group_id))

    @property
    def path(self) -> Path:
        """The state's folder."""
        return self.store.path

    @property
    def position(self) -> int:
        """How far in the order of batches the state has come; 0: nothing is in it."""
        return self.store.place.offset

    @property
    def too_late(self) -> int:
        """Observations that came when nothing could see them."""
        return sum(self.store.too_late.values())

    def too_late_in(self, seen: Callable[[Lane], Observed]) -> int:
        """Count what of a piece comes when nothing can see it."""
        found = 0
        for lane in self.lanes:
            retain = retained(self.view, lane)
            if retain is not None:
                log = standing(seen(lane).observations)
                found += int((log.event_time <= log.known_at - retain).sum())
        return found

    def fold(
        self, seen: Callable[[Lane], Observed], rows: pl.DataFrame, hot: list[Hot]
    ) -> dict[str, pl.Series]:
        """Return the columns of a piece's rows; add to ``hot`` the entities to warn of."""
        asked, mask = queries(self.view, rows)
        columns: dict[str, pl.Series] = {}
        for lane in self.lanes:
            new = seen(lane)
            with self.store.snapshot() as snapshot:
                past, tiles = past_of(snapshot, lane, asked.entity, asked.event_time)
                parts = [part for part in (past, new.observations) if len(part)]
                log = Observations.concatenate(parts or [past])
                check_most(lane, log, new)
                results = fold(log, asked, lane.plan, late(self.view), tiles=tiles)
                known = texts_of(snapshot, lane, results)
            columns |= as_columns(lane, results, mask, known, new.dictionary)
            hot += hot_entities(lane, log, new)
        return columns

    def commit(self, seen: Callable[[Lane], Observed], rows: pl.DataFrame, position: int) -> None:
        """Take a piece of the log into the state, all of it or nothing."""
        before, last = self.store.place[:2]
        clock = before
        with self.store.transaction() as transaction:
            for lane in self.lanes:
                observed = seen(lane)
                log = standing(observed.observations)
                if len(log):
                    transaction.append(
                        lane.name, log.entity, log.event_time, log.value, log.known_at
                    )
                if lane.speaks:
                    texts = observed.dictionary
                    transaction.add_categories(
                        lane.name, texts["hash"].to_numpy(), texts["text"].to_list()
                    )
                clock, last = max((clock, last), _end(log.known_at, log.position))
            asked = rows[KNOWN_AT].cast(pl.Int64).to_numpy(), rows[POSITION].to_numpy()
            clock, last = max((clock, last), _end(*asked))
            transaction.set_position(clock, last, position)
            transaction.trim(clock)
            if is_time_to_sweep(self.store, before, clock):
                transaction.sweep(clock)


def is_time_to_sweep(store: StateStore, before: int, clock: int) -> bool:
    """Say whether silent entities are to lose what has expired: now and then, as it costs a pass.

    Parameters
    ----------
    before, clock
        Knowledge time, microseconds, at which a piece of the log begins and ends.
    """
    period = min((each for each in store.retain.values() if each), default=None)
    return period is not None and before // period < clock // period


def open_state(path: Path, view: View, lanes: Sequence[Lane], fingerprint: str) -> StateStore:
    """Open a state of some lanes of a view for writing; begin it if it is new."""
    keeps = {lane.name: retained(view, lane) for lane in lanes}
    found = {lane.name: tiling(view, lane) for lane in lanes}
    tiles = {name: each for name, each in found.items() if each is not None}
    return StateStore.open(path, view=view.name, fingerprint=fingerprint, lanes=keeps, tiles=tiles)


def tiling(view: View, lane: Lane) -> Tiling | None:
    """Return how a lane keeps its older observations; None if it keeps all of them one by one.

    A window that is not delayed ends within a step, for a query that does not come too late; the
    others begin and end between two.
    """
    plan = lane.plan.tiles
    if plan is None:
        return None
    ends_within = any(each.span.delay == 0 for each in lane.plan.columns)
    return Tiling(plan, late(view) if ends_within else 0)


def late(view: View) -> int:
    """Return how long after its event an operation is still taken in full, microseconds."""
    return microseconds(view.late, where="View.late")


def retained(view: View, lane: Lane) -> int | None:
    """Return how long after its event an observation of a lane can matter, microseconds.

    None where a window reaches back to the beginning.
    """
    return None if lane.plan.horizon is None else lane.plan.horizon + late(view)


def observed(view: View, lane: Lane, events: pl.DataFrame | None) -> Observed:
    """Return what a lane observes in some events, and where in the log that is taken back.

    Parameters
    ----------
    events
        As `octavo.stages.prep.history.Events` gives them; None for none.
    """
    if events is None:
        return Observed.nothing()
    found = observations(view, lane, events)
    if GONE_POSITION not in events.columns:
        return found
    taken = events.filter(pl.col(GONE_POSITION).is_not_null()).sort(POSITION)
    if not taken.height:
        return found
    log, places = found.observations, taken[POSITION].to_numpy()
    which = np.searchsorted(places, log.position).clip(max=places.size - 1)
    gone = places[which] == log.position
    ends = (
        np.where(gone, taken[name].to_numpy()[which], NEVER)
        for name in (GONE_KNOWN_AT, GONE_POSITION)
    )
    known_at, position = ends
    log = replace(log, gone_known_at=known_at, gone_position=position)
    return replace(found, observations=log)


def standing(log: Observations) -> Observations:
    """Return the observations that are not taken back, which are all that later queries see."""
    if log.gone_position is None:
        return log
    kept = log.take(log.gone_position == NEVER)
    return replace(kept, gone_known_at=None, gone_position=None)


def past_of(
    snapshot: Snapshot, lane: Lane, entity: np.ndarray, event_time: np.ndarray
) -> tuple[Observations, Tiles]:
    """Return what the state has of some entities, as far back as queries at some times see."""
    entities = np.unique(entity)
    reach = lane.plan.horizon
    after = -LIMIT if reach is None or not event_time.size else int(event_time.min()) - reach
    found = snapshot.observations_of(lane.name, entities, after)
    return Observations.before_all(entities, found), found.tiles


def texts_of(snapshot: Snapshot, lane: Lane, results: np.ndarray) -> pl.DataFrame:
    """Return the dictionary of the texts among a lane's results that the state knows."""
    if not lane.speaks:
        return joined()
    found = snapshot.categories(lane.name, category_hashes(results).ravel())
    texts = {"hash": list(found), "text": list(found.values())}
    return joined(pl.DataFrame(texts, schema=DICTIONARY))


def _end(known_at: np.ndarray, position: np.ndarray) -> tuple[int, int]:
    """Last place in the log of some operations; before all places if there are none."""
    if not known_at.size:
        return -LIMIT, -LIMIT
    newest = known_at.max()
    return int(newest), int(position[known_at == newest].max())
