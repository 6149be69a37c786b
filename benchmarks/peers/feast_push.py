"""Feast's share of `online.py`: run in Feast's own environment.

``python feast_push.py EVENTS.ndjson`` pushes 9 ready feature values for the card of each event, in
blocks of 1,000, to the online store that Feast has by default, SQLite, and prints a line of JSON:
how many rows in how many seconds

- ``http``: blocks as JSON to ``feast serve`` with its defaults, on its push endpoint;
- ``push``: blocks as data frames to `FeatureStore.push`, in this process;
- ``both``: the same to the online and the offline store. That is a Parquet file which Feast's
  DuckDB store reads and writes anew for each block, so the rate falls with the rows: only the
  first blocks are pushed, which suits it.

No run computes a feature: that they come ready suits Feast. Blocks are encoded before the clock
starts.
"""

import http.client
import json
import socket
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path

warnings.filterwarnings("ignore")

import pandas as pd  # noqa: E402
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, PushSource  # noqa: E402
from feast.data_source import PushMode  # noqa: E402
from feast.types import Float64  # noqa: E402
from feast.value_type import ValueType  # noqa: E402

BLOCK = 1_000
BOTH = 20  # blocks
FEATURES = [f"f{number}" for number in range(9)]
CONFIG = """\
project: push
provider: local
registry: registry.db
offline_store:
  type: duckdb
online_store:
  type: sqlite
  path: online.db
entity_key_serialization_version: 3
"""


def blocks(path: str) -> Iterator[pd.DataFrame]:
    """Yield blocks of rows: card, event_timestamp, and the features."""
    for events in pd.read_json(path, lines=True, chunksize=BLOCK, convert_dates=["at"]):
        frame = pd.DataFrame({"card": events["card"], "event_timestamp": events["at"]})
        for number, name in enumerate(FEATURES):
            frame[name] = events["amount"] + number
        yield frame


def applied(folder: Path, first: pd.DataFrame) -> FeatureStore:
    """Return a new store with one feature view on one push source."""
    folder.mkdir()
    (folder / "feature_store.yaml").write_text(CONFIG)
    first[:0].to_parquet(folder / "rows.parquet")
    feast = FeatureStore(repo_path=str(folder))
    card = Entity(name="card", join_keys=["card"], value_type=ValueType.INT64)
    rows = FileSource(path=str(folder / "rows.parquet"), timestamp_field="event_timestamp")
    view = FeatureView(
        name="view",
        entities=[card],
        ttl=timedelta(0),
        schema=[Field(name=name, dtype=Float64) for name in FEATURES],
        source=PushSource(name="events", batch_source=rows),
    )
    feast.apply([card, view])
    return feast


def timed(pushed: list, push: Callable, rows: int) -> dict[str, float]:
    """Push all blocks, one after the other."""
    began = time.perf_counter()
    for block in pushed:
        push(block)
    return {"rows": rows, "seconds": time.perf_counter() - began}


def rows_of(frames: list[pd.DataFrame]) -> int:
    return sum(len(frame) for frame in frames)


def over_http(folder: Path, frames: list[pd.DataFrame]) -> dict[str, float]:
    applied(folder, frames[0])
    bodies = [encoded(frame) for frame in frames]
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    serve = [Path(sys.executable).with_name("feast"), "serve", "--port", str(port)]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(serve, cwd=folder, stdout=log, stderr=log)
    try:
        post = ready(server, port)
        return timed(bodies, post, rows_of(frames))
    finally:
        server.terminate()
        server.wait()


def encoded(frame: pd.DataFrame) -> bytes:
    at = frame["event_timestamp"].dt.strftime("%Y-%m-%dT%H:%M:%S.%f%z")
    columns = frame.assign(event_timestamp=at).to_dict("list")
    return json.dumps({"push_source_name": "events", "df": columns, "to": "online"}).encode()


def ready(server: subprocess.Popen, port: int) -> Callable[[bytes], None]:
    """Wait until the server answers, and return what posts a block to it, on one connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def send(method: str, path: str, body: bytes | None = None) -> None:
        connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"feast serve: {answer.status} {text[:500]!r}")

    while True:
        try:
            send("GET", "/health")
            break
        except OSError:
            if server.poll() is not None:
                raise SystemExit("feast serve ended.") from None
            connection.close()
            time.sleep(0.5)
    return lambda body: send("POST", "/push", body)


def main() -> None:
    frames = list(blocks(sys.argv[1]))
    with tempfile.TemporaryDirectory() as root:
        found = {"http": over_http(Path(root) / "http", frames)}
        for name, to, count in [
            ("push", PushMode.ONLINE, len(frames)),
            ("both", PushMode.ONLINE_AND_OFFLINE, BOTH),
        ]:
            feast = applied(Path(root) / name, frames[0])
            push = partial(feast.push, "events", to=to)
            found[name] = timed(frames[:count], push, rows_of(frames[:count]))
    print(json.dumps(found))


if __name__ == "__main__":
    main()
