"""Claim: one worker answers four times as many requests as FastAPI with Booster.predict.

A LightGBM model of 200 trees × 31 leaves over 40 numbers, one row of JSON a request, at 1, 16 and
64 connections; at 16 the claim, and a lower p99 too. Octavo is `octavo up server` as it comes: the
row is validated, counted and logged to the prediction store. Both are asked in turn by the same
load, and the median of the rounds counts; each answer is compared with LightGBM's own first.
``python benchmarks/serving.py [--rounds 5] [--seconds 4] [--json]``
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import lightgbm
import numpy as np
import polars as pl

from harness import Claim, environment
from harness.load import Load, load
from octavo.bundle import Bundle
from octavo.bundle.encoders import OrdinalEncoder
from octavo.bundle.profile import profile, save_profile
from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.project import Project
from octavo.project import load as project_of
from octavo.stages.training.algorithms.lightgbm import FittedLightGBM
from octavo.stores import catalog as tables

CONNECTIONS = (1, 16, 64)
CLAIMED = 16
"""Connections that the claim is about."""
TREES, LEAVES, FEATURES = 200, 31, 40
NAMES = [f"f{number}" for number in range(FEATURES)]
FASTAPI = ("fastapi==0.165.*", "uvicorn[standard]==0.54.*", "lightgbm==4.7.*", "numpy<3")
GOAL = 4.0
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


class Server(NamedTuple):
    """A process that answers."""

    process: int
    port: int
    path: str
    body: bytes


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
    params = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "num_threads": 2}
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


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(command: list[str | Path], port: int) -> Iterator[int]:
    """Run a server until the block ends; give its process when it accepts."""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": "1"}
    ) as process:
        try:
            while process.poll() is None:
                with socket.socket() as tried:
                    if not tried.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.1)
            if process.poll() is not None:
                sys.exit(f"{command} ended")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


@contextmanager
def octavo(folder: Path, row: Mapping[str, float]) -> Iterator[Server]:
    """Serve the project as anybody would."""
    port = free_port()
    command = [sys.executable, "-m", "octavo", "up", "server", folder, "--port", str(port)]
    body = json.dumps({"features": [row]}).encode()
    with running(command, port) as process:
        yield Server(process, port, f"/v1/pipelines/{folder.name}/predict/features", body)


@contextmanager
def fastapi(model: Path, row: Mapping[str, float]) -> Iterator[Server]:
    """Serve the model by FastAPI."""
    script, port = Path(__file__).parent / "peers" / "fastapi_serving.py", free_port()
    command = [environment("fastapi", *FASTAPI), script, model, str(port)]
    with running(command, port) as process:
        yield Server(process, port, "/predict", json.dumps(row).encode())


def answer(server: Server) -> float:
    """Return what a server predicts."""
    url = f"http://127.0.0.1:{server.port}{server.path}"
    request = urllib.request.Request(url, server.body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answered:
        told = json.load(answered)
    return told["prediction"] if "prediction" in told else told["predictions"][0]["y"]


def measure(
    servers: Mapping[str, Server], options: argparse.Namespace
) -> dict[tuple[str, int], list[Load]]:
    """Ask all in turn, several times over."""
    found: dict[tuple[str, int], list[Load]] = {}
    for _ in range(options.rounds + 1):
        for connections in CONNECTIONS:
            for name, server in servers.items():
                told = server.port, server.path, server.body
                seen = load(
                    *told, connections=connections, seconds=options.seconds, server=server.process
                )
                if seen.failed:
                    sys.exit(f"{name} failed {seen.failed} times")
                found.setdefault((name, connections), []).append(seen)
    return {key: seen[1:] for key, seen in found.items()}  # the first round warms up


def middle(loads: list[Load], what: str) -> float:
    """Return the median of something over rounds."""
    return statistics.median(getattr(each, what) for each in loads)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    frame = table(8_000)
    booster = booster_of(frame)
    row = frame.select(NAMES).row(17, named=True)
    expected = booster.predict(np.array([list(row.values())]))[0]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as parent:
        folder, model = Path(parent) / "served", Path(parent) / "model.txt"
        booster.save_model(model)
        deployed(folder, frame, booster)
        with octavo(folder, row) as ours, fastapi(model, row) as theirs:
            servers = {"octavo": ours, "fastapi": theirs}
            for server in servers.values():
                np.testing.assert_allclose(answer(server), expected, rtol=1e-12)
            found = measure(servers, options)
    show(found, options)


def show(found: Mapping[tuple[str, int], list[Load]], options: argparse.Namespace) -> None:
    """Print all that was measured, and the claims."""
    whats = ("rate", "p50_ms", "p99_ms", "server_us", "own_us")
    for (name, connections), loads in found.items():
        told = [middle(loads, what) for what in whats]
        print(
            "{} at {}: {:,.0f} req/s, p50 {:.2f} ms, p99 {:.2f} ms, CPU {:.0f} µs "
            "(load {:.0f} µs)".format(name, connections, *told)
        )
    ours, theirs = (found[name, CLAIMED] for name in ("octavo", "fastapi"))
    what = f"a request at {CLAIMED} connections, beside FastAPI"
    seconds = (1 / middle(loads, "rate") for loads in (ours, theirs))
    Claim(what, *seconds, goal=GOAL).show(as_json=options.json)
    waits = (middle(loads, "p99_ms") for loads in (ours, theirs))
    Claim(f"p99 of {what}", *waits, goal=1, unit="ms").show(as_json=options.json)


if __name__ == "__main__":
    main()
