"""A file's batch that prep passes, before its rows are in the tables or after, comes in behind."""

import polars as pl
import pytest
import sqlalchemy as sa
from streaming import line

from octavo.project import load
from octavo.stages.ingestion.offline import Intake
from octavo.stores import catalog as tables
from octavo.stores.raw import ROWS_PER_BATCH, Incoming, RawStore

SCRIPT = """
import octavo as ov, polars as pl
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments(online=None, offline=ov.Files("*.ndjson")))
"""
CLOCK = 2_000_000_000_000_000


class Quiet:
    """Shows nothing of a run."""

    def __getattr__(self, name):
        return lambda *_, **__: None


class Shop:
    """A project with a file to come, and prep that passes what is planned."""

    def __init__(self, folder):
        self.folder = folder
        (folder / "pipeline.py").write_text(SCRIPT)
        self.project = load(folder)
        self.catalog, self.raw = self.project.catalog, RawStore(self.project.home)

    def write(self, name, text):
        (self.folder / f"{name}.ndjson").write_text(text)

    def run(self):
        self.project.run(Quiet(), last="ingestion")

    def prep(self, clock):
        """Make features of all that counts, and fold so far."""
        told = {"group_id": "g", "rows": 0, "too_late": 0, "run_id": "r", "committed_at": 0}
        told |= {"position": self.catalog.position(), "clock": clock}
        self.catalog.insert(tables.feature_versions, **told)
        self.fold(clock)

    def fold(self, clock):
        query = sa.select(sa.func.max(tables.batches.c.sequence).label("newest"))
        position = self.catalog.rows(query)[0]["newest"]
        self.catalog.put(tables.barrier, id=1, position=position, clock=clock)

    @property
    def last(self):
        return self.catalog.committed()[-1]

    def known(self, batch):
        rows = pl.concat(self.raw.versions("payments", [batch])).collect()
        return set(rows["_known_at"].cast(pl.Int64))


@pytest.fixture
def shop(tmp_path, monkeypatch):
    return Shop(tmp_path)


def passing(monkeypatch, owner, name, shop, times, clock=CLOCK):
    """Let prep pass all that is planned, each time after a step, some times."""
    method, left = getattr(owner, name), [times]

    def done(*arguments, **options):
        result = method(*arguments, **options)
        if left[0]:
            left[0] -= 1
            shop.fold(clock + times - left[0])
        return result

    monkeypatch.setattr(owner, name, done)


STEPS = pytest.mark.parametrize(
    ("owner", "name", "times"),
    [(Intake, "finish", 1), (Incoming, "commit", 1), (Incoming, "commit", 3)],
)


@STEPS
def test_its_rows_are_behind_all_that_was_folded(shop, monkeypatch, owner, name, times):
    shop.write("a", line(1) + line(2))
    shop.run()
    shop.prep(CLOCK - 5)
    shop.write("b", line(1, 9) + line(2) + "no\n" + line(3) + line(4, -1) + line(5))
    with monkeypatch.context() as patch:
        passing(patch, owner, name, shop, times)
        shop.run()
    batch = shop.last
    assert batch["sequence"] == 2 + times
    assert shop.known(batch) == {batch["clock"]} == {batch["newest"]} == {CLOCK + times}
    names = ("rows", "rejected", "restated", "duplicates")
    assert [batch[name] for name in names] == [2, 3, 1, 1]
    rows, again = (
        each.sort("_position").collect() for each in shop.raw.versions("payments", [batch])
    )
    assert rows["id"].to_list() == [3, 5]
    first = batch["sequence"] * ROWS_PER_BATCH
    assert rows["_position"].to_list() == [first + 3, first + 5]
    assert again["_position"].to_list() == [first]
    rejected = shop.raw.rejected("payments", batch["batch_id"])
    assert rejected["_row"].to_list() == [0, 2, 4]
    assert len(shop.catalog.rows(sa.select(tables.batches))) == 2, "there is one batch of each file"


@STEPS
def test_a_first_load_keeps_what_it_declares(shop, monkeypatch, owner, name, times):
    shop.write("a", line(1) + line(2))
    passing(monkeypatch, owner, name, shop, times)
    shop.run()
    (batch,) = shop.catalog.committed()
    assert batch["clock"] is None
    assert batch["sequence"] == 1 + times
    assert shop.known(batch) == {1_704_067_200_000_000} == {batch["newest"]}


def test_a_first_load_that_something_overtakes_is_none(shop, monkeypatch):
    shop.write("a", line(1))
    finish = Intake.finish

    def done(intake):
        finish(intake)
        streamed = {"dataset": "payments", "source": "s", "content_hash": "s", "state": "committed"}
        streamed |= {"run_id": "r", "planned_at": 0, "clock": CLOCK - 9, "newest": CLOCK - 9}
        streamed |= {"rows": 0, "rejected": 0, "duplicates": 0}
        shop.catalog.insert(tables.batches, batch_id="s", sequence=9, topic="t", **streamed)
        shop.prep(CLOCK)

    monkeypatch.setattr(Intake, "finish", done)
    shop.run()
    assert shop.last["clock"] == CLOCK
    assert shop.known(shop.last) == {CLOCK}


def test_a_load_is_known_when_prep_has_come_to_it_live(shop):
    shop.write("a", line(1))
    shop.run()
    shop.prep(CLOCK - 5)
    shop.fold(CLOCK)
    shop.write("b", line(2))
    shop.run()
    assert shop.last["sequence"] == 2, "nothing has passed it"
    assert shop.known(shop.last) == {CLOCK}
