import os
from itertools import pairwise

import numpy as np
import pytest

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.windows import (
    Aggregate,
    LanePlan,
    LaneState,
    Observations,
    Queries,
    Span,
    Step,
    ViewState,
    advance,
    evaluate,
    state_file,
)

PLAN = LanePlan(((Span(100), Aggregate.SUM),))


def rows(*times: int, known_at: int | None = None, start: int = 0) -> Observations:
    known = times if known_at is None else [known_at] * len(times)
    return Observations([1] * len(times), times, known, np.arange(len(times)) + start, times)


@pytest.fixture
def state() -> ViewState:
    begun = ViewState.begin("a1b2", {"amount": 50, "größe": None})
    _, state = advance(begun, {"amount": Step(PLAN, rows(10, 20, 30), Queries.empty())})
    return state


def test_a_state_survives_its_file(tmp_path, state):
    path = tmp_path / "customer.state"
    state.save(path)
    loaded = ViewState.load(path)

    assert (loaded.fingerprint, loaded.clock, loaded.position) == ("a1b2", 30, 2)
    assert {name: lane.retain for name, lane in loaded.lanes.items()} == {
        "amount": 50,
        "größe": None,
    }
    assert evaluate(loaded, "amount", PLAN, [1], [40])[0, 0] == 60
    assert len(loaded.lane("größe")) == 0
    loaded.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()
    assert sorted(os.listdir(tmp_path)) == ["again", "customer.state"]


def test_a_state_never_loaded_can_be_saved(tmp_path):
    ViewState().save(tmp_path / "empty")
    assert ViewState.load(tmp_path / "empty").lanes == {}


def test_every_damaged_byte_is_noticed(tmp_path, state):
    path = tmp_path / "state"
    state.save(path)
    whole = path.read_bytes()
    for place in range(0, len(whole), 3):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(DataError, match=r"damaged|no Octavo state|format version"):
            ViewState.load(path)
    for size in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=r"damaged|cut short"):
            ViewState.load(path)


def test_other_versions_and_files_are_named(tmp_path, state, monkeypatch):
    path = tmp_path / "state"
    monkeypatch.setattr(state_file, "VERSION", 9)
    state.save(path)
    monkeypatch.undo()
    with pytest.raises(DataError, match="format version 9; this Octavo reads version 1") as caught:
        ViewState.load(path)
    assert caught.value.where == str(path)
    path.write_text("time,value\n" * 10)
    with pytest.raises(DataError, match="no Octavo state"):
        ViewState.load(path)
    with pytest.raises(DataError, match="could not be read"):
        ViewState.load(tmp_path / "absent")


def test_a_failed_save_leaves_the_old_file(tmp_path, state, monkeypatch):
    path = tmp_path / "state"
    state.save(path)
    before = path.read_bytes()

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ResourceError, match="No space left"):
        ViewState().save(path)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["state"]


def test_a_piece_is_folded_once(state):
    for step in (
        Step(PLAN, rows(30, start=2), Queries.empty()),
        Step(PLAN, Observations.empty(), Queries([1], [9], [29], [9])),
    ):
        with pytest.raises(DataError, match="not later in the log"):
            advance(state, {"amount": step})
    later = Step(PLAN, rows(30, start=3), Queries.empty())
    _, after = advance(state, {"amount": later})
    assert (after.clock, after.position) == (30, 3)
    assert len(state.lane("amount")) == 3  # a state is a value


def test_lanes_share_one_clock(state):
    steps = {
        "amount": Step(PLAN, rows(90, start=5), Queries.empty()),
        "größe": Step(PLAN, rows(40, 60), Queries([1], [60], [60], [7])),
    }
    results, after = advance(state, steps)
    assert results["größe"].tolist() == [[100.0]]
    assert results["amount"].shape == (0, 1)
    assert (after.clock, after.position) == (90, 5)
    trimmed = after.trim()
    assert len(trimmed.lane("amount")) == 1
    assert len(trimmed.lane("größe")) == 2
    assert evaluate(trimmed, "amount", PLAN, [1], [120])[0, 0] == 90


def test_the_edge_of_the_longest_window_is_kept():
    """What a query may still see is found in the state to the microsecond."""
    plan = LanePlan(((Span(60, 40), Aggregate.SUM), (Span(5), Aggregate.SUM)))
    begun = ViewState.begin("", {"amount": None})
    _, state = advance(begun, {"amount": Step(plan, rows(10, 11, 12), Queries.empty())})
    assert evaluate(state, "amount", plan, [1, 1], [110, 150])[0, 0] == 23
    assert evaluate(state, "amount", plan, [1], [111])[0, 0] == 12
    step = Step(plan, Observations.empty(), Queries([1], [110], [110], [0]))
    assert advance(state, {"amount": step})[0]["amount"][0, 0] == 23


def test_updates_beyond_retention_are_counted_only(state):
    _, after = advance(state, {"amount": Step(PLAN, rows(30, 60, known_at=80), Queries.empty())})
    lane = after.lane("amount")
    assert lane.too_late == 1
    assert sorted(lane.observations_of([1]).event_time) == [10, 20, 30, 60]


def test_requests_before_the_clock_and_unknown_lanes_are_refused(state):
    with pytest.raises(DataError, match="before the state's clock"):
        evaluate(state, "amount", PLAN, [1], [10], known_at=29)
    with pytest.raises(DefinitionError, match="Did you mean 'amount'"):
        evaluate(state, "amuont", PLAN, [1], [10])
    with pytest.raises(DefinitionError, match="there is no lane"):
        advance(state, {"x": Step(PLAN, rows(99), Queries.empty())})
    with pytest.raises(DefinitionError, match="retained"):
        LaneState(retain=-1)


def test_appends_merge_into_few_sorted_runs():
    random = np.random.default_rng(0)
    lane = LaneState()
    parts = []
    for part in range(300):
        size = int(random.integers(0, 20))
        parts.append(
            Observations(
                random.integers(0, 9, size).astype(np.uint64),
                random.integers(0, 99, size),
                np.full(size, part // 50),
                random.permutation(size) + 20 * (-part % 50),
                random.normal(size=size),
            )
        )
        lane = lane.append(parts[-1])
        sizes = [len(run) for run in lane.runs]
        assert all(one >= 2 * other for one, other in pairwise(sizes))
    everything = Observations.concatenate(parts)
    order = np.lexsort(
        (everything.position, everything.known_at, everything.event_time, everything.entity)
    )
    (run,) = lane.compact().runs
    for name, column in everything.take(order).arrays().items():
        assert (getattr(run, name) == column).all()
    some = lane.observations_of(np.array([3, 5, 5, 1000]), after=50)
    expected = np.isin(everything.entity, [3, 5]) & (everything.event_time > 50)
    assert sorted(some.value) == sorted(everything.value[expected])
