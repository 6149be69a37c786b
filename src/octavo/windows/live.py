"""One lane in the memory of its owner: the fold goes on, block after block, where it stopped.

An entity's observations lie ranked in an arena, and its windows stay where the last query left
them, so that a new event costs its own step whatever came before. What is kept is a cache: the
answers are those of `fold` over the observations alone, and the same compiled steps give both.
This module knows nothing of datasets, features or where state is kept.
"""

from collections.abc import Callable

import numpy as np

from octavo.windows.first_use import steps
from octavo.windows.kernel import check_late, fold, in_log_order
from octavo.windows.log import Observations, Queries
from octavo.windows.plan import HEAVY, UNBOUNDED, LanePlan
from octavo.windows.tiles import Past, Tiles

Load = Callable[[np.ndarray], Past]
"""What is stored of some entities (uint64)."""


def nothing_stored(entities: np.ndarray) -> Past:
    """Load from an empty store."""
    starts = np.zeros(len(entities) + 1, np.int64)
    return Past(starts, np.empty(0, np.int64), np.empty(0), Tiles.none())


class TiledLane:
    """A lane whose older observations are tiles: nothing of it is kept in memory.

    What a block asks of is loaded for it, and folded as in bulk.

    Parameters
    ----------
    plan, late
        As in `octavo.windows.fold`; `LanePlan.tiles` is not None.
    load
        Where all that was in earlier blocks comes from.
    """

    nbytes = 0

    def __init__(self, plan: LanePlan, late: int | None, load: Load):
        check_late(late)
        self.plan, self.late, self._load = plan, late, load

    def fold(self, observations: Observations, queries: Queries) -> np.ndarray:
        """Fold the next block of the log; as `LiveLane.fold`."""
        entities = np.unique(queries.entity)
        past = self._load(entities)
        log = Observations.concatenate([Observations.before_all(entities, past), observations])
        return fold(log, queries, self.plan, self.late, threads=1, tiles=past.tiles)


class LiveLane:
    """The observations and windows of the entities met so far.

    It has one owner and one thread. Entities are loaded when they are first met.

    Parameters
    ----------
    plan
        The columns to compute.
    late
        As in `octavo.windows.fold`.
    load
        Where observations from before this object come from.
    """

    def __init__(self, plan: LanePlan, late: int | None = None, load: Load = nothing_stored):
        check_late(late)
        self.plan, self.late, self._load = plan, late, load
        self._heavy_places = [n for n, each in enumerate(plan.columns) if each.aggregate in HEAVY]
        self._heavy = None
        if self._heavy_places:
            columns = [plan.columns[n] for n in self._heavy_places]
            self._heavy = LanePlan(columns, plan.include_current, plan.category)
        self._memory = steps("arenas").empty(len(plan.arrays.needs))
        self._table = steps("resident").no_entities()
        self._used = np.zeros(3, np.int64)
        self.entities = 0
        """Entities in memory."""

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return sum(array.nbytes for array in (*self._memory, *self._table))

    def fold(self, observations: Observations, queries: Queries) -> np.ndarray:
        """Fold the next block of the log; every operation in it is later than all before.

        Parameters
        ----------
        observations, queries
            Rows in any order; within the block ``(known_at, position)`` orders them.

        Returns
        -------
        numpy.ndarray
            float64 (queries, columns), as from `octavo.windows.fold`.
        """
        observations, _ = in_log_order(observations)
        queries, order = in_log_order(queries)
        out = np.empty((len(queries), len(self.plan.columns)))
        if len(observations) or len(queries):
            self._fold_in_order(observations, queries, out)
        if order is None:
            return out
        back = np.empty_like(out)
        back[order] = out
        return back

    def _fold_in_order(self, observations: Observations, queries: Queries, out: np.ndarray):
        grouping, resident = steps("grouping"), steps("resident")
        reach = grouping.merge(
            observations.known_at, observations.position, queries.known_at, queries.position,
            self.plan.include_current,
        )  # fmt: skip
        same = queries.entity is observations.entity
        rows, starts, asked_rows, asked_starts = grouping.arrange(
            observations.entity, queries.entity, same, 0, 1
        )
        touched = resident.touched(
            rows, starts, observations.entity, asked_rows, asked_starts, queries.entity
        )
        numbers = self._numbers(touched)
        if self._heavy and len(queries):
            past = self._past(touched, numbers)
            found = fold(
                Observations.concatenate([past, observations]),
                queries,
                self._heavy,
                self.late,
                threads=1,
            )
            out[:, self._heavy_places] = found
        floor = self._floor(observations, queries)
        block = (numbers, rows, starts, observations.event_time, observations.value)
        plan = self.plan.arrays
        self._grow(resident.room(*block, floor, plan.needs, *self._memory))
        resident.fold_block(
            *block, floor, asked_rows, asked_starts, queries.event_time, queries.known_at,
            reach, *plan, UNBOUNDED if self.late is None else self.late,
            *self._memory, self._used, out,
        )  # fmt: skip

    def _past(self, entities: np.ndarray, numbers: np.ndarray) -> Observations:
        """Return what entities observed before this block."""
        resident = steps("resident")
        memory = self._memory
        gathered = resident.gather(numbers, memory.heads, memory.times, memory.values)
        starts, times, values = gathered
        return Observations.before_all(entities, Past(starts, times, values, Tiles.none()))

    def _floor(self, observations: Observations, queries: Queries) -> int:
        """Event time up to which no query of this block or later sees anything."""
        if self.late is None or self.plan.horizon is None:
            return -(2**63)
        firsts = [each.known_at[0] for each in (observations, queries) if len(each)]
        return int(min(firsts)) - self.late - self.plan.horizon

    def _numbers(self, touched: np.ndarray) -> np.ndarray:
        """Give each entity its number; load those not met before."""
        resident = steps("resident")
        known = self.entities
        numbers, *table, self.entities = resident.numbered(touched, *self._table, known)
        self._table = tuple(table)
        new = numbers >= known
        if new.any():
            self._memory = steps("arenas").with_entities(self._memory, self.entities)
            starts, times, values, tiles = self._load(touched[new])
            assert not tiles.ends.size, "tiles are not kept in memory"
            if len(times):
                places = numbers[new]
                sizes = np.diff(starts)
                self._grow(resident.stored_room(sizes))
                resident.restore(places, starts, times, values, *self._memory, self._used)
        return numbers

    def _grow(self, needed: np.ndarray) -> None:
        self._memory = steps("arenas").with_room(self._memory, self._used + needed)
