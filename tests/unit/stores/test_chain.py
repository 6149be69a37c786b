"""The event log: whatever is done to it afterwards is found."""

import multiprocessing
import sqlite3

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import DataError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.stores.catalog.chain import Head, verified

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=6,
)


def written(path, events=5):
    catalog = Catalog(path / "catalog.db")
    for number in range(events):
        catalog.emit("deployed", f"candidate-{number}", reason="it is better", number=number)
    return catalog


def head_of(catalog, kept=None):
    with catalog.transaction() as connection:
        return verified(connection, kept)


def by_hand(catalog, *statements):
    """Do to the file what somebody does who can write to it."""
    with sqlite3.connect(catalog.path) as connection:
        for name in ("not_changed", "not_deleted", "chained"):
            connection.execute(f"drop trigger events_are_{name}")
        for statement in statements:
            assert connection.execute(statement).rowcount


def test_it_is_whole_and_says_how_far_it_goes(tmp_path):
    catalog = written(tmp_path)
    head = head_of(catalog)
    assert head.length == 5
    assert Head.of(str(head), where="") == head
    catalog.emit("rolled back", "candidate-3")
    assert head_of(catalog, kept=head).length == 6
    assert head_of(catalog, kept=Head(0, "")).length == 6


def test_an_event_knows_who(tmp_path):
    catalog = written(tmp_path, 1)
    catalog.emit("key made", "shop", actor="ann")
    first, second = catalog.rows(sa.select(tables.events).order_by(tables.events.c.id))
    assert (bool(first["actor"]), second["actor"]) == (True, "ann")


@pytest.mark.parametrize(
    ("number", "statement"),
    [
        (3, "update events set subject = 'candidate-9' where id = 3"),
        (3, "update events set actor = 'eve' where id = 3"),
        (3, "update events set at = at + 1 where id = 3"),
        (3, "update events set document = json_set(document, '$.reason', '') where id = 3"),
        (3, "update events set run_id = 'run-1' where id = 3"),
        (3, "update events set at = 9000000000000000000, hash = '' where id = 3"),
        (3, "update events set at = 'abc' where id = 3"),
        (3, "update events set subject = x'ff' where id = 3"),
        (5, "update events set subject = x'ff', hash = 'none' where id = 5"),
        (5, "update events set subject = x'ff', hash = '' where id = 5"),
        (1, "delete from events where id = 1"),
        (3, "delete from events where id = 3"),
        (2, "update events set id = case id when 2 then 3 else 2 end where id in (2, 3) and 0"),
        (6, "insert into events select 6, run_id, kind, subject, severity, document, at, actor,"
            " hash from events where id = 5"),
    ],
)  # fmt: skip
def test_what_is_changed_is_named(tmp_path, number, statement):
    catalog = written(tmp_path)
    if statement.startswith("update events set id"):
        by_hand(
            catalog,
            "update events set id = 99 where id = 2",
            "update events set id = 2 where id = 3",
            "update events set id = 3 where id = 99",
        )
    else:
        by_hand(catalog, statement)
    with pytest.raises(DataError, match=f"event log, event {number}: it is not what was written"):
        head_of(catalog)


def test_an_end_that_is_cut_off_is_seen(tmp_path):
    catalog = written(tmp_path)
    by_hand(catalog, "delete from events where id = 5")
    with pytest.raises(DataError, match="it has 4 events, and 5 were written"):
        head_of(catalog)


@pytest.mark.parametrize(
    ("told", "statement"),
    [
        ("its end is missing", "delete from chain"),
        (
            "one of the thousand events after ID 0 cannot be read",
            "update events set document = '{'",
        ),
    ],
)
def test_what_cannot_be_read_is_said(tmp_path, told, statement):
    catalog = written(tmp_path)
    by_hand(catalog, statement)
    with pytest.raises(DataError, match=f"event log: {told}"):
        head_of(catalog)


def test_nothing_is_chained_to_a_missing_end(tmp_path):
    catalog = written(tmp_path)
    by_hand(catalog, "delete from chain")
    with pytest.raises(DataError, match="its end is missing"):
        catalog.emit("deployed", "x")


def test_an_older_version_that_goes_on_fails_and_breaks_nothing(tmp_path):
    catalog = written(tmp_path)
    old = "insert into events (run_id, kind, subject, severity, document, at) values "
    with sqlite3.connect(catalog.path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(old + "(null, 'batch committed', 'x', 'info', '{}', 1)")
    catalog.emit("deployed", "x")
    assert head_of(catalog).length == 6


def test_who_writes_all_anew_is_found_by_a_head_that_was_kept(tmp_path):
    (tmp_path / "other").mkdir()
    kept, catalog = head_of(written(tmp_path)), written(tmp_path / "other", 7)
    assert head_of(catalog).length == 7, "whole in itself"
    for known in (kept, Head(9, kept.hash)):
        with pytest.raises(DataError, match="cut off, or it was written anew"):
            head_of(catalog, kept=known)


@pytest.mark.parametrize("verb", ["update events set actor = ''", "delete from events"])
def test_it_only_grows(tmp_path, verb):
    catalog = written(tmp_path)
    with sqlite3.connect(catalog.path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(verb)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.dictionaries(st.from_regex("[a-z]{1,5}x", fullmatch=True), JSON), max_size=4))
def test_whatever_is_written_is_read_as_it_was_hashed(tmp_path_factory, documents):
    catalog = Catalog(tmp_path_factory.mktemp("chain") / "catalog.db")
    for document in documents:
        catalog.emit("drift", "x", **document)
    assert head_of(catalog).length == len(documents)


def _write(path, times):
    catalog = Catalog(path)
    for _ in range(times):
        with catalog.transaction() as connection:
            tables.emit(connection, "deployed", "a")
            tables.emit(connection, "deployed", "b")


def test_several_processes_make_one_chain(tmp_path):
    catalog = written(tmp_path)
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_write, args=(catalog.path, 10)) for _ in range(3)]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        head_of(catalog)
    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert head_of(catalog).length == 65


def test_an_older_catalog_is_chained_when_it_is_opened(tmp_path):
    from pathlib import Path

    from alembic import command
    from alembic.config import Config

    import octavo.stores.catalog as package

    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    catalog = written(tmp_path)
    catalog.emit("key made", "shop", by="ann")
    kept = [row["subject"] for row in catalog.rows(sa.select(tables.events))]
    with catalog.transaction() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0010")
    again = Catalog(catalog.path)
    assert head_of(again).length == 6
    assert [row["actor"] for row in again.rows(sa.select(tables.events))] == [""] * 5 + ["ann"]
    assert [row["subject"] for row in again.rows(sa.select(tables.events))] == kept
