"""A writer killed at any moment, and started again, leaves every append exactly once."""

import json
import random
import signal
import subprocess
import sys
import time

import polars as pl

from octavo.stores.delta import DeltaLog

WRITER = """
import sys
import polars as pl
from octavo.stores.delta import DeltaLog

url, app_id, last = sys.argv[1], sys.argv[2], int(sys.argv[3])
log = DeltaLog(url)
done = log.transaction_version(app_id)
for version in range(0 if done is None else done, last + 1):  # the newest once more: a replay
    rows = pl.DataFrame({"app": [app_id] * 3, "version": [version] * 3, "row": [0, 1, 2]})
    if log.append(rows, app_id=app_id, version=version) is not None:
        print(version, flush=True)
"""


def start(url, app_id, last):
    command = [sys.executable, "-c", WRITER, str(url), app_id, str(last)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def expected(apps, last):
    return [(app, v, row) for app in apps for v in range(last + 1) for row in range(3)]


def test_writers_killed_at_random_leave_every_append_once(tmp_path):
    table, moments, last = tmp_path / "table", random.Random(7), 10_000
    told: set[int] = set()
    for attempt in range(15):
        with start(table, "w", last) as writer:
            lines = []
            if attempt % 3:
                lines.append(writer.stdout.readline())  # it is writing: the imports are over
                time.sleep(moments.uniform(0, 0.15))
            else:
                time.sleep(moments.uniform(0.2, 1.2))  # perhaps while it opens the table
            writer.kill()
            lines += writer.stdout
            assert writer.wait() == -signal.SIGKILL
        told |= {int(line) for line in lines if line.endswith("\n")}
    newest = DeltaLog(table).transaction_version("w")
    assert newest is not None
    assert told <= set(range(newest + 1)), "an append was told of and then lost"
    rows = DeltaLog(table).scan().sort("app", "version", "row").collect()
    assert rows.rows() == expected(["w"], newest)


def test_two_processes_writing_at_once_lose_nothing(tmp_path):
    table, last = tmp_path / "table", 25
    with start(table, "a", last) as one, start(table, "b", last) as other:
        one.communicate(timeout=60)
        other.communicate(timeout=60)
    assert (one.returncode, other.returncode) == (0, 0)
    rows = DeltaLog(table).scan().sort("app", "version", "row").collect()
    assert rows.rows() == expected(["a", "b"], last)


def test_two_processes_with_one_name_write_each_version_once(tmp_path):
    """They should not share a name; if they do, no row comes twice."""
    table, last = tmp_path / "table", 25
    with start(table, "same", last) as one, start(table, "same", last) as other:
        told = [*one.communicate(timeout=60)[0].split(), *other.communicate(timeout=60)[0].split()]
    assert (one.returncode, other.returncode) == (0, 0)
    rows = DeltaLog(table).scan().sort("app", "version", "row").collect()
    assert rows.rows() == expected(["same"], last)
    assert sorted(map(int, told)) == list(range(last + 1))


def test_a_commit_named_by_the_log_is_whole(tmp_path):
    """Every data file in the log was complete before the log named it."""
    table = tmp_path / "table"
    with start(table, "w", 100) as writer:
        for _ in range(10):
            writer.stdout.readline()
        writer.kill()
    for entry in sorted((table / "_delta_log").glob("*.json")):
        for line in entry.read_text().splitlines():
            if added := json.loads(line).get("add"):
                assert (table / added["path"]).stat().st_size == added["size"]
                assert pl.read_parquet(table / added["path"]).height == 3
