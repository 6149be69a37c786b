"""Claim: one thread appends blocks of 1,000 rows to the embedded log at 200,000 rows a second.

Each append is on disk when it returns. Beside it, for information: blocks of 1, 100 and 1,000 rows,
from 1 and from 16 threads, which share commits, and how fast all of it is read again.
``python benchmarks/streams.py [--seconds 3] [--json]``
"""

import argparse
import io
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from harness import Claim
from harness.stream import events
from octavo.streams import Block, Stream, Topic, open_stream

PARTITIONS = 4
GOAL = 200_000


def block(rows: int, partition: int) -> Block:
    data = io.BytesIO()
    events(rows).write_ipc_stream(data)
    return Block(partition=partition, rows=rows, data=data.getvalue())


def append(stream: Stream, rows: int, threads: int, seconds: float) -> tuple[np.ndarray, float]:
    """Append from some threads for some seconds; return what each call took, and all of it."""
    took: list[float] = []
    start = time.perf_counter()
    until = start + seconds

    def work(thread: int) -> None:
        mine = block(rows, thread % PARTITIONS)
        while (began := time.perf_counter()) < until:
            stream.append("t", [mine])
            took.append(time.perf_counter() - began)

    workers = [threading.Thread(target=work, args=(thread,)) for thread in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return np.array(took), time.perf_counter() - start


def read(stream: Stream) -> float:
    """Return rows a second, over all that is there."""
    positions, rows, began = dict.fromkeys(range(PARTITIONS), 0), 0, time.perf_counter()
    while records := stream.read("t", positions):
        positions |= {record.partition: record.end for record in records}
        rows += sum(record.rows for record in records)
    return rows / (time.perf_counter() - began)


def measure(rows: int, threads: int, seconds: float) -> float:
    """Return appended rows a second, and print the rest."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        stream = open_stream("sqlite:", Path(folder))
        stream.create(Topic("t", partitions=PARTITIONS, groups=("g",)))
        took, lasted = append(stream, rows, threads, seconds)
        again = read(stream)
        stream.close()
    p50, p99 = np.percentile(took, [50, 99]) * 1000
    appends = len(took) / lasted
    print(
        f"blocks of {rows:5,} rows, {threads:2} threads: {appends:7,.0f} appends/s, "
        f"{appends * rows:10,.0f} rows/s; p50 {p50:.2f} ms, p99 {p99:.1f} ms; "
        f"read {again:10,.0f} rows/s"
    )
    return appends * rows


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {
        (rows, threads): measure(rows, threads, options.seconds)
        for rows in (1, 100, 1_000)
        for threads in (1, 16)
    }
    mine = 1e6 / found[1_000, 1]
    claim = Claim("a durable row beside 200,000 a second", mine, 1e6 / GOAL, goal=1, unit="µs")
    claim.show(as_json=options.json)


if __name__ == "__main__":
    main()
