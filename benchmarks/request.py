"""Claim: a virtual query of 40 features takes 50 µs in the owner's process, 200 µs from another.

One lane, 10 aggregates × 4 windows, 200 observations of the entity in the store. A query opens a
snapshot, reads the entity's observations and computes the features; the owner holds the store open.
There is no peer: the goal stands in its place.
``python benchmarks/request.py [--queries 5000] [--json]``
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from harness import Claim
from octavo.stores.state import StateStore
from octavo.windows import Aggregate, LanePlan, Span, ask

HOUR = 3_600_000_000
NAMES = ("COUNT", "SUM", "MEAN", "MIN", "MAX", "STD", "FIRST", "LAST", "SINCE_LAST", "SINCE_FIRST")
SPANS = (HOUR, 24 * HOUR, 168 * HOUR, 720 * HOUR)
PLAN = LanePlan([(Span(over), Aggregate[name]) for over in SPANS for name in NAMES])
ENTITIES, OBSERVED = 2_000, 200
END = 720 * HOUR


def opened(folder: Path, *, readonly: bool = False) -> StateStore:
    lanes = None if readonly else {"lane": PLAN.horizon + 24 * HOUR}
    return StateStore.open(
        folder, view="benchmark", fingerprint="f", lanes=lanes, readonly=readonly
    )


def fill(store: StateStore) -> None:
    rng = np.random.default_rng(0)
    size = ENTITIES * OBSERVED
    at = np.sort(rng.integers(1, END, size))
    with store.transaction() as transaction:
        entity = rng.permutation(np.arange(size, dtype=np.uint64) % ENTITIES)
        transaction.append("lane", entity, at, rng.integers(1, 50_000, size) / 100, at)
        transaction.set_position(END, size, size)


def median(store: StateStore, queries: int) -> float:
    """Return the median microseconds of a query."""
    taken = []
    for number in range(queries):
        began = time.perf_counter()
        with store.snapshot() as snapshot:
            times, values = snapshot.history("lane", number % ENTITIES, END - PLAN.horizon)
        ask(times, values, PLAN, END)
        taken.append(time.perf_counter() - began)
    return 1e6 * statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--queries", type=int, default=5_000)
    parser.add_argument("--reader", type=Path, help="only read this store, and print the median")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.reader:
        print(median(opened(options.reader, readonly=True), options.queries))
        return
    with tempfile.TemporaryDirectory() as folder:
        store = opened(Path(folder) / "state")
        fill(store)
        own = median(store, options.queries)
        command = [sys.executable, __file__, "--reader", str(store.path)]
        command += ["--queries", str(options.queries)]
        other = float(subprocess.run(command, check=True, capture_output=True).stdout)
    claim = "a virtual query of 40 features"
    Claim(f"{claim}, in process", own, 50, goal=1, unit="µs").show(as_json=options.json)
    Claim(f"{claim}, another process", other, 200, goal=1, unit="µs").show(as_json=options.json)


if __name__ == "__main__":
    main()
