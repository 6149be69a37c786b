"""A state whose older observations are tiles: what is kept, where, and how much room it takes."""

import numpy as np
import pytest

from octavo.errors import DataError
from octavo.stores.state import StateStore, Tiling, chunks, slabs
from octavo.stores.state.records import TILES
from octavo.windows import Aggregate, LanePlan, PlanColumn, Span, ask, tiles

HOUR = 3_600_000_000
MONTH = 30 * 24 * HOUR
TAKEN = ("COUNT", "SUM", "STD", "MIN", "LAST")
SMALL = LanePlan([(Span(40, 0, 10), Aggregate[name]) for name in TAKEN])


@pytest.fixture
def eager(monkeypatch):
    """Everything old becomes a tile, at once."""
    monkeypatch.setattr(chunks, "CHUNK", 1)
    monkeypatch.setattr(tiles, "SPARE", 10**6)


def opened(path, plan=SMALL, late=0, **options):
    tiling = {} if plan.tiles is None else {"a": Tiling(plan.tiles, late)}
    kept = {"lanes": {"a": plan.horizon + late}, "tiles": tiling}
    return StateStore.open(path, **{"view": "card", "fingerprint": "f"} | kept | options)


def add(store, times, values=None, *, clock, entity=1):
    times = np.array(times, np.int64)
    values = times.astype(float) if values is None else np.array(values, float)
    place = store.place
    with store.transaction() as tx:
        tx.append("a", np.full(times.size, entity, np.uint64), times, values, clock)
        tx.set_position(clock, max(place.position, -1) + 1, place.offset + times.size)
        tx.trim(clock)


def held(store, entity=1, after=chunks.NEVER):
    with store.snapshot() as snapshot:
        return snapshot.observations_of("a", np.array([entity], np.uint64), after)


def slabs_of(store):
    with store.snapshot() as snapshot:
        table = store._opened.environment.tables[TILES]
        found = snapshot._transaction.cursor(table)
        return {chunks.last_of(key): slabs.read(value) for key, value in found}


def test_steps_that_are_over_become_tiles_and_the_open_one_stays(tmp_path, eager):
    store = opened(tmp_path / "s")
    add(store, [-3, 0, 1, 10, 11, 14], clock=14)
    past = held(store)
    assert past.tiles.ends.tolist() == [0, 10], "a step is open at its start, closed at its end"
    assert past.times.tolist() == [11, 14]
    assert store.held == {"a": 2}
    add(store, [22], clock=22)
    assert held(store).tiles.ends.tolist() == [0, 10, 20]
    assert held(store).times.tolist() == [22]
    assert held(store, after=10).tiles.ends.tolist() == [0, 10, 20], "a slab is read whole"


def test_what_may_come_late_is_kept_one_by_one(tmp_path, eager):
    store = opened(tmp_path / "s", late=15)
    add(store, [1, 10, 11, 14, 29], clock=29)
    assert held(store).tiles.ends.tolist() == [10]
    assert held(store).times.tolist() == [11, 14, 29]


def test_a_late_observation_joins_its_tile(tmp_path, eager):
    store = opened(tmp_path / "s")
    add(store, [1, 5, 21], [1.0, 2.0, 3.0], clock=21)
    add(store, [5, 12], [4.0, 5.0], clock=22)
    past = held(store)
    assert past.tiles.ends.tolist() == [10, 20]
    answer = ask(past.times, past.values, SMALL, 22, 22, 0, tiles=past.tiles)
    assert answer.tolist() == [5, 15.0, np.std([1, 2, 3, 4, 5], ddof=1), 1.0, 3.0]
    ended = ask(past.times, past.values, SMALL, 10, 22, 0, tiles=past.tiles)
    assert ended[-1] == 4.0, "of two at one time the later in the log is the last"


def test_few_observations_take_less_room_than_a_tile(tmp_path, monkeypatch):
    monkeypatch.setattr(chunks, "CHUNK", 1)
    store = opened(tmp_path / "s")
    add(store, [1, 5, *range(11, 20), *range(11, 20), 25], clock=25)
    past = held(store)
    assert past.tiles.ends.tolist() == [20]
    assert past.times.tolist() == [1, 5, 25]
    assert store.held == {"a": 3}
    add(store, [3] * 20, clock=26)
    assert held(store).tiles.ends.tolist() == [10, 20]
    assert store.held == {"a": 1}


def test_loose_observations_of_one_time_stay_in_the_order_of_the_log(tmp_path):
    store = opened(tmp_path / "s")
    for value in (3.0, 1.0, 2.0):
        add(store, [5, 25], [value, 9.0], clock=25)
    past = held(store)
    assert past.times.tolist() == [5] * 3 + [25] * 3
    assert past.values.tolist()[:3] == [3.0, 1.0, 2.0]
    assert past.tiles.ends.size == 0


def test_old_slabs_are_dropped_by_who_writes_and_by_a_sweep(tmp_path, eager, monkeypatch):
    monkeypatch.setattr(slabs, "MOST", 1)
    store = opened(tmp_path / "s")
    for entity in (1, 2):
        add(store, [1, 2, 11, 21, 31], clock=31, entity=entity)
    assert list(slabs_of(store)) == [10, 20, 30], "of the one and of the other"
    add(store, [78, 79, 80, 85], clock=85, entity=1)
    assert held(store, 1).tiles.ends.tolist() == [80], "85 - 40 - 9 is later than all others"
    assert held(store, 2).tiles.ends.tolist() == [10, 20, 30]
    store.sweep(85)
    assert held(store, 2).tiles.ends.size == 0
    assert held(store, 2).times.size == 0


def test_a_sweep_folds_what_silent_entities_have(tmp_path, monkeypatch):
    monkeypatch.setattr(tiles, "SPARE", 10**6)
    store = opened(tmp_path / "s")
    add(store, [2, 11, 12], clock=12)
    add(store, [11, 12], clock=12, entity=2)
    assert held(store, 2).times.tolist() == [11, 12]
    assert store.sweep(25) == 4
    assert held(store, 1).tiles.ends.tolist() == [10, 20]
    assert held(store, 2).tiles.ends.tolist() == [20]
    assert store.held == {"a": 0}
    assert store.sweep(25) == 0


def test_a_slab_is_cut_where_it_is_too_long(tmp_path, eager, monkeypatch):
    monkeypatch.setattr(slabs, "MOST", 500)
    store = opened(tmp_path / "s", LanePlan([(Span(10_000, 0, 10), Aggregate.SUM)]))
    for start in range(1, 200, 7):
        add(store, range(start, start + 7), clock=start + 6)
    cut = slabs_of(store)
    assert len(cut) > 4
    assert np.concatenate([slab.ends for slab in cut.values()]).tolist() == list(range(10, 201, 10))
    for end, slab in cut.items():
        assert slab.ends[-1] == end
        assert len(slabs.written(slab)) < 900
    add(store, [15, 15], clock=230)
    assert slabs_of(store).keys() >= cut.keys(), "a late one rewrites its own slab"


def test_a_damaged_slab_is_told(tmp_path, eager):
    store = opened(tmp_path / "s")
    add(store, [1, 2, 11], clock=11)
    table = store._opened.environment.tables[TILES]

    def damage(transaction):
        with transaction.cursor(table) as cursor:
            cursor.first()
            transaction.put(cursor.key(), cursor.value()[:-1] + b"x", db=table)

    store._opened.environment.write(damage)
    with pytest.raises(DataError, match=r"checksum does not match.*--rebuild --view card"):
        held(store)


def test_tiles_that_lack_what_is_asked_are_refused(tmp_path):
    opened(tmp_path / "s")
    less = LanePlan([(Span(40, 0, 10), Aggregate.COUNT)])
    opened(tmp_path / "s", less)
    for more in (
        LanePlan([(Span(40, 0, 10), Aggregate.TOP)]),
        LanePlan([(Span(40, 0, 20), Aggregate.COUNT)]),
    ):
        with pytest.raises(DataError, match="without lane 'a'"):
            opened(tmp_path / "s", more)
    with pytest.raises(DataError, match="without lane 'a'"):
        opened(tmp_path / "s", tiles={})


def test_a_million_events_of_one_key_take_little_room(tmp_path):
    """A month in steps of an hour; `benchmarks/tiles.py` measures the time that it takes."""
    random = np.random.default_rng(0)
    size = 1_000_000
    at = np.sort(random.integers(0, MONTH, size))
    value = random.integers(100, 50_000, size) / 100
    answers, bytes_held = [], []
    for resolution in (None, HOUR):
        plan = LanePlan([PlanColumn(Span(MONTH, 0, resolution), Aggregate[n]) for n in TAKEN])
        store = opened(tmp_path / f"every {resolution}", plan)
        for block in range(0, size, 10_000):
            rows = slice(block, block + 10_000)
            add(store, at[rows], value[rows], clock=int(at[rows][-1]))
        environment = store._opened.environment
        with store.snapshot() as snapshot:
            pages = [
                snapshot._transaction.stat(environment.tables[name])
                for name in (b"observations", b"tiles")
            ]
        numbers = ("branch_pages", "leaf_pages", "overflow_pages")
        bytes_held.append(sum(4096 * page[name] for page in pages for name in numbers))
        past = held(store, after=int(at[-1]) - plan.horizon)
        answers.append(
            ask(past.times, past.values, plan, int(at[-1]), int(at[-1]), 0, tiles=past.tiles)
        )
    assert bytes_held[0] > 16_000_000
    assert bytes_held[1] < 250_000
    assert answers[-1].tobytes() == answers[0].tobytes(), "both windows hold all there is"
