import time
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.runtime.migration import HeadMaintainer

from octavo.errors import ResourceError
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.stores.catalog.catalog import HEAD
from octavo.stores.catalog.schema import metadata


@pytest.fixture
def catalog(tmp_path):
    return Catalog(tmp_path / "home" / "catalog.db")


def test_migrations_make_exactly_the_declared_tables(catalog):
    with catalog.transaction() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []


def test_head_is_the_newest_migration():
    import octavo.stores.catalog as package

    folder = Path(package.__file__).parent / "migrations" / "versions"
    assert max(path.name[:4] for path in folder.glob("[0-9]*.py")) == HEAD


def test_a_newer_catalog_is_refused(catalog):
    with catalog.transaction() as connection:
        connection.execute(sa.text("update alembic_version set version_num = '9999'"))
    with pytest.raises(ResourceError, match="Upgrade Octavo"):
        Catalog(catalog.path)


def test_a_file_that_is_no_catalog_is_refused(tmp_path):
    path = tmp_path / "catalog.db"
    path.write_text("this is no database, but long enough to be looked at as one" * 20)
    with pytest.raises(ResourceError, match="cannot be opened"):
        Catalog(path)


def test_a_failed_transaction_leaves_nothing(catalog):
    def fail():
        with catalog.transaction() as connection:
            tables.emit(connection, "deployed", "x")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert catalog.rows(sa.select(tables.events)) == []


def test_a_migration_is_done_whole_or_not_at_all(tmp_path, monkeypatch):
    def cut_off(self, step):
        raise KeyboardInterrupt

    path = tmp_path / "catalog.db"
    with monkeypatch.context() as killed:
        killed.setattr(HeadMaintainer, "update_to_step", cut_off)
        with pytest.raises(KeyboardInterrupt):
            Catalog(path)
    assert Catalog(path).rows(sa.select(tables.events)) == []


def test_a_full_disk_is_said_as_by_the_other_stores(catalog):
    with catalog.transaction() as connection:
        pages = connection.scalar(sa.text("pragma page_count"))

    def full(connection, _record):
        connection.execute(f"pragma max_page_count = {pages}")

    sa.event.listen(catalog.engine, "connect", full)
    catalog.engine.dispose()
    with pytest.raises(ResourceError, match=r"the disk is full\. Free some space and run again"):
        catalog.emit("trial finished", "#0", text="x" * 100_000)


def test_put_replaces_by_primary_key(catalog):
    for stamps in ("a", "b"):
        catalog.put(tables.datasets, dataset="orders", stamps=stamps, schema={"x": "integer"})
    rows = catalog.rows(sa.select(tables.datasets))
    assert rows == [{"dataset": "orders", "stamps": "b", "schema": {"x": "integer"}}]


def test_the_journal_needs_no_write_ahead_log(catalog):
    with catalog.transaction() as connection:
        assert connection.scalar(sa.text("pragma journal_mode")) == "delete"
        assert connection.scalar(sa.text("pragma synchronous")) == 2


def test_a_catalog_without_feature_groups_keeps_how_far_prep_had_come(tmp_path):
    from alembic import command
    from alembic.config import Config

    import octavo.stores.catalog as package

    path = tmp_path / "catalog.db"
    config = Config()
    config.set_main_option("script_location", str(Path(package.__file__).parent / "migrations"))
    with sa.create_engine(f"sqlite:///{path}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        connection.execute(
            sa.text(
                "insert into feature_versions values (1, 'card', 'abc', 2, 77, 10, 0, 's', 'r', 9),"
                " (2, 'card', 'abc', 3, 88, 20, 1, 't', 'r', 10), (3, 'rows', 'x', 3, 88, 20, 0,"
                " null, 'r', 10)"
            )
        )
        connection.execute(sa.text("insert into data_versions values ('data-1', '{}', 10)"))
    catalog = Catalog(path)
    groups = {group["group_id"]: group for group in catalog.live_groups()}
    assert {name: (g["position"], g["clock"], g["cut_over"]) for name, g in groups.items()} == {
        "card-abc": (3, 88, 2),
        "rows-x": (3, 88, 3),
    }
    assert all(group["columns"] == {} for group in groups.values())
    assert catalog.preps("card-abc") == [[2, 2], [3, 3]]
    assert catalog.data_version("data-1") is None
    with catalog.transaction() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


SECOND = 1_000_000


def add(catalog, *states, planned_at=0, rows=None):
    """Write batches of some states, in the order of sequence."""
    first = catalog.next_place()
    for sequence, state in enumerate(states, first):
        values = {"dataset": "orders", "source": "o.csv", "run_id": "r", "rows": rows}
        values |= {"state": state, "planned_at": planned_at, "sequence": sequence}
        name = f"b{sequence}"
        catalog.insert(tables.batches, batch_id=name, content_hash=name, **values)


def ready(catalog, after, seconds):
    batches, passes = catalog.ready(after, int(seconds * SECOND))
    return [batch["sequence"] for batch in batches], passes


def test_what_is_ready_ends_before_a_batch_that_is_waited_for(catalog):
    assert ready(catalog, 0, 0) == ([], False)
    add(catalog, "committed", "withdrawn", "planned", "committed", "planned", "committed")
    assert ready(catalog, 0, 4) == ([1, 2], False)
    assert ready(catalog, 1, 4) == ([2], False)
    assert ready(catalog, 2, 4) == ([], False)
    (batch, _), _ = catalog.ready(0, 0)
    assert batch == catalog.batches()[0]


def test_a_batch_that_is_planned_for_long_is_left_out(catalog):
    add(catalog, "committed", "planned", "committed")
    add(catalog, "planned", "committed", planned_at=3 * SECOND)
    assert ready(catalog, 0, 5) == ([1], False)
    assert ready(catalog, 0, 6) == ([1, 3], True)
    assert ready(catalog, 1, 6) == ([3], True)
    assert ready(catalog, 2, 6) == ([3], False), "what is before the place was passed before"
    assert ready(catalog, 0, 9) == ([1, 3, 5], True)


def test_nothing_is_passed_for_nothing(catalog):
    add(catalog, "committed", "planned", "planned")
    assert ready(catalog, 0, 100) == ([1], False)
    assert ready(catalog, 1, 100) == ([], False)


def test_a_batch_that_was_passed_before_is_waited_for_until_its_rows_can_be_written(catalog):
    add(catalog, "planned", rows=10**6)
    add(catalog, "committed")
    assert ready(catalog, 0, 59) == ([], False)
    assert ready(catalog, 0, 61) == ([2], True)
    add(catalog, "planned", rows=10**8)
    add(catalog, "committed")
    assert ready(catalog, 2, 500) == ([], False)
    assert ready(catalog, 2, 700) == ([4], True)


def test_a_clock_that_is_set_back_makes_nobody_wait(catalog):
    add(catalog, "planned", planned_at=3600 * SECOND)
    add(catalog, "committed")
    assert ready(catalog, 0, 3599) == ([], False)
    assert ready(catalog, 0, 3) == ([2], True)


def test_what_is_ready_is_found_without_reading_what_was(catalog):
    """So that looking many times a second costs nothing, however many batches there were."""
    with catalog.transaction() as connection:
        told = {"dataset": "orders", "source": "o.csv", "run_id": "r", "planned_at": 0}
        rows = [
            told | {"batch_id": str(n), "content_hash": str(n), "sequence": n, "state": "committed"}
            for n in range(1, 100_001)
        ]
        connection.execute(tables.batches.insert(), rows)
    assert ready(catalog, 99_998, 0) == ([99_999, 100_000], False)
    seen = []
    sa.event.listen(catalog.engine, "before_cursor_execute", lambda *a: seen.append(a[2:4]))
    catalog.ready(99_998, 0)
    (statement, values) = seen[-1]
    with catalog.engine.connect() as connection:
        plan = connection.exec_driver_sql(f"explain query plan {statement}", values).fetchall()
    assert [row[3].split()[0] for row in plan] == ["SEARCH"]
    began = time.perf_counter()
    for _ in range(50):
        catalog.ready(99_998, 0)
    assert time.perf_counter() - began < 50 * 0.02
