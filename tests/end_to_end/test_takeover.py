"""Two workers share the views; when one is killed the other has all of them, within moments."""

import json
import random
import statistics
import time
from pathlib import Path

import pytest

from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stages.ingestion.received import NDJSON
from octavo.streams import Block

from .anew import features_of, prepped_anew
from .outcome import assert_same
from .sending import make, row
from .service_trees import Tree
from .shop_project import Silent

BOUND = 5.0
"""Seconds within which a worker has what another left, on a busy machine too."""


class Shared:
    """A project that two workers prep, each a process of its own."""

    def __init__(self, folder):
        self.project, self.chance = make(folder), random.Random(0)
        self.project.run(Silent(), last="prep")
        p, self.stream = self.project, self.project.stream()
        told = {"tell": print, "notify": lambda: None}
        self.ingestion = OnlineIngestion(p.definition, p.home, p.catalog, self.stream, **told)
        self.number = 10**9

    def send(self, count):
        """Send orders, and have them in the raw store when it returns."""
        ids = range(self.number, self.number + count)
        lines = [json.dumps(row(self.chance, "orders", each, 0.0)) for each in ids]
        block = Block(rows=count, data="\n".join(lines).encode(), metadata={"format": NDJSON})
        self.stream.append("incoming.orders", [block])
        self.number += count
        while self.ingestion.turn(flush=True):
            pass

    def owners(self):
        """Return the process that owns each view that has an owner."""
        owners = {}
        for line in Path("/proc/locks").read_text().splitlines():
            words = line.split()
            if words[1:4] == ["FLOCK", "ADVISORY", "WRITE"]:
                owners[int(words[5].rsplit(":")[-1])] = int(words[4])
        found = self.project.home.path.glob("locks/prep.view.*")
        inodes = {path.name.removeprefix("prep.view."): path.stat().st_ino for path in found}
        return {name: owners[inode] for name, inode in inodes.items() if inode in owners}

    def shares(self):
        """Return how many views each worker has, the most first."""
        owned = list(self.owners().values())
        return sorted((owned.count(each) for each in {*owned}), reverse=True)

    def is_prepped(self):
        position = self.project.catalog.position()
        return all(group["position"] == position for group in self.project.catalog.live_groups())


def wait_for(condition, within=180.0):
    """Return how long it took, in seconds."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within
        time.sleep(0.01)
    return time.monotonic() - began


def take_over(folder, anew, times):
    """Return seconds from each kill until the other has all views, and has written new rows."""
    shared, owned, written = Shared(folder), [], []
    with Tree(folder, "prep", name="stays") as stays:
        for _ in range(times):
            with Tree(folder, "prep", name="goes") as goes:
                wait_for(lambda: shared.shares() == [2, 2])
                shared.send(20)
                wait_for(shared.is_prepped)
                goes.process.kill()
                began = time.monotonic()
                wait_for(lambda: {*shared.owners().values()} == {stays.process.pid})
                wait_for(lambda: len(shared.owners()) == 4)
                owned.append(time.monotonic() - began)
                shared.send(20)
                wait_for(shared.is_prepped)
                written.append(time.monotonic() - began)
        assert stays.stop() == 0, stays.output.read_text()
    shared.stream.close()
    assert_same(features_of(shared.project), features_of(prepped_anew(folder, anew)))
    print(f"owned after {owned}, written after {written} s")
    return owned


def test_views_are_shared_and_taken_over(tmp_path):
    found = take_over(tmp_path / "live" / "shop", tmp_path / "anew" / "shop", 1)
    assert max(found) < BOUND


@pytest.mark.slow
def test_views_are_taken_over_time_and_again(tmp_path):
    found = take_over(tmp_path / "live" / "shop", tmp_path / "anew" / "shop", 7)
    assert max(found) < BOUND
    assert statistics.median(found) < BOUND / 2
