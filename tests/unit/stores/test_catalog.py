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
