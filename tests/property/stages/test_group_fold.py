"""A group's fold with restatements and late queries, against the plainest reading of the log."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.stages.prep.folding import Gone, advance_group
from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span, Step, ViewState

LATE = 3
SPANS = (Span(2), Span(9), Span(9, 4), Span(None))
TAKEN = (Aggregate.COUNT, Aggregate.SUM, Aggregate.MIN, Aggregate.LAST)
PLAN = LanePlan([(span, aggregate) for span in SPANS for aggregate in TAKEN])
RETAIN = {"bounded": 9 + 4 + LATE, "all": None}

entities = st.integers(0, 2)
times = st.integers(0, 30)


@st.composite
def logs(draw):
    """Give operations at places 0, 1, …: a query, or an observation with where it is taken back."""
    size = draw(st.integers(1, 25))
    known = sorted(draw(st.lists(times, min_size=size, max_size=size)))
    operations = []
    for place in range(size):
        entity, event = draw(entities), draw(st.integers(0, known[place]))
        is_query = draw(st.booleans())
        end = draw(st.one_of(st.none(), st.integers(place + 1, size + 2)))
        value = draw(st.sampled_from([-2.5, 0.1, 0.2, 1e17, 3.0]))
        operations.append((is_query, entity, event, known[place], place, value, end))
    return operations


def place_of(operations, end):
    """Return (known_at, position) of the place before which something is taken back."""
    known = [each[3] for each in operations]
    return (known[end] if end < len(known) else known[-1], end)


def expected(operations, query, late=LATE):
    """Read the log for one query, window by window."""
    _, entity, event, known, place, _, _ = query
    found = []
    for span in SPANS:
        seen = []
        for is_query, other, at, before, position, value, end in operations:
            if is_query or other != entity or (before, position) >= (known, place):
                continue
            if end is not None and place_of(operations, end) <= (known, place):
                continue
            within = at <= event - span.delay
            if span.over is not None:
                start = max(event, known - late) - span.delay - span.over
                within &= at > start
            if within:
                seen.append((at, before, position, value))
        values = [value for *_, value in sorted(seen)]
        found += [
            float(len(values)),
            math.fsum(values) if values else math.nan,
            min(values) + 0.0 if values else math.nan,
            values[-1] if values else math.nan,
        ]
    return found


def arrays(operations, *names):
    columns = {"entity": 1, "event_time": 2, "known_at": 3, "position": 4, "value": 5}
    kinds = {"entity": np.uint64, "value": np.float64}
    return {n: np.array([o[columns[n]] for o in operations], kinds.get(n, np.int64)) for n in names}


@settings(max_examples=150, deadline=None)
@given(logs(), st.integers(0, 25), st.booleans())
def test_a_group_folds_what_stands_and_each_window_as_if_alone(log, cut, bounded):
    """The part before the cut is folded first; what is taken back is known within its own part."""
    plan = LanePlan(PLAN.columns[: 3 * len(TAKEN)]) if bounded else PLAN
    state = ViewState.begin("x", {"lane": RETAIN["bounded" if bounded else "all"]})
    log = [
        (*each[:6], end if end is None or (number >= cut) == (end > cut) else None)
        for number, each in enumerate(log)
        for end in [each[6]]
    ]
    names = ("entity", "event_time", "known_at", "position")
    results = []
    for part in (log[:cut], log[cut:]):
        asked = [each for each in part if each[0]]
        seen = [each for each in part if not each[0]]
        rows = [number for number, each in enumerate(seen) if each[6] is not None]
        ends = [place_of(log, seen[row][6]) for row in rows]
        gone = Gone(np.array(rows, np.int64), *np.array(ends, np.int64).reshape(-1, 2).T)
        step = Step(
            plan, Observations(**arrays(seen, *names, "value")), Queries(**arrays(asked, *names))
        )
        answers, state = advance_group(state, {"lane": step}, {"lane": gone}, LATE)
        results += list(zip(asked, answers["lane"], strict=True))
        state = state.trim()
    for query, found in results:
        wanted = np.array(expected(log, query)[: found.size])
        np.testing.assert_array_equal(found.view(np.int64), wanted.view(np.int64), str(query))
