"""Claim: on one core, 300,000 events a second in blocks of 1,000, 20 × River's rolling aggregates.

3 windows × 6 aggregates over skewed entities: every event is added and answered with 18 numbers.
Once in the owner's memory, and once with a durable transaction of the store every 50 blocks. River,
in an environment of its own, gets the first events of the same stream.
``python benchmarks/live.py [--events 1000000] [--json]``
"""

import argparse
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl

from harness import Claim, environment, measured
from harness.stream import DAY, PLAN, SPANS, events
from octavo.stores.state import StateStore
from octavo.windows import LiveLane, Observations, Queries

RIVER = Path(__file__).parent / "peers" / "river_rolling.py"
BLOCK = 1_000
GROUP = 50 * BLOCK
GOAL = 300_000


def ours(frame: pl.DataFrame, store: StateStore | None = None) -> float:
    """Return events a second, block by block on one thread."""
    entity, at, value = (frame[name].to_numpy() for name in ("entity", "at", "value"))
    place = np.arange(frame.height)
    lane = LiveLane(PLAN, late=DAY)
    began = time.perf_counter()
    for start in range(0, frame.height, BLOCK):
        rows = slice(start, start + BLOCK)
        queries = Queries(entity[rows], at[rows], at[rows], place[rows])
        seen = Observations(entity[rows], at[rows], at[rows], place[rows], value[rows])
        lane.fold(seen, queries)
        end = min(start + BLOCK, frame.height)
        if store is not None and (end % GROUP == 0 or end == frame.height):
            group = slice(end - 1 - (end - 1) % GROUP, end)
            with store.transaction() as transaction:
                transaction.append("lane", entity[group], at[group], value[group], at[group])
                transaction.set_position(int(at[end - 1]), end - 1, end)
    return frame.height / (time.perf_counter() - began)


def durable(frame: pl.DataFrame) -> float:
    """Return events a second with a durable transaction for every `GROUP` events."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        state = Path(folder) / "state"
        kept = {"lane": PLAN.horizon + DAY}
        store = StateStore.open(state, view="benchmark", fingerprint="f", lanes=kept)
        return ours(frame, store)


def theirs(frame: pl.DataFrame) -> float:
    """Return events a second of River, from a file of the same events."""
    with tempfile.TemporaryDirectory() as folder:
        stream = Path(folder) / "events.csv"
        frame.write_csv(stream)
        hours = [str(span // SPANS["1h"]) for span in SPANS.values()]
        found = measured(environment("river", "river==0.26.1"), RIVER, stream, *hours)
    if found is None:
        raise SystemExit("River did not finish.")
    return found["events"] / found["seconds"]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--peer-events", type=int, default=200_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours(events(2 * BLOCK))  # compile, or read the compiled
    frame = events(options.events)
    mine, river = 1e6 / ours(frame), 1e6 / theirs(frame[: options.peer_events])
    print(f"with a durable transaction every {GROUP:,} events: {durable(frame):,.0f} events/s")
    budget = Claim("live, an event beside 300,000 a second", mine, 1e6 / GOAL, goal=1, unit="µs")
    budget.show(as_json=options.json)
    Claim("live, an event beside river", mine, river, goal=20, unit="µs").show(as_json=options.json)


if __name__ == "__main__":
    main()
