"""Claim: 50,000 rows a second over HTTP, durable in the raw store and in the online features.

Three times what Quix Streams computes of the same windows, ten times what Feast takes by its push.

The real services, `octavo up`, on this machine: server, ingestion, prep, maintenance. Clients post
blocks of 1,000 rows as NDJSON; it is over when the last row is committed to the raw store and the
features of all cards have seen it. Then, at half that load or what is asked for, how long each
block takes to the raw store and to the features.
Quix, from a broker in its own memory, and Feast, to which features come ready, get rows of the same
kind after that, each in an environment of its own.
``python benchmarks/online.py [--blocks 1000] [--rate 25000] [--seconds 30] [--json]``
"""

import argparse
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from harness import Claim, environment, measured
from octavo.project import Project, load
from octavo.stores import catalog as tables

BLOCK = 1_000
CLIENTS = 8
GOAL = 50_000
PEER_ROWS = 100_000
SCRIPTS = Path(__file__).parent / "peers"
PEERS = {
    "quix": (
        "the same windows beside Quix Streams, seconds a row",
        SCRIPTS / "quix_windows.py",
        "quixstreams==3.28.1",
        None,
        3.0,
    ),
    "feast": (
        "online features beside Feast's push over HTTP, seconds a row",
        SCRIPTS / "feast_push.py",
        "feast[duckdb]==0.67.0",
        "http",
        10.0,
    ),
}
"""Claim, script, what it needs, which of its results, and how many times as fast ours is."""
SCRIPT = """
import polars as pl
import octavo as ov

types = {"at": pl.Datetime("us", "UTC"), "amount": pl.Float64}
payments = ov.Dataset(
    "payments",
    online=ov.Stream(types=types, age="25ms"),
    event_id="id",
    event_time="at",
    checks=[ov.Check("amount is positive", pl.col("amount") > 0)],
)
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[payments],
    rows=payments,
    label=ov.Label("large", of=payments, on="id", value=pl.col("amount") > 100),
    row=[pl.col("amount")],
    views=[
        ov.View(
            "card",
            key="card",
            windows=[
                ov.Window(
                    payments, "amount", over=["1m", "10m", "1h"], take=["count", "mean", "max"]
                )
            ],
        )
    ],
    training=ov.Training(algorithms=["logistic"], trials=1),
)
"""


class Sender:
    """Makes and posts blocks; remembers of each when it was posted, and where it is."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.posted: list[tuple[float, int]] = []
        """Wall clock in seconds before the post, and the offset after its last row."""
        self._numbers = count(1)
        self._random = np.random.default_rng(1)
        self._lock = threading.Lock()

    def reach(self) -> None:
        """Wait until the server answers."""
        while True:
            try:
                http.client.HTTPConnection("127.0.0.1", self.port).request("GET", "/health")
                return
            except ConnectionRefusedError:
                time.sleep(0.1)

    def block(self) -> bytes:
        """Return the next rows, with the present time."""
        at = datetime.now(UTC).isoformat()
        with self._lock:
            cards = self._random.integers(0, 10_000, BLOCK).tolist()
            amounts = (1 + 150 * self._random.random(BLOCK)).round(2).tolist()
            ids = [next(self._numbers) for _ in range(BLOCK)]
        rows = zip(ids, cards, amounts, strict=True)
        return "\n".join(
            f'{{"id":{id_},"at":"{at}","card":{card},"shop":{id_ % 500},"amount":{amount}}}'
            for id_, card, amount in rows
        ).encode()

    def post(self, connection: http.client.HTTPConnection, body: bytes) -> None:
        """Post a block until it is taken."""
        began = time.time()
        while True:
            headers = {"Content-Type": "application/x-ndjson"}
            connection.request("POST", "/v1/datasets/payments/events", body, headers)
            answer = connection.getresponse()
            told = answer.read().decode()
            if answer.status != 429:
                break
            time.sleep(float(answer.headers["Retry-After"]))
        assert answer.status == 202, told
        found = re.search(r'"offset":(\d+)', told)
        assert found, told
        self.posted.append((began, int(found[1]) + BLOCK))

    def work(self, blocks: list[bytes], pause: float, later: float) -> None:
        """Post blocks, or make and post them, one after the other or one each ``pause`` seconds."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        due = time.monotonic() + later
        time.sleep(later)
        for body in blocks:
            self.post(connection, body or self.block())
            due += pause
            time.sleep(max(0.0, due - time.monotonic()))
        connection.close()

    def run(self, blocks: list[bytes], pause: float = 0.0) -> None:
        """Let all clients work, so that there is a block each ``pause`` seconds."""
        told = [(blocks[n::CLIENTS], pause * CLIENTS, pause * n) for n in range(CLIENTS)]
        clients = [threading.Thread(target=self.work, args=each) for each in told]
        for client in clients:
            client.start()
        for client in clients:
            client.join()


class Seen:
    """Looks all the time how far the features have come."""

    def __init__(self, project: Project) -> None:
        self.features, self.catalog = project.features(), project.catalog
        self.seen: list[tuple[float, int]] = []
        """Wall clock in seconds, and the position in the order of batches."""
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.wait(0.002):
            position = self.features.offset or 0
            if not self.seen or position > self.seen[-1][1]:
                self.seen.append((time.time(), position))

    def until(self, offset: int) -> None:
        """Wait until the features have seen an offset."""
        table = tables.batches
        query = sa.select(table).where(table.c.end_offset >= offset, table.c.state == "committed")
        while (batch := self.catalog.one(query.order_by(table.c.end_offset))) is None:
            time.sleep(0.005)
        while not self.seen or self.seen[-1][1] < batch["sequence"]:
            time.sleep(0.002)

    def delays(self, posted: list[tuple[float, int]]) -> tuple[np.ndarray, np.ndarray]:
        """Return for each block the seconds from its post to the raw store, and to the features."""
        self._stop.set()
        self._thread.join()
        table = tables.batches
        rows = self.catalog.rows(sa.select(table).order_by(table.c.end_offset))
        ends, places = ([row[name] for row in rows] for name in ("end_offset", "sequence"))
        committed = [row["committed_at"] / 1e6 for row in rows]
        times, positions = zip(*self.seen, strict=True)
        raw, features = [], []
        for began, offset in posted:
            batch = int(np.searchsorted(ends, offset))
            raw.append(committed[batch] - began)
            features.append(times[int(np.searchsorted(positions, places[batch]))] - began)
        return np.array(raw), np.array(features)


def percentiles(seconds: np.ndarray) -> str:
    """Say where the half and the slowest of delays are."""
    found = ", ".join(f"p{at} {1e3 * np.percentile(seconds, at):,.0f} ms" for at in (50, 90, 99))
    return f"{found}, most {1e3 * seconds.max():,.0f} ms"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--blocks", type=int, default=1_000)
    parser.add_argument("--rate", type=int, default=GOAL // 2, help="rows a second for the delays")
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), ignore_cleanup_errors=True) as folder:
        (Path(folder) / "pipeline.py").write_text(SCRIPT)
        command = [sys.executable, "-m", "octavo", "up", folder, "--port", "0"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as up:
            try:
                took = ours(load(folder), port_of(up), options)
            finally:
                up.send_signal(signal.SIGTERM)
                os.set_blocking(up.stdout.fileno(), True)  # type: ignore[union-attr]
                up.communicate(timeout=120)
        goal = "rows over HTTP to raw store and online features, beside 50,000 rows/s"
        Claim(goal, took, 1 / GOAL, 1.0).show(as_json=options.json)
        for claim, peer, at_least in theirs(Path(folder) / "events.ndjson"):
            Claim(claim, took, peer, at_least).show(as_json=options.json)


def theirs(file: Path) -> Iterator[tuple[str, float, float]]:
    """Give what is claimed beside each peer, its seconds for a row, and how many times ours."""
    random, began = np.random.default_rng(2), datetime.now(UTC)
    with file.open("w") as lines:
        for number in range(PEER_ROWS):
            at = (began + timedelta(microseconds=20 * number)).isoformat(timespec="microseconds")
            card, amount = random.integers(0, 10_000), 1 + 150 * random.random()
            row = {"id": number, "at": at, "card": int(card), "shop": number % 500}
            lines.write(json.dumps(row | {"amount": round(amount, 2)}) + "\n")
    for name, (claim, script, requirement, key, at_least) in PEERS.items():
        told = measured(environment(name, requirement), script, str(file))
        if told is None:
            sys.exit(f"{name} failed")
        found = told[key] if key else told
        yield claim, found["seconds"] / found["rows"], at_least


def port_of(up: "subprocess.Popen[str]") -> int:
    """Return where the services listen."""
    assert up.stdout is not None
    for line in up.stdout:
        if found := re.search(r"127\.0\.0\.1:(\d+)", line):
            return int(found[1])
    sys.exit("octavo up ended")


def ours(project: Project, port: int, options: argparse.Namespace) -> float:
    """Print both measurements, and return the seconds for a row."""
    sender = Sender(port)
    sender.reach()
    sender.run([sender.block() for _ in range(4)])  # first times: types, compiling, the first prep
    while project.catalog.live_groups() == []:
        time.sleep(0.1)
    seen = Seen(project)
    seen.until(sender.posted[-1][1])
    blocks = [sender.block() for _ in range(options.blocks)]
    began = time.perf_counter()
    sender.run(blocks)
    posted = time.perf_counter() - began
    seen.until(max(offset for _, offset in sender.posted))
    took = time.perf_counter() - began
    rows = options.blocks * BLOCK
    print(f"{rows:,} rows: posted in {posted:.1f} s, in the features after {took:.1f} s")
    sender.posted.clear()
    sender.run([b""] * int(options.rate * options.seconds / BLOCK), BLOCK / options.rate)
    seen.until(max(offset for _, offset in sender.posted))
    raw, features = seen.delays(sender.posted)
    print(f"at {options.rate:,} rows/s, to the raw store: {percentiles(raw)}")
    print(f"at {options.rate:,} rows/s, to the features: {percentiles(features)}")
    return took / rows


if __name__ == "__main__":
    main()
