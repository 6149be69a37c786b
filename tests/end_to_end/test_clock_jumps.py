"""The machine's clock is set forwards and back while events stream in: nothing waits or is lost."""

import json
import random
import time

import pytest

from octavo.definition.events import KNOWN_AT, POSITION
from octavo.stages.ingestion import online
from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stages.ingestion.received import NDJSON
from octavo.stages.prep.online import OnlinePrep
from octavo.stores.catalog import now
from octavo.stores.raw import RawStore
from octavo.streams import Block
from octavo.streams.sqlite import SqliteStream

from .anew import features_of, prepped_anew
from .ended import Ended, end_after_writes
from .outcome import assert_same
from .sending import DATASETS, make, row
from .shop_project import Silent

HOUR = 3600 * 10**6


class Jumping:
    """A project whose services and stream go by a clock that is set at will."""

    def __init__(self, folder):
        self.folder, self.jump, self.numbers = folder, 0, dict.fromkeys(DATASETS, 10**9)
        self.project = make(folder)
        self.project.run(Silent(), last="prep")
        self.stream = SqliteStream(self.project.home.streams, wall=self.clock)
        self.begin()

    def clock(self):
        return now() + self.jump

    def begin(self):
        p, told = self.project, {"tell": pytest.fail, "clock": self.clock}
        self.ingestion = OnlineIngestion(
            p.definition, p.home, p.catalog, self.stream, notify=lambda: None, **told
        )
        self.prep = OnlinePrep(p.definition, p.folder, p.home, p.catalog, self.stream, **told)

    def send(self, chance, name, count):
        first = self.numbers[name]
        self.numbers[name] += count
        ids = range(first, first + count)
        lines = [json.dumps(row(chance, name, n, chance.uniform(0, 7200))) for n in ids]
        block = Block(rows=count, data="\n".join(lines).encode(), metadata={"format": NDJSON})
        self.stream.append(f"incoming.{name}", [block])

    def catch_up(self):
        """Ingest and prep all that was sent; leases of who ended are free soon."""
        catalog, until = self.project.catalog, time.monotonic() + 60
        topics = [f"incoming.{name}" for name in DATASETS]
        while any(sum(self.stream.lags(topic)["ingestion"]) for topic in topics):
            assert time.monotonic() < until, "not ingested"
            self.ingestion.turn(flush=True)
        while any(group["position"] < catalog.position() for group in catalog.live_groups()):
            assert time.monotonic() < until, "not prepped"
            turns = iter(range(20))
            if self.prep.stretch(lambda turns=turns: next(turns, None) is None, lambda: None):
                self.prep.prep()


@pytest.mark.parametrize("seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 2, 3))])
def test_a_clock_that_jumps(seed, tmp_path, monkeypatch):
    """Also while a batch is planned whose service ended, and anew after each jump."""
    monkeypatch.setattr(online, "LEASE", 0.2)
    chance = random.Random(seed)
    live = Jumping(tmp_path / "live" / "shop")
    for jump in (0, -2, 5, -24 * 400, 24 * 3, 0, -1, 0):
        live.jump = jump * HOUR
        for name in DATASETS:
            live.send(chance, name, chance.randint(1, 30))
        try:
            with end_after_writes(chance.randint(1, 25)):
                live.catch_up()
        except Ended:
            live.begin()
        live.jump += chance.choice([-HOUR, 0, HOUR])
        live.send(chance, "orders", 5)
        live.catch_up()
    raw = RawStore(live.project.home)
    for name in DATASETS:
        found = raw.scan(name, live.project.catalog.committed(name)).collect()
        ids = found.filter(found["id"] >= 10**9)["id"].sort().to_list()
        assert ids == list(range(10**9, live.numbers[name]))
        sent = found.filter(found["id"] >= 10**9).sort(POSITION)
        assert sent[KNOWN_AT].is_sorted(), "knowledge never goes back"
    live.stream.close()
    again = prepped_anew(live.folder, tmp_path / "anew" / "shop")
    assert_same(features_of(live.project), features_of(again))
