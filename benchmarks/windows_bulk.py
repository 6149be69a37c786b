"""Claim: bulk windows are at least 2 × as fast as Polars' rolling aggregates, 20 × as DuckDB's.

3 windows × 6 aggregates over skewed entities, all on all cores, interleaved, medians.
``python benchmarks/windows_bulk.py [--rows 5000000] [--json]``
"""

import argparse
from functools import partial

import duckdb
import numpy as np
import polars as pl

from harness import Claim, medians
from harness.stream import PLAN, SPANS, events
from octavo.windows import Observations, Queries, fold


def ours(frame: pl.DataFrame) -> np.ndarray:
    entity, at, value = (frame[name].to_numpy() for name in ("entity", "at", "value"))
    place = np.arange(frame.height)
    queries = Queries(entity, at, at, place)
    return fold(Observations(entity, at, at, place, value), queries, PLAN)


def with_polars(frame: pl.DataFrame) -> pl.DataFrame:
    timed = frame.with_columns(pl.col("at").cast(pl.Datetime("us")))
    value = pl.col("value")
    columns = []
    for name in SPANS:
        for take in ("sum", "mean", "min", "max", "std"):
            rolling = getattr(value, f"rolling_{take}_by")("at", window_size=name)
            columns.append(rolling.over("entity").alias(f"{take}_{name}"))
        one = value.is_not_null().cast(pl.Float64)
        count = one.rolling_sum_by("at", window_size=name).over("entity")
        columns.append(count.alias(f"count_{name}"))
    return timed.select(columns)


def with_duckdb(frame: pl.DataFrame) -> pl.DataFrame:
    """Frames of equal time include later peers, so a few values differ from ours by design."""
    takes = {"count": "count", "sum": "sum", "mean": "avg", "min": "min", "max": "max"}
    takes["std"] = "stddev_samp"
    columns = [
        f"{sql}(value) over w{n} as {take}_{n}" for n in SPANS for take, sql in takes.items()
    ]
    windows = [
        f'w{name} as (partition by entity order by "at" range between {span - 1} preceding '
        "and current row)"
        for name, span in SPANS.items()
    ]
    return duckdb.sql(f"select {', '.join(columns)} from frame window {', '.join(windows)}").pl()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    ours(events(1000))  # compile, or read the compiled
    frame = events(options.rows)
    works = [partial(work, frame) for work in (ours, with_polars, with_duckdb)]
    mine, polars, sql = medians(*works, repeats=options.repeats)
    size = f"{options.rows:,} rows"
    Claim(f"bulk windows, {size}, against polars", mine, polars, goal=2).show(as_json=options.json)
    Claim(f"bulk windows, {size}, against duckdb", mine, sql, goal=20).show(as_json=options.json)


if __name__ == "__main__":
    main()
