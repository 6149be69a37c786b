"""Observations that come when no window can see them any more: people are told of them.

They change nothing, and so nobody would notice that a source is slow, or `View.late` too short.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

import sqlalchemy as sa

from octavo.stages.prep.groups import Work
from octavo.stores import catalog as tables

EVERY = 3_600_000_000
"""Microseconds after which people are told again of a view that is kept up live."""


def newly_late(found: Iterable[tuple[Work, int]]) -> Mapping[str, int]:
    """Return how many observations came too late since the last time, by view; no view of none.

    Parameters
    ----------
    found
        Groups of views, with all that ever came too late for each.
    """
    late: Counter[str] = Counter()
    for work, too_late in found:
        if work.last is not None:  # what a new group is folded from has come before
            late[work.name] += too_late - work.last["too_late"]
    return +late


def tell_late(connection: sa.Connection, run_id: str | None, late: Mapping[str, int]) -> None:
    """Say of views how many observations came that no window can see."""
    for view, count in late.items():
        tables.emit(
            connection,
            "late data",
            f"view {view!r}: {count:,} observations",
            severity="warning",
            run_id=run_id,
            reason="they are older than its state keeps, and change nothing; see View.late",
        )
