import polars as pl
import pytest

from octavo.errors import DataError
from octavo.stages.prep import committer
from octavo.stages.prep.committer import Committer, packed
from octavo.stores.delta import DeltaLog
from octavo.stores.state import StateStore

ALL = 2**62
"""A position behind all others."""


@pytest.fixture
def store(tmp_path):
    return StateStore.open(tmp_path / "state", view="v", fingerprint="f", lanes={"a": None})


@pytest.fixture
def table(tmp_path):
    return DeltaLog(tmp_path / "table")


def emit(store, position, first, end, **columns):
    """Emit numbered rows in the prep of a position."""
    rows = pl.DataFrame({"n": range(first, end)}, schema={"n": pl.Int64})
    with store.transaction() as tx:
        tx.emit(position, packed(rows.with_columns(x=pl.col("n") * 1.5, **columns)))


def numbers(table):
    return table.scan().sort("n").collect()["n"].to_list()


def outbox(store):
    with store.snapshot() as snapshot:
        return [position for position, _ in snapshot.outbox()]


def test_what_was_emitted_is_appended_in_one_go_and_cleared(store, table):
    for position in range(5, 9):
        emit(store, position, 3 * position, 3 * position + 3)
    assert Committer(store, table).drain(ALL) == 12
    assert table.scan().sort("n").collect()["x"].to_list() == [n * 1.5 for n in range(15, 27)]
    assert table.scan().collect()["_prep"].to_list() == [8] * 12
    assert table.transaction_version("prep") == 8
    assert table.version() == 1
    assert outbox(store) == []
    assert Committer(store, table).drain(ALL) == 0
    assert table.version() == 1


def test_what_was_appended_before_a_kill_is_not_appended_again(store, table, monkeypatch):
    emit(store, 1, 0, 5)
    emit(store, 4, 5, 7)
    with monkeypatch.context() as killed:
        killed.setattr(StateStore, "drained", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Committer(store, table).drain(ALL)
    assert outbox(store) == [1, 4]
    emit(store, 6, 7, 9)
    assert Committer(store, table).drain(ALL) == 2
    assert numbers(table) == list(range(9))
    assert outbox(store) == []


def test_a_full_outbox_goes_in_several_appends(store, table, monkeypatch):
    monkeypatch.setattr(committer, "MOST", 2000)
    for position in range(10):
        emit(store, 1 + position, 40 * position, 40 * position + 40)
    assert Committer(store, table).drain(ALL) == 400
    assert table.version() > 2
    assert numbers(table) == list(range(400))


def test_rows_of_other_types_stay_in_the_outbox(store, table):
    emit(store, 1, 0, 3, y=pl.lit(1))
    Committer(store, table).drain(ALL)
    emit(store, 2, 3, 6, y=pl.lit("text"))
    with pytest.raises(DataError, match="'y' is String"):
        Committer(store, table).drain(ALL)
    assert outbox(store) == [2]


def test_what_is_emitted_behind_a_position_waits(store, table):
    """So no row is marked with a later position than is told of."""
    for position in (2, 5, 7):
        emit(store, position, position, position + 1)
    assert Committer(store, table).drain(5) == 2
    assert table.scan().sort("n").collect()["_prep"].to_list() == [5, 5]
    assert outbox(store) == [7]
    assert Committer(store, table).drain(7) == 1
    assert table.scan().sort("n").collect()["_prep"].to_list() == [5, 5, 7]
