"""Rows in files of their own, and how a table takes them in."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from octavo.errors import ResourceError
from octavo.stores import delta
from octavo.stores import staged as staging
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.stores.raw import REJECTED_SCHEMA, RawStore
from octavo.stores.staged import Shared, Staged, write_shared

ROWS = pl.DataFrame({"n": range(1000), "t": ["a text"] * 1000})


@pytest.fixture
def staged(tmp_path):
    rows = Staged(tmp_path / "on its way", size=5000)
    for part in ROWS.iter_slices(100):
        rows.add(part)
    return rows


def test_rows_are_written_as_they_come(staged):
    assert len(staged.files()) == 3
    assert staged.rows == 1000
    assert staged.scan().collect().equals(ROWS)


def test_a_table_takes_all_files_in_one_commit(tmp_path, staged):
    log = DeltaLog(tmp_path / "table")
    before = {file.path for file in staged.files()}
    version = log.append(staged, app_id="w", version=1)
    assert version == 1
    assert log.scan().sort("n").collect().equals(ROWS)
    assert {path.name for path in (tmp_path / "table").glob("*.parquet")} == before
    assert not list(staged.folder.glob("*.parquet"))
    assert log.append(staged, app_id="w", version=1) is None, "a replay"
    assert log.scan().select(pl.len()).collect().item() == 1000


def test_every_file_has_statistics_of_its_own(tmp_path, staged):
    log = DeltaLog(tmp_path / "table")
    log.append(staged, app_id="w", version=1)
    found = pl.DataFrame(delta.DeltaTable(log.url).get_add_actions(flatten=True))
    assert found["num_records"].sum() == 1000
    assert sorted(found["min.n"])[0] == 0
    assert found["min.n"].n_unique() == found.height


def test_without_rows_it_is_a_commit_all_the_same(tmp_path):
    rows = Staged(tmp_path / "on its way")
    rows.add(ROWS.clear())
    log = DeltaLog(tmp_path / "table")
    assert log.append(rows, app_id="w", version=1) == 1
    assert log.transaction_version("w") == 1
    assert log.scan().collect().equals(ROWS.clear())


def assert_refused(log, rows, monkeypatch, what, step):
    """A disk that is full at a step leaves the table as it was, with its one file."""

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(what, step, full)
        with pytest.raises(ResourceError, match="the disk is full"):
            log.append(rows, app_id="w", version=1)
    assert len(list(Path(log.url).glob("*.parquet"))) == 1


def test_files_come_back_if_the_commit_fails(tmp_path, staged, monkeypatch):
    log = DeltaLog(tmp_path / "table")
    log.append(ROWS.head(1), app_id="other", version=1)

    assert_refused(log, staged, monkeypatch, delta.DeltaTable, "create_write_transaction")
    log.append(staged, app_id="w", version=1)
    assert log.scan().select(pl.len()).collect().item() == 1001


def test_another_process_that_commits_first_costs_a_try(tmp_path, staged, monkeypatch):
    log = DeltaLog(tmp_path / "table")
    log.append(ROWS.head(1), app_id="other", version=1)
    placed = DeltaLog._placed

    def overtaken(self, folder, rows):
        monkeypatch.setattr(DeltaLog, "_placed", placed)
        DeltaLog(self.url).append(ROWS.head(2), app_id="w", version=1)
        return placed(self, folder, rows)

    monkeypatch.setattr(DeltaLog, "_placed", overtaken)
    assert log.append(staged, app_id="w", version=1) is None
    assert log.scan().select(pl.len()).collect().item() == 3


def test_a_table_named_by_an_address_is_given_a_stream(tmp_path, staged):
    log = DeltaLog(f"file://{tmp_path}/table")
    assert log.append(staged, app_id="w", version=1) == 1
    assert log.scan().sort("n").collect().equals(ROWS)
    assert log.append(staged, app_id="w", version=1) is None


@pytest.fixture
def shared(tmp_path):
    paths = [tmp_path / f"{number}.parquet" for number in range(2)]
    for path, part in zip(paths, ROWS.iter_slices(500), strict=True):
        write_shared(path, part)
    return Shared(paths)


@pytest.mark.parametrize("is_other_disk", [False, True])
def test_shared_files_are_the_tables_and_stay(tmp_path, shared, monkeypatch, is_other_disk):
    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    if is_other_disk:
        monkeypatch.setattr(staging.os, "link", other_disk)
    log = DeltaLog(tmp_path / "table")
    assert log.append(shared, app_id="w", version=1) == 1
    assert log.append(shared, app_id="w", version=1) is None, "a replay"
    assert log.scan().sort("n").collect().equals(ROWS)
    assert shared.scan().collect().equals(ROWS)
    found = pl.DataFrame(delta.DeltaTable(log.url).get_add_actions(flatten=True)).sort("min.n")
    assert found["num_records"].to_list() == [500, 500]
    assert found["min.n"].to_list() == [0, 500]
    assert found["max.n"].to_list() == [499, 999]


def test_shared_files_leave_the_table_if_the_commit_fails(tmp_path, shared, monkeypatch):
    log = DeltaLog(tmp_path / "table")
    log.append(ROWS.head(1), app_id="other", version=1)

    assert_refused(log, shared, monkeypatch, delta.DeltaTable, "create_write_transaction")
    assert shared.scan().collect().equals(ROWS)


def test_copies_leave_the_table_if_the_disk_is_full_on_the_way(tmp_path, shared, monkeypatch):
    log = DeltaLog(tmp_path / "table")
    log.append(ROWS.head(1), app_id="other", version=1)
    copy, copied = shutil.copyfile, []

    def other_disk(*_):
        raise OSError(18, "Invalid cross-device link")

    def half(source, target):
        copied.append(target)
        copy(source, target)
        if len(copied) == 2:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(staging.os, "link", other_disk)
    with monkeypatch.context() as broken:
        broken.setattr(staging.shutil, "copyfile", half)
        with pytest.raises((OSError, ResourceError), match=r"full|No space"):
            log.append(shared, app_id="w", version=1)
    assert len(copied) == 2
    assert len(list((tmp_path / "table").glob("*.parquet"))) == 1
    assert log.append(shared, app_id="w", version=1) == 2


def test_shared_files_are_sent_to_an_address(tmp_path, shared):
    log = DeltaLog(f"file://{tmp_path}/table")
    assert log.append(shared, app_id="w", version=1) == 1
    assert log.scan().sort("n").collect().equals(ROWS)


def test_a_batch_that_is_not_committed_leaves_nothing(tmp_path):
    home = Home(tmp_path)
    rejected = pl.DataFrame([{**dict.fromkeys(REJECTED_SCHEMA), "_row": 1}])

    def fail():
        with RawStore(home).receive("d", "b") as incoming:
            incoming.rows.add(ROWS)
            incoming.rejected.add(rejected)
            incoming.rows.files()
            assert home.incoming("b").exists()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert not home.incoming("b").exists()
    assert not home.raw("d").exists()
