"""The benchmark's series through Octavo, from ingestion to deployment, as a user would.

The probations of all series end at one instant here, so that the split by time trains on nothing
but rows of probations, which lie before every row that is scored; the deviations know no calendar.
A reading is known when it stands in its file, even if its clock was put back.
"""

import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl

from octavo.project import load
from octavo.stores.predictions import PredictionStore
from octavo.stores.versions import latest
from tests.nab import protocol

SCORED_FROM = datetime.fromisoformat("2000-01-01")
"""When the probations end."""


def prepare(folder: Path, readings: pl.DataFrame) -> Path:
    """Write a project with some series: ``series, timestamp, value`` in the order of the file."""
    moved = []
    for _, rows in readings.with_row_index("row").group_by("series", maintain_order=True):
        by = SCORED_FROM - rows["timestamp"][protocol.probation(rows.height)]
        moved.append(rows.with_columns(pl.col("timestamp") + by))
    known = pl.col("timestamp").cum_max().over("series").alias("received")
    folder.mkdir(parents=True, exist_ok=True)
    pl.concat(moved).with_columns(known).write_csv(folder / "readings.csv")
    shutil.copy(Path(__file__).with_name("pipeline.py"), folder)
    return folder


def scored(folder: Path) -> pl.DataFrame:
    """Run a prepared project and return ``row, score`` of every reading, as deployed."""
    octavo = [sys.executable, "-m", "octavo", "run", str(folder)]
    subprocess.run(octavo, check=True, capture_output=True)
    predictions = PredictionStore(load(folder).home).scan().sort("_event_id")
    return (
        predictions.select(pl.col("_event_id").cast(pl.UInt32).alias("row"), score="prediction")
        .sort("row")
        .collect()
    )


def test_begins(folder: Path) -> datetime:
    """Return when the part begins that neither trains nor chooses."""
    cut = latest(load(folder).catalog)["cuts"]["test"]
    return datetime.fromtimestamp(cut / 1e6, UTC).replace(tzinfo=None)
