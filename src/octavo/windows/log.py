"""The two sides of a log: observations to fold and queries to answer, as arrays.

Rows may come in any order. This module knows nothing of plans, windows or state.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

import numpy as np

from octavo.errors import DataError
from octavo.windows.plan import LIMIT
from octavo.windows.tiles import Past

UPDATE = -1
"""Instead of the number of the update that it retracts: the operation is itself an update."""

DTYPES = {
    "entity": np.dtype(np.uint64),
    "event_time": np.dtype(np.int64),
    "known_at": np.dtype(np.int64),
    "position": np.dtype(np.int64),
    "value": np.dtype(np.float64),
    "gone_known_at": np.dtype(np.int64),
    "gone_position": np.dtype(np.int64),
}

NEVER = 2**63 - 1
"""Where an observation that is never retracted goes: later than any place in the log."""


@dataclass(frozen=True, eq=False)
class Queries:
    """Places in the log at which aggregates are asked for; all arrays have the same length.

    Arrays are taken as they are where dtype and layout agree, so they must not change later.
    """

    NAMES: ClassVar[tuple[str, ...]] = ("entity", "event_time", "known_at", "position")

    entity: np.ndarray
    """uint64: stable hash of the key."""
    event_time: np.ndarray
    """int64: event time, UTC, microseconds."""
    known_at: np.ndarray
    """int64: knowledge time, UTC, microseconds; with ``position`` the place in the log."""
    position: np.ndarray
    """int64: order among operations of equal ``known_at``."""

    def __post_init__(self) -> None:
        size = len(self.entity)
        for name, given in self.arrays().items():
            array = _as(given, DTYPES[name], name)
            object.__setattr__(self, name, array)
            if array.shape != (size,):
                raise DataError(
                    f"shape {array.shape} where {(size,)} was expected.",
                    where=name,
                    fix="Give one-dimensional arrays of one length.",
                )
        for name in ("event_time", "known_at"):
            array = getattr(self, name)
            if size and (array.min() < -LIMIT or array.max() > LIMIT):
                raise DataError(
                    "a time is more than 73,000 years from the epoch.",
                    where=name,
                    fix="Give microseconds since 1970-01-01 UTC.",
                )

    def __len__(self) -> int:
        return len(self.entity)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name."""
        return {name: getattr(self, name) for name in self.NAMES}

    def take(self, rows: np.ndarray | slice) -> Self:
        """Rows by index, mask or slice."""
        return self._checked({name: array[rows] for name, array in self.arrays().items()})

    @classmethod
    def empty(cls) -> Self:
        """No rows."""
        return cls._checked({name: np.empty(0, DTYPES[name]) for name in cls.NAMES})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All rows of the parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        names = dict.fromkeys(name for part in parts for name in part.arrays())
        return cls._checked(
            {name: np.concatenate([part._column(name) for part in parts]) for name in names}
        )

    def _column(self, name: str) -> np.ndarray:
        return getattr(self, name)

    @classmethod
    def _checked(cls, arrays: dict[str, np.ndarray]) -> Self:
        """Make rows of arrays that were checked before: a request has no time for it twice."""
        rows = cls.__new__(cls)
        for name, array in arrays.items():
            object.__setattr__(rows, name, np.ascontiguousarray(array))
        return rows


@dataclass(frozen=True, eq=False)
class Observations(Queries):
    """Updates of one lane: non-null values, each at its place in the log.

    A query sees an observation if this is earlier in the log and its retraction, if it has one,
    is not.
    """

    NAMES: ClassVar[tuple[str, ...]] = (*Queries.NAMES, "value")
    GONE: ClassVar[tuple[str, ...]] = ("gone_known_at", "gone_position")

    value: np.ndarray
    """float64: the value; infinities are allowed, NaN is not."""
    gone_known_at: np.ndarray | None = None
    """int64: knowledge time of the retraction, or ``NEVER``; None where nothing is retracted."""
    gone_position: np.ndarray | None = None
    """int64: position of the retraction, or ``NEVER``; None with ``gone_known_at``."""

    def __post_init__(self) -> None:
        if (self.gone_known_at is None) != (self.gone_position is None):
            raise DataError(
                "a place in the log has a time and a position.",
                where="gone_known_at, gone_position",
                fix="Give both arrays or neither.",
            )
        super().__post_init__()
        missing = np.isnan(self.value)
        if missing.any():
            raise DataError(
                f"{int(missing.sum())} values are NaN.",
                where=f"value, first in row {int(missing.argmax())}",
                fix="Drop nulls before folding: a lane holds non-null observations only.",
            )

    @classmethod
    def before_all(cls, entities: np.ndarray, past: Past) -> Self:
        """Return what is held one by one of some entities, uint64 (n,): operations before all."""
        known = np.full(len(past.times), -LIMIT)
        entity = np.repeat(entities, np.diff(past.starts))
        return cls(entity, past.times, known, np.arange(len(past.times)), past.values)

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays by name; those of retractions only if there are."""
        arrays = super().arrays()
        if self.gone_known_at is not None:
            arrays |= {name: getattr(self, name) for name in self.GONE}
        return arrays

    def operations(self) -> tuple[Self, np.ndarray]:
        """Lay out the log of rows that are in log order: each update, and each retraction.

        Returns
        -------
        tuple
            The operations in log order, a retraction with the rest of the row it retracts; and
            for every retraction the number of the update it retracts, for an update ``UPDATE``; no
            numbers at all if nothing is retracted.
        """
        if self.gone_known_at is None or self.gone_position is None:
            return self, np.empty(0, np.int64)
        known, position = self.gone_known_at, self.gone_position
        later = (known > self.known_at) | ((known == self.known_at) & (position > self.position))
        updates = self.take(later)  # what is gone before it comes is never seen
        retracted = np.flatnonzero(known[later] <= LIMIT)
        known = np.concatenate([updates.known_at, known[later][retracted]])
        position = np.concatenate([updates.position, position[later][retracted]])
        order = np.lexsort((position, known))
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        subject = np.full(len(order), UPDATE)
        subject[place[len(updates) :]] = place[retracted]
        rows = updates.take(np.concatenate([np.arange(len(updates)), retracted])[order])
        log = {name: getattr(rows, name) for name in self.NAMES}
        log |= {"known_at": known[order], "position": position[order]}
        return self._checked(log), subject

    def _column(self, name: str) -> np.ndarray:
        if name in self.GONE and self.gone_known_at is None:
            return np.full(len(self), NEVER)
        return super()._column(name)


def _as(given: np.ndarray | Sequence, dtype: np.dtype, name: str) -> np.ndarray:
    """Bring to dtype and layout; what would lose digits or signs is refused."""
    if isinstance(given, np.ndarray) and not np.can_cast(given.dtype, dtype, "same_kind"):
        raise DataError(
            f"dtype {given.dtype} where {dtype} was expected.",
            where=name,
            fix=f"Give {dtype}; times are microseconds since 1970-01-01 UTC.",
        )
    return np.ascontiguousarray(given, dtype)
