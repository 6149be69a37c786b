"""A consumer that stands still and producers at full speed: they are told to wait, memory is bound.

What was acknowledged is there when the consumer goes on.
"""

import json
import random
import re
import threading
import time
from pathlib import Path

import httpx
import pytest

from octavo.stores.raw import RawStore

from .sending import make, row
from .service_trees import Tree

BLOCK = 1000
MOST = 1.5 * 2**30
"""Bytes of memory that a process may have."""


class Producer(threading.Thread):
    """Sends blocks of orders one after the other, and waits for nothing."""

    def __init__(self, address, number):
        super().__init__(daemon=True)
        self._address, self._number, self._chance = address, number, random.Random(number)
        self.stopped = threading.Event()
        self.acknowledged, self.refusals, self.others = [], [], []

    def run(self):
        first = self._number * 10**9
        with httpx.Client(base_url=self._address, timeout=60) as http:
            while not self.stopped.is_set():
                rows = [row(self._chance, "orders", first + n, 0.0) for n in range(BLOCK)]
                answer = http.post(
                    "/v1/datasets/orders/events",
                    content="\n".join(map(json.dumps, rows)),
                    headers={"content-type": "application/x-ndjson"},
                )
                if answer.status_code == 202:
                    self.acknowledged.append(first)
                    first += BLOCK
                elif answer.status_code == 429:
                    self.refusals.append(float(answer.headers["retry-after"]))
                else:
                    self.others.append(answer.text)


class Memory(threading.Thread):
    """Looks at the memory of all processes of a tree once in a while; keeps the most of each."""

    def __init__(self, tree):
        super().__init__(daemon=True)
        self._tree, self.stopped, self.most = tree, threading.Event(), {}

    def run(self):
        while not self.stopped.wait(0.2):
            for service in ("server", "ingestion", "prep", "maintenance"):
                pid = self._tree.pid(service)
                if pid is not None:
                    status = Path(f"/proc/{pid}/status").read_text()
                    found = re.search(r"VmRSS:\s+(\d+) kB", status)
                    if found:
                        used = 1024 * int(found[1])
                        self.most[service] = max(used, self.most.get(service, 0))


def stall(folder, seconds, backlog):
    """Return producers and memory, after all that was acknowledged is ingested and prepped."""
    project = make(folder)
    script = folder / "pipeline.py"
    script.write_text(script.read_text().replace('age="100ms"', f'age="100ms", backlog={backlog}'))
    with Tree(folder) as tree:
        producers = [Producer(tree.address(within=180), number + 1) for number in range(3)]
        while (ingestion := tree.pid("ingestion")) is None:
            time.sleep(0.1)
        memory = Memory(tree)
        memory.start()
        tree.hold_up("ingestion", seconds)
        for each in producers:
            each.start()
        time.sleep(seconds)
        for each in producers:
            each.stopped.set()
        for each in producers:
            each.join()
        assert tree.pid("ingestion") == ingestion, "it was not the same all the time"
        stream, until = project.stream(), time.monotonic() + 900
        while sum(stream.lags("incoming.orders")["ingestion"]):
            assert time.monotonic() < until, stream.lags("incoming.orders")
            time.sleep(0.5)
        stream.close()
        memory.stopped.set()
        memory.join()
        assert tree.stop() == 0, tree.output.read_text()
    return project, producers, memory.most


def check(project, producers, memory, seconds):
    blocks = [block for each in producers for block in each.acknowledged]
    refusals = [wait for each in producers for wait in each.refusals]
    told = ", ".join(f"{name} {size / 2**20:.0f} MB" for name, size in memory.items())
    print(f"{len(blocks):,} blocks, {len(refusals):,} refusals in {seconds} s; {told}")
    assert not [text for each in producers for text in each.others]
    assert refusals
    assert min(refusals) > 0
    assert max(memory.values()) < MOST
    batches = project.catalog.committed("orders")
    ids = RawStore(project.home).scan("orders", batches).select("id").collect()["id"]
    assert ids.n_unique() == ids.len()
    assert {*ids} == {first + n for first in blocks for n in range(BLOCK)}


@pytest.mark.slow
def test_producers_are_told_to_wait(tmp_path):
    found = stall(tmp_path / "live" / "shop", 8, 2 << 20)
    check(*found, 8)


@pytest.mark.slow
def test_five_minutes_of_producers_at_full_speed(tmp_path):
    found = stall(tmp_path / "live" / "shop", 300, 100 << 20)
    check(*found, 300)
