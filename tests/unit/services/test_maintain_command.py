"""`octavo maintain` as people see it, as programs read it, and what it ends with."""

import json
import sys
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner

from octavo.cli.main import app
from octavo.stores.delta import DeltaLog

sys.path.insert(0, str(Path(__file__).parents[1] / "ingestion"))

SCRIPT = """
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments())
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    log = DeltaLog(tmp_path / ".octavo" / "raw" / "payments")
    for n in range(10):
        log.append(pl.DataFrame({"n": [n]}), app_id="w", version=n)
    return tmp_path


def call(*words):
    done = CliRunner().invoke(app, list(map(str, words)), standalone_mode=False)
    assert done.exception is None, done.exception
    return done


def test_what_is_to_be_done_and_what_was(folder):
    told = call("maintain", folder, "--dry-run").output.split("\n")
    assert told[1].split() == ["raw/payments", "10", "0.0", "10", "0", "0"]
    assert "Nothing was changed." in told
    told = call("maintain", folder).output.split("\n")
    assert told[0].split() == ["folder", "files", "MB", "merged", "deleted", "MB", "freed"]
    assert told[1].split() == ["raw/payments", "10", "→", "1", "0.0", "10", "0", "0"]
    assert told[2].split() == ["incoming", "0", "0.0", "0", "0", "0"]
    assert "Nothing was changed." not in told


def test_as_json(folder):
    first, last = json.loads(call("maintain", folder, "--json").output)
    assert (first["folder"], first["files_before"], first["files"]) == ("raw/payments", 10, 1)
    assert first["bytes_before"] > first["bytes"] > 0
    assert (last["folder"], last["error"]) == ("incoming", None)
    status = json.loads(call("status", folder, "--json").output)
    (table,) = status["tables"]
    assert (table["table"], table["files"]) == ("raw/payments", 1)
    assert table["bytes"] == first["bytes"]


def test_a_table_that_cannot_be_maintained_is_a_failure_that_is_named(folder):
    broken = folder / ".octavo" / "raw" / "payments" / "_delta_log" / f"{11:020}.json"
    broken.write_text("no JSON")
    done = call("maintain", folder)
    assert done.return_value == 1
    assert "octavo: raw/payments: " in done.stderr


def test_a_table_that_is_only_being_created_is_none_yet(folder):
    """Whoever creates one may be killed between the folder of its log and the first entry."""
    (folder / ".octavo" / "raw" / "visits" / "_delta_log").mkdir(parents=True)
    found = json.loads(call("maintain", folder, "--json").output)
    assert [(each["folder"], each["error"]) for each in found] == [
        ("raw/payments", None),
        ("incoming", None),
    ]
    status = json.loads(call("status", folder, "--json").output)
    assert [table["table"] for table in status["tables"]] == ["raw/payments"]
