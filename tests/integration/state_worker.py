"""Stream rows into a state, and from its outbox into a table, until killed.

``python state_worker.py STATE TABLE``; it says ``ready`` when its imports are over, begins when a
line with a seed comes in, and tells how many rows are in the state after each transaction. What a
row is depends on its number alone, how they are cut into transactions on the seed.
"""

import sys
import threading
import time
from pathlib import Path

import numpy as np
import polars as pl

from octavo.errors import OctavoError
from octavo.stages.prep.committer import Committer, packed
from octavo.stores.delta import DeltaLog
from octavo.stores.state import StateStore, chunks, environment, fresh

LANES = {"all": None, "odd": 3_000}


def rows(first, end):
    """Return the columns of rows: many are late, a few too late, many have equal times."""
    number = np.arange(first, end, dtype=np.uint64)
    mixed = (number + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    late = np.where(mixed % np.uint64(5) == 0, mixed % np.uint64(4_001), 0).astype(np.int64)
    known_at = number.astype(np.int64) // 3 * 10
    return {
        "number": number.astype(np.int64),
        "entity": mixed % np.uint64(7),
        "time": known_at - late,
        "known_at": known_at,
        "value": number + 0.5,
    }


def drain(committer):
    while True:
        time.sleep(0.03)
        try:
            committer.drain(committer.store.place.offset)
        except OctavoError as error:
            print(error, flush=True)  # which is no number: whoever reads it fails


def stream(state, table, seed):
    chunks.CHUNK, environment.ROOM, fresh.MOST = 16, 1 << 18, 300
    store = StateStore.open(Path(state), view="card", fingerprint="f", lanes=LANES)
    committer = Committer(store, DeltaLog(table))
    threading.Thread(target=drain, args=(committer,), daemon=True).start()
    random = np.random.default_rng(seed)
    while True:
        first = store.place.offset
        part = rows(first, first + int(random.integers(1, 90)))
        odd = part["number"] % 2 == 1
        emitted = pl.DataFrame({"_number": part["number"], "double": 2 * part["value"]})
        with store.transaction() as tx:
            tx.append("all", part["entity"], part["time"], part["value"])
            seen = [part[name][odd] for name in ("entity", "time", "value", "known_at")]
            tx.append("odd", *seen)
            end = first + part["number"].size
            tx.emit(end, packed(emitted))
            tx.set_position(int(part["known_at"][-1]), end, end)
            tx.trim(int(part["known_at"][-1]))
        print(end, flush=True)


if __name__ == "__main__":
    print("ready", flush=True)
    stream(sys.argv[1], sys.argv[2], int(sys.stdin.readline()))
