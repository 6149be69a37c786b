"""Real processes: several clients send while all services are killed at random."""

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from octavo.project import load
from octavo.stores.delta import DeltaLog
from octavo.stores.raw import RawStore

SCRIPT = """
import polars as pl
import octavo as ov

TIMES = "%Y-%m-%dT%H:%M:%SZ"
payments = ov.Dataset(
    "payments",
    online=ov.Stream(age="100ms"),
    event_id="id",
    event_time=pl.col("at").str.to_datetime(TIMES, time_zone="UTC", strict=False),
    checks=[ov.Check("positive", pl.col("amount") > 0)],
)
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[payments],
    rows=payments,
    label=ov.Label("large", of=payments, on="id", value=pl.col("amount") > 3),
    row=[pl.col("amount")],
    training=ov.Training(algorithms=["logistic"]),
)
"""


class Up:
    """`octavo up` of a project, whose services can be killed one by one."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "octavo", "up", str(folder), "--port", "0"]
        self.errors = (folder / "err.txt").open("w+")
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self.errors, text=True
        )
        assert self.process.stdout is not None
        self.address = ""
        while not self.address:
            line = self.process.stdout.readline()
            assert line, "it ended"
            found = re.search(r"POST (http://[^/]+)", line)
            self.address = found[1] if found else ""
        self.reader = threading.Thread(target=self.process.stdout.read, daemon=True)
        self.reader.start()

    def kill(self, service: str) -> bool:
        """Kill a service, if it runs."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        for child in children.split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if service in words:
                os.kill(int(child), signal.SIGKILL)
                return True
        return False

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(90)
        self.reader.join()
        self.process.stdout.close()
        self.errors.close()
        return code


def send(address, client, stop, acknowledged, seed):
    """Send until told to stop; each block again, under its key, until it is acknowledged."""
    random_ = random.Random(seed)
    number = 0
    with httpx.Client(base_url=address, timeout=10) as http:
        while not stop.is_set():
            rows = [client * 10**9 + number + n for n in range(random_.randint(1, 20))]
            number += len(rows)
            bad = random_.random() < 0.3
            lines = [json.dumps({"id": n, "at": "2024-01-01T00:00:00Z", "amount": 5}) for n in rows]
            body = "\n".join([*lines, f"bad {rows[0]}"] if bad else lines)
            headers = {"content-type": "application/x-ndjson", "idempotency-key": f"k{rows[0]}"}
            while True:
                try:
                    answer = http.post(
                        "/v1/datasets/payments/events", content=body, headers=headers
                    )
                    if answer.status_code in (200, 202):
                        acknowledged.append((rows, bad, answer.json()))
                        break
                    assert answer.status_code in (429, 503), answer.text
                except httpx.TransportError:
                    if stop.is_set():
                        return
                time.sleep(0.05)


def stream_and_kill(folder, *, kills, clients, seed):
    """Return the project, what was acknowledged, and the text of errors."""
    (folder / "pipeline.py").write_text(SCRIPT)
    (folder / "octavo.toml").write_text('[profile.default]\nmaintain_every = "1s"\n')
    up, stop, random_ = Up(folder), threading.Event(), random.Random(seed)
    acknowledged = [[] for _ in range(clients)]
    threads = [
        threading.Thread(target=send, args=(up.address, n + 1, stop, acknowledged[n], n))
        for n in range(clients)
    ]
    for thread in threads:
        thread.start()
    killed, until = 0, time.monotonic() + 20 * kills
    while killed < kills and time.monotonic() < until:
        time.sleep(random_.uniform(0.2, 2.5))
        killed += up.kill(random_.choice(["server", "ingestion", "maintenance"]))
    until = time.monotonic() + 120
    while not all(acknowledged) and time.monotonic() < until:
        time.sleep(0.2)
    stop.set()
    for thread in threads:
        thread.join()
    project = load(folder)
    stream = project.stream()
    while sum(stream.lags("incoming.payments")["ingestion"]) and time.monotonic() < until:
        time.sleep(0.2)
    stream.close()
    assert up.stop() == 0
    assert killed == kills, "services did not come back"
    return project, [block for blocks in acknowledged for block in blocks]


def check(project, acknowledged):
    assert acknowledged
    raw, batches = RawStore(project.home), project.catalog.committed("payments")
    found = raw.scan("payments", batches).collect()
    if len(batches) > 50:
        assert len(DeltaLog(project.home.raw("payments")).files()) < len(batches) / 2, "not merged"
    sent = {n for rows, *_ in acknowledged for n in rows}
    ids = found["id"].to_list()
    assert len(ids) == len(set(ids)), "a row is there twice"
    assert not sent - set(ids), "an acknowledged row is lost"
    ends = [(batch["first_offset"], batch["end_offset"]) for batch in batches]
    assert [begin for begin, _ in ends] == [0, *(end for _, end in ends[:-1])]
    places = {}
    for batch, begin in zip(batches, (begin for begin, _ in ends), strict=True):
        for row, text in raw.rejected("payments", batch["batch_id"]).select("_row", "text").rows():
            places[begin + row] = text
    for rows, bad, place in acknowledged:
        assert place["rows"] == len(rows) + bad
        if bad:
            assert places[place["offset"] + len(rows)] == f"bad {rows[0]}"
    # What was sent last may be on disk, and was not acknowledged: it is of a client, all the same.
    unsaid = set(ids) - sent
    assert len(unsaid) <= 20 * 8
    assert sum(b["rows"] + b["rejected"] + b["duplicates"] for b in batches) == ends[-1][1]
    stream = project.stream()
    records = stream.read("accepted.payments", {0: 0}, max_rows=10**7, max_bytes=10**9)
    stream.close()
    assert sum(record.rows for record in records) == len(ids)
    assert {record.metadata["batch_id"] for record in records} <= {b["batch_id"] for b in batches}


def test_what_is_acknowledged_is_there_once(tmp_path):
    check(*stream_and_kill(tmp_path, kills=3, clients=3, seed=1))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_what_is_acknowledged_is_there_once_through_many_kills(tmp_path, seed):
    check(*stream_and_kill(tmp_path, kills=50, clients=6, seed=seed))
