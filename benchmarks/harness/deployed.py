"""What servers are asked for: a LightGBM model, as a file for peers and deployed in a project."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import lightgbm
import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.encoders import OrdinalEncoder
from octavo.bundle.profile import profile, save_profile
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.project import Project
from octavo.project import load as project_of
from octavo.stages.training.algorithms.lightgbm import FittedLightGBM
from octavo.stores import catalog as tables

TREES, LEAVES, FEATURES = 200, 31, 40
NAMES = [f"f{number}" for number in range(FEATURES)]
SCRIPT = f"""
import polars as pl
import octavo as ov

rows = ov.Dataset("rows", offline=ov.Files("rows.csv"), event_id="id", event_time="at")
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="y", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[rows],
    rows=rows,
    label=ov.Label("y", of=rows, on="id", value=pl.col("target") > 0),
    row=[pl.col(f"f{{i}}") for i in range({FEATURES})],
    training=ov.Training(algorithms=["logistic"], trials=1),
)
"""


def table(size: int) -> pl.DataFrame:
    """Return rows with a target that some of the features tell."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(size, FEATURES))
    target = np.sign(X[:, 0] + X[:, 1] * X[:, 2] + rng.normal(size=size))
    at = pl.datetime_range(
        pl.datetime(2024, 1, 1), pl.datetime(2024, 12, 31), "1h", eager=True
    ).head(size)
    ids = pl.int_range(size, eager=True)
    frame = pl.DataFrame(X, schema=NAMES)
    return frame.with_columns(id=ids, at=at, target=pl.Series(target))


def booster_of(frame: pl.DataFrame) -> lightgbm.Booster:
    """Train a model of the size that is claimed about."""
    X, y = frame.select(NAMES).to_numpy(), (frame["target"] > 0).to_numpy()
    params = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 1}
    data = lightgbm.Dataset(X, y, feature_name=NAMES)
    return lightgbm.train(params | {"min_data_in_leaf": 5}, data, TREES)


def deployed(folder: Path, frame: pl.DataFrame, booster: lightgbm.Booster) -> Project:
    """Return a project whose live deployment is that model."""
    folder.mkdir()
    (folder / "pipeline.py").write_text(SCRIPT)
    frame.write_csv(folder / "rows.csv")
    octavo = [sys.executable, "-m", "octavo"]
    done = subprocess.run(
        [*octavo, "run", folder, "--to", "prep"], check=False, capture_output=True
    )
    if done.returncode:
        sys.exit(done.stderr.decode())
    project = project_of(folder)
    deploy(project, booster, frame.select(NAMES), "y")
    return project


def deploy(
    project: Project, booster: lightgbm.Booster, features: pl.DataFrame, target: str
) -> None:
    """Make a model over some features the live deployment of a prepped project."""
    definition, catalog = project.definition, project.catalog
    wanted = table_fingerprints(definition, catalog.loaded(definition.datasets))
    bundle = Bundle(
        FittedLightGBM(booster, "binary", 1, {}).model(),
        OrdinalEncoder.fit(features),
        target,
        "lightgbm",
        classes=(False, True),
        fingerprints=feature_fingerprints(definition, wanted),
    )
    folder = project.home.candidate("benchmark")
    bundle.save(folder)
    save_profile(profile(features, features.columns), folder)
    row = {"candidate_id": "benchmark", "run_id": "benchmark", "live_from": 1, "live_to": None}
    catalog.insert(tables.deployments, deployment_id="deployment-1", **row)


class Served(NamedTuple):
    """A model, where it lies, and the rows it was trained on."""

    booster: lightgbm.Booster
    model: Path
    """As LightGBM writes it."""
    project: Path
    """The folder of a project that has deployed it."""
    frame: pl.DataFrame


@contextmanager
def served(rows: int = 8_000) -> Iterator[Served]:
    """Give a model of the size that is claimed about until the block ends."""
    frame = table(rows)
    booster = booster_of(frame)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as parent:
        found = Served(booster, Path(parent) / "model.txt", Path(parent) / "served", frame)
        booster.save_model(found.model)
        deployed(found.project, frame, booster)
        yield found


def up(project: Path, port: int, *more: str) -> list[str | Path]:
    """Return the command by which anybody would serve a project."""
    return [sys.executable, "-m", "octavo", "up", "server", project, "--port", str(port), *more]
