"""Playing a timeline at a multiple of real time: when each slot is sent, under which keys.

What is sent is decided by the timeline, the width of a slot and the key alone. So a replay that is
begun again, from the same moment or the one at which it stopped, sends the same blocks under the
same keys. It knows nothing of how they get where they go.
"""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import polars as pl

from octavo.errors import ResourceError
from octavo.services.targets import BusyError, Target, as_arrow
from octavo.services.timeline import Slot, Timeline
from octavo.streams import BacklogError, Place

TICK = 0.1
"""Seconds of real time whose rows are sent together."""
HOUR = 3_600_000_000
"""Microseconds of history that are sent together where there is no clock."""
ROWS, BYTES = 10_000, 4 << 20
"""Of a block, at the most; a row that is larger goes alone."""
PATIENCE = 60.0
"""Seconds for which a block is tried again that cannot be taken."""
PAUSE = 0.5
"""Seconds before that, unless it is said how many."""


class Waits(Protocol):
    """Says when to stop; `threading.Event` does."""

    def is_set(self) -> bool:
        """Say whether to stop."""
        ...

    def wait(self, timeout: float) -> bool:
        """Wait until it is to stop, or for some seconds; return whether it is."""
        ...


@dataclass
class Played:
    """How far a replay has come."""

    until: int | None = None
    """Microseconds: all that became known before is where it was to go; None: nothing yet."""
    sent: int = 0
    """Rows that were taken."""
    repeated: int = 0
    """Rows of these that were there before."""
    behind: float = 0.0
    """Seconds between when rows were due and when they were taken, of the last slot."""
    is_complete: bool = False


def width_of(speed: float) -> int:
    """Return how long a slot is, microseconds of history.

    Parameters
    ----------
    speed
        Multiple of real time; infinite: as fast as it goes.
    """
    return HOUR if math.isinf(speed) else max(1, round(speed * TICK * 1e6))


def replay(
    timeline: Timeline,
    target: Target,
    played: Played,
    *,
    speed: float,
    key: str,
    stop: Waits,
    show: Callable[[Played], None],
    alone: str = "",
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Send all rows of a timeline, none before it would have been known, until told to stop.

    A slot is sent when it is over, and whole unless it cannot be taken. What comes too slowly is
    not skipped: the rest is later by that, until it has caught up.

    Parameters
    ----------
    played
        Is kept up to date.
    key
        Begins the idempotency key of each block.
    show
        Is told after each slot, and again if that takes long.
    alone
        The dataset whose rows are sent one by one.

    Raises
    ------
    ResourceError
        If a block could not be taken for `PATIENCE` seconds.
    """
    began = clock()
    for slot in timeline.slots(width_of(speed)):
        due = began + (slot.end - timeline.begin) / 1e6 / speed
        while (left := due - clock()) > 0 and not stop.wait(min(left, 1.0)):
            show(played)
        if stop.is_set():  # not within a slot: another width would send its first part again
            return
        for name, number, part, data in _blocks(slot, alone):
            place = _delivered(target, (name, data, _key(key, slot, number)), stop, clock)
            if place is None:
                return
            played.sent += part
            played.repeated += part if place.repeated else 0
        played.until = slot.end
        played.behind = max(0.0, clock() - due) if math.isfinite(speed) else 0.0
        show(played)
    played.is_complete = True


def _delivered(
    target: Target, block: tuple[str, bytes, str], stop: Waits, clock: Callable[[], float]
) -> Place | None:
    """Offer a block until it is taken, and return where it is; None if told to stop before."""
    until = clock() + PATIENCE
    while True:
        try:
            return target(*block)
        except (BacklogError, BusyError) as error:  # it lives, and will take more
            pause, until = error.retry_after, clock() + PATIENCE
        except ResourceError:
            if clock() > until:
                raise
            pause = PAUSE
        if stop.wait(pause):
            return None


def _key(key: str, slot: Slot, number: int) -> str:
    """Return a block's idempotency key: it names the slot, and which part of it this is."""
    return f"{key}/{spoken(slot.begin)}/{spoken(slot.end)}" + (f"/{number}" if number else "")


def spoken(moment: int) -> str:
    """Return microseconds since the epoch as ISO 8601, UTC, no longer than needed."""
    seconds, rest = divmod(moment, 1_000_000)
    text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return text + (f".{rest:06}Z" if rest else "Z")


def _blocks(slot: Slot, alone: str) -> Iterator[tuple[str, int, int, bytes]]:
    """Give the rows of a slot as blocks: dataset, number among its own, how many rows, the rows."""
    for name, rows in slot.rows.items():
        size = 1 if name == alone else ROWS
        parts = (part for whole in rows.iter_slices(size) for part in _in_parts(whole))
        for number, (part, data) in enumerate(parts):
            yield name, number, part.height, data


def _in_parts(rows: pl.DataFrame) -> Iterator[tuple[pl.DataFrame, bytes]]:
    data = as_arrow(rows)
    if len(data) <= BYTES or rows.height == 1:
        yield rows, data
        return
    middle = rows.height // 2
    yield from _in_parts(rows[:middle])
    yield from _in_parts(rows[middle:])
