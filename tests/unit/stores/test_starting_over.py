"""A home is started over only while nobody works in it."""

import sys
import threading
from pathlib import Path

import pytest
from click.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "ingestion"))

from octavo.cli import up
from octavo.errors import ResourceError
from octavo.project import Project
from octavo.stores.home import Home


@pytest.fixture
def home(tmp_path):
    home = Home(tmp_path / "home")
    home.streams.mkdir(parents=True)
    (home.streams / "incoming.db").write_text("rows")
    home.catalog.write_text("batches")
    return home


def test_all_is_deleted(home):
    home.start_over()
    assert {path.name for path in home.path.iterdir()} == {"lock", "locks"}


def test_not_while_services_work_in_it(home):
    with home.kept(), home.kept(), pytest.raises(ResourceError, match="Stop `octavo up` first"):
        home.start_over()
    assert (home.streams / "incoming.db").read_text() == "rows"
    home.start_over()


def test_not_while_a_run_is_under_way(home):
    with home.lock(), pytest.raises(ResourceError, match="another run"):
        home.start_over()
    assert home.catalog.exists()


def test_a_service_that_waited_meanwhile_is_seen_by_the_next(home):
    works, done = threading.Event(), threading.Event()

    def service():
        with home.kept():
            works.set()
            done.wait(30)

    waiting = threading.Thread(target=service)
    with home._unserved():
        waiting.start()
        assert not works.wait(0.2)
    assert works.wait(30)
    with pytest.raises(ResourceError):
        home.start_over()
    done.set()
    waiting.join()


@pytest.mark.parametrize("services", [["server"], ["ingestion"], ["prep"], []])
def test_services_hold_it_before_they_open_anything(tmp_path, monkeypatch, services):
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    seen = []

    def opens(project, *_, **options):
        project = project[0] if isinstance(project, list) else project  # a server may have several
        assert not project.home.catalog.exists()
        with pytest.raises(ResourceError, match="services work in it"):
            Project(tmp_path).run(None, fresh=True)
        seen.append(project)
        return 0

    for name in ("serve", "supervise"):
        monkeypatch.setattr(up, name, opens)
    monkeypatch.setattr(up, "ALONE", dict.fromkeys(up.ALONE, opens))
    done = CliRunner().invoke(up.up, [*services, str(tmp_path)], catch_exceptions=False)
    assert done.exit_code == 0
    assert len(seen) == 1


SCRIPT = """
import octavo as ov, polars as pl
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments())
"""
