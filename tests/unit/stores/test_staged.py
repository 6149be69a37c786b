"""Rows in files of their own, and how a table takes them in."""

import polars as pl
import pytest

from octavo.errors import ResourceError
from octavo.stores import delta
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.stores.raw import REJECTED_SCHEMA, RawStore
from octavo.stores.staged import Staged

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


def test_files_come_back_if_the_commit_fails(tmp_path, staged, monkeypatch):
    log = DeltaLog(tmp_path / "table")
    log.append(ROWS.head(1), app_id="other", version=1)

    def full(*arguments, **options):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(delta.DeltaTable, "create_write_transaction", full)
        with pytest.raises(ResourceError, match="the disk is full"):
            log.append(staged, app_id="w", version=1)
    assert len(list((tmp_path / "table").glob("*.parquet"))) == 1
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
