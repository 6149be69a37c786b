"""Files come in while a service takes in a stream of the same dataset and prep folds all the time.

Between any two durable steps of a run, chosen at random, others act: the service ingests, prep
folds what is ready, waits no longer and passes what is planned, or the run is killed. Whatever they
do: each event is in the raw store once, and what counts later is later than all that was folded.
"""

import sys
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[2] / "integration"))
sys.path.insert(0, str(Path(__file__).parents[2] / "unit" / "ingestion"))

from durable_steps import follow
from streaming import Live, line

from octavo.project import load
from octavo.stores import catalog as tables
from octavo.stores.catalog import now
from octavo.stores.raw import RawStore

SCRIPT = """
import octavo as ov, polars as pl
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments(offline=ov.Files("data/*.ndjson")))
"""
SECOND = 1_000_000
HOUR = 3600 * SECOND


class Killed(BaseException):
    """Stands for SIGKILL: nothing of Octavo handles it."""


class Quiet:
    """Shows nothing of a run."""

    def __getattr__(self, name):
        return lambda *_, **__: None


class Scene:
    """A project under way; what others do in it, step by step, and what must hold of that."""

    def __init__(self, folder, actions):
        self.folder, self.actions = folder, list(actions)
        (folder / "data").mkdir(parents=True)
        (folder / "pipeline.py").write_text(SCRIPT)
        self.project = load(folder)
        self.catalog, self.raw = self.project.catalog, RawStore(self.project.home)
        self.service = Live(self.project.home.path, self.project.definition.datasets[0])
        self.sent, self.bad, self.acting = [], 0, False
        self.position, self.latest, self.is_prepped = 0, (0, 0), False

    def line(self, number):
        """Return a payment of a small range of IDs, or no row, and remember it."""
        self.bad += number % 11 == 0
        if number % 11 == 0:
            return "no row\n"
        self.sent.append(number % 23)
        return line(number % 23, 5 + number % 3)

    def write(self, name, numbers):
        text = "".join(map(self.line, numbers)) + line(name)
        self.sent.append(name)  # so that no two files have the same content
        (self.folder / "data" / f"{name}.ndjson").write_text(text)

    def step(self):
        """Let others act after a durable step of the run; what they do are no steps."""
        if self.acting or not self.actions:
            return
        self.acting = True
        try:
            action, number = self.actions.pop(0)
            getattr(self, action)(number)
        finally:
            self.acting = False

    def nothing(self, _):
        """Do nothing."""

    def stream(self, number):
        self.service.send(self.line(number) + self.line(number + 5))
        self.service.service.turn(flush=True)

    def fold(self, _):
        self._fold(now())

    def wait_no_longer(self, _):
        self._fold(now() + HOUR)

    def kill(self, _):
        raise Killed

    def _fold(self, at):
        """Fold what is ready: all of it is later than what was folded."""
        batches, _ = self.catalog.ready(self.position, at)
        if not batches:
            return
        clock = max((b["newest"] or 0 for b in batches), default=0)
        self.position = batches[-1]["sequence"]
        with self.catalog.transaction(alone=True) as connection:
            was = connection.scalar(sa.select(tables.barrier.c.clock)) or 0
            told = {"position": self.position, "clock": max(clock, was)}
            tables.put(connection, tables.barrier, id=1, **told)
        places = [self._places(batch) for batch in batches if batch["clock"] is not None]
        before = self.latest
        for first, last in filter(None, places):
            assert first > before
            self.latest = max(self.latest, last)

    def _places(self, batch):
        rows = self.raw.versions("payments", [batch])
        found = pl.concat([each.select("_known_at", "_position") for each in rows]).collect()
        found = found.with_columns(pl.col("_known_at").cast(pl.Int64)).rows()
        return (min(found), max(found)) if found else None

    def prepped(self):
        """Make features of all that counts, as the first run does."""
        told = {"group_id": "g", "rows": 0, "too_late": 0, "run_id": "r", "committed_at": 0}
        self.is_prepped = True
        self._fold(now())
        barrier = self.catalog.one(sa.select(tables.barrier))
        told |= {"position": barrier["position"], "clock": barrier["clock"]}
        self.catalog.insert(tables.feature_versions, **told)

    def run(self):
        """Ingest the files, however often that is killed."""
        while True:
            try:
                load(self.folder).run(Quiet(), last="ingestion")
            except Killed:
                continue
            break

    def check(self):
        batches = self.catalog.committed("payments")
        raw, again = (each.collect() for each in self.raw.versions("payments", batches))
        assert sorted(raw["id"]) == sorted(set(self.sent))
        assert raw["_position"].n_unique() == raw.height
        counts = {name: sum(b[name] for b in batches) for name in batches[0] if name in COUNTS}
        assert counts["rows"] == raw.height
        assert counts["restated"] == again.height
        assert counts["rejected"] == self.bad + again.height
        assert counts["duplicates"] == len(self.sent) - raw.height - again.height
        rejected = [self.raw.rejected("payments", b["batch_id"]).height for b in batches]
        assert rejected == [b["rejected"] for b in batches]
        newest = {b["batch_id"]: b["newest"] for b in batches if b["newest"] is not None}
        known = raw.group_by("_batch_id").agg(pl.col("_known_at").cast(pl.Int64).max()).rows()
        assert dict(known) == newest
        both = again.join(raw, on="id", suffix="_first")
        assert both.height == again.height
        # Of a first load known_at is declared, whatever came by a stream before.
        order = ("_known_at", "_position")[not self.is_prepped :]
        for row in both.iter_rows(named=True):
            assert [row[n] for n in order] > [row[f"{n}_first"] for n in order]
        self._check_order(batches)

    def _check_order(self, batches):
        """Batches of a dataset count in the order of their places."""
        table = tables.events
        query = sa.select(table).where(table.c.kind == "batch committed").order_by(table.c.id)
        told = [event["document"]["batch_id"] for event in self.catalog.rows(query)]
        assert told == [batch["batch_id"] for batch in batches]


COUNTS = ("rows", "restated", "rejected", "duplicates")
ACTIONS = ("nothing", "stream", "stream", "fold", "wait_no_longer", "wait_no_longer", "kill")
NUMBERS = st.integers(1, 400)
DONE = st.lists(st.tuples(st.sampled_from(ACTIONS), NUMBERS), max_size=30)
FILES = st.lists(st.lists(NUMBERS, max_size=12), min_size=1, max_size=3)


@settings(max_examples=3, deadline=None)
@given(history=FILES, files=FILES, actions=DONE, is_prepped=st.booleans())
def test_files_come_in_while_others_act(tmp_path_factory, history, files, actions, is_prepped):
    made = Scene(tmp_path_factory.mktemp("shop") / "shop", [])
    for name, numbers in enumerate(history, 1000):
        made.write(name, numbers)
    made.run()
    if is_prepped:
        made.prepped()
    for name, numbers in enumerate(files, 2000):
        made.write(name, numbers)
    made.actions = actions
    with pytest.MonkeyPatch.context() as patch:
        follow(made.step, patch.setattr)
        made.run()
    made.actions = []
    made.service.leave()
    made.service.ingest()
    made._fold(now() + HOUR)
    made.check()
    count = len(made.catalog.committed())
    data = made.folder / "data"
    (data / "copy.ndjson").write_bytes((data / "2000.ndjson").read_bytes())
    made.run()
    assert len(made.catalog.committed()) == count, "what was planned again is still recognized"
