"""Late queries, back and forth in event time, are answered in the order of event time."""

import numpy as np
import pytest

from octavo.windows import (
    HEAVY,
    NEVER,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    fold,
    pieces,
)
from octavo.windows.entity import Asked
from octavo.windows.plan import DECAYED, Aggregate

OLD, LATE = 20_000, 2_000
PLAN = LanePlan(
    PlanColumn(
        Span(over), each, over if each in DECAYED else 500 if each is Aggregate.QUANTILE else 0
    )
    for over in (300, 4_000)
    for each in sorted(HEAVY)
)


def log(order: str, gone: bool) -> tuple[Observations, Queries]:
    """Make a history in order, then a batch of late rows that observe and ask."""
    rng = np.random.default_rng(0)
    late = np.sort(rng.choice(OLD, LATE, replace=False))
    if order == "random":
        rng.shuffle(late)
    times = np.concatenate([np.arange(OLD), late])
    known = np.maximum(times, np.repeat([0, OLD], [OLD, LATE]))
    position = np.arange(OLD + LATE)
    ends = [np.full(position.size, NEVER)] * 2
    if gone:
        taken = rng.random(position.size) < 0.3
        ends = [np.where(taken, OLD, NEVER), rng.integers(position, OLD + LATE + 9)]
    entity = np.ones(position.size, np.uint64)
    value = rng.integers(0, 40, position.size) * 0.1
    seen = Observations(entity, times, known, position, value, *ends)
    return seen, Queries(entity, times, known, position)


@pytest.mark.parametrize("gone", [False, True])
def test_each_answer_is_that_of_the_query_alone(gone):
    seen, asked = log("random", gone)
    together = fold(seen, asked, PLAN, threads=1)
    for each in np.random.default_rng(1).choice(np.arange(OLD, OLD + LATE), 60):
        alone = fold(seen, asked.take(np.array([each])), PLAN, threads=1)
        assert together[each].tobytes() == alone[0].tobytes()


@pytest.fixture
def movement(monkeypatch):
    """Tell how many observations windows pass from answer to answer, and how many are lent."""
    for name in ("back_and_forth", "seek"):  # as Python: compiling them alone takes long
        monkeypatch.setattr(pieces, name, getattr(pieces, name).py_func)

    def measured(order: str) -> tuple[int, int]:
        _, asked = log(order, False)
        rows, times = asked.position, np.sort(asked.event_time)
        here = Asked(rows, asked.event_time, rows + 1, np.empty(0, np.int64))
        turns, lasting = pieces.in_pieces.py_func(rows, times, here)
        assert np.array_equal(np.sort(turns), rows)
        assert (np.diff(lasting) >= 0).all()
        assert (lasting <= here.reach[turns]).all()
        places = np.searchsorted(times, asked.event_time[turns])
        return np.abs(np.diff(places)).sum(), (here.reach[turns] - lasting).sum()

    return measured


def test_windows_go_over_the_log_a_few_times_only(movement):
    in_time, lent = movement("ascending")
    assert lent == 0, "such a log is read as it stands"
    assert in_time <= 3 * (OLD + LATE)
    at_random, lent = movement("random")
    assert at_random < 10 * (OLD + LATE), "in log order 14 million"
    assert lent < LATE * pieces.PIECE
