"""The state store beside the plainest possible model: lists of observations in a dictionary."""

import gc
import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from octavo.errors import DataError
from octavo.stores.state import BEGINNING, StateStore, chunks, environment, fresh

LANES = {"all": None, "some": 20, "brief": 7}
ENTITIES = [0, 2**63, 2**64 - 1]

ROWS = st.lists(st.tuples(st.sampled_from(ENTITIES), st.integers(-12, 3)), max_size=30)


class Model:
    """What a state holds: of each lane and entity, observations in rank order."""

    def __init__(self):
        self.rows = {}
        self.late = dict.fromkeys(LANES, 0)
        self.made = 0
        self.clock = 0
        self.trimmed = -(10**6)
        self.place = BEGINNING
        self.outbox = {}
        self.texts = {}

    def append(self, lane, entity, time, value):
        retain = LANES[lane]
        if retain is not None and time <= self.clock - retain:
            self.late[lane] += 1
            return
        rows = self.rows.setdefault((lane, entity), [])
        place = next((i for i, row in enumerate(rows) if row[0] > time), len(rows))
        rows.insert(place, (time, value))

    def values(self, count):
        """Return values that were never used: each tells which observation it is."""
        self.made += count
        made = np.arange(self.made - count, self.made) + 0.5
        return np.where(made % 2 < 1, made, -made)

    def history(self, lane, entity, after):
        return [row for row in self.rows.get((lane, entity), []) if row[0] > after]


class StateMachine(RuleBasedStateMachine):
    chunk = 3

    @initialize(chunk=st.integers(1, 5), most=st.sampled_from([0, 9, 60]))
    def begin(self, chunk, most):
        self.usual = chunks.CHUNK, environment.ROOM, fresh.MOST
        chunks.CHUNK, environment.ROOM, fresh.MOST = chunk, 1 << 17, most
        memory = Path("/dev/shm")  # a thousand transactions, each of which waits for the disk
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.exists() else None))
        self.model = Model()
        self.open()

    def open(self):
        self.store = StateStore.open(self.folder / "state", view="v", fingerprint="f", lanes=LANES)

    def teardown(self):
        if hasattr(self, "folder"):
            chunks.CHUNK, environment.ROOM, fresh.MOST = self.usual
            del self.store
            shutil.rmtree(self.folder)

    @rule(
        rows=st.dictionaries(st.sampled_from(list(LANES)), ROWS, max_size=3),
        passed=st.integers(0, 4),
        trim=st.booleans(),
        parts=st.integers(1, 3),
    )
    def append(self, rows, passed, trim, parts):
        model = self.model
        model.clock += passed
        with self.store.transaction() as tx:
            for lane, each in rows.items():
                entity = np.array([row[0] for row in each], np.uint64)
                time = np.array([row[1] for row in each], np.int64) + model.clock
                value = model.values(len(each))
                for part in np.array_split(np.arange(len(each)), parts):
                    tx.append(lane, entity[part], time[part], value[part], model.clock)
                for row in zip(entity.tolist(), time.tolist(), value.tolist(), strict=True):
                    model.append(lane, *row)
            if trim:
                tx.trim(model.clock)
                model.trimmed = model.clock
            model.place = (model.clock, model.place[1] + 1, model.place[2] + 3)
            tx.set_position(*model.place)

    @rule(count=st.integers(1, 40))
    def append_many_of_one(self, count):
        """As when history arrives late: it falls into one chunk."""
        model = self.model
        time, value = np.arange(count) % 3 + model.clock - 5, model.values(count)
        with self.store.transaction() as tx:
            tx.append("all", np.full(count, 2**63, np.uint64), time, value)
            for row in zip(time.tolist(), value.tolist(), strict=True):
                model.append("all", 2**63, *row)
            model.place = (model.clock, model.place[1] + 1, model.place[2])
            tx.set_position(*model.place)

    @rule(size=st.integers(0, 20_000))
    def emit(self, size):
        first = self.model.place[2] + len(self.model.outbox)
        with self.store.transaction() as tx:
            tx.emit(first, bytes([first % 256]) * size)
        self.model.outbox[first] = bytes([first % 256]) * size

    @precondition(lambda self: self.model.outbox)
    @rule(data=st.data())
    def drain(self, data):
        gone = data.draw(st.sets(st.sampled_from(sorted(self.model.outbox))))
        self.store.drained(gone)
        for each in gone:
            del self.model.outbox[each]

    @rule(texts=st.lists(st.text(max_size=3), max_size=4), lane=st.sampled_from(["all", "brief"]))
    def categories(self, texts, lane):
        hashes = np.array([hash(text) % 2**62 for text in texts], np.uint64)
        with self.store.transaction() as tx:
            tx.add_categories(lane, hashes, texts)
        for each, text in zip(hashes.tolist(), texts, strict=True):
            self.model.texts.setdefault((lane, each), text)

    @rule()
    def sweep(self):
        self.store.sweep(self.model.clock)
        self.model.trimmed = self.model.clock

    @rule()
    def refuse_what_is_in_it(self):
        before = self.store.place
        if before == BEGINNING:
            return
        with pytest.raises(DataError, match="not later"):
            self.one_more(before)

    @rule()
    def forget_a_failure(self):
        with pytest.raises(TypeError):
            self.one_more(None)

    def one_more(self, place):
        with self.store.transaction() as tx:
            tx.append("all", np.ones(1, np.uint64), np.zeros(1, np.int64), np.zeros(1))
            tx.emit(0, b"lost")
            tx.set_position(*place)

    @rule()
    def reopen(self):
        del self.store
        gc.collect()
        self.open()

    @invariant()
    def records_agree(self):
        model = self.model
        assert self.store.place == tuple(model.place)
        assert self.store.too_late == model.late
        with self.store.snapshot() as snapshot:
            assert dict(snapshot.outbox()) == model.outbox
            for lane in LANES:
                texts = {h: text for (of, h), text in model.texts.items() if of == lane}
                assert snapshot.categories(lane) == texts
                some = np.array([*list(texts)[:2], 17], np.uint64)
                assert snapshot.categories(lane, some).items() <= texts.items()

    @rule(after=st.integers(-22, 4), order=st.permutations([*ENTITIES, 5]))
    def observations_agree(self, after, order):
        model = self.model
        with self.store.snapshot() as snapshot:
            for lane, retain in LANES.items():
                oldest = -(10**6) if retain is None else model.trimmed - retain
                bound = max(model.clock + after, oldest)
                for start in (bound, oldest):
                    found = snapshot.observations_of(lane, np.array(order, np.uint64), start)
                    assert found.starts[0] == 0
                    for i, entity in enumerate(order):
                        rows = slice(*found.starts[i : i + 2])
                        expected = model.history(lane, entity, start)
                        assert found.times[rows].tolist() == [time for time, _ in expected]
                        values = np.array([value for _, value in expected], np.float64)
                        assert found.values[rows].tobytes() == values.tobytes()
                        one = snapshot.history(lane, entity, start)
                        assert one[0].tobytes() == found.times[rows].tobytes()
                        assert one[1].tobytes() == values.tobytes()
                bounds = np.array([bound - i for i in range(len(order))])
                found = snapshot.observations_of(lane, np.array(order, np.uint64), bounds)
                sizes = [
                    len(model.history(lane, entity, each))
                    for entity, each in zip(order, np.maximum(bounds, oldest), strict=True)
                ]
                if retain is None:
                    counts = [len(model.history(lane, each, oldest)) for each in order]
                    assert snapshot.counts(lane, np.array(order, np.uint64)).tolist() == counts
                    assert np.diff(found.starts).tolist() == sizes

    @rule()
    def chunks_are_as_promised(self):
        """Sorted, none empty, none too long, ordinals without gaps at the end of a seal."""
        opened = self.store._opened
        with self.store.snapshot() as snapshot:
            table = opened.environment.tables[b"observations"]
            newest, held = {}, dict.fromkeys(LANES, 0)
            for key, value in snapshot._transaction.cursor(table):
                lane, entity, _, _ = chunks.KEY.unpack(key)
                pairs, bound = chunks.read(value)
                pairs = chunks.pairs_of(pairs)
                held[list(LANES)[lane]] += pairs.size
                assert 0 < pairs.size <= 2 * chunks.CHUNK
                assert (np.diff(pairs["time"]) >= 0).all()
                assert pairs["time"][0] >= newest.get((lane, entity), pairs["time"][0])
                if key == chunks.head_key(lane, entity):
                    assert newest.get((lane, entity), chunks.NEVER) <= bound <= pairs["time"][0]
                else:
                    assert chunks.last_of(key) == pairs["time"][-1]
                    newest[lane, entity] = chunks.last_of(key)
            waiting = dict.fromkeys(LANES, 0)
            for key, value in snapshot._transaction.cursor(opened.environment.tables[b"fresh"]):
                waits, _ = chunks.read(value, fresh.TRIPLE)
                waiting[list(LANES)[key[1]]] += len(waits) // fresh.TRIPLE.itemsize
            assert max(waiting.values()) <= fresh.MOST
            assert snapshot.held == {lane: held[lane] + waiting[lane] for lane in LANES}


StateMachine.TestCase.settings = settings(
    max_examples=int(os.environ.get("STATE_CASES", "40")),
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
TestStateMachine = StateMachine.TestCase
