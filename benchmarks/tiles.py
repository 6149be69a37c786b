"""Claim: with a resolution a hot entity takes a fiftieth of the room, and a request of the time.

One entity, 30 days of events, one window of 30 days with 8 aggregates, in steps of an hour and
exact; ``late`` is 0. The peer is the exact window over the same events, kept one by one.
``python benchmarks/tiles.py [--events 1000000] [--take COUNT,SUM,…] [--json]``
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import numpy as np

from harness import Claim, medians
from octavo.stores.state import StateStore, Tiling
from octavo.windows import Aggregate, LanePlan, PlanColumn, Span, ask

HOUR = 3_600_000_000
MONTH = 720 * HOUR
TAKE = "COUNT,SUM,MEAN,STD,MIN,MAX,FIRST,LAST"
PARAMETERS = {"QUANTILE": 500, "DECAYED_SUM": 24 * HOUR}
BLOCK = 1_000


def plan_of(take: str, resolution: int | None) -> LanePlan:
    span = Span(MONTH, 0, resolution)
    columns = [PlanColumn(span, Aggregate[n], PARAMETERS.get(n, 0)) for n in take.split(",")]
    return LanePlan(columns)


def filled(folder: Path, plan: LanePlan, at: np.ndarray, value: np.ndarray) -> StateStore:
    tiles = {} if plan.tiles is None else {"lane": Tiling(plan.tiles, 0)}
    about = {"view": "benchmark", "fingerprint": "f"}
    store = StateStore.open(folder, **about, lanes={"lane": plan.horizon}, tiles=tiles)
    for start in range(0, at.size, BLOCK):
        rows = slice(start, start + BLOCK)
        clock = int(at[rows][-1])
        with store.transaction() as transaction:
            entity = np.zeros(at[rows].size, np.uint64)
            transaction.append("lane", entity, at[rows], value[rows], at[rows])
            transaction.set_position(clock, start, start)
            transaction.trim(clock)
    return store


def size_of(store: StateStore) -> int:
    """Return the bytes of the pages that hold observations and tiles."""
    environment, numbers = store._opened.environment, 0
    with store.snapshot() as snapshot:
        for name in (b"observations", b"tiles"):
            pages = snapshot._transaction.stat(environment.tables[name])
            numbers += sum(pages[f"{kind}_pages"] for kind in ("branch", "leaf", "overflow"))
    return 4096 * numbers


def request(store: StateStore, plan: LanePlan, now: int) -> np.ndarray:
    with store.snapshot() as snapshot:
        past = snapshot.observations_of("lane", np.zeros(1, np.uint64), now - plan.horizon)
    return ask(past.times, past.values, plan, now, now, 0, tiles=past.tiles)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--take", default=TAKE)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    at = np.sort(random.integers(0, MONTH, options.events))
    value = random.integers(100, 50_000, options.events) / 100
    plans = [plan_of(options.take, resolution) for resolution in (HOUR, None)]
    with tempfile.TemporaryDirectory() as folder:
        stores = [filled(Path(folder) / str(n), plan, at, value) for n, plan in enumerate(plans)]
        works = [
            partial(request, store, plan, int(at[-1]))
            for store, plan in zip(stores, plans, strict=True)
        ]
        tiled, exact = (work() for work in works)  # compile, or read the compiled
        if options.take == TAKE:  # both windows hold all there is
            np.testing.assert_array_equal(tiled, exact)
        took = [1e3 * each for each in medians(*works, repeats=15)]
        sizes = [size_of(store) / 1e3 for store in stores]
    what = f"a month of {options.events:,} events of one key, in steps of an hour"
    Claim(f"{what}, state", *sizes, goal=50, unit="kB").show(as_json=options.json)
    Claim(f"{what}, request", *took, goal=50, unit="ms").show(as_json=options.json)


if __name__ == "__main__":
    main()
