import gc
import json
import os
import subprocess
import sys
import threading
import time

import lmdb
import numpy as np
import pytest

from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.stores.state import BEGINNING, Place, StateStore, chunks, environment, fresh
from octavo.stores.state.records import RECORDS, Opened

LANES = {"all": None, "week": 1_000}


@pytest.fixture
def placed(monkeypatch):
    """Observations go to their entities at once."""
    monkeypatch.setattr(fresh, "MOST", 0)


@pytest.fixture
def small(monkeypatch, placed):
    monkeypatch.setattr(chunks, "CHUNK", 4)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "card" / "f1"


def opened(path, **options):
    return StateStore.open(path, **{"view": "card", "fingerprint": "f1", "lanes": LANES} | options)


def add(store, entity, times, values=None, *, lane="all", known_at=0, trim=None):
    """Append in a transaction of its own, one position further."""
    place = store.place
    with store.transaction() as tx:
        times = np.array(times, np.int64)
        values = times.astype(float) if values is None else np.array(values, float)
        tx.append(lane, np.full(times.size, entity, np.uint64), times, values, known_at)
        tx.set_position(known_at, max(place.position, -1) + 1, place.offset + times.size)
        if trim is not None:
            tx.trim(trim)


def keys_of(store):
    with store.snapshot() as snapshot:
        table = store._opened.environment.tables[b"observations"]
        cursor = snapshot._transaction.cursor(table)
        return [chunks.KEY.unpack(key) for key in cursor.iternext(values=False)]


def history(store, entity, after=chunks.NEVER, lane="all"):
    with store.snapshot() as snapshot:
        times, values = snapshot.history(lane, entity, after)
    assert times.dtype == np.int64
    assert values.dtype == np.float64
    assert times.flags.c_contiguous
    assert values.flags.c_contiguous
    return list(zip(times.tolist(), values.tolist(), strict=True))


def test_a_new_state_is_at_the_beginning(path):
    store = opened(path)
    assert store.place == BEGINNING == Place(-(2**61), -(2**63), 0)
    assert store.too_late == {"all": 0, "week": 0}
    assert store.lanes == ("all", "week")
    assert store.held == {"all": 0, "week": 0}
    assert history(store, 1) == []
    with store.snapshot() as snapshot:
        found = snapshot.observations_of("all", np.array([3, 1], np.uint64))
        assert found.starts.tolist() == [0, 0, 0]
        none = snapshot.observations_of("all", np.empty(0, np.uint64))
        assert none.starts.tolist() == [0]
        assert list(snapshot.outbox()) == []
        assert snapshot.categories("all") == {}


def test_what_is_written_is_there_for_who_opens_it_next(path):
    with opened(path).transaction() as tx:
        tx.append("all", np.array([7, 7, 2**64 - 1], np.uint64), np.array([5, 3, 9]), np.ones(3))
        tx.append("week", np.array([7], np.uint64), np.array([1]), np.zeros(1), known_at=1001)
        tx.append("week", np.array([7], np.uint64), np.array([2]), np.zeros(1), known_at=1001)
        tx.set_position(1001, 4, 6)
        tx.emit(0, b"rows")
        tx.add_categories("all", np.array([2**63, 5], np.uint64), ["ä", ""])
    del tx
    gc.collect()
    store = opened(path, lanes=None, readonly=True)
    assert store.place == (1001, 4, 6)
    assert store.too_late == {"all": 0, "week": 1}
    assert history(store, 7) == [(3, 1.0), (5, 1.0)]
    assert history(store, 2**64 - 1) == [(9, 1.0)]
    assert history(store, 7, lane="week") == [(2, 0.0)]
    with store.snapshot() as snapshot:
        assert list(snapshot.outbox()) == [(0, b"rows")]
        assert snapshot.categories("all") == {2**63: "ä", 5: ""}
        assert snapshot.categories("all", np.array([5, 6], np.uint64)) == {5: ""}
        assert snapshot.categories("week") == {}


def test_heads_fill_and_seal(path, small):
    store = opened(path)
    for time_ in range(9):
        add(store, 1, [time_])
    last, end = 3 + 2**63, (2**64 - 1, 2**32 - 1)
    assert keys_of(store) == [(0, 1, last, 0), (0, 1, *end)]
    assert history(store, 1) == [(t, float(t)) for t in range(9)]
    assert history(store, 1, after=1) == [(t, float(t)) for t in range(2, 9)]
    assert history(store, 1, after=3) == [(t, float(t)) for t in range(4, 9)]
    assert history(store, 1, after=99) == []


def test_bulk_and_event_by_event_write_the_same_chunks(path, tmp_path, small):
    rng = np.random.default_rng(3)
    entity = rng.integers(0, 9, 400).astype(np.uint64)
    times = np.sort(rng.integers(0, 60, 400))
    one, other = opened(path), opened(tmp_path / "other")
    with one.transaction() as tx:
        tx.append("all", entity, times, times + 0.5)
        tx.set_position(0, 0, 400)
    for row in range(400):
        add(other, entity[row], times[row : row + 1], times[row : row + 1] + 0.5)

    def content(store):
        with store.snapshot() as snapshot:
            return list(
                snapshot._transaction.cursor(store._opened.environment.tables[b"observations"])
            )

    assert len(content(one)) > 9
    assert content(one) == content(other)


def test_equal_times_stay_in_order_of_arrival_over_many_chunks(path, small):
    store = opened(path)
    for value in range(30):
        add(store, 1, [5], [value])
    add(store, 1, [9, 4], [98, 99])
    add(store, 1, [5], [30])
    assert history(store, 1) == [(4, 99.0), *((5, float(v)) for v in range(31)), (9, 98.0)]
    ordinals = [ordinal for _, _, time_, ordinal in keys_of(store) if time_ == 5 + 2**63]
    assert ordinals == list(range(len(ordinals)))
    assert len(ordinals) >= 5


def test_a_long_first_history_of_a_new_entity_in_a_lane_that_is_not_empty(path, small):
    store = opened(path)
    add(store, 1, [5], lane="week", known_at=5)
    add(store, 2**64 - 1, [5] * 20, range(20), lane="week", known_at=6)
    assert history(store, 2**64 - 1, lane="week") == [(5, float(v)) for v in range(20)]
    add(store, 0, [5] * 20, range(20), lane="week", known_at=6)
    assert history(store, 0, lane="week") == [(5, float(v)) for v in range(20)]


def test_values_and_times_keep_their_bits(path, small):
    values = [0.0, -0.0, 5e-324, float("inf"), -1.5, np.uint64(2**62 - 1).view(np.float64)]
    times = [-(2**61), -1, 0, 1, 2**61, 2**61]
    store = opened(path)
    for _ in range(3):
        add(store, 1, times, values)
    with store.snapshot() as snapshot:
        found = snapshot.observations_of("all", np.array([1], np.uint64))
    order = np.argsort(times * 3, kind="stable")
    assert found.times.tolist() == np.array(times * 3)[order].tolist()
    assert found.values.tobytes() == np.array(values * 3)[order].tobytes()


def test_a_late_observation_rewrites_the_chunk_it_falls_into_alone(path, small):
    store = opened(path)
    add(store, 1, range(0, 300, 10))
    with store.snapshot() as snapshot:
        table = store._opened.environment.tables[b"observations"]
        before = dict(snapshot._transaction.cursor(table))
    add(store, 1, [105])
    with store.snapshot() as snapshot:
        after = dict(snapshot._transaction.cursor(table))
    changed = [chunks.KEY.unpack(key) for key in after if after[key] != before.get(key)]
    assert changed == [(0, 1, 110 + 2**63, 0)]
    assert [t for t, _ in history(store, 1)] == sorted([*range(0, 300, 10), 105])


def test_much_that_is_late_splits_the_chunk(path, small):
    store = opened(path)
    add(store, 1, range(0, 300, 10))
    add(store, 1, [105] * 50, range(50))
    found = history(store, 1)
    assert [v for t, v in found if t == 105] == [float(v) for v in range(50)]
    assert [t for t, _ in found] == sorted([*range(0, 300, 10), *[105] * 50])
    add(store, 1, [105], [50])
    assert [v for t, v in history(store, 1) if t == 105] == [float(v) for v in range(51)]


def test_what_no_query_can_see_is_counted_and_dropped(path, small):
    store = opened(path)
    add(store, 1, [0, 1, 2], lane="week", known_at=1001)
    assert store.too_late == {"all": 0, "week": 2}
    assert [t for t, _ in history(store, 1, lane="week")] == [2]
    add(store, 1, range(100, 140), lane="week", known_at=1001)
    add(store, 2, range(100, 140), lane="week", known_at=1001)
    add(store, 1, [2000], lane="week", known_at=2000, trim=2000)
    assert [t for t, _ in history(store, 1, lane="week")] == [2000]
    assert len(history(store, 2, lane="week")) == 40, "nobody wrote to it"
    assert store.held == {"all": 0, "week": 41}
    assert store.sweep(1120) == 20
    assert store.held == {"all": 0, "week": 21}
    assert [t for t, _ in history(store, 2, 120, lane="week")] == list(range(121, 140))
    assert store.sweep(99_999) == 21
    assert keys_of(store) == []
    add(store, 3, [5], known_at=2001)
    assert store.sweep(10**15) == 0, "what is kept for ever"
    assert store.held == {"all": 1, "week": 0}


def test_an_owner_may_keep_for_less_long_and_leave_lanes_out(path):
    store = opened(path)
    add(store, 1, [1, 2])
    add(store, 1, [1, 2], lane="week", known_at=2)
    less = opened(path, lanes={"week": 10})
    assert history(less, 1) == [(1, 1.0), (2, 2.0)], "a lane left out can still be read"
    with pytest.raises(AssertionError):
        add(less, 1, [3], known_at=3)
    add(less, 1, [4, 13], lane="week", known_at=14)
    assert less.too_late == {"all": 0, "week": 1}
    assert less.sweep(14) == 2
    assert history(less, 1) == []
    assert history(less, 1, lane="week") == [(1, 1.0), (2, 2.0), (13, 13.0)]
    assert less.sweep(23) == 3


def test_counts(path, small):
    store = opened(path)
    add(store, 1, range(20))
    add(store, 2, [5])
    with store.snapshot() as snapshot:
        counts = snapshot.counts("all", np.array([2, 3, 1], np.uint64))
    assert counts.tolist() == [1, 0, 20]


@pytest.mark.parametrize(
    ("horizon", "sealed"),
    [(2, [3, 7, 11, 15]), (3, [7, 11, 15]), (6, [7, 11, 15]), (7, [11, 15]), (11, [15])],
)
def test_a_sealed_chunk_goes_when_its_last_observation_has_expired(path, small, horizon, sealed):
    store = opened(path)
    add(store, 1, range(17), lane="week", known_at=17)
    add(store, 1, range(17, 21), lane="week", known_at=21, trim=1000 + horizon)
    assert [time_ - 2**63 for _, _, time_, ordinal in keys_of(store) if ordinal == 0] == sealed
    assert store.held["week"] == 5 + 4 * len(sealed)


@pytest.mark.parametrize(("horizon", "left"), [(6, 5), (7, 2)])
def test_of_a_head_goes_what_has_expired_if_that_is_more_than_half(path, placed, horizon, left):
    store = opened(path)
    add(store, 1, [5, 6, 7, 8], lane="week", known_at=8)
    add(store, 1, [9], lane="week", known_at=9, trim=1000 + horizon)
    assert len(history(store, 1, lane="week")) == left


def one_more(store, *place, fail=False):
    with store.transaction() as tx:
        tx.append("all", np.ones(1, np.uint64), np.ones(1, np.int64), np.ones(1))
        tx.emit(1, b"x")
        if place:
            tx.set_position(*place)
        if fail:
            raise KeyError


def test_new_observations_wait_until_their_range_is_the_fullest(path, monkeypatch):
    monkeypatch.setattr(fresh, "MOST", 6)
    store, few, many = opened(path), 5, 2**64 - 1
    add(store, few, [3, 1])
    add(store, many, [4, 2, 9])
    assert keys_of(store) == []
    add(store, many, [5, 4], [50, 40])
    assert [entity for _, entity, *_ in keys_of(store)] == [many]
    assert store.held["all"] == 7
    add(store, many, [4], [41])
    add(store, few, [1], [10])
    assert history(store, many) == [(2, 2.0), (4, 4.0), (4, 40.0), (4, 41.0), (5, 50.0), (9, 9.0)]
    assert history(store, few) == [(1, 1.0), (1, 10.0), (3, 3.0)]
    with store.snapshot() as snapshot:
        found = snapshot.observations_of("all", np.array([many, 7, few], np.uint64), 1)
        assert found.starts.tolist() == [0, 6, 6, 7]
        assert snapshot.counts("all", np.array([many, 7, few], np.uint64)).tolist() == [6, 0, 3]
    assert store.sweep(0) == 0
    assert [entity for _, entity, *_ in keys_of(store)] == [few, many]
    assert history(store, few) == [(1, 1.0), (1, 10.0), (3, 3.0)]


def test_damage_to_what_waits_is_noticed(path):
    value = np.random.default_rng(0).random(1)
    add(opened(path), 1, [5], value)
    gc.collect()
    damage(path, value.tobytes())
    for read in (history, lambda store, entity: add(store, entity, [6])):
        with pytest.raises(DataError, match="checksum does not match"):
            read(opened(path), 1)


def test_a_place_is_passed_once(path):
    store = opened(path)
    add(store, 1, [1], known_at=5)
    place = store.place
    for again in (place, place._replace(known_at=4, position=9), place._replace(offset=0)):
        with pytest.raises(DataError, match=r"'card'.*not later.*once"):
            one_more(store, *again)
    assert store.place == place
    assert len(history(store, 1)) == 1
    with store.snapshot() as snapshot:
        assert list(snapshot.outbox()) == []
    with store.transaction() as tx:  # rows that no lane observed
        tx.set_position(*place._replace(offset=9))
    assert store.place.offset == 9
    with pytest.raises(AssertionError):
        one_more(store)


def test_a_failed_transaction_leaves_nothing(path):
    store = opened(path)
    with pytest.raises(KeyError):
        one_more(store, 0, 0, 1, fail=True)
    assert store.place == BEGINNING
    assert keys_of(store) == []


def test_a_lane_that_is_unknown_is_named(path):
    store = opened(path)
    with pytest.raises(DefinitionError, match="Did you mean 'week'"):
        add(store, 1, [1], lane="weak")
    with pytest.raises(DefinitionError, match="'card'"):
        history(store, 1, lane="none")


def test_the_map_grows_and_the_transaction_is_done_again(path, monkeypatch):
    monkeypatch.setattr(environment, "ROOM", 1 << 16)
    store = opened(path)
    blob = os.urandom(300_000)
    with store.transaction() as tx:
        tx.append("all", np.arange(5000, dtype=np.uint64), np.arange(5000), np.ones(5000))
        tx.set_position(0, 0, 5000)
        tx.emit(0, blob)
    with store.transaction() as tx:
        tx.emit(5000, blob)
    with store.snapshot() as snapshot:
        assert list(snapshot.outbox()) == [(0, blob), (5000, blob)]
        assert snapshot.observations_of("all", np.arange(5000, dtype=np.uint64)).times.size == 5000
    assert store._opened.environment._lmdb.info()["map_size"] > 600_000


def emit(store, first, size):
    with store.transaction() as tx:
        tx.emit(first, bytes(size))


def test_growing_waits_for_reads_and_says_so_if_they_do_not_end(path, monkeypatch):
    monkeypatch.setattr(environment, "ROOM", 1 << 16)
    monkeypatch.setattr(environment, "PATIENCE", 0.05)
    store = opened(path)
    with store.snapshot(), pytest.raises(ResourceError, match="1 reads have been under way"):
        emit(store, 0, 300_000)
    emit(store, 0, 300_000)
    monkeypatch.setattr(environment, "PATIENCE", 30)
    entered, leave = threading.Event(), threading.Event()

    def read():
        with store.snapshot() as snapshot:
            entered.set()
            leave.wait(10)
            assert [len(blob) for _, blob in snapshot.outbox()] == [300_000]

    reader = threading.Thread(target=read)
    reader.start()
    entered.wait(10)
    threading.Timer(0.1, leave.set).start()
    emit(store, 1, 3_000_000)
    assert leave.is_set()
    reader.join()


def test_one_open_environment_per_folder_and_process(path):
    opened(path)
    gc.collect()
    reader = opened(path, lanes=None, readonly=True)
    assert reader._opened.environment._lmdb.flags()["readonly"]
    owner = opened(path)
    assert owner._opened.environment is reader._opened.environment
    add(owner, 1, [4])
    assert history(reader, 1) == [(4, 4.0)]
    assert reader.place == owner.place
    with pytest.raises(AssertionError):
        reader.transaction()


def test_a_folder_that_was_made_anew_is_another_environment(path):
    old = opened(path)
    add(old, 1, [4])
    for file in path.iterdir():
        file.unlink()
    new = opened(path)
    assert history(new, 1) == []
    assert history(old, 1) == [(4, 4.0)]


READER = """
import sys, time
from pathlib import Path
import numpy as np
from octavo.stores.state import StateStore

store = StateStore.open(Path(sys.argv[1]), view="card", fingerprint="f1", readonly=True)
print("ready", flush=True)
seen, ends = 0, time.monotonic() + 30
while seen < int(sys.argv[2]):
    assert time.monotonic() < ends
    with store.snapshot() as snapshot:
        offset = snapshot.place.offset
        found = snapshot.observations_of("all", np.arange(50, dtype=np.uint64))
        one = snapshot.history("all", 7)[0]
        outbox = list(snapshot.outbox())
    assert found.times.size == offset, (found.times.size, offset)
    assert one.size == np.diff(found.starts)[7]
    assert sum(len(blob) for _, blob in outbox) == 100 * offset
    seen = offset
print("seen", seen, flush=True)
"""


def test_another_process_reads_whole_transactions_while_the_owner_writes(path, monkeypatch, small):
    monkeypatch.setattr(environment, "ROOM", 1 << 16)
    store = opened(path)
    command = [sys.executable, "-c", READER, str(path), "3000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "ready\n"
        rng = np.random.default_rng(0)
        for first in range(0, 3000, 50):
            with store.transaction() as tx:
                entity = rng.permutation(50).astype(np.uint64)
                tx.append("all", entity, np.arange(first, first + 50), np.ones(50))
                tx.emit(first, bytes(5000))
                tx.set_position(first, 0, first + 50)
        assert reader.stdout.readline() == "seen 3000\n"
    assert reader.returncode == 0


def test_a_reader_that_opened_a_small_map_follows_when_it_grows(path, monkeypatch):
    monkeypatch.setattr(environment, "ROOM", 1 << 16)
    store = opened(path)
    command = [sys.executable, "-c", READER, str(path), "100000"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as reader:
        assert reader.stdout.readline() == "ready\n"
        with store.transaction() as tx:
            tx.append(
                "all",
                np.arange(100_000, dtype=np.uint64) % 50,
                np.arange(100_000),
                np.ones(100_000),
            )
            tx.emit(0, bytes(100 * 100_000))
            tx.set_position(0, 0, 100_000)
        assert reader.stdout.readline() == "seen 100000\n"


def test_reading_what_is_not_there_says_so(path):
    with pytest.raises(DataError, match=r"no state here.*octavo prep"):
        opened(path, readonly=True)


@pytest.mark.parametrize("options", [{"fingerprint": "f2"}, {"lanes": {"new": 7}}])
def test_a_state_of_other_features_is_refused(path, options):
    opened(path)
    with pytest.raises(DataError, match=r"not of f2|without lane 'new'") as raised:
        opened(path, **options)
    assert str(path) in str(raised.value)
    assert "`octavo prep --rebuild --view card`" in str(raised.value)


def test_a_state_of_another_format_is_refused(path):
    store = opened(path)
    document = {"format": 99, "view": "card", "fingerprint": "f1", "lanes": LANES}
    value = chunks.checked(json.dumps(document).encode())
    place_in(store._opened, RECORDS, b"identity", value)
    with pytest.raises(DataError, match="format version 99; this Octavo reads 3"):
        opened(path)


def place_in(opened: Opened, table, key, value):
    opened.environment.write(lambda tx: tx.put(key, value, db=opened.environment.tables[table]))


def damage(path, needle):
    """Change one bit of the file, in every place where some bytes occur."""
    file = path / "data.mdb"
    content = bytearray(file.read_bytes())
    at, count = content.find(needle), 0
    while at >= 0:
        content[at] ^= 1
        count += 1
        at = content.find(needle, at + 1)
    assert count
    file.write_bytes(content)


@pytest.mark.parametrize("row", [0, 300, 600])
def test_a_damaged_chunk_is_noticed(path, placed, row):
    values = np.random.default_rng(0).random(601)
    add(opened(path), 1, range(601), values)
    add(opened(path), 2, [5])
    gc.collect()
    damage(path, values[row].tobytes())
    store = opened(path)
    for read in (
        lambda: history(store, 1),
        lambda: add(store, 1, [row], [9.0]),
    ):
        with pytest.raises(DataError, match="checksum does not match") as raised:
            read()
        assert "'card'" in raised.value.where
        assert str(path) in raised.value.where
        assert "--rebuild --view card" in raised.value.fix
    assert history(store, 2) == [(5, 5.0)]


def test_other_damage_is_noticed(path):
    with opened(path).transaction() as tx:
        tx.set_position(12345, 67890, 4)
        tx.emit(0, b"some rows of features")
        tx.add_categories("all", np.array([1], np.uint64), ["a category"])
    del tx
    gc.collect()
    damage(path, b"some rows of features")
    damage(path, b"a category")
    damage(path, np.array([12345, 67890]).tobytes())
    with opened(path).snapshot() as snapshot:
        with pytest.raises(DataError, match="checksum"):
            list(snapshot.outbox())
        with pytest.raises(DataError, match="checksum"):
            snapshot.categories("all")
        with pytest.raises(DataError, match="checksum"):
            _ = snapshot.place


def test_damage_to_what_it_is_of_is_noticed(path):
    opened(path)
    gc.collect()
    damage(path, b'"fingerprint": "f1"')
    with pytest.raises(DataError, match="checksum"):
        opened(path)


def test_a_chunk_of_another_format_is_refused(path):
    store = opened(path)
    body = chunks.HEADER.pack(9, 0, 0, 0)
    place_in(store._opened, b"observations", chunks.head_key(0, 1), chunks.checked(body))
    with pytest.raises(DataError, match="format version 9; this Octavo reads 3"):
        history(store, 1)
    short = chunks.checked(chunks.HEADER.pack(3, 0, 7, 0))
    place_in(store._opened, b"observations", chunks.head_key(0, 1), short)
    with pytest.raises(DataError, match="another length"):
        history(store, 1)


def test_a_file_that_is_no_environment_is_refused(path):
    path.mkdir(parents=True)
    (path / "data.mdb").write_bytes(b"something else" * 1000)
    with pytest.raises(DataError, match="cannot be read"):
        opened(path)
    with pytest.raises(ResourceError):
        opened(path / "data.mdb")


CUT = """
import shutil, sys
from pathlib import Path
from octavo.errors import OctavoError
from octavo.stores.state import StateStore

whole, size = Path(sys.argv[1]), int(sys.argv[2])
for number, cut in enumerate([*range(0, size, 6144), size]):
    path = whole.parent / str(number)
    shutil.copytree(whole, path)
    with (path / "data.mdb").open("r+b") as file:
        file.truncate(cut)
    try:
        store = StateStore.open(path, view="card", fingerprint="f1", readonly=True)
        with store.snapshot() as snapshot:
            print(cut, sum(len(snapshot.history("all", entity)[0]) for entity in range(40)))
    except OctavoError as error:
        print(cut, type(error).__name__, "octavo prep" in error.fix)
"""


def needed(store):
    """Return how long LMDB says that the file is, and how long it is."""
    handle = store._opened.environment._lmdb
    size = (handle.info()["last_pgno"] + 1) * handle.stat()["psize"]
    return size, (store.path / "data.mdb").stat().st_size


def test_a_file_that_was_cut_off_is_refused(path, placed):
    store = opened(path)
    for entity in range(40):
        add(store, entity, range(100))
    wanted, size = needed(store)
    assert wanted == size
    del store
    gc.collect()
    script = [sys.executable, "-c", CUT, str(path), str(size)]
    done = subprocess.run(script, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, f"ended by signal {-done.returncode}"
    said = dict(line.split(" ", 1) for line in done.stdout.splitlines())
    assert said[str(size)] == "4000"
    cut = list(said.values())
    assert set(cut) == {"DataError True", "4000"}, "where nothing is missing all is there"
    assert cut.count("DataError True") > 0.9 * len(cut) > 20


def make_short(path):
    """Write a state that lacks pages: those that a transaction takes and gives up again."""
    store, rng = opened(path), np.random.default_rng(0)
    add(store, 1, range(100))
    table = store._opened.environment.tables[b"outbox"]
    keys, wanted, size = [], 0, 0

    def grow_and_shrink(transaction):
        for _ in range(rng.integers(60)):
            keys.append(rng.bytes(8))
            transaction.put(keys[-1], bytes(int(rng.choice([20, 500, 4072]))), db=table)
        rng.shuffle(keys)
        for _ in range(rng.integers(len(keys) + 1)):
            transaction.delete(keys.pop(), db=table)

    while wanted <= size:
        store._opened.environment.write(grow_and_shrink)
        wanted, size = needed(store)


def test_a_file_that_lacks_pages_no_one_uses_is_whole(path):
    make_short(path)
    gc.collect()
    assert len(history(opened(path, readonly=True), 1)) == 100


def test_a_killed_owner_and_a_killed_reader_leave_no_lock(path):
    add(opened(path), 1, [1])
    gc.collect()
    held = (
        "import sys, time, lmdb\n"
        "env = lmdb.open(sys.argv[1], max_dbs=9)\n"
        "read, write = env.begin(), env.begin(write=True)\n"
        "print('holding', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", held, str(path)], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "holding\n"
        other.kill()
    began = time.monotonic()
    store = opened(path)
    add(store, 1, [2])
    assert time.monotonic() - began < 5
    assert [t for t, _ in history(store, 1)] == [1, 2]
    readers = store._opened.environment._lmdb.readers()
    assert "no active readers" in readers or len(readers.splitlines()) <= 2, readers


@pytest.mark.parametrize(
    ("error", "kind", "said"),
    [
        (lmdb.ReadersFullError("mdb_txn_begin"), ResourceError, "1024 reads"),
        (lmdb.CorruptedError("mdb_get"), DataError, "rebuild"),
        (lmdb.DiskError("mdb_txn_commit: No space left on device"), ResourceError, "free space"),
    ],
)
def test_what_lmdb_says_is_explained(tmp_path, error, kind, said):
    found = environment.explained(error, tmp_path)
    assert isinstance(found, kind)
    assert said in str(found)
    assert found.where == str(tmp_path)
