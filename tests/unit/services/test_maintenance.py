"""All tables of a home are maintained, each by itself; what is in use, or young, is left alone."""

import os
import shutil
import threading
import time
from pathlib import Path

import polars as pl
import pytest

from octavo.definition.events import POSITION
from octavo.errors import ResourceError
from octavo.services.maintenance import Maintained, Maintenance
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.streams import Block, Retention, Topic
from octavo.streams.memory import MemoryStream

HOUR = 3600.0


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    for table in (home.raw("sales"), home.rejected("sales"), home.features("shop", "g1")):
        fill(table)
    return home


def fill(table, count=10):
    log = DeltaLog(table)
    for n in range(count):
        log.append(pl.DataFrame({POSITION: [n]}), app_id="w", version=n)


def age(folder, seconds=2 * HOUR):
    for path in [folder, *folder.rglob("*")]:
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


def maintain(home, **options):
    done = Maintenance(home, MemoryStream(), keep=HOUR).turn(**options)
    return {each.folder: each for each in done}


def everything(home):
    return {path: path.stat().st_mtime for path in home.path.rglob("*") if "locks" not in str(path)}


def test_every_table_is_merged_and_then_rid_of_what_was_replaced(home):
    found = maintain(home)
    assert [*found] == ["features/shop/g1", "raw/sales", "rejected/sales", "incoming"]
    for name in ("features/shop/g1", "raw/sales", "rejected/sales"):
        done = found[name]
        assert (done.files_before, done.files, done.merged, done.deleted) == (10, 1, 10, 0)
        assert done.bytes_before > done.bytes > 0
        table = home.path / name
        assert DeltaLog(table).scan().collect()[POSITION].sort().to_list() == [*range(10)]
        assert len(list(table.glob("*.parquet"))) == 11
    age(home.path)
    found = maintain(home)
    for name in ("features/shop/g1", "raw/sales", "rejected/sales"):
        done = found[name]
        assert (done.files_before, done.files, done.merged, done.deleted) == (1, 1, 0, 10)
        assert done.freed > 0
        assert len(list((home.path / name).glob("*.parquet"))) == 1
    assert maintain(home)["raw/sales"].deleted == 0


def test_a_dry_run_tells_and_changes_nothing(home):
    maintain(home)
    age(home.path)
    fill(home.raw("bills"))
    before = everything(home)
    found = maintain(home, dry_run=True)
    assert everything(home) == before
    assert (found["raw/sales"].deleted, found["raw/sales"].merged) == (10, 0)
    assert (found["raw/bills"].deleted, found["raw/bills"].merged) == (0, 10)
    done = maintain(home)
    for name in ("raw/sales", "raw/bills"):
        counts = [(each.deleted, each.merged, each.freed) for each in (found[name], done[name])]
        assert counts[0] == counts[1]


def test_a_table_that_cannot_be_read_stops_no_other(home):
    (home.features("shop", "g1") / "_delta_log" / f"{10:020}.json").write_text("no JSON")
    found = maintain(home)
    assert "cannot be read" in found["features/shop/g1"].error
    assert found["raw/sales"].merged == 10


def test_batches_that_nobody_brings_on_are_deleted(home):
    left, growing = home.incoming("left"), home.incoming("growing")
    for folder in (left, growing):
        (folder / "rows").mkdir(parents=True)
        (folder / "rows" / "part.parquet").write_bytes(b"rows")
    age(home.path / "incoming")
    (growing / "rows" / "part.parquet").write_bytes(b"more rows")
    assert maintain(home, dry_run=True)["incoming"].deleted == 1
    assert maintain(home)["incoming"].deleted == 1
    assert [path.name for path in home.incoming("").iterdir()] == ["growing"]


def test_batches_that_come_and_go_meanwhile_are_no_obstacle(home):
    stop = threading.Event()

    def ingest():
        while not stop.is_set():
            (home.incoming("batch") / "rows").mkdir(parents=True)
            shutil.rmtree(home.incoming("batch"))

    ingesting = threading.Thread(target=ingest)
    ingesting.start()
    try:
        until = time.monotonic() + 1
        while time.monotonic() < until:
            assert maintain(home)["incoming"].deleted == 0
    finally:
        stop.set()
        ingesting.join()


def test_one_at_a_time(home):
    with home.maintaining() as is_alone:
        assert is_alone
        with pytest.raises(ResourceError, match="another process maintains it"):
            maintain(home)
    assert maintain(home)["raw/sales"].merged == 10


def test_the_stream_removes_what_its_topics_need_not_keep(home):
    stream = MemoryStream()
    stream.create(Topic("t", retention=Retention(0.0)))
    stream.append("t", [Block(rows=3, data=b"abc")])
    time.sleep(0.01)
    maintenance = Maintenance(home, stream, keep=HOUR)
    assert [*maintenance.turn(dry_run=True)]
    assert stream.extents("t")[0].begin == 0
    assert [*maintenance.turn()]
    assert stream.extents("t")[0].begin == 3


def test_it_goes_on_until_told_to_stop_and_tells_what_went_wrong(home, monkeypatch):
    stop, told, turns = threading.Event(), [], []

    def turn(self):
        turns.append(time.monotonic())
        if len(turns) == 1:
            raise ResourceError("another.")
        yield Maintained("raw/sales", error="the disk is full" if len(turns) == 2 else None)
        if len(turns) == 4:
            stop.set()

    monkeypatch.setattr(Maintenance, "turn", turn)
    maintenance = Maintenance(home, MemoryStream(), keep=HOUR)
    maintenance.run(stop, every=0.05, tell=told.append)
    assert told == ["another.", "raw/sales: the disk is full"]
    assert len(turns) == 4
    assert turns[3] - turns[0] >= 0.149


def test_a_home_without_tables(tmp_path):
    assert maintain(Home(tmp_path / "none")) == {"incoming": Maintained("incoming")}
    assert not Path(tmp_path / "none" / "raw").exists()
