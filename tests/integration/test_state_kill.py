"""An owner of a state killed at any moment: state, outbox and table agree, each row once."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from state_worker import LANES, rows

from octavo.stages.prep.committer import Committer
from octavo.stores.delta import DeltaLog
from octavo.stores.state import StateStore

WORKER = Path(__file__).parent / "state_worker.py"


def start(state, table):
    command = [sys.executable, str(WORKER), str(state), str(table)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


def kill_and_restart(state, table, times):
    """Return how many rows the workers said were in the state when they were killed."""
    moments, told = random.Random(times), 0
    spare = start(state, table)
    for life in range(times):
        worker, spare = spare, start(state, table)  # which imports while the other one works
        assert worker.stdout.readline() == "ready\n"
        worker.stdin.write(f"{life}\n")
        worker.stdin.flush()
        time.sleep(moments.uniform(0, 0.25))
        worker.kill()
        lines = [line for line in worker.stdout if line.endswith("\n")]
        assert worker.wait() == -signal.SIGKILL
        worker.stdin.close()
        worker.stdout.close()
        told = max([told, *map(int, lines)])
    spare.kill()
    spare.communicate()
    return told


def check_state(store):
    """Compare the state with the rows it says it has; return how many these are."""
    count = store.place.offset
    part = rows(0, count)
    assert store.place == (part["known_at"][-1], count, count)
    kept = {
        "all": np.ones(count, bool),
        "odd": (part["number"] % 2 == 1) & (part["time"] > part["known_at"] - LANES["odd"]),
    }
    assert store.too_late == {"all": 0, "odd": (part["number"] % 2 == 1).sum() - kept["odd"].sum()}
    for lane, after in ("all", -(2**63)), ("odd", part["known_at"][-1] - LANES["odd"]):
        with store.snapshot() as snapshot:
            found = snapshot.observations_of(lane, np.arange(7, dtype=np.uint64), after)
        for entity in range(7):
            mine = kept[lane] & (part["entity"] == entity) & (part["time"] > after)
            order = np.argsort(part["time"][mine], kind="stable")
            rows_of = slice(*found.starts[entity : entity + 2])
            assert (found.times[rows_of] == part["time"][mine][order]).all()
            assert (found.values[rows_of] == part["value"][mine][order]).all()
    return count


def check_outbox(store, table, count):
    """Every row was emitted: it is in the table, or in the outbox, or just cleared from there."""
    done = table.transaction_version("prep")
    with store.snapshot() as snapshot:
        blobs = [blob for position, blob in snapshot.outbox() if position > done]
    waiting = pl.concat([pl.read_ipc_stream(blob) for blob in blobs] or [EMPTY])
    assert waiting["_number"].to_list() == list(range(done, count))


EMPTY = pl.DataFrame(schema={"_number": pl.Int64, "double": pl.Float64})


def check(folder, times):
    state, table = folder / "state", folder / "table"
    told = kill_and_restart(state, table, times)
    store = StateStore.open(state, view="card", fingerprint="f", lanes=LANES)
    count = check_state(store)
    assert count >= told > 5 * times
    log = DeltaLog(table)
    check_outbox(store, log, count)
    Committer(store, log).drain(count)
    with store.snapshot() as snapshot:
        assert list(snapshot.outbox()) == []
    found = log.scan().sort("_number").collect()
    assert found["_number"].to_list() == list(range(count))
    assert (found["double"] == 2 * found["_number"] + 1).all()
    return count


def test_fifty_kills(tmp_path):
    check(tmp_path, 50)


@pytest.mark.slow
def test_a_thousand_kills(tmp_path):
    check(tmp_path, 1000)
