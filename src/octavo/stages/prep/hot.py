"""Keys with too many observations: they make requests slow, and often stand for a missing one."""

from typing import Any, NamedTuple

import numpy as np
import sqlalchemy as sa

from octavo.errors import DataError
from octavo.stages.prep.lanes import Lane, Observed
from octavo.stores import catalog as tables
from octavo.windows import Observations

HOT = 1_000_000
"""Observations from which an entity is hot: a request may have to read that many."""

HOT_SHARE = 0.2
"""Share of all retained observations from which an entity is hot: the key tells little apart."""

COLD = 500_000
"""Observations up to which no entity is hot, whatever its share."""

NAMED = 10
"""Hot entities named for each view, the hottest first."""

_COOLER = (
    "If this key stands for a missing one, exclude it with where=; otherwise choose a finer key, "
    "or shorten over= and late=."
)


class Hot(NamedTuple):
    """An entity with too many observations."""

    view: str
    dataset: str
    key: str
    """Its key as text: ``customer=c01``."""
    held: int
    """Observations of it that the prep folds."""
    of: int
    """Observations of all entities that it folds."""


def check_most(lane: Lane, log: Observations, new: Observed) -> None:
    """Refuse an entity with more observations than the kernel can add up exactly.

    Parameters
    ----------
    log
        What is folded, new or not.
    new
        The new part of it.

    Raises
    ------
    DataError
        Naming view, dataset and key.
    """
    from octavo.windows import exact  # loads numba, which the fold needs anyway

    if len(log) <= exact.MOST or not len(new.observations):
        return
    entities, counts = _counted(log, new)
    most = int(counts.argmax())
    if counts[most] > exact.MOST:
        raise DataError(
            f"{_key(new, int(entities[most]))} has {counts[most]:,} observations; the most is "
            f"{exact.MOST:,}.",
            where=lane.where,
            fix=_COOLER,
        )


def hot_entities(lane: Lane, log: Observations, new: Observed) -> list[Hot]:
    """Return which of the entities just observed are hot; as `check_most`."""
    if len(log) <= COLD:
        return []
    entities, counts = _counted(log, new)
    hot = np.flatnonzero((counts > HOT) | (counts > max(COLD, HOT_SHARE * len(log))))
    hottest = hot[np.argsort(-counts[hot], kind="stable")][:NAMED]
    about = (lane.view, lane.window.dataset.name)
    return [
        Hot(*about, _key(new, int(entities[each])), int(counts[each]), len(log)) for each in hottest
    ]


def tell_hot(connection: sa.Connection, run_id: str, found: list[Hot]) -> list[dict[str, Any]]:
    """Write a warning for each hot entity, and return them as plain values, the hottest first.

    An entity that is hot in several lanes of a view and dataset is told of once.
    """
    once = {hot[:3]: hot for hot in sorted(found, key=lambda hot: hot.held)}
    told = sorted(once.values(), key=lambda hot: -hot.held)
    for hot in told:
        tables.emit(
            connection,
            "hot entity",
            f"view {hot.view!r}, {hot.dataset}: {hot.key}",
            severity="warning",
            run_id=run_id,
            reason=f"{hot.held:,} of {hot.of:,} observations retained ({hot.held / hot.of:.0%}). "
            f"{_COOLER}",
        )
    return [hot._asdict() for hot in told]


def _counted(log: Observations, new: Observed) -> tuple[np.ndarray, np.ndarray]:
    """Count the observations of every entity that was just observed."""
    entities, counts = np.unique(log.entity, return_counts=True)
    here = np.isin(entities, new.observations.entity)
    return entities[here], counts[here]


def _key(new: Observed, entity: int) -> str:
    """Return the key of an entity as text, from a row where it was observed."""
    row = int((new.observations.entity == np.uint64(entity)).argmax())
    return ", ".join(f"{column}={value}" for column, value in new.keys.row(row, named=True).items())
