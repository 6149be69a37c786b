"""What a view remembers between two pieces of its log: the observations it may still need.

State is a value: every operation returns a new one, and shares what did not change. The answer to
a query is the same ``fold`` over the few observations of its entity, whether it was asked in bulk
over history, in the next batch, or at any moment between. This module knows nothing of datasets,
expressions or where state is kept.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import numpy as np

from octavo.errors import DataError, DefinitionError
from octavo.windows import state_file
from octavo.windows.kernel import check_retain, fold
from octavo.windows.log import Observations, Queries
from octavo.windows.plan import LIMIT, LanePlan

LAST_POSITION = 2**63 - 1
"""Position of a virtual query: after every operation of its ``known_at``."""


@dataclass(frozen=True, eq=False)
class LaneState:
    """The retained observations of one lane.

    They are kept in runs sorted by (entity, event_time, known_at, position). A run at least
    doubles the next, so an append costs its own rows and, spread over time, a few merges.
    """

    retain: int | None = None
    """How far before its own ``known_at`` a query may see, microseconds; None for everything."""
    runs: tuple[Observations, ...] = ()
    """Sorted runs, the longest first."""
    too_late: int = 0
    """Updates that came later than ``retain`` after their event: counted, seen by no query."""

    def __post_init__(self) -> None:
        check_retain(self.retain)

    def __len__(self) -> int:
        return sum(map(len, self.runs))

    def append(self, observations: Observations) -> "LaneState":
        """Return the state with new observations; those too late are only counted."""
        late = 0
        if self.retain is not None:
            seen = observations.event_time > observations.known_at - self.retain
            late = len(observations) - int(seen.sum())
            if late:
                observations = observations.take(seen)
        runs = list(self.runs)
        if len(observations):
            runs.append(_sorted(observations))
        while len(runs) > 1 and len(runs[-2]) < 2 * len(runs[-1]):
            runs[-2:] = [_merged(runs[-2], runs[-1])]
        return replace(self, runs=tuple(runs), too_late=self.too_late + late)

    def trim(self, clock: int) -> "LaneState":
        """Return the state without what no query at ``clock`` or later can see."""
        if self.retain is None:
            return self
        kept = [run.take(run.event_time > clock - self.retain) for run in self.runs]
        return replace(self, runs=tuple(run for run in kept if len(run)))

    def compact(self) -> "LaneState":
        """Return the same state in a single run."""
        runs = list(self.runs)
        while len(runs) > 1:
            runs[-2:] = [_merged(runs[-2], runs[-1])]
        return replace(self, runs=tuple(runs))

    def observations_of(self, entities: np.ndarray, after: int | None = None) -> Observations:
        """Return the retained observations of some entities, in no particular order.

        Parameters
        ----------
        entities
            uint64: hashes of keys, in any order.
        after
            Leave out what happened at or before this event time, microseconds.
        """
        entities = np.unique(np.asarray(entities, np.uint64))
        found = []
        for run in self.runs:
            rows = _rows_of(run.entity, entities)
            if after is not None:
                rows = rows[run.event_time[rows] > after]
            found.append(run.take(rows))
        return Observations.concatenate(found) if found else Observations.empty()


@dataclass(frozen=True)
class Step:
    """One lane's share of a piece of log: what to answer, and what to remember."""

    plan: LanePlan
    observations: Observations
    queries: Queries


@dataclass(frozen=True, eq=False)
class ViewState:
    """All lanes of a view at one place in its log."""

    fingerprint: str = ""
    """Of the features this state serves; it never mixes with another's."""
    lanes: Mapping[str, LaneState] = field(default_factory=dict)
    clock: int = -LIMIT
    """Newest ``known_at`` folded, microseconds."""
    position: int = -(2**63)
    """Last position folded at ``clock``."""

    @classmethod
    def begin(cls, fingerprint: str, retain: Mapping[str, int | None]) -> Self:
        """State before any operation, with each lane's ``retain`` in microseconds."""
        return cls(fingerprint, {name: LaneState(each) for name, each in retain.items()})

    def lane(self, name: str) -> LaneState:
        """Look a lane up by name, or raise a DefinitionError that lists the known ones."""
        if name not in self.lanes:
            raise DefinitionError.unknown("lane", name, self.lanes, where="state")
        return self.lanes[name]

    def trim(self) -> "ViewState":
        """Return the state without what no later query can see; no later answer changes."""
        return replace(
            self, lanes={name: each.trim(self.clock) for name, each in self.lanes.items()}
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the state to a file, atomically: a crash leaves the old file or the new one."""
        arrays, lanes = {}, {}
        for name, each in self.lanes.items():
            runs = each.compact().runs
            lanes[name] = {"retain": each.retain, "too_late": each.too_late}
            arrays[name] = (runs[0] if runs else Observations.empty()).arrays()
        about = {
            "fingerprint": self.fingerprint,
            "clock": self.clock,
            "position": self.position,
            "lanes": lanes,
        }
        state_file.write(Path(path), about, arrays)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a state from a file.

        Raises
        ------
        DataError
            The file is damaged, of another format version, or no state at all.
        """
        about, arrays = state_file.read(Path(path))
        lanes = {}
        for name, each in about.pop("lanes").items():
            run = Observations(**arrays[name])
            lanes[name] = LaneState(**each, runs=(run,) if len(run) else ())
        return cls(lanes=lanes, **about)


def advance(
    state: ViewState, steps: Mapping[str, Step], threads: int | None = None
) -> tuple[dict[str, np.ndarray], ViewState]:
    """Fold the next piece of the log, of all lanes together.

    Whatever the cut of a log into pieces, the results are bit for bit those of one ``fold``.

    Parameters
    ----------
    state
        Where the log was left.
    steps
        The operations by lane name; every one must be later in the log than the state.
    threads
        As in ``fold``.

    Returns
    -------
    tuple
        The results of each lane's queries, and the new state (not trimmed).

    Raises
    ------
    DataError
        An operation is not later than the state: this piece was folded already, or overtaken.
    """
    clock, position = state.clock, state.position
    for name, step in steps.items():
        state.lane(name)
        for operations in (step.observations, step.queries):
            if len(operations):
                _check_later(operations, state, name)
                clock, position = max((clock, position), _end(operations))
    results = {}
    lanes = dict(state.lanes)
    for name, step in steps.items():
        lane, plan, queries = lanes[name], step.plan, step.queries
        past = lane.observations_of(queries.entity, _reach(plan, queries))
        seen = Observations.concatenate([past, step.observations])
        results[name] = fold(seen, queries, plan, lane.retain, threads)
        lanes[name] = lane.append(step.observations)
    return results, replace(state, lanes=lanes, clock=clock, position=position)


def evaluate(
    state: ViewState,
    lane: str,
    plan: LanePlan,
    entity: np.ndarray,
    event_time: np.ndarray,
    known_at: int | None = None,
    threads: int | None = None,
    own: np.ndarray | None = None,
) -> np.ndarray:
    """Answer virtual queries: requests that are no part of the log.

    Parameters
    ----------
    state, lane, plan
        What to ask, of which lane.
    entity, event_time
        uint64 and int64 (queries,): of which key, at what event time.
    known_at
        When the request is made, microseconds; None for the state's clock.
    own
        float64 (queries,): what the request's own event adds to the lane, NaN for nothing. Each
        query sees its own event, if the plan includes the current one, and no other's.

    Returns
    -------
    numpy.ndarray
        float64 (queries, columns), as from ``fold``.

    Raises
    ------
    DataError
        ``known_at`` is before the state's clock, where some observations may be gone.
    """
    known_at = state.clock if known_at is None else known_at
    if known_at < state.clock:
        raise DataError(
            f"a request at {known_at} µs comes before the state's clock, {state.clock} µs.",
            where=f"lane {lane!r}",
            fix="Ask at the clock or later, or fold the history up to that time.",
        )
    queries = Queries(
        entity,
        event_time,
        np.full(len(entity), known_at, np.int64),
        np.full(len(entity), LAST_POSITION, np.int64),
    )
    held = state.lane(lane)
    seen = held.observations_of(queries.entity, _reach(plan, queries))
    if own is None or not plan.include_current:
        return fold(seen, queries, plan, held.retain, threads)
    parts = [
        fold(*_with_own(seen, queries.take(rows), own[rows]), plan, held.retain, threads)
        for rows in _portions(seen, queries)
    ]
    return np.concatenate(parts) if parts else np.empty((0, len(plan.columns)))


def _with_own(
    seen: Observations, queries: Queries, own: np.ndarray
) -> tuple[Observations, Queries]:
    """Give every query an entity of its own: a copy of what its key saw, and its own event."""
    seen = _sorted(seen)
    starts = np.searchsorted(seen.entity, queries.entity, "left")
    sizes = np.searchsorted(seen.entity, queries.entity, "right") - starts
    alone = np.arange(len(queries), dtype=np.uint64)
    copies = seen.take(
        np.repeat(starts - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
    )
    copies = replace(copies, entity=np.repeat(alone, sizes))
    queries = replace(queries, entity=alone)
    given = ~np.isnan(own)
    events = Observations(**queries.take(given).arrays(), value=own[given])
    return Observations.concatenate([copies, events]), queries


def _portions(seen: Observations, queries: Queries, most: int = 4_000_000) -> list[np.ndarray]:
    """Cut queries into runs whose copies of observations stay below a number, to bound memory."""
    entities, counts = np.unique(seen.entity, return_counts=True)
    places = np.searchsorted(entities, queries.entity)
    held = np.append(counts, 0)[places]
    known = np.append(entities, 0)[places] == queries.entity
    portion = np.cumsum(np.where(known, held, 0) + 1) // most
    return [np.flatnonzero(portion == each) for each in np.unique(portion)]


def _reach(plan: LanePlan, queries: Queries) -> int | None:
    """Event time up to which no query of the plan can see."""
    if plan.horizon is None or not len(queries):
        return None
    return int(queries.event_time.min()) - plan.horizon


def _check_later(operations: Queries, state: ViewState, lane: str) -> None:
    known, position = operations.known_at, operations.position
    before = (known < state.clock) | ((known == state.clock) & (position <= state.position))
    if before.any():
        row = int(before.argmax())
        raise DataError(
            f"{int(before.sum())} operations are not later in the log than the state.",
            where=f"lane {lane!r}, row {row}: known_at {known[row]}, position {position[row]}; "
            f"state: {state.clock}, {state.position}",
            fix="Fold each piece of the log once, in log order.",
        )


def _end(operations: Queries) -> tuple[int, int]:
    """Last place in the log."""
    known = operations.known_at.max()
    return int(known), int(operations.position[operations.known_at == known].max())


def _sort_keys(run: Observations) -> tuple[np.ndarray, ...]:
    return run.entity, run.event_time, run.known_at, run.position


def _sorted(observations: Observations) -> Observations:
    return observations.take(np.lexsort(_sort_keys(observations)[::-1]))


def _merged(run: Observations, other: Observations) -> Observations:
    from octavo.windows.runs import merge_order

    both = Observations.concatenate([run, other])
    return both.take(merge_order(*_sort_keys(run), *_sort_keys(other)))


def _rows_of(column: np.ndarray, entities: np.ndarray) -> np.ndarray:
    """Rows of a sorted column that hold one of the given sorted values."""
    starts = np.searchsorted(column, entities, "left")
    sizes = np.searchsorted(column, entities, "right") - starts
    shifts = starts - (np.cumsum(sizes) - sizes)
    return np.repeat(shifts, sizes) + np.arange(sizes.sum())
