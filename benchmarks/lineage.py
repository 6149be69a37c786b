"""Claim: among a million predictions one is traced to batch and file in 100 ms, its rows in 2 s.

From a prediction to the raw row of its event, to how far its features had come, and by deployment,
candidate, run and data version to batches and their files; and to the raw rows that one of its
window features saw, of which the feature is computed again. The limit stands where a peer would.
Measured is what `octavo lineage` does when Python, libraries and ``pipeline.py`` are loaded: the
catalog and all tables are opened anew each time, of another prediction, drawn at random. IDs are
those of 16 servers at once, so no file can be left out by what its IDs begin with; first with a
file for every 10,000, then merged by compaction. Beside it: how long it takes to find the
predictions that used a batch. ``python benchmarks/lineage.py [--predictions 1000000] [--json]``
"""

import argparse
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import sqlalchemy as sa

from features_online import SCRIPT
from harness import Claim
from harness.deployed import LEAVES, TREES, deploy
from octavo.project import Project, load
from octavo.services.lineage.traced import Lineage
from octavo.services.log_settings import LogSettings
from octavo.services.scored_records import records
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.stores.compaction import compact
from octavo.stores.predictions import PredictionStore
from octavo.stores.versions import latest

PAYMENTS, FILES, SERVERS, AT_ONCE = 400_000, 8, 16, 10_000
FEATURE = "customer__amount_mean_30d"
TRACED_MS, ROWS_MS = 100, 2_000
BEGIN = 1_735_689_600


def payments() -> pl.DataFrame:
    """Return a month of payments, by time."""
    rng = np.random.default_rng(0)
    second = np.sort(rng.integers(0, 30 * 86_400, PAYMENTS)) + BEGIN
    return pl.DataFrame(
        {
            "id": np.arange(PAYMENTS),
            "at": pl.Series(second * 1_000_000).cast(pl.Datetime("us", "UTC")),
            "customer": rng.permutation(PAYMENTS) % 1_000,
            "terminal": rng.permutation(PAYMENTS) % 2_000,
            "amount": rng.gamma(2.0, 30.0, PAYMENTS).round(2),
        }
    )


def project_in(folder: Path, rows: pl.DataFrame) -> Project:
    """Return a project of some files, with a model that is deployed as if it had been trained."""
    import lightgbm

    folder.mkdir()
    (folder / "pipeline.py").write_text(SCRIPT.replace("payments.parquet", "payments-*.parquet"))
    for number, part in enumerate(rows.iter_slices(PAYMENTS // FILES)):
        part.write_parquet(folder / f"payments-{number}.parquet")
    command = [sys.executable, "-m", "octavo", "run", folder, "--to", "segregation"]
    done = subprocess.run(command, check=False, capture_output=True)
    if done.returncode:
        sys.exit(done.stderr.decode())
    project = load(folder)
    names = list(project.definition.features)
    frame = project.features().of_rows(rows.tail(5_000)).select(names)
    y = np.random.default_rng(1).random(len(frame)) < 0.2
    data = lightgbm.Dataset(frame.cast(pl.Float64).to_numpy(), y, feature_name=names)
    params = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 2}
    deploy(project, lightgbm.train(params, data, TREES), frame, "large")
    trained(project)
    return project


def trained(project: Project) -> None:
    """Write down of the deployed candidate what training would."""
    catalog = project.catalog
    values = {
        "candidate_id": "benchmark",
        "study": "benchmark",
        "run_id": catalog.rows(sa.select(tables.runs))[-1]["run_id"],
        "algorithm": "lightgbm",
        "params": {},
        "data_version": latest(catalog)["data_version"],
        "config_version": 0,
        "validation": 0.5,
        "seconds": 1.0,
        "created_at": 1,
    }
    catalog.insert(tables.candidates, **values)


def answer(project: Project, rows: pl.DataFrame, predictions: int) -> None:
    """Log so many predictions about the newest rows, as several servers that answer at once."""
    scorer, store = project.scorer(), PredictionStore(project.home)
    asked = rows.tail(2 * AT_ONCE).select(list(scorer.schema))
    found = records(scorer, scorer.score(asked), "", LogSettings(scored=1.0))
    servers = [uuid.uuid4().hex[:16] for _ in range(SERVERS)]
    for version, first in enumerate(range(0, predictions, AT_ONCE), start=1):
        numbers = range(first, first + AT_ONCE)
        part = found.slice(first % found.height, AT_ONCE).with_columns(
            pl.Series("prediction_id", [f"{servers[n % SERVERS]}-{n:x}:0" for n in numbers]),
            pl.Series("prediction", np.random.default_rng(first).random(AT_ONCE)),
        )
        store.append(part, writer="benchmark", version=version)


def fresh(project: Project) -> Lineage:
    """Return a lineage that has nothing open."""
    return Lineage(project.definition, project.home, Catalog(project.home.catalog))


def traced(project: Project, prediction: str) -> None:
    """Trace a prediction back, and look whether all of it is there."""
    found = fresh(project).of(prediction, forward=False)
    kinds = [node.kind for node in found.behind.nodes.values()]
    assert kinds.count("row") == 1
    assert kinds.count("batch") == kinds.count("source") == FILES
    assert {"deployment", "candidate", "run", "data version", "features"} <= {*kinds}


def window(project: Project, prediction: str) -> None:
    """Find the rows that a feature saw, and look whether they give what was served."""
    found = fresh(project).window(prediction, FEATURE)
    assert found.rows.height > 100
    assert found.served == found.again


def median(act: Callable[[Project, str], None], project: Project, names: list[str]) -> float:
    """Return the median milliseconds of an act, each time with another prediction."""
    taken = []
    for name in names:
        began = time.perf_counter()
        act(project, name)
        taken.append(1e3 * (time.perf_counter() - began))
    return statistics.median(taken[2:])


def used(project: Project) -> None:
    """Print how long it takes to find what used the newest batch, and a batch's predictions."""
    batch = project.catalog.batches()[-1]
    began = time.perf_counter()
    found = fresh(project).of(batch["batch_id"], back=False)
    (counted,) = found.came("predictions")
    print(
        f"forward from a batch: {counted.about['used']:,} of {counted.about['count']:,} "
        f"predictions used it, found in {time.perf_counter() - began:.1f} s"
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--predictions", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as parent:
        rows = payments()
        project = project_in(Path(parent) / "served", rows)
        answer(project, rows, options.predictions)
        log = PredictionStore(project.home).log
        ids = log.scan().select("prediction_id").collect().to_series().to_list()
        drawn = random.Random(0).sample(ids, 22)
        for how in ("as they came", "merged"):
            files = len(log.files())
            to_file, to_rows = (median(act, project, drawn) for act in (traced, window))
            print(f"{len(ids):,} predictions in {files} files, {how}")
            about = f"to batch and file, {how}"
            Claim(about, to_file, TRACED_MS, 1, "ms").show(as_json=options.json)
            about = f"to the rows of a feature, {how}"
            Claim(about, to_rows, ROWS_MS, 1, "ms").show(as_json=options.json)
            used(project)
            compact(log, project.home.predictions)


if __name__ == "__main__":
    main()
