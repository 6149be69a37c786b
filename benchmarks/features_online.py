"""Claim: an event with 40 window features is answered in 1 ms, five times as fast as with Feast.

Two views of 20 windows, of a customer with 200 payments and a terminal with 100, a feature of the
row and one derived; a LightGBM model of 200 trees × 31 leaves over them. Octavo is `octavo up
server` as it comes: one request over HTTP, whose own event is among what it sees, logged to the
prediction store. Its answers are compared with those of frames first.
The peer is Feast's server, with ready values of the same 40 features, asked first, and then
FastAPI with the model. Both are asked in turn on one connection, a different event each time; the
median counts.
``python benchmarks/features_online.py [--requests 2000] [--json]``
"""

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import lightgbm
import numpy as np
import polars as pl

from harness import Claim, environment
from harness.deployed import LEAVES, TREES, deploy, up
from harness.server import free_port, peer, running
from octavo.project import Project, load

FEAST = "feast[duckdb]==0.67.0"
CUSTOMERS, TERMINALS, PAYMENTS = 1_000, 2_000, 200_000
DAYS = 30
SCRIPT = """
import polars as pl
import octavo as ov

payments = ov.Dataset("payments", ov.Files("payments.parquet"), event_id="id", event_time="at")
windows = [
    ov.Window(
        payments, "amount", over=["1h", "1d", "7d", "30d"],
        take=["count", "mean", "max", "std", "since_last"],
    )
]
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[payments],
    rows=payments,
    label=ov.Label("large", of=payments, on="id", value=pl.col("amount") > 100),
    views=[ov.View(key, key=key, windows=windows) for key in ("customer", "terminal")],
    row=[pl.col("at").dt.hour().alias("hour")],
    derived=[(pl.col("amount") / pl.col("customer__amount_mean_30d")).alias("against_usual")],
    training=ov.Training(algorithms=["logistic"], trials=1),
)
"""

Ask = Callable[[int], object]
"""Asks for one of the events, and waits for the answer."""


def payments() -> pl.DataFrame:
    """Return a month of payments, and an hour more that is asked for."""
    rng = np.random.default_rng(0)
    second = np.sort(rng.integers(0, DAYS * 86_400, PAYMENTS))
    at = pl.Series(second * 1_000_000 + 1_735_689_600_000_000).cast(pl.Datetime("us", "UTC"))
    return pl.DataFrame(
        {
            "id": np.arange(PAYMENTS),
            "at": at,
            "customer": rng.permutation(PAYMENTS) % CUSTOMERS,
            "terminal": rng.permutation(PAYMENTS) % TERMINALS,
            "amount": rng.gamma(2.0, 30.0, PAYMENTS).round(2),
        }
    )


def deployed(folder: Path, rows: pl.DataFrame) -> tuple[Project, lightgbm.Booster]:
    """Return a project whose live deployment is a model over its features, and that model."""
    folder.mkdir()
    (folder / "pipeline.py").write_text(SCRIPT)
    rows.write_parquet(folder / "payments.parquet")
    octavo = [sys.executable, "-m", "octavo"]
    done = subprocess.run(
        [*octavo, "run", folder, "--to", "prep"], check=False, capture_output=True
    )
    if done.returncode:
        sys.exit(done.stderr.decode())
    project = load(folder)
    names = list(project.definition.features)
    frame = project.features().of_rows(rows.tail(5_000)).select(names)
    y = np.random.default_rng(1).random(len(frame)) < frame["against_usual"].to_numpy() / 4
    params = {"objective": "binary", "num_leaves": LEAVES, "verbosity": -1, "min_data_in_leaf": 5}
    data = lightgbm.Dataset(frame.cast(pl.Float64).to_numpy(), y, feature_name=names)
    booster = lightgbm.train(params | {"num_threads": 2}, data, TREES)
    deploy(project, booster, frame, "large")
    return project, booster


class Connection:
    """Posts JSON on one connection: about 20 µs of its own."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket = self._connected()

    def _connected(self) -> socket.socket:
        found = socket.create_connection(("127.0.0.1", self._port))
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return found

    def post(self, path: str, body: bytes) -> bytes:
        head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        request = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
        self._socket.sendall(request)
        told = self._socket.recv(65_536)
        if not told:  # servers close connections that were silent for some seconds
            self._socket = self._connected()
            self._socket.sendall(request)
            told = self._socket.recv(65_536)
        while (end := told.find(b"\r\n\r\n")) < 0:
            told += self._more()
        at = told.lower().find(b"content-length:") + 15
        size = end + 4 + int(told[at : told.find(b"\r", at)])
        while len(told) < size:
            told += self._more()
        if told[9:12] != b"200":
            sys.exit(told.decode())
        return told[end + 4 :]

    def _more(self) -> bytes:
        found = self._socket.recv(65_536)
        if not found:
            sys.exit("a server closed its connection in the middle of an answer")
        return found


def octavo(port: int, name: str, bodies: Sequence[bytes]) -> Callable[[int], bytes]:
    """Return what asks Octavo."""
    connection, path = Connection(port), f"/v1/pipelines/{name}/predict"
    return lambda number: connection.post(path, bodies[number])


def peers(feast: int, fastapi: int, rows: pl.DataFrame, names: Sequence[str]) -> Ask:
    """Return what asks Feast's server for features, and then FastAPI for the prediction."""
    store, model = Connection(feast), Connection(fastapi)
    windows = [name for name in names if "__" in name]
    features = [f"{name.split('__')[0]}:{name}" for name in windows]
    keys = rows.select("customer", "terminal").rows()

    def ask(number: int) -> object:
        customer, terminal = keys[number]
        entities = {"customer": [customer], "terminal": [terminal]}
        asked = json.dumps({"features": features, "entities": entities}).encode()
        told = json.loads(store.post("/get-online-features", asked))
        found = zip(told["metadata"]["feature_names"], told["results"], strict=True)
        values = {name: each["values"][0] for name, each in found if name in windows}
        return model.post("/predict", json.dumps({"hour": 1, **values}).encode())

    return ask


def check(project: Project, rows: pl.DataFrame, ask: Callable[[int], bytes]) -> None:
    """Compare some answers with those of frames."""
    scorer = project.scorer()
    expected = scorer.score(rows.select(list(scorer.schema)).head(50)).predictions
    told = [json.loads(ask(number))["predictions"][0]["large"] for number in range(50)]
    assert told == expected.tolist(), "by row and by frame"


def medians(asks: Sequence[Ask], requests: int) -> list[float]:
    """Return the median milliseconds of each, asked in turn in portions of 100."""
    taken: list[list[float]] = [[] for _ in asks]
    for portion in range(0, requests, 100):
        for ask, seconds in zip(asks, taken, strict=True):
            for number in range(portion, min(portion + 100, requests)):
                began = time.perf_counter()
                ask(number)
                seconds.append(time.perf_counter() - began)
    return [1e3 * statistics.median(seconds[len(seconds) // 10 :]) for seconds in taken]


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--alone", action="store_true", help="without the peers")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = payments()
    asked = rows.tail(options.requests).with_columns(pl.col("id") + PAYMENTS)
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as parent:
        folder = Path(parent) / "served"
        project, booster = deployed(folder, rows)
        text = asked.with_columns(pl.col("at").dt.to_string("iso:strict")).to_dicts()
        bodies = [json.dumps({"events": [row]}).encode() for row in text]
        port = free_port()
        with running(up(folder, port), port):
            ours = octavo(port, folder.name, bodies)
            check(project, asked, ours)
            if options.alone:
                show(medians([ours], options.requests), options)
                return
            values = project.features().of_rows(rows.tail(20_000))
            beside(Path(parent), values, booster, (asked, ours), options)


def beside(
    folder: Path,
    values: pl.DataFrame,
    booster: lightgbm.Booster,
    told: tuple[pl.DataFrame, Ask],
    options: argparse.Namespace,
) -> None:
    """Ask the peers, too."""
    asked, ours = told
    keys = [pl.col(f"key:{key}").alias(key) for key in ("customer", "terminal")]
    windows = [pl.col(name).cast(pl.Float64) for name in values.columns if "__" in name]
    ready = values.select(pl.col("_event_time").alias("event_timestamp"), *keys, *windows)
    ready.write_parquet(folder / "values.parquet")
    booster.save_model(folder / "model.txt")
    scripts = Path(__file__).parent / "peers"
    feast, fastapi = free_port(), free_port()
    store = [environment("feast", FEAST), scripts / "feast_serving.py", folder / "values.parquet"]
    with (
        running([*store, str(feast)], feast),
        running(peer("fastapi", folder / "model.txt", fastapi), fastapi),
    ):
        theirs = peers(feast, fastapi, asked, booster.feature_name())
        show(medians([ours, theirs], options.requests), options)


def show(found: Sequence[float], options: argparse.Namespace) -> None:
    """Print the claims."""
    what = "an event with 40 window features over HTTP, p50"
    Claim(what, found[0], 1.0, goal=1, unit="ms").show(as_json=options.json)
    if len(found) > 1:
        beside = f"{what}, beside Feast's server and a model server"
        Claim(beside, *found, goal=5, unit="ms").show(as_json=options.json)


if __name__ == "__main__":
    main()
