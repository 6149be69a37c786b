import time

import polars as pl
import pytest

from octavo.errors import DataError, ResourceError
from octavo.stages.prep import committer
from octavo.stages.prep.committer import Committer, packed
from octavo.stores.delta import DeltaLog
from octavo.stores.state import StateStore


@pytest.fixture
def store(tmp_path):
    return StateStore.open(tmp_path / "state", view="v", fingerprint="f", lanes={"a": None})


@pytest.fixture
def table(tmp_path):
    return DeltaLog(tmp_path / "table")


def emit(store, first, end, **columns):
    rows = pl.DataFrame({"_offset": range(first, end)}, schema={"_offset": pl.Int64})
    with store.transaction() as tx:
        tx.emit(first, packed(rows.with_columns(x=pl.col("_offset") * 1.5, **columns)))


def offsets(table):
    return table.scan().sort("_offset").collect()["_offset"].to_list()


def outbox(store):
    with store.snapshot() as snapshot:
        return [first for first, _ in snapshot.outbox()]


def test_what_was_emitted_is_appended_in_one_go_and_cleared(store, table):
    for first in range(0, 12, 3):
        emit(store, first, first + 3)
    assert Committer(store, table, "s").drain() == 12
    assert table.scan().sort("_offset").collect()["x"].to_list() == [n * 1.5 for n in range(12)]
    assert table.transaction_version("s") == 11
    assert table.version() == 1
    assert outbox(store) == []
    assert Committer(store, table, "s").drain() == 0
    assert table.version() == 1


def test_on_a_replay_rows_are_dropped_not_blobs(store, table, monkeypatch):
    """Killed after the append; then the same rows come again, cut in another way."""
    emit(store, 0, 5)
    with monkeypatch.context() as killed:
        killed.setattr(StateStore, "drained", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Committer(store, table, "s").drain()
    assert outbox(store) == [0]
    emit(store, 3, 9)
    assert Committer(store, table, "s").drain() == 4
    assert offsets(table) == list(range(9))
    assert outbox(store) == []


def test_blobs_without_new_rows_append_nothing(store, table):
    emit(store, 0, 3)
    Committer(store, table, "s").drain()
    emit(store, 1, 3)
    emit(store, 3, 3)
    assert Committer(store, table, "s").drain() == 0
    assert table.version() == 1
    assert outbox(store) == []


def test_a_full_outbox_goes_in_several_appends(store, table, monkeypatch):
    monkeypatch.setattr(committer, "MOST", 2000)
    for first in range(0, 400, 40):
        emit(store, first, first + 40)
    assert Committer(store, table, "s").drain() == 400
    assert table.version() > 2
    assert offsets(table) == list(range(400))


def test_shards_do_not_drop_each_other_s_rows(store, table, tmp_path):
    other = StateStore.open(tmp_path / "other", view="v", fingerprint="f", lanes={"a": None})
    emit(store, 0, 9)
    emit(other, 0, 4)
    Committer(store, table, "shard-0").drain()
    Committer(other, table, "shard-1").drain()
    assert offsets(table) == sorted([*range(9), *range(4)])


def test_in_the_background(store, table):
    emit(store, 0, 3)
    committer = Committer(store, table, "s", every=0.01)
    ends = time.monotonic() + 20
    while committer.committed < 3:
        assert time.monotonic() < ends
        time.sleep(0.01)
    emit(store, 3, 7)
    committer.close()
    assert offsets(table) == list(range(7))
    assert committer.committed == 7
    assert committer.error is None


def test_a_failure_in_the_background_is_kept_and_tried_again(store, table, monkeypatch):
    failing = ResourceError("the disk is full.")

    def full(*_, **__):
        raise failing

    monkeypatch.setattr(table, "append", full)
    emit(store, 0, 3)
    committer = Committer(store, table, "s", every=0.01)
    ends = time.monotonic() + 20
    while committer.error is None:
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert committer.error is failing
    assert outbox(store) == [0]
    with pytest.raises(ResourceError):
        committer.close()
    monkeypatch.undo()
    committer.close()
    assert offsets(table) == [0, 1, 2]


def test_rows_of_another_schema_stay_in_the_outbox(store, table):
    emit(store, 0, 3)
    Committer(store, table, "s").drain()
    emit(store, 3, 6, y=pl.lit("new"))
    with pytest.raises(DataError, match="'y' is new"):
        Committer(store, table, "s").drain()
    assert outbox(store) == [3]
