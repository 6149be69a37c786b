"""Small adversarial logs: few entities, many ties, everything out of order."""

from dataclasses import dataclass
from itertools import chain

import numpy as np
from hypothesis import strategies as st

from octavo.windows import (
    NEVER,
    OF_CATEGORIES,
    Aggregate,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    category_bits,
)
from octavo.windows.plan import DECAYED

HARSH = [
    0.0, -0.0, 1.0, -1.0, 0.1, 3.0, 1e16, -1e16, 1e308, -1e308, 1.7976931348623157e308,
    -1.7976931348623157e308, 5e-324, -5e-324, 2.2250738585072014e-308, 1.0000000000000002,
    2.0**53, -(2.0**53), 2.0**-1022, 2.0**31, 2.0**32 - 1, 2.0**64, 4503599627370497.5,
]  # fmt: skip

VALUES = st.one_of(
    st.sampled_from([0.1, 0.2, 0.3, 1.5, -2.5, 19.99, 100.01]),
    st.sampled_from(HARSH),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([float("inf"), float("-inf"), 1.0, -7.25]),
)
TIMES = st.integers(-12, 24)


@dataclass
class Log:
    """Operations in log order: updates, queries, or both."""

    entity: list[int]
    time: list[int]
    known: list[int]
    position: list[int]
    value: list[float]
    update: list[bool]
    query: list[bool]
    gone: list[tuple[int, int] | None] | None = None
    """Where each update is retracted, if it is."""

    def __len__(self) -> int:
        return len(self.entity)

    def observations(self, rows=slice(None)) -> Observations:
        mask = np.zeros(len(self), bool)
        mask[rows] = True
        mask &= np.array(self.update, bool)
        columns = [
            np.array(self.entity, np.uint64),
            np.array(self.time, np.int64),
            np.array(self.known, np.int64),
            np.array(self.position, np.int64),
            np.array(self.value, np.float64),
        ]
        if self.gone is not None:
            places = [(NEVER, NEVER) if each is None else each for each in self.gone]
            columns += list(np.array(places, np.int64).reshape(-1, 2).T)
        return Observations(*(each[mask] for each in columns))

    def queries(self, rows=slice(None)) -> Queries:
        mask = np.zeros(len(self), bool)
        mask[rows] = True
        mask &= np.array(self.query, bool)
        return Queries(
            np.array(self.entity, np.uint64)[mask],
            np.array(self.time, np.int64)[mask],
            np.array(self.known, np.int64)[mask],
            np.array(self.position, np.int64)[mask],
        )


def categories(hashes) -> list[float]:
    return category_bits(np.array(hashes, np.uint64)).tolist()


CATEGORIES = st.sampled_from(
    # As floats: 0.0, -0.0, the smallest subnormals, a NaN but for bit 62, and others.
    categories([0, 2**63, 1, 2**63 + 1, 2**62, 2**64 - 1, 0x7FF8 << 48, 0x3FF0 << 48, 12345])
)


def operations(values):
    return st.tuples(
        st.sampled_from([1, 2, 2**64 - 1]),
        TIMES,
        TIMES,
        values,
        st.sampled_from([(True, False), (False, True), (True, True)]),
    )


@st.composite
def logs(draw, most=40, values=VALUES, retracted=False):
    """Draw operations in log order; with ``retracted`` some updates are taken back."""
    rows = sorted(draw(st.lists(operations(values), max_size=most)), key=lambda row: row[2])
    # Positions only order operations of one known_at: let them fall where it grows.
    positions = [i if i % 7 else i - 50 for i in range(len(rows))]
    rows = sorted(zip(rows, positions, strict=True), key=lambda each: (each[0][2], each[1]))
    log = Log(
        [row[0] for row, _ in rows],
        [row[1] for row, _ in rows],
        [row[2] for row, _ in rows],
        [position for _, position in rows],
        [row[3] for row, _ in rows],
        [row[4][0] for row, _ in rows],
        [row[4][1] for row, _ in rows],
    )
    if retracted:
        places = list(zip(log.known, log.position, strict=True))
        place = st.sampled_from([None, *places]) if places else st.none()
        log.gone = [draw(place) for _ in range(len(log))]
    return log


SPANS = st.builds(
    Span,
    st.one_of(st.none(), st.integers(1, 30)),
    st.one_of(st.just(0), st.integers(0, 10)),
    st.one_of(st.none(), st.integers(1, 12)),
)
"""Never longer than 64 of the shortest half-life, 1, with their resolution."""

PARAMETERS = {
    Aggregate.LAG: st.integers(1, 6),
    Aggregate.QUANTILE: st.one_of(st.sampled_from([1, 250, 500, 999]), st.integers(1, 999)),
    **dict.fromkeys(DECAYED, st.integers(1, 40)),
}


@st.composite
def plan_columns(draw, span, aggregates):
    """Draw a parameter for each aggregate that takes one; decay needs an end of the window."""
    return [
        PlanColumn(span, aggregate, draw(PARAMETERS.get(aggregate, st.just(0))))
        for aggregate in aggregates
        if (span.over is not None or aggregate not in DECAYED)
        and (span.is_exact or aggregate != Aggregate.LAG)
    ]


def flat(parts: list[list]) -> list:
    return list(chain.from_iterable(parts))


def plans(aggregates, category=False):
    """Any few columns of some aggregates."""
    column = st.tuples(SPANS, st.sampled_from(sorted(aggregates))).flatmap(
        lambda drawn: plan_columns(drawn[0], [drawn[1]])
    )
    columns = st.lists(column, min_size=1, max_size=12).map(flat)
    return st.builds(LanePlan, columns.filter(bool), st.booleans(), st.just(category))


@st.composite
def full_plans(draw, aggregates, category=False):
    """All of some aggregates, over a few spans."""
    spans = draw(st.lists(SPANS, min_size=1, max_size=3))
    columns = [draw(plan_columns(span, sorted(aggregates))) for span in spans]
    return LanePlan(flat(columns), draw(st.booleans()), category)


@st.composite
def tiled_plans(draw, aggregates, category=False):
    """All of some aggregates, over a few spans of one resolution."""
    step = draw(st.integers(2, 12))
    ends = st.tuples(st.integers(1, 30), st.one_of(st.just(0), st.integers(0, 10)))
    spans = draw(st.lists(ends, min_size=1, max_size=3))
    columns = [
        draw(plan_columns(Span(over, delay, step), sorted(aggregates))) for over, delay in spans
    ]
    return LanePlan(flat(columns), draw(st.booleans()), category)


def one_of_each(*spans: Span) -> LanePlan:
    """Every aggregate in order, with one parameter; decay only over a bounded span."""
    parameters = {Aggregate.LAG: 1, Aggregate.QUANTILE: 500}
    columns = []
    for span in spans:
        reach = None if span.over is None else span.over + (span.resolution or 0)
        halves = dict.fromkeys(DECAYED, -(-reach // 50)) if reach else {}
        columns += [
            PlanColumn(span, each, (parameters | halves).get(each, 0))
            for each in Aggregate
            if (reach or each not in DECAYED) and (span.is_exact or each != Aggregate.LAG)
        ]
    return LanePlan(columns)


PLANS = plans(Aggregate)
EVERYTHING = full_plans(Aggregate)
OF_TEXTS = full_plans(OF_CATEGORIES, category=True)
LATE = st.one_of(st.none(), st.integers(1, 20))
