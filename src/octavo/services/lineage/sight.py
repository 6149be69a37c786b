"""What a prediction could see: the places in the log that it recorded, and what lies before them.

A served prediction recorded how far the state of each view had come; one for a prepped row saw what
comes in the log before its own row. This module knows nothing of stores.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from octavo.definition.versions import ROWS
from octavo.stores.raw import ROWS_PER_BATCH


class Place(NamedTuple):
    """A place in the log: known_at, microseconds, and position."""

    known_at: int
    position: int


def recorded(positions: str | None, group: str | None = None) -> dict[str, Place]:
    """Return how far the state of each view had come, as a served prediction recorded it.

    Nothing for one of a prepped row, and for one whose features came with the request.

    Parameters
    ----------
    group
        Of a view whose features several groups held, only this group; None: whichever was farthest.
    """
    found: dict[str, Place] = {}
    for name, place in json.loads(positions or "{}").items():
        view, _, of = name.partition("/")
        if isinstance(place, list) and (not of or group in (None, of)):
            found[view] = max(Place(*place), found.get(view, Place(*place)))
    return found


def prepped(positions: str | None) -> dict[str, int]:
    """Return how far in the order of batches the views had come when a prepped row was predicted.

    Nothing for a served prediction.
    """
    found = json.loads(positions or "{}")
    return {name: at for name, at in found.items() if isinstance(at, int) and name != ROWS}


def just_before(known_at: int, position: int) -> Place:
    """Return the last place that is before a row's own."""
    return Place(known_at, position - 1)


def could_see(batch: Mapping[str, Any], place: Place, at: int, rebuilt_at: int | None) -> bool:
    """Say whether rows of a batch may lie before a place in the log.

    None of them could be known before the clock of the batch. A first load has none: what reads its
    dataset was folded with all of it.

    Parameters
    ----------
    at
        When it was predicted, microseconds since the epoch.
    rebuilt_at
        As of `octavo.services.lineage.records.Records.rebuilt_at`.
    """
    if rebuilt_at is not None and at >= rebuilt_at:
        return False
    if batch["clock"] is None:
        return at >= batch["planned_at"]
    return (batch["clock"], batch["sequence"] * ROWS_PER_BATCH) <= place
