"""What requests ask of: the state of each feature group of a view, and how far it has come."""

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.definition import View
from octavo.stages.prep.lanes import Lane
from octavo.stores.state import Place, StateStore

Positions = dict[str, tuple[int, int]]
"""How far in the log a view's state had come, known_at in microseconds and position. Of a view
whose features are held by several groups each has its own, as ``view/group``."""


@dataclass(frozen=True)
class Part:
    """What one feature group answers of a view."""

    group_id: str
    store: StateStore
    lanes: Sequence[Lane]


def positions_of(view: View, parts: Sequence[Part], places: Sequence[Place]) -> Positions:
    """Return the positions of a view whose groups have come to some places."""
    return {
        view.name if len(parts) == 1 else f"{view.name}/{part.group_id}": place[:2]
        for part, place in zip(parts, places, strict=True)
    }
