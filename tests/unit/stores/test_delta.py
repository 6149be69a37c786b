import datetime as dt
import errno
import math
import threading

import polars as pl
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from hypothesis import example, given, settings
from hypothesis import strategies as st

from octavo.errors import DataError, ResourceError
from octavo.stores import delta
from octavo.stores.columns import TYPES
from octavo.stores.compaction import compact
from octavo.stores.delta import CHECKPOINT, DeltaLog

TIME = pl.Datetime("us", "UTC")
ROWS = pl.DataFrame({"n": [1, 2], "name": ["a", None]})


@pytest.fixture
def log(tmp_path):
    return DeltaLog(tmp_path / "deep" / "table")


def test_a_table_begins_with_its_first_append(log):
    assert not log.exists()
    assert log.transaction_version("w") is None
    with pytest.raises(DataError, match="nothing has been written"):
        log.scan()
    with pytest.raises(DataError, match="nothing has been written"):
        log.version()
    assert log.append(ROWS, app_id="w", version=0) == 1
    assert log.exists()
    assert log.version() == 1
    assert log.transaction_version("w") == 0
    assert log.scan().collect().equals(ROWS)


def test_an_append_offered_again_is_written_once(log):
    assert log.append(ROWS, app_id="w", version=3) is not None
    assert log.append(ROWS, app_id="w", version=3) is None
    assert log.append(ROWS, app_id="w", version=2) is None
    assert DeltaLog(log.url).append(ROWS, app_id="w", version=3) is None
    assert log.append(ROWS, app_id="other", version=3) is not None
    assert log.scan().collect().height == 4


def test_a_replay_is_recognized_after_checkpoints_and_by_others(log):
    for version in range(2 * CHECKPOINT + 3):
        log.append(ROWS, app_id="w", version=version)
        if version % 5 == 0:
            assert log.append(ROWS, app_id="w", version=version) is None
    files = {path.name for path in (log._folder / "_delta_log").iterdir()}
    assert f"{CHECKPOINT:020}.checkpoint.parquet" in files
    assert "_last_checkpoint" in files
    again = DeltaLog(log.url)
    assert again.transaction_version("w") == 2 * CHECKPOINT + 2
    assert again.append(ROWS, app_id="w", version=2 * CHECKPOINT) is None
    assert again.scan().collect().height == 2 * (2 * CHECKPOINT + 3)


def test_the_race_another_process_wins_between_look_and_commit_is_noticed(log, monkeypatch):
    log.append(ROWS, app_id="w", version=0)
    original = delta.written

    def overtaken(folder, frame):
        monkeypatch.setattr(delta, "written", original)
        DeltaLog(log.url).append(ROWS, app_id="w", version=1)
        return original(folder, frame)

    monkeypatch.setattr(delta, "written", overtaken)
    assert log.append(ROWS, app_id="w", version=1) is None
    assert log.scan().collect().height == 4
    assert len(list(log._folder.glob("*.parquet"))) == 2, "the loser's file should be gone"


def test_another_writer_between_look_and_commit_is_no_obstacle(log, monkeypatch):
    log.append(ROWS, app_id="w", version=0)
    original = delta.written

    def overtaken(folder, frame):
        monkeypatch.setattr(delta, "written", original)
        DeltaLog(log.url).append(ROWS, app_id="other", version=1)
        return original(folder, frame)

    monkeypatch.setattr(delta, "written", overtaken)
    assert log.append(ROWS, app_id="w", version=1) is not None
    assert log.scan().collect().height == 6


@settings(max_examples=20, deadline=None)
@given(
    appends=st.lists(st.tuples(st.integers(0, 2), st.sampled_from("vw"), st.integers(1, 4))),
    wide=st.integers(0, 12),
)
@example(appends=[(0, "v", 1), (1, "v", 2), (0, "v", 2)], wide=2)
def test_handles_that_looked_a_moment_ago_append_once_too(tmp_path_factory, appends, wide):
    """Several hold the table, and look no more at what the others have appended since."""
    url = tmp_path_factory.mktemp("delta") / "table"
    logs, done, rows = [DeltaLog(url) for _ in range(3)], {"v": 0, "w": 0}, 0
    for number, (which, writer, version) in enumerate(appends):
        frame = ROWS if number < wide else ROWS.with_columns(more=pl.lit(1))
        found = logs[which].append(frame, app_id=writer, version=version, merge=True)
        assert (found is None) == (version <= done[writer])
        done[writer] = max(done[writer], version)
        rows += 0 if found is None else frame.height
    assert not appends or DeltaLog(url).scan().collect().height == rows


def test_a_handle_that_has_not_looked_for_long_looks_again(log, monkeypatch):
    log.append(ROWS, app_id="w", version=1)
    looked = []
    update = DeltaTable.update_incremental
    monkeypatch.setattr(DeltaTable, "update_incremental", lambda t: (looked.append(1), update(t)))
    log.append(ROWS, app_id="w", version=2)
    monkeypatch.setattr(delta, "_RECENT", -1.0)
    log.append(ROWS, app_id="w", version=3)
    assert len(looked) == 1 + 2


def test_threads_may_share_a_log_and_race_to_create_the_table(tmp_path):
    logs = [DeltaLog(tmp_path / "t"), DeltaLog(tmp_path / "t")]
    ready = threading.Barrier(4)

    def write(number):
        ready.wait()
        for version in range(5):
            logs[number % 2].append(ROWS, app_id=f"w{number}", version=version)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert logs[0].scan().collect().height == 4 * 5 * 2


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (ROWS.cast({"n": pl.Float64}), "'n' is Float64, in the table Int64"),
        (ROWS.cast({"n": pl.String}), "'n' is String, in the table Int64"),
        (ROWS.cast({"n": pl.Int32}), "'n' is Int32, in the table Int64"),
        (ROWS.with_columns(z=1), "'z' is new"),
        (ROWS.drop("n"), "'n' is missing"),
    ],
)
def test_nothing_is_cast_silently(log, other, said):
    log.append(ROWS, app_id="w", version=0)
    with pytest.raises(DataError, match=said):
        log.append(other, app_id="w", version=1)
    assert log.version() == 1
    assert log.scan().collect().equals(ROWS)


@pytest.mark.parametrize(
    "dtype",
    [
        pl.UInt8,
        pl.UInt64,
        pl.Datetime("us"),
        pl.Datetime("ms", "UTC"),
        pl.Datetime("us", "Europe/Paris"),
        pl.Duration("us"),
        pl.Time,
        pl.Categorical,
        pl.List(pl.Int64),
        pl.Null,
    ],
)
def test_types_that_delta_would_change_are_refused(log, dtype):
    frame = pl.DataFrame({"n": pl.Series([None], dtype=dtype)})
    with pytest.raises(DataError, match="column 'n' is"):
        log.append(frame, app_id="w", version=0)
    assert not log.exists()


def test_columns_may_come_and_go_if_asked_for(log):
    log.append(ROWS, app_id="w", version=0)
    log.append(pl.DataFrame({"n": [3], "z": [0.5]}), app_id="w", version=1, merge=True)
    rows = log.scan().sort("n").collect()
    assert rows.rows() == [(1, "a", None), (2, None, None), (3, None, 0.5)]
    with pytest.raises(DataError, match="'z' is String, in the table Float64"):
        log.append(pl.DataFrame({"z": ["x"]}), app_id="w", version=2, merge=True)


def test_a_column_without_a_type_is_written_as_nulls(log):
    log.append(ROWS, app_id="w", version=0)
    log.append(ROWS.with_columns(n=None), app_id="w", version=1)
    assert log.scan().collect().schema == ROWS.schema
    assert log.scan().collect()["n"].null_count() == 2


def test_an_append_without_rows_counts_as_written(log):
    log.append(ROWS.clear(), app_id="w", version=0)
    assert log.append(ROWS, app_id="w", version=0) is None
    assert log.scan().collect().equals(ROWS.clear())


def test_metadata_is_kept_with_the_commit(log):
    log.append(ROWS, app_id="w", version=0, metadata={"batch": "b1"})
    assert DeltaTable(log.url).history(1)[0]["batch"] == "b1"


def test_files_are_skipped_by_their_statistics(log):
    day = dt.date(2020, 1, 1)
    for n in range(3):
        at = dt.datetime(2020, 1, 1 + n, 5, 0, 0, 123, tzinfo=dt.UTC)
        rows = pl.DataFrame(
            {"n": [n], "at": [at], "day": [day + dt.timedelta(n)], "s": [f"v{n}"], "f": [float(n)]}
        )
        log.append(rows.cast({"at": TIME}), app_id="w", version=n)
    table = log.scan()
    for wanted in (
        pl.col("n") > 1,
        pl.col("at") >= dt.datetime(2020, 1, 3, 5, 0, 0, 123, tzinfo=dt.UTC),
        pl.col("day") > dt.date(2020, 1, 2),
        pl.col("s") == "v2",
    ):
        assert table.filter(wanted).explain().count("part-") == 1
        assert table.filter(wanted).collect()["n"].to_list() == [2]


def test_statistics_never_hide_a_row(log):
    """NaN, long texts, nulls: where least and greatest are in doubt, they are not told."""
    long = "z" * 100
    rows = pl.DataFrame({"f": [math.nan, 1.0], "s": ["a", long], "n": [None, 5]})
    log.append(rows, app_id="w", version=0)
    table = log.scan()
    assert table.filter(pl.col("f") > 2).collect().height == 1
    assert table.filter(pl.col("s") == long).collect().height == 1
    assert table.filter(pl.col("s") > "y").collect().height == 1
    assert table.filter(pl.col("n").is_null()).collect().height == 1


def test_what_is_appended_was_synced_before_it_returns(log, monkeypatch):
    synced = []
    original = delta.sync
    monkeypatch.setattr(delta, "sync", lambda path: (synced.append(path), original(path)))
    commits = []
    committing = DeltaTable.create_write_transaction

    def commit(self, *args, **kwargs):
        commits.append(len(synced))
        return committing(self, *args, **kwargs)

    monkeypatch.setattr(DeltaTable, "create_write_transaction", commit)
    entries = log._folder / "_delta_log"
    log.append(ROWS, app_id="w", version=0)
    assert set(log._folder.parents[:2]) <= set(synced), "the folders it made"
    first = set(log._folder.glob("*.parquet"))
    synced.clear()
    commits.clear()
    log.append(ROWS, app_id="w", version=1)
    (data,) = set(log._folder.glob("*.parquet")) - first
    assert synced == [data, log._folder, entries / f"{2:020}.json", entries]
    assert commits == [2], "the data come first"
    synced.clear()
    assert DeltaLog(log.url).append(ROWS, app_id="w", version=1) is None
    assert entries / f"{2:020}.json" in synced, "who committed it may have died before"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full"),
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), "the disk is full"),
        (PermissionError(errno.EACCES, "Permission denied"), "may not be written"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (OSError(errno.EIO, "Input/output error"), "Input/output error"),
    ],
)
def test_a_disk_that_fails_is_named_and_nothing_is_committed(log, monkeypatch, error, said):
    log.append(ROWS, app_id="w", version=0)
    with monkeypatch.context() as broken:
        broken.setattr(delta, "written", lambda folder, frame: (_ for _ in ()).throw(error))
        with pytest.raises(ResourceError, match=said) as raised:
            log.append(ROWS, app_id="w", version=1)
    assert raised.value.where == log.url
    assert raised.value.fix
    assert log.scan().collect().equals(ROWS)
    assert log.append(ROWS, app_id="w", version=1) is not None


def test_a_commit_that_fails_leaves_no_data_file(log, monkeypatch):
    log.append(ROWS, app_id="w", version=0)

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(DeltaTable, "create_write_transaction", full)
        with pytest.raises(ResourceError, match="full"):
            log.append(ROWS, app_id="w", version=1)
    assert len(list(log._folder.glob("*.parquet"))) == 1


def checkpoint(log):
    return log._folder / "_delta_log" / f"{CHECKPOINT:020}.checkpoint.parquet"


@pytest.mark.parametrize("compression", ["none", "gzip"])  # it becomes longer, and shorter
def test_a_checkpoint_that_another_writer_replaces_hinders_nobody(log, tmp_path, compression):
    """So it is where no lock is shared, as with an object store, or with other tools."""
    for version in range(CHECKPOINT):
        log.append(ROWS, app_id="w", version=version)
    others = [DeltaLog(log.url) for _ in range(3)]
    assert [other.version() for other in others] == [CHECKPOINT] * 3
    other = tmp_path / "other"
    pq.write_table(pq.read_table(checkpoint(log)), other, compression=compression)
    assert other.stat().st_size != checkpoint(log).stat().st_size
    other.replace(checkpoint(log))
    assert others[0].transaction_version("unknown") is None
    assert others[1].append(ROWS, app_id="new", version=0) is not None
    assert len(compact(others[2], log._folder)) == CHECKPOINT + 1
    assert others[1].append(ROWS, app_id="w", version=CHECKPOINT - 1) is None
    assert log.scan().collect().height == 2 * (CHECKPOINT + 1)


def test_what_cannot_be_read_again_and_again_is_told(log):
    for version in range(CHECKPOINT):
        log.append(ROWS, app_id="w", version=version)
    other = DeltaLog(log.url)
    assert other.version() == CHECKPOINT
    checkpoint(log).write_bytes(b"damaged")
    with pytest.raises(ResourceError, match="cannot be read"):
        other.transaction_version("unknown")
    with pytest.raises(ResourceError, match="cannot be read"):
        other.append(ROWS, app_id="new", version=0)


def test_one_at_a_time_writes_a_checkpoint_and_nobody_waits_for_it(log, monkeypatch):
    create, writing = DeltaTable.create_checkpoint, []

    def slow(table):
        writing.append(table.version())
        for version in range(CHECKPOINT + 1, 3 * CHECKPOINT):
            DeltaLog(log.url).append(ROWS, app_id="other", version=version)
        create(table)

    for version in range(CHECKPOINT - 1):
        log.append(ROWS, app_id="w", version=version)
    monkeypatch.setattr(DeltaTable, "create_checkpoint", slow)
    log.append(ROWS, app_id="w", version=CHECKPOINT)
    assert writing == [CHECKPOINT]
    assert checkpoint(log).exists()
    assert log.scan().collect().height == 2 * (3 * CHECKPOINT - 1)


def test_a_checkpoint_that_is_there_stays(log):
    for version in range(CHECKPOINT):
        log.append(ROWS, app_id="w", version=version)
    before = checkpoint(log).stat()
    DeltaLog(log.url)._checkpoint(DeltaTable(log.url))
    assert checkpoint(log).stat() == before


def test_a_replay_while_another_cleans_up_the_log_is_ignored_as_ever(log, monkeypatch):
    """Entries may go between any look at them and the next."""
    for version in range(3):
        log.append(ROWS, app_id="w", version=version)
    original = delta.sync

    def gone(path):
        if path.name == f"{1:020}.json":
            path.unlink()
        original(path)

    monkeypatch.setattr(delta, "sync", gone)
    assert log.append(ROWS, app_id="w", version=2) is None


def test_a_checkpoint_whose_writer_was_killed_before_it_was_named_is_one(log):
    for version in range(CHECKPOINT):
        log.append(ROWS, app_id="w", version=version)
    (checkpoint(log).parent / "_last_checkpoint").unlink()
    log._checkpoint(DeltaTable(log.url))
    assert DeltaLog(log.url).scan().collect().height == 2 * CHECKPOINT


def test_a_place_where_no_table_can_be_is_a_resource_error(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ResourceError):
        DeltaLog(tmp_path / "file").append(ROWS, app_id="w", version=0)


def test_an_address_goes_the_way_of_object_stores(tmp_path):
    log = DeltaLog(f"file://{tmp_path}/table")
    assert log.append(ROWS, app_id="w", version=0) is not None
    assert log.append(ROWS, app_id="w", version=0) is None
    log.append(ROWS.with_columns(z=True), app_id="w", version=1, merge=True)
    assert log.scan().collect().height == 4


VALUES = {
    pl.Int64: st.integers(-(2**63), 2**63 - 1),
    pl.Int32: st.integers(-(2**31), 2**31 - 1),
    pl.Int16: st.integers(-(2**15), 2**15 - 1),
    pl.Int8: st.integers(-(2**7), 2**7 - 1),
    pl.Float64: st.floats(),
    pl.Float32: st.floats(width=32),
    pl.Boolean: st.booleans(),
    pl.String: st.text(st.characters(exclude_categories=["Cs"])),
    pl.Binary: st.binary(),
    pl.Date: st.dates(),
    TIME: st.datetimes(timezones=st.just(dt.UTC)),
}


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_every_type_comes_back_as_it_was(tmp_path_factory, data):
    height = data.draw(st.integers(0, 5))
    frame = pl.DataFrame(
        {
            str(dtype): pl.Series(
                data.draw(st.lists(st.none() | value, min_size=height, max_size=height)),
                dtype=dtype,
            )
            for dtype, value in VALUES.items()
        }
    )
    log = DeltaLog(tmp_path_factory.mktemp("types"))
    log.append(frame, app_id="w", version=0)
    read = log.scan().collect()
    assert read.schema == frame.schema
    assert read.equals(frame)
    assert len(VALUES) == len(TYPES)


def test_the_rows_of_a_value_are_found_whatever_file_they_are_in(tmp_path):
    log = DeltaLog(tmp_path / "table")
    with pytest.raises(DataError, match="nothing has been written"):
        log.matching("id", "a", ["n"])
    for version, ids in enumerate((["a", "b"], ["c"], ["b", None]), start=1):
        frame = pl.DataFrame({"id": ids, "n": [version] * len(ids)})
        log.append(frame, app_id="w", version=version)
    late = pl.DataFrame({"id": ["b"], "n": [4], "late": ["x"]})
    log.append(late, app_id="w", version=4, merge=True)
    found = log.matching("id", "b", ["n", "late", "unknown"]).sort("n")
    assert found.to_dict(as_series=False) == {"n": [1, 3, 4], "late": [None, None, "x"]}
    assert log.matching("id", "z", ["n"]).to_dict(as_series=False) == {"n": []}
