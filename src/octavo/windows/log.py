"""The two sides of a log: observations to fold and queries to answer, as arrays.

Rows may come in any order. This module knows nothing of plans, windows or state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np

from octavo.errors import DataError
from octavo.windows.plan import LIMIT

DTYPES = {
    "entity": np.dtype(np.uint64),
    "event_time": np.dtype(np.int64),
    "known_at": np.dtype(np.int64),
    "position": np.dtype(np.int64),
    "value": np.dtype(np.float64),
}


@dataclass(frozen=True, eq=False)
class Queries:
    """Places in the log at which aggregates are asked for; all arrays have the same length.

    Arrays are taken as they are where dtype and layout agree, so they must not change later.
    """

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
        for name, array in self.arrays().items():
            array = np.ascontiguousarray(array, DTYPES[name])
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
        return {each.name: getattr(self, each.name) for each in fields(self)}

    def take(self, rows: np.ndarray) -> Self:
        """Rows by index or mask."""
        return type(self)(**{name: array[rows] for name, array in self.arrays().items()})

    @classmethod
    def empty(cls) -> Self:
        """No rows."""
        return cls(**{each.name: np.empty(0, DTYPES[each.name]) for each in fields(cls)})

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """All rows of the parts, one part after the other."""
        if len(parts) == 1:
            return parts[0]
        tables = [part.arrays() for part in parts]
        names = [each.name for each in fields(cls)]
        return cls(**{name: np.concatenate([table[name] for table in tables]) for name in names})


@dataclass(frozen=True, eq=False)
class Observations(Queries):
    """Updates of one lane: non-null values, each at its place in the log."""

    value: np.ndarray
    """float64: the value; infinities are allowed, NaN is not."""

    def __post_init__(self) -> None:
        super().__post_init__()
        missing = np.isnan(self.value)
        if missing.any():
            raise DataError(
                f"{int(missing.sum())} values are NaN.",
                where=f"value, first in row {int(missing.argmax())}",
                fix="Drop nulls before folding: a lane holds non-null observations only.",
            )
