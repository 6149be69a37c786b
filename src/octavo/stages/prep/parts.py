"""What the lanes of one feature group retain, and what of their observations is taken back."""

import numpy as np
import polars as pl

from octavo.definition import View
from octavo.definition.durations import microseconds
from octavo.definition.events import POSITION
from octavo.stages.prep.folding import NOTHING, Gone
from octavo.stages.prep.lanes import Lane
from octavo.stores.history import GONE_KNOWN_AT, GONE_POSITION
from octavo.windows import Observations


def late(view: View) -> int:
    """Return how long after its event an operation is still taken in full, microseconds."""
    return microseconds(view.late, where="View.late")


def retained(view: View, lane: Lane) -> int | None:
    """Return how long after its event an observation of a lane can matter, microseconds.

    None where a window reaches back to the beginning.
    """
    return None if lane.plan.horizon is None else lane.plan.horizon + late(view)


def taken_back(observations: Observations, events: pl.DataFrame | None) -> Gone:
    """Return which observations are taken back later in the log, and where.

    Parameters
    ----------
    events
        What they were made of, as `octavo.stages.prep.history.Events` gives it.
    """
    if events is None or GONE_POSITION not in events.columns:
        return NOTHING
    taken = events.filter(pl.col(GONE_POSITION).is_not_null())
    taken = taken.select(POSITION, GONE_KNOWN_AT, GONE_POSITION).sort(POSITION)
    places = taken[POSITION].to_numpy()
    rows = np.flatnonzero(np.isin(observations.position, places))
    which = np.searchsorted(places, observations.position[rows])
    return Gone(rows, *(taken[c].to_numpy()[which] for c in (GONE_KNOWN_AT, GONE_POSITION)))
