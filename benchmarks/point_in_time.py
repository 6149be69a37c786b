"""Claim: training sets 10 × as fast as Feast's local stores, in a tenth of the memory.

1 M rows (entity, time) over a table of 5 M rows of 6 features, 50,000 entities: each row gets the
newest values of its entity at its time. From two Parquet files to one, each in a process of its
own; Feast in an environment of its own, with its dask (file) and its duckdb store. Results are
compared. How much Feast needs depends on the facts of an entity: it joins a row with all of them.
``python benchmarks/point_in_time.py [--rows N] [--table N] [--entities N] [--json]``
"""

import argparse
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from harness import Claim, environment, measured, peak
from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span, fold

FEAST = Path(__file__).parent / "peers" / "feast_training_set.py"
STORES = ("duckdb", "dask")
FEATURES = [f"f{number}" for number in range(6)]
START, DAYS = 1_735_689_600, 90
MICROSECONDS = 1_000_000
PLAN = LanePlan(((Span(None), Aggregate.LAST),))
SHARDS = 8
"""Parts that are folded one after the other; a shard's history is all that is in memory."""
MEMORY = 16 << 30
"""What a peer may take, so that one which takes all there is does not end the others."""


def write_files(folder: Path, rows: int, table: int, entities: int) -> None:
    """Write the two files, both in order of time; entities are evenly spread, as suits Feast."""
    rng = np.random.default_rng(0)

    def moments(size: int) -> pl.Series:
        at = np.sort(rng.integers(0, DAYS * 86_400 * MICROSECONDS, size))
        return pl.Series(START * MICROSECONDS + at).cast(pl.Datetime("us", "UTC"))

    facts = {"entity": rng.integers(0, entities, table), "event_timestamp": moments(table)}
    facts |= {name: rng.random(table) for name in FEATURES}
    pl.DataFrame(facts).write_parquet(folder / "table.parquet")
    asked = {"row": np.arange(rows), "entity": rng.integers(0, entities, rows)}
    asked |= {"event_timestamp": moments(rows)}
    pl.DataFrame(asked).write_parquet(folder / "rows.parquet")


def training_set(folder: Path) -> None:
    """Fold the place of each fact, ask for the last one, and fetch the features from there."""
    table, rows = folder / "table.parquet", pl.read_parquet(folder / "rows.parquet")
    facts = last_facts(table, rows)
    seen = np.isfinite(facts)
    place = pl.Series(np.where(seen, facts, 0).astype(np.uint32)).set(pl.Series(~seen), None)
    for name in FEATURES:  # one column after the other: the table is never whole in memory
        column = pl.read_parquet(table, columns=[name])[name]
        rows = rows.with_columns(column.gather(place))
    rows.write_parquet(folder / "octavo.parquet")


def last_facts(table: Path, rows: pl.DataFrame) -> np.ndarray:
    """Return for each row the place in the table of its entity's newest fact, NaN for none.

    Shard by shard, as prep does where a history is larger than memory.
    """
    facts = pl.read_parquet(table, columns=["entity", "event_timestamp"])
    newest = np.empty(rows.height)
    for shard in range(SHARDS):
        place, asked = (
            frame.select((pl.col("entity") % SHARDS == shard).arg_true()).to_series().to_numpy()
            for frame in (facts, rows)
        )
        observed = Observations(
            *_keys(facts[place]), place.astype(np.int64), place.astype(np.float64)
        )
        later = facts.height + np.arange(len(asked))
        newest[asked] = fold(observed, Queries(*_keys(rows[asked]), later), PLAN)[:, 0]
    return newest


def _keys(frame: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    at = frame["event_timestamp"].to_physical().to_numpy()
    return frame["entity"].to_numpy().view(np.uint64), at, at


def ours(folder: Path) -> None:
    """Be the measured process."""
    tiny = pl.DataFrame({"entity": [1], "event_timestamp": [0]})
    fold(  # compile, or read the compiled
        Observations(*_keys(tiny), np.zeros(1, np.int64), np.zeros(1)),
        Queries(*_keys(tiny), np.ones(1, np.int64)),
        PLAN,
    )
    began = time.perf_counter()
    training_set(folder)
    print(json.dumps({"seconds": time.perf_counter() - began, "bytes": peak()}))


def differing(folder: Path, store: str) -> int:
    """Return how many rows a store answers otherwise than we do, or not at all."""
    found = pl.read_parquet(folder / "octavo.parquet").select("row", *FEATURES)
    theirs = pl.read_parquet(folder / f"feast_{store}.parquet").select("row", *FEATURES)
    same = found.join(theirs, on=["row", *FEATURES], how="inner", nulls_equal=True)
    return found.height - same.height


def compared(folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Run all in turn; return median seconds and most bytes of those that finished."""
    feast = environment("feast", "feast[duckdb]==0.67.0")
    commands: dict[str, list[Any]] = {"octavo": [sys.executable, __file__, "--child", folder]}
    commands |= {store: [feast, FEAST, store, folder] for store in STORES}
    runs: dict[str, list[dict[str, float]]] = {name: [] for name in commands}
    for _ in range(repeats):
        for name, command in commands.items():
            found = measured(*command, memory=None if name == "octavo" else MEMORY)
            if found is None:
                print(f"{name} did not finish")
            else:
                runs[name].append(found)
    return {
        name: {
            "seconds": statistics.median(run["seconds"] for run in done),
            "bytes": max(run["bytes"] for run in done),
        }
        for name, done in runs.items()
        if done
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--table", type=int, default=5_000_000)
    parser.add_argument("--entities", type=int, default=50_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        ours(options.child)
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder), options.rows, options.table, options.entities)
        found = compared(Path(folder), options.repeats)
        for name, figures in found.items():
            other = f", {differing(Path(folder), name):,} rows differ" if name != "octavo" else ""
            print(f"{name}: {figures['seconds']:.2f} s, {figures['bytes'] / 1e6:,.0f} MB{other}")
    mine = found.pop("octavo")
    fastest = min(found, key=lambda name: found[name]["seconds"])
    theirs = found[fastest]
    size = f"{options.rows:,} rows over {options.table:,}, feast's {fastest} store"
    Claim(f"training set, {size}, time", mine["seconds"], theirs["seconds"], goal=10).show(
        as_json=options.json
    )
    Claim(
        f"training set, {size}, memory", mine["bytes"] / 1e6, theirs["bytes"] / 1e6, 10, unit="MB"
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
