"""What one lane computes: spans, aggregates and columns, as frozen data.

A *lane* is one stream of non-null float64 observations in one view: one dataset, one value, one
``where``. This module knows nothing of how a plan is run.
"""

import enum
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from octavo.errors import DefinitionError

LIMIT = 2**61
"""Largest magnitude of any time or duration, microseconds (about 73,000 years).

Four such terms can be added or subtracted in int64, so no time arithmetic ever overflows.
"""

UNBOUNDED = -1
"""How a missing ``over`` or ``late`` is written in integer arrays."""


MOST_HALF_LIVES = 64
"""Half-lives a decayed window reaches back at most: older observations weigh below 2**-64."""


class Aggregate(enum.IntEnum):
    """One number computed from the observations visible in a window.

    Of an empty window every aggregate is null (NaN) except ``COUNT``, ``N_UNIQUE`` and
    ``DECAYED_COUNT``, which are 0. ``LAG``, ``QUANTILE`` and the decayed ones take a parameter.
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
    LAG = 11
    """Value of the ``parameter``-th observation before the latest; null if there are fewer."""
    N_UNIQUE = 12
    """Number of distinct values; -0.0 equals 0.0. With a resolution estimated from 1,024 on."""
    TOP = 13
    """Most frequent value, of several the smallest (categories: by hash); zero is ``+0.0``."""
    QUANTILE = 14
    """Quantile at ``parameter`` per mille, interpolated linearly between two order statistics;
    with a resolution, of values rounded to 8 significant bits."""
    DECAYED_COUNT = 15
    """Sum of weights ``2**-(age / half-life)``; ``parameter`` is the half-life, microseconds."""
    DECAYED_SUM = 16
    """Sum of the values so weighted, exact but for each product's one rounding."""
    DECAYED_MEAN = 17
    """``DECAYED_SUM / DECAYED_COUNT``; finite for finite values even where the sum overflows."""


DECAYED = frozenset({Aggregate.DECAYED_COUNT, Aggregate.DECAYED_SUM, Aggregate.DECAYED_MEAN})
"""Aggregates that weigh by age; their parameter is a half-life."""

HEAVY = frozenset({Aggregate.N_UNIQUE, Aggregate.TOP, Aggregate.QUANTILE}) | DECAYED
"""Aggregates that keep more than a few numbers per window, computed by code of their own."""

TOTALS = frozenset({Aggregate.SUM, Aggregate.MEAN})
SPREADS = frozenset({Aggregate.VAR, Aggregate.STD})
"""Aggregates that are read from exact sums, and from sums of squares too."""

OF_CATEGORIES = frozenset(
    {
        Aggregate.COUNT,
        Aggregate.FIRST,
        Aggregate.LAST,
        Aggregate.LAG,
        Aggregate.SINCE_FIRST,
        Aggregate.SINCE_LAST,
        Aggregate.N_UNIQUE,
        Aggregate.TOP,
    }
)
"""Aggregates that need no arithmetic on values, so that these may be categories."""


@dataclass(frozen=True, slots=True)
class Span:
    """The window ``(t - delay - over, t - delay]`` before a query at event time ``t``.

    Parameters
    ----------
    over
        Length in microseconds, more than 0; None for everything since the beginning.
    delay
        How late the facts are known, microseconds.
    resolution
        Floor the window's start, and with a delay its end, to multiples of this many microseconds
        since the epoch; None, or 1, for exact windows.
    """

    over: int | None
    delay: int = 0
    resolution: int | None = None

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
        if self.resolution is not None and not 0 < self.resolution <= LIMIT:
            raise DefinitionError(
                f"a window cannot move in steps of {self.resolution} µs.",
                where="resolution",
                fix="Give a duration above 0, or None for exact windows.",
            )

    @property
    def is_exact(self) -> bool:
        """Whether it begins and ends where it is asked to."""
        return self.resolution in (None, 1)

    @property
    def reach(self) -> int | None:
        """How far before its event time a query may look, microseconds; None without limit."""
        if self.over is None:
            return None
        return self.over + self.delay + (self.resolution or 1) - 1


class PlanColumn(NamedTuple):
    """One result column."""

    span: Span
    aggregate: Aggregate
    parameter: int = 0
    """``LAG``: how many observations before the latest, from 1; ``QUANTILE``: per mille, 1 to
    999; decayed ones: half-life in microseconds; 0 for all others."""


class PlanArrays(NamedTuple):
    """A plan as the kernel reads it: integer arrays only."""

    spans: np.ndarray
    """int64 (spans, 4): over (or ``UNBOUNDED``), delay, resolution (1 for exact windows),
    half-life (0 without); every distinct one once."""
    needs: np.ndarray
    """int64 (spans,): bit ``1 << aggregate`` set for each aggregate asked of the span."""
    starts: np.ndarray
    """int64 (spans + 1,): span ``s`` owns ``columns[starts[s]:starts[s + 1]]``."""
    columns: np.ndarray
    """int64 (columns, 3): place in the result, aggregate, parameter; grouped by span."""


@dataclass(frozen=True)
class TilePlan:
    """What is kept of a lane's older observations together: one tile for each step of time.

    Besides what every tile has: count, extremes, first and last.
    """

    width: int
    """Microseconds: the resolution of all windows of the lane."""
    sums: int
    """0: no sums; 1: sums; 2: sums of squares too."""
    values: int
    """0: no values; 1: those with the smallest hashes; 2: all that are distinct, counted."""
    rounded: bool
    """Whether values are kept rounded, and counted."""
    halflives: tuple[int, ...]
    """Half-lives of the decayed sums, microseconds, ascending."""
    category: bool
    """Whether the values are categories."""

    def covers(self, other: "TilePlan") -> bool:
        """Whether its tiles have all that another's would have."""
        return (
            (self.width, self.category) == (other.width, other.category)
            and self.sums >= other.sums
            and self.values >= other.values
            and self.rounded >= other.rounded
            and set(self.halflives) >= set(other.halflives)
        )


@dataclass(frozen=True, init=False)
class LanePlan:
    """The columns one lane yields for every query.

    Parameters
    ----------
    columns
        One ``PlanColumn``, or (span, aggregate), per result column, in the order of the result.
    include_current
        Whether a query sees the observation at exactly its own place in the log.
    category
        Whether the values are categories (``category_bits``), which compare by their bits.
    """

    columns: tuple[PlanColumn, ...]
    include_current: bool
    category: bool

    def __init__(
        self,
        columns: Iterable[PlanColumn | tuple[Span, Aggregate] | tuple[Span, Aggregate, int]],
        include_current: bool = True,
        category: bool = False,
    ) -> None:
        columns = tuple(_column(each) for each in columns)
        if not columns:
            raise DefinitionError(
                "a lane plan without columns computes nothing.",
                where="columns",
                fix="Give at least one (span, aggregate).",
            )
        for each in columns:
            _check_parameter(each)
            if category and each.aggregate not in OF_CATEGORIES:
                raise DefinitionError(
                    f"{each.aggregate.name} of categories means nothing.",
                    where="columns",
                    fix=f"Take one of {_names(OF_CATEGORIES)}.",
                )
        object.__setattr__(self, "columns", columns)
        object.__setattr__(self, "include_current", include_current)
        object.__setattr__(self, "category", category)

    @cached_property
    def horizon(self) -> int | None:
        """How far before its event time a query may look, microseconds; None without limit."""
        reach = [each.span.reach for each in self.columns]
        bounded = [each for each in reach if each is not None]
        return max(bounded) if len(bounded) == len(reach) else None

    @cached_property
    def tiles(self) -> TilePlan | None:
        """What tiles must keep for these columns; None unless all have one resolution."""
        steps = {each.span.resolution for each in self.columns}
        step = steps.pop()
        if steps or step is None or self.columns[0].span.is_exact:
            return None
        taken = {each.aggregate for each in self.columns}
        halflives = {each.parameter for each in self.columns if each.aggregate in DECAYED}
        return TilePlan(
            width=step,
            sums=2 if taken & SPREADS else 1 if taken & TOTALS else 0,
            values=2 if Aggregate.TOP in taken else 1 if Aggregate.N_UNIQUE in taken else 0,
            rounded=Aggregate.QUANTILE in taken,
            halflives=tuple(sorted(halflives)),
            category=self.category,
        )

    @cached_property
    def arrays(self) -> PlanArrays:
        """The columns that are not ``HEAVY``, grouped by span."""
        return self._grouped(False, lambda each: (each.span, 0, 0))

    @cached_property
    def heavy(self) -> PlanArrays:
        """The ``HEAVY`` columns, grouped by span, what they keep, and half-life."""
        return self._grouped(True, _kept)

    def _grouped(
        self, heavy: bool, group_of: Callable[[PlanColumn], tuple[Span, int, int]]
    ) -> PlanArrays:
        chosen = [
            (group_of(each), place, int(each.aggregate), each.parameter)
            for place, each in enumerate(self.columns)
            if (each.aggregate in HEAVY) == heavy
        ]
        groups = {group: number for number, group in enumerate(dict.fromkeys(e[0] for e in chosen))}
        chosen.sort(key=lambda each: (groups[each[0]], each[1]))
        owner = [groups[each[0]] for each in chosen]
        needs = np.zeros(len(groups), np.int64)
        for group, (_, _, aggregate, _) in zip(owner, chosen, strict=True):
            needs[group] |= 1 << aggregate
        return PlanArrays(
            spans=np.array(
                [_row(span, halflife) for span, _, halflife in groups], np.int64
            ).reshape(-1, 4),
            needs=needs,
            starts=np.searchsorted(owner, np.arange(len(groups) + 1)).astype(np.int64),
            columns=np.array([each[1:] for each in chosen], np.int64).reshape(-1, 3),
        )


def _row(span: Span, halflife: int) -> tuple[int, int, int, int]:
    over = UNBOUNDED if span.over is None else span.over
    return over, span.delay, span.resolution or 1, halflife


def _kept(column: PlanColumn) -> tuple[Span, int, int]:
    """Group by the structure a window keeps: tallies, order statistics, or one decay."""
    if column.aggregate in DECAYED:
        return column.span, int(Aggregate.DECAYED_COUNT), column.parameter
    if column.aggregate == Aggregate.QUANTILE:
        return column.span, int(Aggregate.QUANTILE), 0
    return column.span, int(Aggregate.N_UNIQUE), 0


def _column(given: Sequence[Any]) -> PlanColumn:
    column = PlanColumn(*given)
    try:
        return column._replace(aggregate=Aggregate(column.aggregate))
    except ValueError as error:
        raise DefinitionError(
            f"{error}.", where="columns", fix=f"Known: {_names(Aggregate)}."
        ) from None


def _names(aggregates: Iterable[Aggregate]) -> str:
    return ", ".join(each.name for each in sorted(aggregates))


def _check_parameter(column: PlanColumn) -> None:
    """Raise a DefinitionError where a parameter is missing, out of range, or means nothing."""
    span, aggregate, parameter = column
    if aggregate == Aggregate.LAG and not span.is_exact:
        raise DefinitionError(
            "LAG needs observations one by one, which a resolution gives up.",
            where="columns",
            fix="Take it of an exact window.",
        )
    if aggregate == Aggregate.LAG:
        good, fix = 1 <= parameter <= LIMIT, "Give how many observations back, 1 or more."
    elif aggregate == Aggregate.QUANTILE:
        good, fix = 1 <= parameter <= 999, "Give per mille, 1 to 999: 500 is the median."
    elif aggregate in DECAYED:
        good, fix = 1 <= parameter <= LIMIT, "Give the half-life in microseconds, above 0."
    else:
        good, fix = parameter == 0, "Leave the parameter out."
    if not good:
        raise DefinitionError(
            f"{parameter} is no parameter of {aggregate.name}.", where="columns", fix=fix
        )
    if aggregate in DECAYED:
        length = None if span.over is None else span.over + (span.resolution or 0)
        if length is None or length > MOST_HALF_LIVES * parameter:
            raise DefinitionError(
                f"{aggregate.name} with a half-life of {parameter} µs over "
                f"{'everything' if length is None else f'{length} µs, resolution included,'} "
                f"would keep observations that weigh less than 2**-{MOST_HALF_LIVES}.",
                where="columns",
                fix=f"Give a window of at most {MOST_HALF_LIVES} half-lives.",
            )
