"""A file of many blocks, killed again and again while it is ingested: each row is there once."""

import signal
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from octavo.project import load
from octavo.stores.raw import ROWS_PER_BATCH, RawStore

DRIVER = Path(__file__).parent / "ingesting.py"


@pytest.fixture
def project(tmp_path, make_project):
    """Write orders with late surprises: repeated and restated events, records that are no rows."""

    def make(name):
        folder = make_project(tmp_path / name, orders=1500, customers=20)
        file = folder / "data" / "orders.csv"
        header, *lines = file.read_text().splitlines()
        again = [line.replace("store", "online") for line in lines[:600]]
        file.write_text("\n".join([header, *lines, *lines[::7], "1,2,3", *again, "no,row"]) + "\n")
        return folder

    return make


def ingest(folder, number=0, every=0):
    command = [sys.executable, str(DRIVER), str(folder), str(number), str(every)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def outcome(folder, passed=False):
    """Return all that ingestion left, but for the names of batches.

    Where prep has passed them also but for their places; what is left of earlier ones is no row.
    """
    project = load(folder)
    raw, found = RawStore(project.home), {}
    for dataset in project.definition.datasets:
        batches = project.catalog.committed(dataset.name)
        tables = [raw.scan(dataset.name, batches), raw.restated(dataset.name, batches)]
        place = pl.col("_position") % ROWS_PER_BATCH if passed else pl.col("_position")
        tables = [table.drop("_batch_id").with_columns(place) for table in tables]
        rows = [table.sort("_position").collect().rows() for table in tables]
        rejected = raw.rejected(dataset.name)
        names = ["rows", "rejected", "restated", "duplicates", "newest"]
        if passed:
            rejected = rejected.filter(pl.col("_batch_id").is_in([b["batch_id"] for b in batches]))
        else:
            names.append("sequence")
        rejected = rejected.drop("_batch_id").sort("_row", "rule").rows()
        counts = [[batch[name] for name in names] for batch in batches]
        assert counts[0][:3] == [len(rows[0]), len(rejected), len(rows[1])]
        found[dataset.name] = (rows, rejected, counts)
    if not passed:  # maintenance deletes what was on the way under an ID that is no more
        assert not list((project.home.path / "incoming").iterdir()), "something was left on the way"
    return found


def test_a_file_of_many_blocks_killed_at_any_step(project):
    calm = project("calm")
    done = ingest(calm)
    assert done.returncode == 0, done.stderr
    steps = int(done.stdout)
    assert steps > 30, "it was one block"
    expected = outcome(calm)
    rows, rejected, counts = expected["orders"]
    assert counts[0][:4] == [1500, len(rejected), len(rows[1]), 215 + 600 - len(rows[1])]
    assert len(rows[1]) > 200
    killed = project("killed")
    for number in (12, 20, 30):
        done = ingest(killed, number)
        assert done.returncode == -signal.SIGKILL, (number, done.stderr)
    assert ingest(killed).returncode == 0
    assert outcome(killed) == expected
    files = list((load(killed).home.raw("orders")).glob("*.parquet"))
    assert len(files) > 3
    assert pl.read_parquet(files[0]).height < 1500


def test_a_file_that_prep_passes_and_that_is_killed_at_any_step(project):
    calm = project("calm")
    assert ingest(calm).returncode == 0
    passed = project("passed")
    done = ingest(passed, every=25)
    assert done.returncode == 0, done.stderr
    places = [batch["sequence"] for batch in load(passed).catalog.committed()]
    assert max(places) > len(places), "none was planned again"
    assert outcome(passed, passed=True) == outcome(calm, passed=True)
    killed = project("killed")
    done = ingest(killed, 60, every=25)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ingest(killed).returncode == 0
    assert outcome(killed, passed=True) == outcome(calm, passed=True)
