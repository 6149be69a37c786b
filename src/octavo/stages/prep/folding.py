"""One step of a group's fold, with what the log takes back and with queries that come late.

A feature's value must not depend on the features it is folded with. So a query that comes later
than ``View.late`` after its event sees, in each window, what that window alone would have kept. And
an observation that was restated is seen from its own place in the log to that of the restatement.
This module knows nothing of datasets or tables.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from octavo.windows import LanePlan, Observations, Queries, Step, ViewState, advance, fold


@dataclass(frozen=True, eq=False)
class Gone:
    """Where observations of a lane are taken back, by the rows they stand in."""

    rows: np.ndarray
    """int64: numbers of the rows, ascending."""
    known_at: np.ndarray
    """int64: when that could be known, microseconds."""
    position: np.ndarray
    """int64: the place in the log, among equal ``known_at``."""


NOTHING = Gone(*[np.empty(0, np.int64)] * 3)


def advance_group(
    state: ViewState, steps: Mapping[str, Step], gone: Mapping[str, Gone], late: int
) -> tuple[dict[str, np.ndarray], ViewState]:
    """Fold the next piece of a group's log; as `octavo.windows.advance`.

    Parameters
    ----------
    gone
        For every lane, what of its new observations is taken back within this piece of log. The
        state does not keep it.
    late
        How long after its event a query may come and still be answered in full, microseconds.
    """
    standing = {name: _standing(step, gone[name]) for name, step in steps.items()}
    results, after = advance(state, standing)
    for name, step in steps.items():
        taken = np.unique(step.observations.entity[gone[name].rows])
        again = np.isin(step.queries.entity, taken)
        if len(set(_horizons(step.plan))) > 1:
            again |= step.queries.known_at - step.queries.event_time > late
        if again.any():
            queries = step.queries.take(again)
            past = state.lane(name).observations_of(queries.entity)
            log = _Log(past, step.observations, gone[name])
            results[name][again] = _by_window(log, queries, step.plan, late)
    return results, after


def _standing(step: Step, gone: Gone) -> Step:
    if not gone.rows.size:
        return step
    kept = np.ones(len(step.observations), bool)
    kept[gone.rows] = False
    return replace(step, observations=step.observations.take(kept))


class _Log:
    """Observations, each up to the place where it is taken back."""

    def __init__(self, past: Observations, new: Observations, gone: Gone) -> None:
        self.observations = Observations.concatenate([past, new])
        self.gone = replace(gone, rows=gone.rows + len(past))

    def epochs(self, queries: Queries) -> Iterator[tuple[Observations, np.ndarray]]:
        """Give the observations that stand between two places of an entity, and who asks there.

        An entity's epoch is the number of times that something of it has been taken back.
        """
        if not self.gone.rows.size:
            yield self.observations, np.arange(len(queries))
            return
        taken = self.observations.entity[self.gone.rows]
        ends, asked = _counted(taken, self.gone, queries)
        last = np.full(len(self.observations), np.iinfo(np.int64).max)
        last[self.gone.rows] = ends
        for epoch in np.unique(asked):
            rows = np.flatnonzero(asked == epoch)
            here = (last > epoch) & np.isin(self.observations.entity, queries.entity[rows])
            yield self.observations.take(here), rows


def _counted(taken: np.ndarray, gone: Gone, queries: Queries) -> tuple[np.ndarray, np.ndarray]:
    """Count, for each place and each query, the places of its entity up to there."""
    entity = np.concatenate([taken, queries.entity])
    known = np.concatenate([gone.known_at, queries.known_at])
    position = np.concatenate([gone.position, queries.position])
    is_place = np.arange(entity.size) < taken.size
    order = np.lexsort((~is_place, position, known, entity))
    running = np.cumsum(is_place[order])
    first = np.flatnonzero(np.diff(entity[order], prepend=~entity[order[:1]]))
    before = running[first] - is_place[order][first]
    counts = np.empty(entity.size, np.int64)
    counts[order] = running - np.repeat(before, np.diff(first, append=entity.size))
    return counts[: taken.size], counts[taken.size :]


def _by_window(log: _Log, queries: Queries, plan: LanePlan, late: int) -> np.ndarray:
    """Answer queries window by window, each seeing as far back as it would on its own."""
    horizons = _horizons(plan)
    out = np.empty((len(queries), len(plan.columns)))
    for observations, rows in log.epochs(queries):
        asked = queries.take(rows)
        for horizon in dict.fromkeys(horizons):
            places = np.array([number for number, each in enumerate(horizons) if each == horizon])
            part = replace(plan, columns=tuple(plan.columns[number] for number in places))
            retain = None if horizon is None else horizon + late
            out[np.ix_(rows, places)] = fold(observations, asked, part, retain)
    return out


def _horizons(plan: LanePlan) -> list[int | None]:
    """Return how far back each column looks, microseconds; None without limit."""
    return [replace(plan, columns=(column,)).horizon for column in plan.columns]
