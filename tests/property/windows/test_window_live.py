"""The live lane: any cut into blocks and single events, restarts between them: the same bits."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from window_oracle import model, same_bits
from window_strategies import (
    CATEGORIES,
    EVERYTHING,
    LATE,
    OF_TEXTS,
    PLANS,
    VALUES,
    logs,
    one_of_each,
)

from octavo.windows import (
    Aggregate,
    LanePlan,
    LiveLane,
    Observations,
    Past,
    Queries,
    Span,
    Tiles,
    ask,
    fold,
)

RELAXED = settings(deadline=None, max_examples=400)


class Stored:
    """What a store would hold: all observations so far, by entity and rank."""

    def __init__(self) -> None:
        self.folded = [Observations.empty()]

    def load(self, entities):
        rows = Observations.concatenate(self.folded)
        order = np.lexsort((rows.position, rows.known_at, rows.event_time))
        found = [order[rows.entity[order] == entity] for entity in entities]
        starts = np.cumsum([0, *map(len, found)])
        every = np.concatenate([*found, np.empty(0, np.int64)])
        return Past(starts, rows.event_time[every], rows.value[every], Tiles.none())


def blocks_of(log, data) -> list[slice]:
    if data.draw(st.booleans(), label="single events"):
        return [slice(row, row + 1) for row in range(len(log))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=6), label="cuts"))
    return [slice(start, end) for start, end in pairwise([0, *cuts, len(log)])]


@RELAXED
@given(logs(), st.one_of(PLANS, EVERYTHING), LATE, st.data())
def test_any_cut_gives_the_bits_of_the_model(log, plan, late, data):
    check(log, plan, late, data)


@RELAXED
@given(logs(values=CATEGORIES), OF_TEXTS, LATE, st.data())
def test_any_cut_of_categories(log, plan, late, data):
    check(log, plan, late, data)


@pytest.mark.slow
@settings(deadline=None, max_examples=40_000)
@given(logs(), st.one_of(PLANS, EVERYTHING), LATE, st.data())
def test_forty_thousand_logs(log, plan, late, data):
    check(log, plan, late, data)


def check(log, plan, late, data):
    stored = Stored()
    lane, answers = LiveLane(plan, late, stored.load), []
    for block in blocks_of(log, data):
        observations = log.observations(block)
        answers.append(lane.fold(observations, log.queries(block)))
        stored.folded.append(observations)
        if data.draw(st.booleans(), label="restart"):
            lane = LiveLane(plan, late, stored.load)

    live = np.concatenate([*answers, np.empty((0, len(plan.columns)))])
    observations, queries = log.observations(), log.queries()
    assert same_bits(live, fold(observations, queries, plan, late))
    assert same_bits(live, model(observations, queries, plan, late))


@pytest.mark.parametrize("tardy", [0.0, 0.1, 0.6])
@pytest.mark.parametrize("late", [None, 9_000])
def test_long_histories_of_few_entities(tardy, late):
    """Slices of the arenas fill up and are laid anew; sums widen; tardy events move the ranks."""
    random = np.random.default_rng(int(tardy * 10))
    size = 6_000
    known = np.sort(random.integers(0, 60_000, size))
    time = known - np.where(random.random(size) < tardy, random.integers(0, 20_000, size), 0)
    value = np.round(random.normal(0, 100, size), 2)
    value *= 10.0 ** np.where(random.random(size) < 0.02, random.integers(-300, 300, size), 0)
    entity = random.integers(0, 4, size).astype(np.uint64)
    columns = (entity, time, known, np.arange(size))
    observations, queries = Observations(*columns, value), Queries(*columns)
    spans = (Span(None), Span(700), Span(8_000, 300))
    plan = one_of_each(*spans)
    lane, stored = LiveLane(plan, late), 0
    answers = []
    while stored < size:
        block = slice(stored, stored + int(random.integers(1, 90)))
        answers.append(lane.fold(observations.take(block), queries.take(block)))
        stored = block.stop
    assert same_bits(np.concatenate(answers), fold(observations, queries, plan, late))


def test_memory_does_not_grow_with_history():
    """A window's worth of observations is kept, however long the stream has run."""
    plan = LanePlan(((Span(1_000), Aggregate.SUM), (Span(1_000), Aggregate.MAX)))
    lane, sizes = LiveLane(plan, late=1_000), []
    for block in range(200):
        at = np.arange(block * 1_000, (block + 1) * 1_000)
        entity = (at % 7).astype(np.uint64)
        lane.fold(Observations(entity, at, at, at, np.ones(1_000)), Queries(entity, at, at, at))
        sizes.append(lane.nbytes)
    assert sizes[-1] == sizes[30]


@RELAXED
@given(logs(), EVERYTHING, LATE, st.integers(0, 30), st.integers(0, 40), st.none() | VALUES)
def test_a_request_sees_all_that_was_folded(log, plan, late, wait, time, own):
    """A virtual query equals one at the end of the log, after its own event."""
    stored = Stored()
    stored.folded.append(log.observations())
    known_at = max([0, *log.known]) + wait
    for entity in (1, 2, 77):
        _, times, values, _ = stored.load([entity])
        given = {} if own is None else {"own": own}
        answer = ask(times, values, plan, time, known_at, late, **given)
        end = [[entity], [time], [known_at], [2**62]]
        seen = log.observations()
        if own is not None:
            seen = Observations.concatenate([seen, Observations(*end, [own])])
        assert same_bits(answer[None], model(seen, Queries(*end), plan, late))
