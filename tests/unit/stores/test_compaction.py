"""Files are merged, rows stay: what is replaced, what is left for readers, and what is deleted."""

import math
import os
import threading
import time
from pathlib import Path

import polars as pl
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from octavo.errors import ResourceError
from octavo.stores import compaction, delta
from octavo.stores.compaction import FEWEST, LARGE, compact, delete, unread, worth
from octavo.stores.delta import DeltaLog, File
from octavo.stores.staged import Staged

HOUR = 3600.0


@pytest.fixture
def log(tmp_path):
    return DeltaLog(tmp_path / "table")


def fill(log, count, first=0, **more):
    for n in range(first, first + count):
        rows = pl.DataFrame({"n": [2 * n, 2 * n + 1], "text": [f"{n}", None]})
        rows = rows.with_columns(pl.lit(value).alias(name) for name, value in more.items())
        log.append(rows, app_id=f"batch {n}", version=1, metadata={"begin": str(n)}, merge=True)


def numbers(log):
    return log.scan().collect()["n"].sort().to_list()


def names(log):
    return {file.path for file in log.files()}


def age(folder, seconds):
    for path in folder.rglob("*"):
        at = path.stat().st_mtime - seconds
        os.utime(path, (at, at))


def test_many_files_become_one_with_the_same_rows_in_their_order(log):
    fill(log, 10)
    before = pl.concat(log.frames(log.files()))
    assert before["n"].to_list() == [*range(20)]
    assert len(compact(log, Path(log.url))) == 10
    (file,) = log.files()
    assert file.rows == 20
    assert pl.read_parquet(Path(log.url, file.path)).equals(before)
    assert compact(log, Path(log.url)) == []
    assert not list(Path(log.url).glob("_merged*"))


def test_bits_stay_and_columns_that_came_later_are_null(log):
    odd = [math.nan, -0.0, 0.0, math.inf, 5e-324, None]
    log.append(pl.DataFrame({"x": odd}), app_id="a", version=0)
    staged = Staged(Path(log.url, "_staged"))
    staged.add(pl.DataFrame({"x": [None], "y": ["\0ü"]}))  # a column of no type
    log.append(staged, app_id="b", version=0, merge=True)
    for n in range(FEWEST):
        log.append(pl.DataFrame({"y": [f"{n}"]}), app_id="a", version=n + 1, merge=True)
    compact(log, Path(log.url))
    (file,) = log.files()
    rows = pl.read_parquet(Path(log.url, file.path))
    assert rows["x"][:5].to_numpy().tobytes() == pl.Series(odd[:5]).to_numpy().tobytes()
    assert rows["x"][5:].null_count() == rows.height - 5
    assert rows["y"].to_list() == [None] * 6 + ["\0ü", *map(str, range(FEWEST))]


def test_what_tells_appends_apart_survives(log):
    fill(log, 3 * delta.CHECKPOINT)
    compact(log, Path(log.url))
    again = DeltaLog(log.url)
    assert again.append(pl.DataFrame({"n": [0]}), app_id="batch 0", version=1, merge=True) is None
    assert again.transaction_version("batch 7") == 1
    assert numbers(log) == [*range(6 * delta.CHECKPOINT)]


def test_files_are_skipped_by_their_statistics_as_before(log):
    fill(log, 10)
    compact(log, Path(log.url))
    fill(log, 2, first=10)
    for wanted, files in ((pl.col("n") < 5, 1), (pl.col("n") >= 22, 1), (pl.col("n") > 99, 0)):
        assert log.scan().filter(wanted).explain().count("part-") == files
    assert log.scan().filter(pl.col("n") >= 18).collect()["n"].sort().to_list() == [*range(18, 24)]


def test_the_log_says_that_no_row_changed(log):
    fill(log, 10)
    compact(log, Path(log.url))
    newest = max(Path(log.url, "_delta_log").glob("*.json")).read_text()
    assert newest.count('"remove":') == 10
    assert newest.count('"dataChange":false') == 11


def test_who_reads_an_earlier_version_reads_on(log):
    fill(log, 10)
    scan, folder = DeltaLog(log.url).scan(), Path(log.url)
    pinned = DeltaTable(log.url)
    age(folder, 2 * HOUR)
    compact(log, folder)
    assert unread(log, folder, HOUR) == [], "they were replaced just now, however old they are"
    assert scan.collect().height == 20
    assert len(pinned.file_uris()) == 10
    age(folder, 2 * HOUR)
    old = unread(log, folder, HOUR)
    assert len(old) == 10
    freed = sum(path.stat().st_size for path in old)
    assert delete(old, dry_run=True) == delete(old) == freed
    assert unread(log, folder, HOUR) == []
    assert numbers(log) == [*range(20)]


def test_only_what_is_old_and_named_by_nothing_is_deleted(log):
    fill(log, 3)
    folder = Path(log.url)
    (folder / "_merged-x").mkdir()
    (folder / "_merged-x" / "part.parquet").write_bytes(b"left by a kill")
    (folder / "_delta_log" / "_commit_x.json.tmp").write_bytes(b"")
    (folder / "part-left.parquet").write_bytes(b"never committed")
    assert unread(log, folder, HOUR) == []
    age(folder, 2 * HOUR)
    (folder / "part-new.parquet").write_bytes(b"about to be committed")
    found = unread(log, folder, HOUR)
    assert {path.name for path in found} == {"_merged-x", "_commit_x.json.tmp", "part-left.parquet"}
    delete(found)
    assert {path.name for path in folder.iterdir()} - names(log) == {
        "_delta_log",
        "part-new.parquet",
    }
    assert numbers(log) == [*range(6)]


def test_staged_files_are_young_when_they_come(log):
    fill(log, 1)
    staged = Staged(Path(log.url, "_staged"))
    staged.add(pl.DataFrame({"n": [9], "text": ["x"]}))
    (file,) = staged.files()
    os.utime(staged.folder / file.path, (1, 1))
    log._placed(Path(log.url), staged)  # killed before the commit, or about to commit
    assert unread(log, Path(log.url), HOUR) == []


def test_two_at_once_replace_each_file_once(log, monkeypatch):
    fill(log, 10)
    other, replace = DeltaLog(log.url), DeltaLog.replace

    def overtaken(self, files, rows):
        monkeypatch.setattr(DeltaLog, "replace", replace)
        assert len(compact(other, Path(log.url))) == 10
        return replace(self, files, rows)

    monkeypatch.setattr(DeltaLog, "replace", overtaken)
    assert compact(log, Path(log.url)) == []
    assert numbers(log) == [*range(20)]
    assert len(log.files()) == 1


def test_two_that_commit_at_the_same_time_replace_each_file_once(log, monkeypatch):
    """The one that looked before the other committed, and commits after it, must notice."""
    fill(log, 10)
    other, commit = DeltaLog(log.url), DeltaLog._commit

    def overtaken(self, *arguments):
        monkeypatch.setattr(DeltaLog, "_commit", commit)
        assert len(compact(other, Path(log.url))) == 10
        return commit(self, *arguments)

    monkeypatch.setattr(DeltaLog, "_commit", overtaken)
    assert compact(log, Path(log.url)) == []
    assert numbers(log) == [*range(20)]
    assert len(list(Path(log.url).glob("*.parquet"))) == 11, "the loser's file should be gone"


def test_an_append_and_new_columns_meanwhile_are_no_obstacle(log, monkeypatch):
    fill(log, 10)
    commit = DeltaLog._commit

    def overtaken(self, *arguments):
        monkeypatch.setattr(DeltaLog, "_commit", commit)
        fill(DeltaLog(log.url), 1, first=10, z=0.5)
        return commit(self, *arguments)

    monkeypatch.setattr(DeltaLog, "_commit", overtaken)
    assert len(compact(log, Path(log.url))) == 10
    assert numbers(log) == [*range(22)]
    assert log.scan().collect()["z"].drop_nulls().to_list() == [0.5, 0.5]


def test_a_merged_file_stands_where_its_rows_stood(log, monkeypatch):
    fill(log, 10)
    frames = DeltaLog.frames

    def overtaken(self, files):
        fill(DeltaLog(log.url), 1, first=10)
        time.sleep(0.005)  # modification times are milliseconds
        return frames(self, files)

    monkeypatch.setattr(DeltaLog, "frames", overtaken)
    compact(log, Path(log.url))
    assert [file.rows for file in log.files()] == [20, 2]


def test_an_append_that_a_merge_overtakes_is_there_once(log, monkeypatch):
    fill(log, 10)
    original = delta.written

    def overtaken(folder, frame):
        monkeypatch.setattr(delta, "written", original)
        compact(DeltaLog(log.url), Path(log.url))
        return original(folder, frame)

    monkeypatch.setattr(delta, "written", overtaken)
    fill(log, 1, first=10)
    assert numbers(log) == [*range(22)]
    assert len(log.files()) == 2


def test_rows_that_read_otherwise_than_they_were_written_replace_nothing(log, monkeypatch):
    fill(log, 10)
    before, read = names(log), pl.read_parquet

    def damaged(path):
        return read(path).with_columns(n=0) if "_merged" in str(path) else read(path)

    monkeypatch.setattr(compaction.pl, "read_parquet", damaged)
    with pytest.raises(ResourceError, match="do not read as they were written"):
        compact(log, Path(log.url))
    assert names(log) == before
    assert len(list(Path(log.url).glob("*"))) == 11, "nothing is left of it"


def test_merged_files_reach_the_disk_before_the_commit_that_names_them(log, monkeypatch):
    fill(log, 10)
    done, sync, create = [], delta.sync, DeltaTable.create_write_transaction
    monkeypatch.setattr(delta, "sync", lambda path: (done.append(Path(path).name), sync(path)))
    monkeypatch.setattr(
        DeltaTable,
        "create_write_transaction",
        lambda *arguments, **options: (done.append("commit"), create(*arguments, **options)),
    )
    compact(log, Path(log.url))
    (file,) = log.files()
    version = f"{log.version():020}"
    wanted = [file.path, "table", "commit", f"{version}.json", "_delta_log", "_last_checkpoint"]
    assert done == [*wanted, f"{version}.checkpoint.parquet", "_delta_log"]


def test_the_log_is_cleaned_up_only_when_the_checkpoint_is_on_disk(log, monkeypatch):
    done, cleanup = [], DeltaTable.cleanup_metadata
    monkeypatch.setattr(delta, "sync", lambda path: done.append(Path(path).name))
    monkeypatch.setattr(
        DeltaTable, "cleanup_metadata", lambda table: (done.append("clean"), cleanup(table))
    )
    fill(log, delta.CHECKPOINT)
    at = done.index("clean")
    assert done[at - 2 : at] == [f"{delta.CHECKPOINT:020}.checkpoint.parquet", "_delta_log"]


@pytest.mark.parametrize("error", [FileNotFoundError("gone"), DeltaError("not found: gone")])
def test_a_log_that_another_cleans_up_at_the_same_time_fails_no_append(log, monkeypatch, error):
    def cleaned(table):
        raise error

    monkeypatch.setattr(DeltaTable, "cleanup_metadata", cleaned)
    fill(log, delta.CHECKPOINT + 1)
    assert len(compact(log, Path(log.url))) == delta.CHECKPOINT + 1
    assert numbers(log) == [*range(2 * delta.CHECKPOINT + 2)]


@pytest.fixture
def forgetful(monkeypatch):
    """Tables whose log keeps nothing that a checkpoint has, and has one every three commits."""
    kept = "interval 0 seconds"
    changes = {name: kept for name in delta._CONFIGURATION if name.endswith("Duration")}
    monkeypatch.setattr(delta, "_CONFIGURATION", {**delta._CONFIGURATION, **changes})
    monkeypatch.setattr(delta, "CHECKPOINT", 3)


def test_a_log_that_was_cleaned_up_tells_all_that_counts(log, forgetful):
    fill(log, 2)
    late, folder = DeltaLog(log.url), Path(log.url)
    assert late.version() == 2
    scan = late.scan()
    fill(log, 28, first=2)
    compact(log, folder)
    assert len(list((folder / "_delta_log").iterdir())) < 8
    assert late.transaction_version("batch 1") == 1
    assert late.append(pl.DataFrame({"n": [0]}), app_id="batch 0", version=1, merge=True) is None
    fill(late, 1, first=30)
    assert numbers(late) == numbers(log) == [*range(62)]
    assert scan.collect().height >= 4


def test_opening_while_the_log_is_cleaned_up(log, forgetful):
    """A reader may look for a checkpoint that has just been replaced; then it looks again."""
    fill(log, 1)
    stop, failed = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                DeltaLog(log.url).files()
            except ResourceError as error:
                failed.append(str(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    fill(log, 100, first=1)
    stop.set()
    for reader in readers:
        reader.join()
    assert failed == []


@pytest.mark.parametrize("is_new", [True, False])
@pytest.mark.parametrize("appends", [True, False])
def test_asking_while_the_log_is_cleaned_up(log, forgetful, monkeypatch, is_new, appends):
    """How old an entry is says nothing of when it became superfluous: that may be just now."""
    fill(log, 2)
    late, asked = DeltaLog(log.url), DeltaTable.transaction_version
    if not is_new:
        assert late.exists()

    def cleaned(table, app_id):
        monkeypatch.setattr(DeltaTable, "transaction_version", asked)
        fill(log, 9, first=2)
        return asked(table, app_id)

    monkeypatch.setattr(DeltaTable, "transaction_version", cleaned)
    if appends:
        fill(late, 1, first=20)
        assert numbers(log) == [*range(22), 40, 41]
    else:
        assert late.transaction_version("none") is None
    assert DeltaTable.transaction_version is asked


def test_files_whose_checkpoint_fails_are_replaced_all_the_same(log, monkeypatch):
    fill(log, 10)

    def gone(table):
        monkeypatch.undo()
        raise DeltaError("File not found")

    monkeypatch.setattr(DeltaTable, "create_checkpoint", gone)
    assert len(compact(log, Path(log.url))) == 10
    assert len(log.files()) == 1
    assert numbers(log) == [*range(20)]


def sizes(*bytes):
    return [File(f"{n}", size, 1, n) for n, size in enumerate(bytes)]


def merged(*bytes):
    return [[file.bytes for file in group] for group in worth(sizes(*bytes))]


def test_files_are_merged_when_it_is_worth_it():
    assert merged() == merged(*[1] * (FEWEST - 1)) == []
    assert merged(*[1] * FEWEST) == [[1] * FEWEST]
    assert merged(1000, *[1] * FEWEST) == [[1] * FEWEST], "the large one would be copied for little"
    assert merged(2 * FEWEST, *[1] * FEWEST) == [[2 * FEWEST, *[1] * FEWEST]]
    assert merged(*range(FEWEST, 0, -1)) == [[*range(FEWEST, 0, -1)]]
    half = LARGE // 2
    assert merged(*[half] * 20) == []
    assert merged(LARGE, *[LARGE // 10] * 20, LARGE) == [[LARGE // 10] * 10] * 2
    assert merged(LARGE * 9, *[1] * 9, LARGE * 9) == [[1] * 9]


def test_few_files_are_left_and_a_row_is_copied_a_few_times():
    files, copied, at = [], 0, 0
    for turn in range(300):
        files += [File(f"{turn} {n}", 4096, 1, turn) for n in range(60)]
        at += 60
        for group in worth(files):
            first = files.index(group[0])
            size, rows = sum(f.bytes for f in group), sum(f.rows for f in group)
            files[first : first + len(group)] = [File(f"merged {turn}", size, rows, turn)]
            copied += rows
    assert sum(file.rows for file in files) == at
    assert len(files) < 40
    assert copied / at < 10
