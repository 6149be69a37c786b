"""What one lane computes: spans, aggregates and columns, as frozen data.

A *lane* is one stream of non-null float64 observations in one view: one dataset, one value, one
``where``. This module knows nothing of how a plan is run.
"""

import enum
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from octavo.errors import DefinitionError

LIMIT = 2**61
"""Largest magnitude of any time or duration, microseconds (about 73,000 years).

Four such terms can be added or subtracted in int64, so no time arithmetic ever overflows.
"""

UNBOUNDED = -1
"""How a missing ``over`` or ``retain`` is written in integer arrays."""


class Aggregate(enum.IntEnum):
    """One number computed from the observations visible in a window.

    Of an empty window every aggregate is null (NaN) except ``COUNT``, which is 0.
    """

    COUNT = 0
    """Number of observations."""
    SUM = 1
    """Exact sum, rounded once: equal to ``math.fsum``, but infinite where that overflows."""
    MEAN = 2
    """``SUM / COUNT``; finite for finite observations even where ``SUM`` overflows."""
    MIN = 3
    """Smallest value; a zero is returned as ``+0.0``."""
    MAX = 4
    """Largest value; a zero is returned as ``+0.0``."""
    VAR = 5
    """Sample variance (``ddof=1``); null below two observations or with an infinite one."""
    STD = 6
    """Square root of the sample variance, finite even where ``VAR`` overflows."""
    FIRST = 7
    """Value of the earliest observation by (event time, log order)."""
    LAST = 8
    """Value of the latest observation by (event time, log order)."""
    SINCE_FIRST = 9
    """Seconds from the earliest observation to the query's event time."""
    SINCE_LAST = 10
    """Seconds from the latest observation to the query's event time."""


@dataclass(frozen=True, slots=True)
class Span:
    """The window ``(t - delay - over, t - delay]`` before a query at event time ``t``.

    Parameters
    ----------
    over
        Length in microseconds, more than 0; None for everything since the beginning.
    delay
        How late the facts are known, microseconds.
    """

    over: int | None
    delay: int = 0

    def __post_init__(self) -> None:
        if self.over is not None and not 0 < self.over <= LIMIT:
            raise DefinitionError(
                f"a window of {self.over} µs cannot be folded.",
                where="over",
                fix="Give a length above 0, or None for everything since the beginning.",
            )
        if not 0 <= self.delay <= LIMIT:
            raise DefinitionError(
                f"a window cannot be delayed by {self.delay} µs.",
                where="delay",
                fix="Give a duration of 0 or more.",
            )


class PlanArrays(NamedTuple):
    """A plan as the kernel reads it: integer arrays only."""

    spans: np.ndarray
    """int64 (spans, 2): over (or ``UNBOUNDED``), delay; every distinct span once."""
    needs: np.ndarray
    """int64 (spans,): bit ``1 << aggregate`` set for each aggregate asked of the span."""
    starts: np.ndarray
    """int64 (spans + 1,): span ``s`` owns ``columns[starts[s]:starts[s + 1]]``."""
    columns: np.ndarray
    """int64 (columns, 2): place in the result, aggregate; grouped by span."""


@dataclass(frozen=True)
class LanePlan:
    """The columns one lane yields for every query.

    Parameters
    ----------
    columns
        One (span, aggregate) per result column, in the order of the result.
    include_current
        Whether a query sees the observation at exactly its own place in the log.
    """

    columns: tuple[tuple[Span, Aggregate], ...]
    include_current: bool = True

    def __post_init__(self) -> None:
        if not self.columns:
            raise DefinitionError(
                "a lane plan without columns computes nothing.",
                where="columns",
                fix="Give at least one (span, aggregate).",
            )
        try:
            columns = tuple((span, Aggregate(aggregate)) for span, aggregate in self.columns)
        except ValueError as error:
            known = ", ".join(each.name for each in Aggregate)
            raise DefinitionError(f"{error}.", where="columns", fix=f"Known: {known}.") from None
        object.__setattr__(self, "columns", columns)

    @cached_property
    def horizon(self) -> int | None:
        """How far before its event time a query may look, microseconds; None without limit."""
        reach = [None if span.over is None else span.over + span.delay for span, _ in self.columns]
        bounded = [each for each in reach if each is not None]
        return max(bounded) if len(bounded) == len(reach) else None

    @cached_property
    def arrays(self) -> PlanArrays:
        """The same plan as integer arrays."""
        spans = list(dict.fromkeys(span for span, _ in self.columns))
        by_span = sorted(
            (spans.index(span), place, int(aggregate))
            for place, (span, aggregate) in enumerate(self.columns)
        )
        owner = np.array([span for span, _, _ in by_span], np.int64)
        needs = np.zeros(len(spans), np.int64)
        for span, _, aggregate in by_span:
            needs[span] |= 1 << aggregate
        return PlanArrays(
            spans=np.array(
                [(UNBOUNDED if each.over is None else each.over, each.delay) for each in spans],
                np.int64,
            ),
            needs=needs,
            starts=np.searchsorted(owner, np.arange(len(spans) + 1)).astype(np.int64),
            columns=np.array([(place, aggregate) for _, place, aggregate in by_span], np.int64),
        )
