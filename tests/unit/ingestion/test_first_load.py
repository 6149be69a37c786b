"""The first run of files that grow: whole records of a copy, taken up again after a kill."""

import pytest

from octavo.errors import DataError
from octavo.project import load
from octavo.stages.ingestion import first_load, offline
from octavo.stores.raw import RawStore

SCRIPT = """
import octavo as ov
from streaming import payments, pipeline_of
grows = ov.Files("*.csv", follow=True)
pipeline = pipeline_of(payments(offline=grows, event_time="at"))
"""
HEAD = "id,at,amount\n"


class Quiet:
    def __getattr__(self, name):
        return lambda *_, **__: None


@pytest.fixture
def project(tmp_path):
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    return load(tmp_path)


def row(number):
    return f"{number},2024-01-01 00:00:00,5\n"


def run(project):
    project.run(Quiet(), last="ingestion")


def ids(project):
    batches = project.catalog.committed("payments")
    return sorted(RawStore(project.home).scan("payments", batches).collect()["id"])


def ends(project):
    found = first_load.loads(project.catalog, "payments")
    return {file.path.rsplit("/", 1)[1]: file.end for _, file in found}


def test_whole_records_are_loaded_and_where_they_end_is_kept(project, monkeypatch):
    monkeypatch.setattr(first_load, "PIECE", 7)
    text = HEAD + row(1) + row(2)
    (project.folder / "a.csv").write_text(text + "3,2024-0")
    (project.folder / "b.csv").write_text(HEAD + row(7))
    (project.folder / "c.csv").write_text(HEAD)
    run(project)
    assert ids(project) == [1, 2, 7]
    assert ends(project) == {"a.csv": len(text), "b.csv": len(HEAD + row(7))}
    assert not any(project.home.extracts("payments").glob("*"))


def test_what_is_appended_afterwards_is_not_loaded(project):
    (project.folder / "a.csv").write_text(HEAD + row(1))
    run(project)
    with (project.folder / "a.csv").open("a") as file:
        file.write(row(2))
    (project.folder / "b.csv").write_text(HEAD + row(3))
    run(project)
    assert ids(project) == [1]


def test_files_of_equal_content_are_two(project):
    for name in ("a.csv", "b.csv"):
        (project.folder / name).write_text(HEAD + row(1))
    run(project)
    assert len(project.catalog.committed("payments")) == 2
    assert set(ends(project)) == {"a.csv", "b.csv"}


def test_after_a_kill_the_copies_that_were_planned_are_loaded(project, monkeypatch):
    for number, name in enumerate(("a.csv", "b.csv")):
        (project.folder / name).write_text(HEAD + row(number))

    def killed(context, dataset, batch, offered):
        if offered.name == "b.csv":
            raise KeyboardInterrupt
        ingest(context, dataset, batch, offered)

    ingest = offline._ingest_batch
    monkeypatch.setattr(offline, "_ingest_batch", killed)
    with pytest.raises(KeyboardInterrupt):
        run(project)
    monkeypatch.undo()
    assert ids(project) == [0]
    assert not first_load.is_over(project.catalog, project.home, "payments")
    for name in ("a.csv", "b.csv", "c.csv"):
        with (project.folder / name).open("a") as file:
            file.write(row(9))
    run(project)
    assert ids(project) == [0, 1]
    assert first_load.is_over(project.catalog, project.home, "payments")


def test_without_a_whole_record_there_is_nothing_to_load(project):
    (project.folder / "a.csv").write_text(HEAD + "1,2024")
    with pytest.raises(DataError, match="no whole record yet"):
        run(project)
