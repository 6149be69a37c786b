"""The scheduler as real processes: killed, stopped, and beside another one."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

import pytest
import sqlalchemy as sa

from octavo.project import load
from octavo.services.scheduling.control import listed
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog

WORKER = Path(__file__).parent / "scheduling_worker.py"
ROOT = Path(__file__).parents[2]


@pytest.fixture
def start(tmp_path):
    """Give what starts a scheduler of one home, as often as it is called."""
    begun = []

    def started():
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        told = [sys.executable, str(WORKER), str(tmp_path)]
        begun.append(subprocess.Popen(told, env={**os.environ, "PYTHONPATH": path}))
        return begun[-1]

    yield started
    for process in begun:
        process.send_signal(signal.SIGCONT)
        process.terminate()
        process.wait(30)


def events(home, kind):
    table = tables.events
    query = sa.select(table).where(table.c.kind == kind).order_by(table.c.id)
    return Catalog(home / "catalog.db").rows(query)


def wait_for(home, runs, within=90):
    """Wait until so many runs are done; return the times they were for."""
    until = time.monotonic() + within
    while len(done := [e["document"]["due"] for e in events(home, "job done")]) < runs:
        assert time.monotonic() < until, done
        time.sleep(0.2)
    return done


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_of_two_schedulers_one_is_lost_and_no_run_is_missed_or_done_twice(tmp_path, start, how):
    Catalog(tmp_path / "catalog.db")
    first = start()
    wait_for(tmp_path, 2)
    start()
    before = len(wait_for(tmp_path, 3))
    taken = len(events(tmp_path, "scheduler took over"))
    first.send_signal(how)
    wait_for(tmp_path, before + 3)
    first.send_signal(signal.SIGCONT)
    done = wait_for(tmp_path, before + 5)
    assert {later - due for due, later in pairwise(done)} == {2_000_000}
    assert len(events(tmp_path, "scheduler took over")) > taken


def test_a_scheduler_runs_a_project_and_its_run_is_taken_up(
    tmp_path, finished, octavo, start_octavo
):
    folder = tmp_path / "shop"
    shutil.copytree(finished, folder)
    script = (folder / "pipeline.py").read_text()
    scheduled = 'ov.Files("data/orders*.csv"), schedule=ov.Schedule(on="data"),'
    script = script.replace('ov.Files("data/orders*.csv"),', scheduled)
    (folder / "pipeline.py").write_text(script)
    project = load(folder)
    (job,) = listed(project.jobs, project.catalog, tables.now())
    assert (job["job"], job["state"], job["on"]) == ("ingestion/orders", "armed", "data")
    lines = (folder / "data" / "orders.csv").read_text().splitlines()
    row = lines[-1].split(",")
    new = ",".join(["9000001", *row[1:]])
    (folder / "data" / "orders-2.csv").write_text(f"{lines[0]}\n{new}\n")
    service = start_octavo("up", "scheduler", folder)
    try:
        home = folder / ".octavo"
        until = time.monotonic() + 90
        while not events(home, "job running"):
            assert time.monotonic() < until
            time.sleep(0.1)
        service.kill()
        service.communicate()
        service = start_octavo("up", "scheduler", folder)
        assert wait_for(home, 1, within=180)
    finally:
        service.terminate()
        said = service.communicate(timeout=60)
    assert service.returncode == 0, said
    batches = project.catalog.committed("orders")
    assert sum("orders-2" in batch["source"] for batch in batches) == 1
    (job,) = json.loads(octavo("schedule", folder, "--json").stdout)["jobs"]
    assert (job["state"], job["result"]) == ("armed", "done")
