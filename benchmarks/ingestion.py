"""Claim: a large CSV is ingested in at most 2 × the time of Polars' own CSV → Parquet, in 2 GB.

Ours is the stage as `octavo run` runs it, on an empty home: content hash, types from all values,
event IDs and times, a check, repeated events, rejected rows, Delta tables on disk. The peer's is
``pl.scan_csv(…, schema=…).sink_parquet(…)``: it is told the types, makes null of what does not fit,
and brings nothing to disk. Both are processes of their own, in turn. Fourteen columns: numbers,
texts, quotes, dates, times, some nulls, 1 amount of 100,000 that is none.
``python benchmarks/ingestion.py [--gigabytes 5] [--repeats 3] [--folder DIR] [--json]``
Needs about twice the size of the file on disk.
"""

import argparse
import json
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from harness import Claim, measured, peak

ROWS = 1_000_000
SCHEMA = {
    "payment_id": pl.Int64,
    "customer": pl.String,
    "merchant": pl.String,
    "channel": pl.String,
    "amount": pl.Float64,
    "items": pl.Int64,
    "distance": pl.Float64,
    "score": pl.Float64,
    "paid_at": pl.Datetime("us"),
    "settled_on": pl.Date,
    "is_online": pl.Boolean,
    "country": pl.String,
    "note": pl.String,
    "clicks": pl.Int64,
}
MEMORY = 2e9
PIPELINE = """
import polars as pl

import octavo as ov

payments = ov.Dataset(
    "payments",
    ov.Files("payments.csv"),
    event_id="payment_id",
    event_time="paid_at",
    checks=[ov.Check("amount is positive", pl.col("amount") > 0)],
)
pipeline = ov.Pipeline(
    problem=ov.Problem(
        "Which payments are made online?",
        target="online",
        kind="binary",
        metric="average_precision",
        at_least=0.9,
    ),
    datasets=[payments],
    rows=payments,
    label=ov.Label("online", of=payments, on="payment_id", value=pl.col("is_online")),
    row=[pl.col("amount")],
    training=ov.Training(algorithms=["logistic"], trials=1),
)
"""


def generated(number: int) -> pl.DataFrame:
    """Return the ``number``-th million of payments."""
    rng = np.random.default_rng(number)
    at = 1_704_067_200 + number * 86_400 + np.sort(rng.integers(0, 86_400, ROWS))

    def some(share: float) -> pl.Expr:
        return pl.lit(pl.Series(rng.random(ROWS) < share))

    frame = pl.DataFrame(
        {
            "payment_id": np.arange(ROWS) + number * ROWS,
            "customer": rng.integers(0, 500_000, ROWS),
            "merchant": rng.integers(0, 9_000, ROWS),
            "channel": rng.choice(["web", "app", "terminal", "phone"], ROWS),
            "amount": np.round(rng.lognormal(3, 1, ROWS), 2) + 0.01,
            "items": rng.integers(1, 40, ROWS),
            "distance": np.round(rng.exponential(30, ROWS), 3),
            "score": rng.random(ROWS),
            "paid_at": at,
            "settled_on": at // 86_400 + rng.integers(1, 9, ROWS),
            "is_online": rng.random(ROWS) < 0.5,
            "country": rng.choice(["DE", "FR", "US", "JP", "BR", "IN"], ROWS),
            "note": rng.integers(0, 1_000, ROWS),
            "clicks": rng.integers(0, 10_000, ROWS),
        }
    )
    day = pl.col("settled_on").cast(pl.Int32).cast(pl.Date)
    return frame.with_columns(
        pl.format("c{}", "customer").alias("customer"),
        pl.format("shop {}", "merchant").alias("merchant"),
        pl.when(some(1e-5)).then(pl.lit("unknown")).otherwise(pl.col("amount").cast(pl.String))
        .alias("amount"),
        pl.when(some(0.95)).then("distance"),
        pl.from_epoch("paid_at").dt.strftime("%Y-%m-%d %H:%M:%S"),
        pl.when(some(0.97)).then(day).alias("settled_on"),
        pl.when(some(0.3)).then(pl.format('order {}, paid "later"', "note")).alias("note"),
        pl.when(some(0.98)).then("clicks"),
    )  # fmt: skip


def write(path: Path, size: float) -> int:
    """Write a CSV of about ``size`` bytes; return the number of its rows."""
    parts = 0
    with path.open("wb") as file:
        while file.tell() < size:
            generated(parts).write_csv(file, include_header=not parts)
            parts += 1
    return parts * ROWS


def ours(folder: Path) -> None:
    """Ingest the file of a project into a new home."""
    from octavo.cli.display import TerminalDisplay
    from octavo.project import Project

    with TerminalDisplay() as display:
        Project(folder).run(display, last="ingestion")


def peer(folder: Path) -> None:
    """Let Polars write the Parquet file."""
    read = pl.scan_csv(folder / "payments.csv", schema=SCHEMA, ignore_errors=True)
    read.sink_parquet(folder / "payments.parquet")


def work(name: str, folder: Path) -> None:
    """Do one of the two, and tell seconds and memory."""
    began = time.perf_counter()
    {"ours": ours, "peer": peer}[name](folder)
    print(json.dumps({"seconds": time.perf_counter() - began, "peak": peak()}))


def compare(folder: Path, repeats: int) -> dict[str, dict[str, float]]:
    """Let both do it in turn; return the median seconds and the greatest memory of each."""
    found: dict[str, list[dict[str, Any]]] = {"ours": [], "peer": []}
    for _ in range(repeats):
        for name, runs in found.items():
            shutil.rmtree(folder / ".octavo", ignore_errors=True)
            done = measured(sys.executable, __file__, "--work", name, "--folder", str(folder))
            if done is None:
                raise SystemExit(f"{name} failed")
            runs.append(done)
    return {
        name: {
            "seconds": statistics.median(run["seconds"] for run in runs),
            "peak": max(run["peak"] for run in runs),
        }
        for name, runs in found.items()
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument(
        "--folder", type=Path, help="an existing one; what is made in it is removed"
    )
    parser.add_argument("--work", choices=["ours", "peer"], help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if options.work:
        work(options.work, options.folder)
        return
    with tempfile.TemporaryDirectory(dir=options.folder) as made:
        folder, file = Path(made), Path(made) / "payments.csv"
        rows = write(file, options.gigabytes * 1e9)
        (folder / "pipeline.py").write_text(PIPELINE)
        found = compare(folder, options.repeats)
        size = file.stat().st_size / 1e9
    about = f"{size:.2g} GB of CSV, {rows:,} rows"
    seconds = [found[name]["seconds"] for name in ("ours", "peer")]
    Claim(f"ingestion of {about}", *seconds, goal=2, at_most=True).show(as_json=options.json)
    Claim(
        f"most memory held with {about}, beside what it may",
        found["ours"]["peak"] / 1e9,
        MEMORY / 1e9,
        goal=1,
        unit="GB",
        at_most=True,
    ).show(as_json=options.json)


if __name__ == "__main__":
    main()
