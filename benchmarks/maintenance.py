"""Claim: after maintenance a raw table of 1,000 micro-batches is read ten times as fast.

Each micro-batch is 20 rows in one durable append, as the ingestion service makes them. Beside it,
for information: opening, one batch, one more append, and what is on disk.
``python benchmarks/maintenance.py [--batches 1000] [--json]``
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from harness import Claim
from octavo.services.maintenance import Maintenance
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.stores.raw import ROWS_PER_BATCH
from octavo.streams.memory import MemoryStream

ROWS = 20
GOAL = 10


def batch(number: int) -> pl.DataFrame:
    at = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    count = range(number * ROWS, (number + 1) * ROWS)
    return pl.DataFrame(
        {
            "sale": count,
            "shop": [f"shop {n % 7}" for n in count],
            "amount": [n % 1000 / 7 for n in count],
            "_event_id": map(str, count),
            "_event_time": [at] * ROWS,
            "_known_at": [at] * ROWS,
            "_position": [number * ROWS_PER_BATCH + n for n in range(ROWS)],
            "_batch_id": [f"{number:032}"] * ROWS,
        },
        schema_overrides={name: pl.Datetime("us", "UTC") for name in ("_event_time", "_known_at")},
    )


def append(log: DeltaLog, number: int) -> None:
    log.append(batch(number), app_id="incoming.sales/0", version=number, merge=True)


def best(action: Callable[[], object], times: int = 5) -> float:
    """Return the shortest time of an action, seconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        took.append(time.perf_counter() - began)
    return min(took)


def look(table: Path, batches: int) -> float:
    """Measure and print; return the seconds that it takes to read all rows."""
    first = batches // 2 * ROWS_PER_BATCH
    one = pl.col("_position").is_between(first, first + ROWS)
    log = DeltaLog(table)
    count, size = len(log.files()), sum(file.stat().st_size for file in table.glob("_delta_log/*"))
    opening = best(lambda: DeltaLog(table).version())
    every = best(lambda: DeltaLog(table).scan().collect())
    part = best(lambda: DeltaLog(table).scan().filter(one).collect())
    more = best(lambda: append(log, log.version() + 1), 20)
    print(
        f"{count:5,} files, log {size / 1e6:.1f} MB: open {opening * 1e3:.0f} ms, all rows "
        f"{every * 1e3:.0f} ms, one batch {part * 1e3:.0f} ms, one more append {more * 1e3:.0f} ms"
    )
    return every


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        home = Home(Path(folder))
        table = home.raw("sales")
        log = DeltaLog(table)
        for number in range(options.batches):
            append(log, number)
        before = look(table, options.batches)
        began = time.perf_counter()
        list(Maintenance(home, MemoryStream(), keep=86_400).turn())
        print(f"maintained in {time.perf_counter() - began:.1f} s")
        after = look(table, options.batches)
    claim = Claim("reading micro-batches, merged", after * 1e3, before * 1e3, goal=GOAL, unit="ms")
    claim.show(as_json=options.json)


if __name__ == "__main__":
    main()
