"""Small adversarial logs: few entities, many ties, everything out of order."""

from dataclasses import dataclass

import numpy as np
from hypothesis import strategies as st

from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span

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
TIMES = st.integers(0, 24)


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

    def __len__(self) -> int:
        return len(self.entity)

    def observations(self, rows=slice(None)) -> Observations:
        mask = np.zeros(len(self), bool)
        mask[rows] = True
        mask &= np.array(self.update, bool)
        return Observations(
            np.array(self.entity, np.uint64)[mask],
            np.array(self.time, np.int64)[mask],
            np.array(self.known, np.int64)[mask],
            np.array(self.position, np.int64)[mask],
            np.array(self.value, np.float64)[mask],
        )

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


OPERATION = st.tuples(
    st.sampled_from([1, 2, 2**64 - 1]),
    TIMES,
    TIMES,
    VALUES,
    st.sampled_from([(True, False), (False, True), (True, True)]),
)


@st.composite
def logs(draw, most=40):
    rows = sorted(draw(st.lists(OPERATION, max_size=most)), key=lambda row: row[2])
    # Positions only order operations of one known_at: let them fall where it grows.
    positions = [i if i % 7 else i - 50 for i in range(len(rows))]
    rows = sorted(zip(rows, positions, strict=True), key=lambda each: (each[0][2], each[1]))
    return Log(
        [row[0] for row, _ in rows],
        [row[1] for row, _ in rows],
        [row[2] for row, _ in rows],
        [position for _, position in rows],
        [row[3] for row, _ in rows],
        [row[4][0] for row, _ in rows],
        [row[4][1] for row, _ in rows],
    )


SPANS = st.builds(
    Span, st.one_of(st.none(), st.integers(1, 30)), st.one_of(st.just(0), st.integers(0, 10))
)
PLANS = st.builds(
    LanePlan,
    st.lists(st.tuples(SPANS, st.sampled_from(list(Aggregate))), min_size=1, max_size=12).map(
        tuple
    ),
    st.booleans(),
)
EVERYTHING = st.builds(
    lambda spans, current: LanePlan(
        tuple((span, aggregate) for span in spans for aggregate in Aggregate), current
    ),
    st.lists(SPANS, min_size=1, max_size=3),
    st.booleans(),
)
RETAIN = st.one_of(st.none(), st.integers(1, 20))
