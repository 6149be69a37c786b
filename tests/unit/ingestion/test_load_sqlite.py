"""Rows of a SQLite file: their types, what is new in them, and what is refused."""

import sqlite3
from datetime import UTC, datetime

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.loading import Loading

from octavo.errors import DataError, DefinitionError, OctavoError, ResourceError
from octavo.stages.ingestion import extract, sqlite


@pytest.fixture
def shop(tmp_path):
    """A project, and a function that runs statements in its database."""
    loading = Loading(tmp_path, "sqlite:shop.db")
    database = sqlite3.connect(tmp_path / "shop.db", isolation_level=None)

    def say(statement, *values):
        return database.execute(statement, values).fetchall()

    loading.say = say
    say("create table orders (id integer primary key, amount, note text, at text)")
    yield loading
    database.close()


def add(shop, *rows):
    for row in rows:
        shop.say("insert into orders values (?, ?, ?, ?)", *row)


def test_types_are_those_of_the_values(shop):
    shop.say("create table t (id integer, r real, i, t text, b blob, n, m, code text, u text)")
    text = "odd \x00 \n 'quoted' ☃ NA"
    shop.say(
        "insert into t values (1, 5, 9007199254740993, ?, x'00ff', null, 1, '10115', '')", text
    )
    shop.say(
        "insert into t values (2, 1e308, -9223372036854775808, 'NULL', null, null, 'x', '2', ' ')"
    )
    shop.say(
        "insert into t values (3, 9e999, 0, cast(x'61ff62' as text), null, null, 2.5, '3', 'a')"
    )
    shop.declare('table="t"').ingest()
    rows = shop.rows("id", "r", "i", "t", "b", "n", "m", "code", "u")
    assert dict(rows.schema) == {
        "id": pl.Int64, "r": pl.Float64, "i": pl.Int64, "t": pl.String, "b": pl.String,
        "n": pl.String, "m": pl.String, "code": pl.String, "u": pl.String,
    }  # fmt: skip
    assert rows.rows() == [
        (1, 5.0, 9007199254740993, text, "\\x00ff", None, "1", "10115", ""),
        (2, 1e308, -9223372036854775808, "NULL", None, None, "x", "2", " "),
        (3, float("inf"), 0, "a\\xffb", None, None, "2.5", "3", "a"),
    ]


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.none(),
            st.integers(-(2**63), 2**63 - 1),
            st.floats(allow_nan=False),
            st.text(st.characters(exclude_categories=["Cs"])),
            st.binary(),
        ),
        min_size=1,
    )
)
def test_any_value_comes_as_it_is(tmp_path_factory, values):
    folder = tmp_path_factory.mktemp("any")
    database = sqlite3.connect(folder / "any.db")
    database.execute("create table t (n integer primary key, v)")
    database.executemany("insert into t (v) values (?)", [(value,) for value in values])
    database.commit()
    database.close()
    with sqlite.opened(folder / "any.db", "select v from t order by n", "t") as snapshot:
        found = pl.concat(snapshot.read([]))["v"]
        is_text = any(isinstance(value, str | bytes) for value in values)
        assert snapshot.kinds == ({} if is_text else {"v": "open"})
    expected = ["\\x" + v.hex() if isinstance(v, bytes) else v for v in values]
    same = [type(e)(f) if e is not None else f for e, f in zip(expected, found, strict=True)]
    assert same == expected


def test_declared_types_and_times(shop):
    add(shop, (1, 2.5, "2024-01-31", "2024-01-31 12:00:00"), (2, "x", "7", "yesterday"))
    types = 'types={"at": pl.Datetime, "amount": pl.Float64}'
    shop.declare(f'table="orders", {types}', ', event_id="id", event_time="at"').ingest()
    assert shop.rows("id", "at").rows() == [(1, datetime(2024, 1, 31, 12, tzinfo=UTC))]
    (bad,) = shop.rejected().to_dicts()
    assert bad["_row"] == 1
    assert bad["text"] == '{"id":"2","amount":"x","note":"7","at":"yesterday"}'
    assert "'x' is not a number" in bad["reason"]


def test_a_whole_read_with_nothing_new_makes_no_batch(shop):
    add(shop, (1, 1.5, "a", "x"), (2, 2.5, "b", "y"))
    shop.declare('table="orders"').ingest()
    shop.say("create table again as select * from orders order by id desc")
    shop.say("drop table orders")
    shop.say("alter table again rename to orders")  # the same rows in another order
    shop.ingest()
    assert [b["rows"] for b in shop.batches] == [2]
    shop.say("delete from orders where id = 1")
    shop.ingest()
    assert [b["rows"] for b in shop.batches] == [2], "rows that are gone are nothing new"
    shop.say("insert into orders values (3, 0.5, 'c', 'z')")
    shop.ingest()
    assert [(b["rows"], b["duplicates"]) for b in shop.batches] == [(2, 0), (1, 1)]
    assert shop.rows("id")["id"].to_list() == [1, 2, 3]
    assert not list((shop.folder / ".octavo" / "extracts" / "orders").iterdir())


def test_a_changed_row_is_a_restatement(shop):
    add(shop, (1, 1.5, "a", "x"), (2, 2.5, "b", "y"))
    shop.declare('table="orders"').ingest()
    shop.say("update orders set amount = 9.5 where id = 2")
    shop.ingest()
    assert [(b["rows"], b["restated"], b["duplicates"]) for b in shop.batches] == [
        (2, 0, 0),
        (0, 1, 1),
    ]


def test_a_changed_table_without_identity_is_refused(shop):
    add(shop, (1, 1.5, "a", "x"))
    shop.declare('table="orders"', "").ingest()
    shop.ingest()
    add(shop, (2, 1.5, "a", "x"))
    with pytest.raises(DataError, match="nothing tells which rows came before"):
        shop.ingest()
    assert len(shop.rows()) == 1


@pytest.mark.parametrize("identified", [', event_id="id"', ""])
def test_a_cursor_reads_what_is_new(shop, identified):
    shop.declare('table="orders", cursor="id"', identified)
    add(shop, (1, 1.5, "a", "x"), (9, 1.5, "a", "x"), (10, 1.5, "a", "x"))
    shop.ingest()
    shop.ingest()
    assert [b["through"] for b in shop.batches] == [{"cursor": "id", "value": 10}]
    add(shop, (11, 2.5, "b", "y"), (100, 2.5, "b", "y"))
    shop.ingest()
    shop.ingest()
    assert [b["through"]["value"] for b in shop.batches] == [10, 100]
    assert [b["rows"] for b in shop.batches] == [3, 2]
    assert shop.rows("id")["id"].to_list() == [1, 9, 10, 11, 100]


def test_the_rows_of_the_last_value_are_read_again(shop):
    shop.declare('table="orders", cursor="at"')
    add(shop, (1, 1, "a", "2024-01-01 00:00:00"))
    shop.ingest()
    add(shop, (2, 1, "a", "2024-01-01 00:00:00"))
    shop.ingest()
    assert [(b["rows"], b["duplicates"]) for b in shop.batches] == [(1, 0), (1, 1)]


def test_a_rejected_row_that_comes_again_is_kept_once(shop):
    shop.declare(
        'table="orders", cursor="id", overlap=5',
        ', event_id="id", checks=[ov.Check("some", pl.col("amount") > 0)]',
    )
    add(shop, (1, 1, "a", "x"), (2, -1, "a", "x"))
    shop.ingest()
    add(shop, (3, 1, "a", "x"), (4, -1, "a", "x"))
    shop.ingest()
    shop.ingest()
    assert [(b["rows"], b["rejected"], b["duplicates"]) for b in shop.batches] == [
        (1, 1, 0),
        (1, 1, 2),
    ]
    assert shop.batches[1]["source"] == "shop: orders, id to 4"
    assert shop.rejected()["_row"].to_list() == [1, 3]


@pytest.mark.parametrize(
    ("cursor", "late", "overlap"),
    [("id", 95, "10"), ("at", 95, '"1h"'), ("at", 95, '"1d"')],
)
def test_an_overlap_finds_what_was_committed_late(shop, cursor, late, overlap):
    shop.declare(f'table="orders", cursor="{cursor}", overlap={overlap}')
    add(shop, (1, 1, "a", "2024-01-01 00:00:00"), (100, 1, "a", "2024-01-03T12:00:00"))
    shop.ingest()
    add(shop, (late, 1, "a", "2024-01-03T11:30:00"), (50, 1, "a", "2024-01-01 11:00:00"))
    shop.ingest()
    shop.ingest()
    assert shop.rows("id")["id"].to_list() == [1, 100, late], "50 lies before the overlap"
    assert len(shop.batches) == 2, "what nothing is new in makes no batch"
    assert shop.batches[-1]["through"] == shop.batches[0]["through"]


def test_a_column_that_is_gone_or_another(shop):
    add(shop, (1, 1.5, "a", "x"))
    checked = ', event_id="id", checks=[ov.Check("some", pl.col("amount") > 0)]'
    shop.declare('table="orders", cursor="id"', checked).ingest()
    shop.say("alter table orders rename column amount to amout")
    shop.say("alter table orders add column more")
    shop.say("insert into orders values (2, 2.5, 'b', 'y', 7)")
    with pytest.raises(DataError, match=r"the query lacks 'amount' .*ov\.Sql\(…, renamed="):
        shop.ingest()
    shop.declare('table="orders", cursor="id", renamed={"amout": "amount"}', checked).ingest()
    assert shop.rows("id", "more").rows() == [(1, None), (2, 7)]
    shop.say("insert into orders values (3, 'much', 'b', 'y', 7)")
    shop.ingest()
    assert "'much' is not a number" in shop.rejected()["reason"][0]


@pytest.mark.parametrize(
    ("source", "kind", "words"),
    [
        ('table="ordres"', DefinitionError, "orders.*shop: ordres: .* says: no such table"),
        ('query="select nope from orders"', DefinitionError, "no such column: nope"),
        ('query="select * form orders"', DefinitionError, "syntax error"),
        ('query="delete from orders"', DefinitionError, "syntax error"),
        ('table="orders", cursor="idd"', DefinitionError, "no column 'idd'. Did you mean 'id'"),
        ('table="orders", cursor="amount"', DataError, "2 rows have no value of the cursor"),
        ('table="orders", cursor="note"', DataError, "values of other types"),
        ('query="select * from orders where id > 99"', DataError, "it gives no rows"),
    ],
)  # fmt: skip
def test_refused_in_words(shop, source, kind, words):
    add(shop, (1, None, 1.5, "x"), (2, None, b"x", "x"))
    with pytest.raises(kind, match=words):
        shop.declare(source).ingest()
    assert not (shop.folder / ".octavo" / "raw" / "orders").exists()


@pytest.mark.parametrize(
    ("cursor", "words"), [("id", "the overlap is '1h'"), ("at", "no time that SQLite reads")]
)
def test_an_overlap_of_the_wrong_kind(shop, cursor, words):
    add(shop, (1, 1, "a", "yesterday"))
    shop.declare(f'table="orders", cursor="{cursor}"').ingest()
    with pytest.raises(OctavoError, match=words):
        shop.declare(f'table="orders", cursor="{cursor}", overlap="1h"').ingest()


def test_no_connection_and_no_file(shop, monkeypatch):
    shop.declare('table="orders"')
    (shop.folder / "octavo.toml").unlink()
    with pytest.raises(DefinitionError, match=r"no database 'shop'.*OCTAVO_DATABASE_SHOP"):
        shop.ingest()
    monkeypatch.setenv("OCTAVO_DATABASE_SHOP", "mysql://u:secret@h/d")
    with pytest.raises(DefinitionError, match="neither with postgresql") as found:
        shop.ingest()
    assert "secret" not in str(found.value)
    monkeypatch.setenv("OCTAVO_DATABASE_SHOP", "sqlite:away.db")
    with pytest.raises(ResourceError, match=r"there is no file .*away\.db"):
        shop.ingest()


def test_one_moment_is_read(shop):
    """A writer that commits between two blocks is not seen in one of them."""
    shop.say("pragma journal_mode = wal")
    shop.say("create table long (id integer primary key, v)")
    for n in range(200):
        shop.say("insert into long values (?, 0)", n)
    with sqlite.opened(shop.folder / "shop.db", "select * from long", "t") as snapshot:
        assert snapshot.greatest("id", None, "true") == (199, 200, 0)
        shop.say("insert into long values (500, 1)")
        assert sum(frame.height for frame in snapshot.read([])) == 200


def test_an_extract_of_the_same_content_stays(tmp_path):
    frame = pl.DataFrame({"id": [1, 2], "v": [float("nan"), None]})
    found = []
    for number, each in enumerate((frame, frame.reverse(), frame.with_columns(v=None))):
        draft = tmp_path / f"draft-{number}"
        draft.mkdir()
        found.append(extract.finish(draft, extract.write(draft, 0, [each]), {}))
    assert found[0] == found[1] != found[2]
    assert pl.read_parquet(found[0] / "*.parquet")["id"].to_list() == [1, 2], (
        "the first one's order"
    )
