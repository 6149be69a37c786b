"""Any cut of the log into pieces, kept in memory or in a file between them: the same bits."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from window_oracle import model, same_bits
from window_strategies import EVERYTHING, RETAIN, logs

from octavo.windows import Queries, Step, ViewState, advance, evaluate, fold

RELAXED = settings(deadline=None, max_examples=150)
ENTITIES = np.array([1, 2, 2**64 - 1, 77], np.uint64)


def pieces_of(log, data) -> list[slice]:
    cuts = sorted(data.draw(st.lists(st.integers(0, len(log)), max_size=6), label="cuts"))
    edges = [0, *cuts, len(log)]
    return [slice(start, end) for start, end in pairwise(edges)]


@RELAXED
@given(logs(), EVERYTHING, RETAIN, st.data())
def test_any_cut_gives_the_bits_of_one_fold(log, plan, retain, data):
    state = ViewState.begin("f1", {"amount": retain})
    answers = []
    for piece in pieces_of(log, data):
        step = Step(plan, log.observations(piece), log.queries(piece))
        results, state = advance(state, {"amount": step})
        answers.append(results["amount"])
        if data.draw(st.booleans(), label="trim"):
            state = state.trim()
        if data.draw(st.booleans(), label="save"):
            with tempfile.TemporaryDirectory() as folder:
                state.save(Path(folder) / "state")
                state = ViewState.load(Path(folder) / "state")

    observations = log.observations()
    assert same_bits(np.concatenate(answers), fold(observations, log.queries(), plan, retain))
    if retain is not None:
        late = observations.event_time <= observations.known_at - retain
        assert state.lane("amount").too_late == late.sum()


@RELAXED
@given(logs(), EVERYTHING, RETAIN, st.integers(0, 30), st.integers(0, 40), st.booleans())
def test_a_request_sees_all_that_was_folded(log, plan, retain, wait, time, trim):
    """A virtual query equals a query put at the end of the log; asking changes nothing."""
    step = Step(plan, log.observations(), log.queries())
    _, state = advance(ViewState.begin("f1", {"amount": retain}), {"amount": step})
    if trim:
        state = state.trim()
    known_at = max(state.clock, 0) + wait
    times = np.full(len(ENTITIES), time)

    answer = evaluate(state, "amount", plan, ENTITIES, times, known_at)

    asked = Queries(ENTITIES, times, np.full(4, known_at), np.full(4, 2**63 - 1))
    assert same_bits(answer, model(log.observations(), asked, plan, retain))
    assert same_bits(answer, evaluate(state, "amount", plan, ENTITIES, times, known_at))


@RELAXED
@given(logs(), st.integers(1, 12), st.data())
def test_trimmed_state_holds_only_what_may_be_seen(log, retain, data):
    state = ViewState.begin("", {"a": retain})
    plan = data.draw(EVERYTHING)
    for piece in pieces_of(log, data):
        _, state = advance(state, {"a": Step(plan, log.observations(piece), log.queries(piece))})
    kept = state.trim().lane("a").observations_of(ENTITIES)

    observations = log.observations()
    if len(log):
        seen = observations.take(observations.event_time > state.clock - retain)
        assert sorted(kept.position) == sorted(seen.position)
