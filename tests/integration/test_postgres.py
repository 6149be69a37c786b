"""Loads of a real PostgreSQL server: types, pieces, cursors, kills, and what is refused."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from tests.integration.test_mlflow import free_port
from tests.loading import Loading

from octavo.engines import LocalEngine
from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.stages.ingestion import postgres, selects

PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """Start a server in a folder of its own; give host and port."""
    if not PROGRAMS:
        if os.environ.get("OCTAVO_SERVERS") == "required":
            pytest.fail("there is no PostgreSQL; scripts/servers/install.sh installs it")
        pytest.skip("no PostgreSQL server: scripts/servers/install.sh installs it")
    with tempfile.TemporaryDirectory(prefix="octavo-postgres-") as name:
        yield from _serving(PROGRAMS[-1].parent, Path(name))


def _serving(programs: Path, folder: Path) -> Iterator[str]:
    user = {}
    if os.geteuid() == 0:  # it refuses to run as root
        user = {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid}
        shutil.chown(folder, "nobody")
    (folder / "password").write_text("s3cret%")
    data, port = folder / "data", free_port()
    init = [programs / "initdb", "-D", data, "-U", "octavo", "--auth=scram-sha-256", "-N"]
    init += [f"--pwfile={folder / 'password'}", "-E", "UTF8", "--locale=C"]
    options = ["-D", data, "-p", str(port), "-k", "", "-h", "127.0.0.1", "-F"]
    ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port), "-t", "1"]
    with (folder / "log").open("w") as log:
        quiet = {"stdout": log, "stderr": log, "cwd": folder, **user}
        subprocess.run(init, check=True, **quiet)
        process = subprocess.Popen([programs / "postgres", *options], **quiet)
        try:
            for _ in range(120):
                assert process.poll() is None, (folder / "log").read_text()
                if subprocess.run(ready, check=False, timeout=60).returncode == 0:
                    break
                time.sleep(0.2)
            yield f"127.0.0.1:{port}"
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@contextmanager
def session(url) -> Iterator[object]:
    """Give a function that runs statements in a connection of its own."""
    import adbc_driver_postgresql.dbapi as driver

    with driver.connect(url, autocommit=True) as connection:

        def say(statement):
            with connection.cursor() as cursor:
                cursor.adbc_statement.set_options(**{"adbc.postgresql.use_copy": "false"})
                cursor.execute(statement)
                return cursor.fetchall() if cursor.description else None

        yield say


@pytest.fixture
def url(server, request) -> str:
    """Give the address of an empty database."""
    name = f"d{abs(hash(request.node.name))}"
    with session(f"postgresql://octavo:s3cret%25@{server}/postgres") as say:
        say(f"create database {name}")
    return f"postgresql://octavo:s3cret%25@{server}/{name}"


@pytest.fixture
def shop(tmp_path, url):
    loading = Loading(tmp_path, url)
    with session(url) as say:
        loading.say, loading.url = say, url
        yield loading


ORDERS = "create table orders (id int8 primary key, at timestamptz not null, amount numeric(12,2))"
FILL = """insert into orders select n, timestamptz '2024-01-01' + n * interval '1 second',
n / 100.0 from generate_series({}, {}) n"""

TYPES = [
    ("int2", "32767, -32768", [32767, -32768]),
    ("int8", "9223372036854775807, null", [2**63 - 1, None]),
    ("float4", "0.5, 'NaN'", [0.5, None]),
    ("float8", "1e308, '-Infinity'", [1e308, float("-inf")]),
    ("numeric", "12345.678, 0.1", [12345.678, 0.1]),
    ("numeric", "7, -3", [7, -3]),
    ("numeric(30)", "12345678901234567890, 1", ["12345678901234567890", "1"]),
    ("bool", "true, null", [True, None]),
    ("text", "E'odd\\t☃\\n', ''", ["odd\t☃\n", ""]),
    ("varchar(9)", "'NULL', null", ["NULL", None]),
    ("char(4)", "'ab', 'abcd'", ["ab", "abcd"]),
    ("bytea", "'\\x00ff', ''", ["\\x00ff", "\\x"]),
    ("uuid", "'A0EEBC999C0B4EF8BB6D6BB9BD380A11', null",
     ["a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", None]),
    ("json", """'{"b": 1, "a": [2]}', null""", ['{"b": 1, "a": [2]}', None]),
    ("jsonb", """'{"b":1,"a":[2]}', 'null'""", ['{"a": [2], "b": 1}', "null"]),
    ("int4[]", "'{1,null}', '{{1,2},{3,4}}'", ["[1,null]", "[[1,2],[3,4]]"]),
    ("text[]", """array['a"b', null], '{}'""", ['["a\\"b",null]', "[]"]),
    ("numeric[]", "'{1.50}', null", ["[1.50]", None]),
    ("mood", "'happy', null", ["happy", None]),
    ("pair", "'(1,x)', null", ["(1,x)", None]),
    ("positive", "1, 2", [1, 2]),
    ("interval", "'1 day 2:00', null", ["P1DT2H", None]),
    ("time", "'24:00', '01:02:03.4'", ["24:00:00", "01:02:03.4"]),
    ("inet", "'10.0.0.1/8', null", ["10.0.0.1/8", None]),
    ("int4range", "'[1,3)', 'empty'", ["[1,3)", "empty"]),
    ("date", "'2024-02-29', '0001-01-01'", ["2024-02-29", "0001-01-01"]),
    ("timestamp", "'2024-01-01 01:02:03.456789', null", ["2024-01-01 01:02:03.456789", None]),
    ("timestamptz", "'2024-01-01 01:02:03.4+02', '9999-12-31 23:59:59.999999+00'",
     ["2023-12-31 23:02:03.400000", "9999-12-31 23:59:59.999999"]),
]  # fmt: skip


def test_types(shop):
    shop.say("create type mood as enum ('sad', 'happy')")
    shop.say("create type pair as (a int, b text)")
    shop.say("create domain positive as int check (value > 0)")
    columns = ", ".join(f"c{n} {kind}" for n, (kind, _, _) in enumerate(TYPES))
    shop.say(f"create table orders (id int primary key, {columns})")
    for row in (0, 1):
        values = []
        for kind, given, _ in TYPES:
            first, second = _halves(given)
            values.append(f"({second if row else first})::{kind}")
        shop.say(f"insert into orders values ({row}, {', '.join(values)})")
    shop.declare('table="orders"').ingest()
    rows = shop.rows(*(f"c{n}" for n in range(len(TYPES))))
    for n, (kind, _, expected) in enumerate(TYPES):
        found = rows[f"c{n}"]
        if found.dtype.is_temporal():
            found = found.cast(pl.Datetime("us")) if found.dtype != pl.Date else found
            found = found.cast(pl.String)
        assert found.to_list() == expected, kind
        same = isinstance(expected[0], bool), isinstance(expected[0], float)
        assert (found.dtype == pl.Boolean, found.dtype == pl.Float64) == same, kind
    assert shop.rejected().is_empty()


def _halves(given):
    """Divide at the one comma outside of quotes and brackets."""
    depth, quoted = 0, False
    for place, letter in enumerate(given):
        quoted ^= letter == "'"
        depth += 0 if quoted else (letter == "[") - (letter == "]")
        if letter == "," and not depth and not quoted:
            return given[:place], given[place + 1 :]
    raise AssertionError(given)


def test_exact_numbers_on_request_and_times_that_are_none(shop):
    shop.say("create table orders (id int, n numeric, at timestamptz, d date)")
    exact = "0.12345678901234567890123456789"
    shop.say(f"insert into orders values (1, {exact}, 'now', 'today')")
    shop.say("insert into orders values (2, 1, 'infinity', 'today')")
    shop.say("insert into orders values (3, 1, 'now', '0044-03-15 BC')")
    shop.say("insert into orders values (4, 1, '294276-01-01', 'today')")
    shop.declare('table="orders", types={"n": pl.String}').ingest()
    assert shop.rows("id", "n").rows() == [(1, exact)]
    reasons = shop.rejected().sort("_row")["reason"].to_list()
    assert [r.split(": ", 1)[1] for r in reasons] == [
        "'infinity' is not a date and time",
        "'0044-03-15 BC' is not a date",
        "'294276-01-01 00:00:00+00' is not a date and time",
    ]


@pytest.mark.parametrize(
    "partition", ['"id"', '"at"', '"d"', '["amount < 5", "amount < 9", "id > 900"]']
)
def test_pieces_hold_each_row_once(shop, partition):
    shop.say(ORDERS)
    shop.say(FILL.format(1, 1000))
    shop.say("insert into orders values (-5, '-infinity', null), (-6, 'infinity', 'NaN')")
    shop.say("alter table orders add d date")
    shop.say("update orders set d = case when id % 3 = 0 then null else at::date end")
    query = "select * from orders -- all of them"
    shop.declare(f'query="{query}", partition={partition}').ingest()
    (batch,) = shop.batches
    assert sorted(shop.rows("id")["id"]) == list(range(1, 1001))
    assert batch["rejected"] == 2, "times that are none"
    shop.declare(f'query="{query}"').ingest()
    assert len(shop.batches) == 1, "the same rows in another order are the same"


def test_pieces_see_one_moment(shop):
    shop.say(ORDERS)
    shop.say(FILL.format(1, 100))
    with postgres.opened(shop.url, "select * from orders", "orders") as snapshot:
        shop.say(FILL.format(101, 200))
        shop.say("delete from orders where id <= 50")
        pieces = snapshot.ranges("id", "true")
        assert len(pieces) == postgres.PIECES
        read = LocalEngine(workers=2).map(lambda p: pl.concat(snapshot.read([p])), pieces)
        assert sorted(pl.concat(read)["id"]) == list(range(1, 101))


def test_a_late_commit_is_found_by_the_overlap(shop):
    """The gap of every cursor: a greater value is committed, and read, before a smaller one."""
    shop.say(ORDERS)
    shop.say(FILL.format(1, 10))
    shop.declare('table="orders", cursor="at"')
    with session(shop.url) as late:
        late("begin")
        late(FILL.format(11, 11))  # it has its time, and is not committed
        shop.say(FILL.format(12, 12))
        shop.ingest()
        late("commit")
    shop.say(FILL.format(13, 13))
    shop.ingest()
    assert shop.rows("id")["id"].to_list() == [*range(1, 11), 12, 13], "11 is lost without one"
    shop.declare('table="orders", cursor="at", overlap="5s"').ingest()
    assert shop.rows("id")["id"].to_list() == [*range(1, 11), 12, 13, 11]
    assert [b["duplicates"] for b in shop.batches] == [0, 1, 5]
    shop.ingest()
    assert len(shop.batches) == 3, "what nothing is new in makes no batch"


@pytest.mark.parametrize(
    ("cursor", "identified"), [("id", ""), ("at", ', event_id="id"'), ("day", "")]
)
def test_a_cursor_reads_each_row_once(shop, cursor, identified):
    shop.say(ORDERS)
    days = "select *, (date '2024-01-01' + id::int) as day from orders"
    shop.declare(f'query="{days}", cursor="{cursor}"', identified)
    for first in (1, 9, 10, 100):
        shop.say(FILL.format(first, first + (5 if first == 1 else 0)))
        shop.ingest()
        shop.ingest()
    assert shop.rows("id")["id"].to_list() == [1, 2, 3, 4, 5, 6, 9, 10, 100]
    assert [b["rows"] for b in shop.batches] == [6, 1, 1, 1]
    value = {"id": 100, "at": "2024-01-01 00:01:40+00", "day": "2024-04-10"}[cursor]
    assert shop.batches[-1]["through"] == {"cursor": cursor, "value": value}


def test_killed_at_any_step_each_row_is_there_once(shop):
    shop.say(ORDERS)
    shop.say(FILL.format(1, 1500))
    shop.declare('table="orders", cursor="id", partition="id"', ', event_id="id"')
    done = shop.ingest_apart(0)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps > 20, "eight pieces, an extract, a batch"
    last = 1500
    for step in range(2, 20, 4):  # a smaller extract takes fewer
        shop.say(FILL.format(last + 1, last + 200))
        done = shop.ingest_apart(step)
        assert done.returncode == -signal.SIGKILL, (step, done.stderr)
        shop.say(FILL.format(last + 201, last + 400))  # the database has moved on
        last += 400
        if step % 8 == 2:
            assert shop.ingest_apart(0).returncode == 0
    assert shop.ingest_apart(0).returncode == 0
    assert sorted(shop.rows("id")["id"]) == list(range(1, last + 1))
    ends = [batch["through"]["value"] for batch in shop.batches]
    assert ends == sorted(ends)
    assert ends[-1] == last
    assert not list((shop.folder / ".octavo" / "extracts" / "orders").iterdir())


REFUSED = [
    ('table="ordres"', DefinitionError, 'shop: ordres: the database says: relation "ordres" does'),
    ('table="secrets"', ResourceError, "permission denied for table secrets.*grant select"),
    ('query="select nope from orders"', DefinitionError, 'column "nope" does not exist'),
    ('query="select id, id from orders"', DefinitionError, "two columns 'id'"),
    ('query="delete from orders returning id"', DefinitionError, "syntax error"),
    ('query="select 1 as id; select 2"', DefinitionError, "multiple commands|syntax error"),
    ('query="select 1 / (id - 5) as id from orders"', DataError, "division by zero"),
    ('table="orders", cursor="note"', DefinitionError, "is of the type text"),
    ('table="orders", cursor="at"', DataError, "is infinity: nothing would ever be beyond"),
    ('table="orders", cursor="sold"', DataError, "9 rows have no value of the cursor"),
    ('table="orders", cursor="id", overlap="1h"', DefinitionError, "the overlap is '1h'"),
    ('table="orders", partition="note"', DefinitionError, "'note' is of the type text"),
]


@pytest.fixture
def guest(shop):
    """A user who may read one table, and another who may not log in as they do."""
    shop.say("create table orders (id int, at timestamp, note text, sold int)")
    shop.say("insert into orders select n, now(), 'x' from generate_series(1, 9) n")
    shop.say("insert into orders values (10, 'infinity', 'x', 1)")
    shop.say("create table secrets (id int)")
    shop.say("drop role if exists guest")
    shop.say("create role guest login password 'gu:est'")
    shop.say("grant select on orders to guest")
    yield Loading(shop.folder, shop.url.replace("octavo:s3cret%25", "guest:gu%3Aest"))
    shop.say("drop owned by guest")


def test_refused_in_words(guest):
    for source, kind, words in REFUSED:
        with pytest.raises(kind, match=words):
            guest.declare(source).ingest()


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (("gu%3Aest", "wr%3Aong"), "password authentication failed.*Check user and password"),
        (("guest:", "nobody:"), "password authentication failed"),
        (("/d", "/e"), 'database "e.*does not exist.*Check the name at the end'),
        (("127.0.0.1:", "127.0.0.1:1"), "Connection refused|invalid port number|could not"),
        (("gu%3Aest", "gu%zzest"), "invalid percent-encoded token"),
    ],
)
def test_an_address_is_never_shown(guest, wrong, words, octavo):
    address = guest.declare('table="orders"').project.profile.databases["shop"]
    guest = Loading(guest.folder, address.replace(*wrong))
    with pytest.raises(ResourceError, match=words):
        guest.ingest()
    shown = octavo("ingest", guest.folder, "--debug")
    home = guest.folder / ".octavo"
    texts = [shown.stderr, shown.stdout, (home / "octavo.log").read_text()]
    texts.append((home / "catalog.db").read_bytes().decode("latin-1"))
    for secret in ("gu%3Aest", "gu:est", "wr:ong", "wr%3Aong", "gu%zzest"):
        assert not any(secret in text for text in texts)


def test_a_connection_that_is_cut_off(shop):
    shop.say(ORDERS)
    shop.say(FILL.format(1, 1000))
    with postgres.opened(shop.url, "select * from orders", "orders") as snapshot:
        shop.say(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where pid <> pg_backend_pid() and datname = current_database()"
        )
        with pytest.raises(ResourceError, match=r"terminating.*then run again"):
            snapshot.greatest("id", None, "true")


def test_exactly_one_condition_holds(shop):
    shop.say("create table t (a int)")
    shop.say("insert into t select nullif(n, 7) from generate_series(0, 9) n")
    parts = selects.exclusive(["a < 3", "a % 2 = 0", "a = a"])
    counts = [shop.say(selects.of("select * from t", "count(*)", [p]))[0][0] for p in parts]
    assert counts == [3, 3, 3, 1]


MEASURED = """
import resource, sys
from pathlib import Path

from octavo.definition import Sql
from octavo.engines import LocalEngine
from octavo.stages.ingestion import sql

url, folder, partition = sys.argv[1], Path(sys.argv[2]), sys.argv[3] or None
source = Sql("shop", table="orders", partition=partition)
engine = LocalEngine(workers=2)


def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10


def load(name, source):
    options = {"after": None, "identified": True, "progress": lambda done, total: None}
    return sql.offered(source, {"shop": url}, folder, folder / name, engine, "x", **options)


load("few", Sql("shop", query="select * from orders limit 1000"))
before = peak()
path = load("all", source).path
print(peak() - before, sum(file.stat().st_size for file in path.iterdir()) >> 20)
"""


@pytest.mark.slow
@pytest.mark.parametrize("partition", ["", "id"])
def test_memory_does_not_grow_with_the_rows(shop, partition):
    note = "md5(n::text) || repeat(md5((-n)::text), 20)"
    shop.say(
        f"create table orders as select n as id, {note} as note from generate_series(1, 1000000) n"
    )
    command = [sys.executable, "-c", MEASURED, shop.url, str(shop.folder), partition]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    grown, written = map(int, done.stdout.split())
    assert written > 30, "MB on disk, of 670 MB of text"
    assert grown < 350, f"it took {grown} MB"
