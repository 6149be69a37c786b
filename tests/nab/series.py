"""The benchmark's series through Octavo, from ingestion to deployment, as a user would.

Series begin at one instant here, so that the split by time trains on rows that lie before every row
that is scored; the deviations know no calendar. A reading is known when it stands in its file, even
if its clock was put back.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl

from octavo.project import load
from octavo.stores.predictions import PredictionStore
from octavo.stores.versions import latest
from tests.nab import protocol

BEGIN = pl.datetime(2000, 1, 1)


def prepare(folder: Path, readings: pl.DataFrame) -> Path:
    """Write a project with some series: ``series, timestamp, value`` in the order of the file."""
    moved = readings.with_row_index("row").with_columns(
        (pl.col("timestamp") - pl.col("timestamp").first() + BEGIN).over("series")
    )
    moved = moved.with_columns(received=pl.col("timestamp").cum_max().over("series"))
    folder.mkdir(parents=True, exist_ok=True)
    moved.write_csv(folder / "readings.csv")
    shutil.copy(Path(__file__).with_name("pipeline.py"), folder)
    return folder


def scored(folder: Path) -> pl.DataFrame:
    """Run a prepared project and return ``row, score`` of every reading, as deployed."""
    octavo = [sys.executable, "-m", "octavo", "run", str(folder)]
    subprocess.run(octavo, check=True, capture_output=True)
    predictions = PredictionStore(load(folder).home).scan().sort("_event_id")
    return predictions.select(pl.col("_event_id").cast(pl.UInt32).alias("row"), score="prediction").sort("row").collect()


def first_scored(readings: pl.DataFrame) -> int:
    """Return after how many microseconds the first series leaves its probation."""
    ends = [
        rows["timestamp"][protocol.probation(rows.height)] - rows["timestamp"][0]
        for _, rows in readings.group_by("series", maintain_order=True)
    ]
    return round(min(ends).total_seconds() * 1e6)


def trained_until(folder: Path) -> int:
    """Return after how many microseconds the test part begins."""
    cut = latest(load(folder).catalog)["cuts"]["test"]
    return cut - pl.select(BEGIN.dt.epoch("us")).item()
