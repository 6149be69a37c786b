"""The part of a view that one feature group folds: its lanes, and what these observe and retain."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
import polars as pl

from octavo.definition import View
from octavo.definition.durations import microseconds
from octavo.definition.events import POSITION
from octavo.stages.prep.folding import NOTHING, Gone
from octavo.stages.prep.lanes import Lane, lanes, observations
from octavo.stores.history import GONE_KNOWN_AT, GONE_POSITION
from octavo.windows import Observations


def lanes_of(view: View, features: Collection[str]) -> list[Lane]:
    """Return the lanes that some features of a view need, with these features alone."""
    found = []
    for lane in lanes(view):
        places = [number for number, name in enumerate(lane.columns) if name in features]
        if places:
            columns = tuple(lane.plan.columns[number] for number in places)
            names = tuple(lane.columns[number] for number in places)
            found.append(replace(lane, plan=replace(lane.plan, columns=columns), columns=names))
    return found


def late(view: View) -> int:
    """Return how long after its event an operation is still taken in full, microseconds."""
    return microseconds(view.late, where="View.late")


def retained(view: View, lane: Lane) -> int | None:
    """Return how long after its event an observation of a lane can matter, microseconds.

    None where a window reaches back to the beginning.
    """
    return None if lane.plan.horizon is None else lane.plan.horizon + late(view)


def observed(view: View, lane: Lane, events: pl.DataFrame | None) -> tuple[Observations, Gone]:
    """Return what a lane observes in some events, and what of it is taken back.

    Parameters
    ----------
    events
        As `octavo.stages.prep.history.Events` gives them; None for none.
    """
    if events is None:
        return Observations.empty(), NOTHING
    found = observations(view, lane, events)
    if GONE_POSITION not in events.columns:
        return found, NOTHING
    taken = events.filter(pl.col(GONE_POSITION).is_not_null())
    taken = taken.select(POSITION, GONE_KNOWN_AT, GONE_POSITION).sort(POSITION)
    places = taken[POSITION].to_numpy()
    rows = np.flatnonzero(np.isin(found.position, places))
    which = np.searchsorted(places, found.position[rows])
    ends = (taken[name].to_numpy()[which] for name in (GONE_KNOWN_AT, GONE_POSITION))
    return found, Gone(rows, *ends)
