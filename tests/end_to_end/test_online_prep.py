"""Features that follow the streams live: bit by bit what a prep of the raw store gives."""

import json
import random
import threading
import time

import polars as pl
import pytest
import sqlalchemy as sa

from octavo.definition.versions import ROWS, table_fingerprints
from octavo.project import load
from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stages.ingestion.received import NDJSON
from octavo.stages.prep import stretch
from octavo.stages.prep.online import OnlinePrep
from octavo.stages.prep.recording import record
from octavo.stages.prep.stretch import Stretch
from octavo.stores import catalog as tables
from octavo.stores.catalog import now
from octavo.stores.state import StateStore
from octavo.streams import Block

from .anew import features_of, prepped_anew
from .ended import Ended, end_after_writes
from .outcome import assert_same
from .shop_project import Silent

EDITS = {
    f'ov.Files("data/{name}*.csv"),': f'ov.Files("data/{name}*.csv"), online=ov.Stream(age="1us"),'
    for name in ("orders", "returns")
} | {'late="14d"': 'late="2000d"'}  # what is sent is of 2024, and is known when it comes


class LiveShop:
    """A shop with services that take a turn when they are told to, and may be left at any time."""

    def __init__(self, folder, make_project, edits=EDITS):
        make_project(folder, parts=2, orders=500, edits=edits)
        self.folder, self.newer = folder, {}
        for name in ("orders", "returns"):
            path = folder / "data" / f"{name}-1.csv"
            self.newer[name] = [
                _line(row) for row in pl.read_csv(path, infer_schema=False).to_dicts()
            ]
            path.unlink()
        self.project = load(folder)
        self.stream = self.project.stream()
        self.ingestion, self.prep = self.begin_ingestion(), self.begin_prep()

    def begin_ingestion(self):
        p = self.project
        told = {"tell": print, "notify": lambda: None}
        self.ingestion = OnlineIngestion(p.definition, p.home, p.catalog, self.stream, **told)
        return self.ingestion

    def begin_prep(self, **more):
        p = self.project
        told = {"tell": print, **more}
        self.prep = OnlinePrep(p.definition, p.folder, p.home, p.catalog, self.stream, **told)
        return self.prep

    def send(self, name, lines, key=None):
        data = "\n".join(lines).encode()
        block = Block(rows=len(lines), data=data, key=key, metadata={"format": NDJSON})
        self.stream.append(f"incoming.{name}", [block])

    def ingest(self):
        while self.ingestion.turn(flush=True):
            pass

    def follow(self, between=lambda: None):
        """Prep as the service does until it is up with the raw store."""
        while self.behind():
            self.prep.prep()
            self.prep.stretch(lambda: between() or not self.waits(), lambda: None)

    def behind(self):
        """Say whether anything is not prepped that the catalog has."""
        groups = self.groups()
        return not groups or min(g["position"] for g in groups) < self.project.catalog.position()

    def groups(self):
        """Return the groups that this definition keeps up."""
        p = self.project
        tables = table_fingerprints(p.definition, p.catalog.loaded(p.definition.datasets))
        wanted = {mark for table in tables.values() for mark in table.values()}
        return [g for g in p.catalog.live_groups() if wanted & {*g["columns"].values()}]

    def waits(self):
        """Say whether anything is not folded."""
        catalog, home = self.project.catalog, self.project.home
        places = [
            StateStore.open(home.state(g["name"], g["group_id"]), view=g["name"],
                            fingerprint=g["group_id"], readonly=True).place.offset
            for g in self.groups() if g["state"]
        ]  # fmt: skip
        return min(places) < catalog.position()

    def rows(self):
        return features_of(self.project)

    def rebuilt(self, folder):
        """Return what a prep of the raw store alone gives."""
        return features_of(prepped_anew(self.folder, folder))


def _line(row):
    numbers = {"order_id": int, "amount": float}
    return json.dumps({name: numbers.get(name, str)(value) for name, value in row.items()})


def test_live_is_what_a_prep_of_the_raw_store_gives(tmp_path, make_project):
    shop = LiveShop(tmp_path / "live" / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="ingestion")
    shop.follow()
    for part in range(12):
        for name, lines in shop.newer.items():
            shop.send(name, lines[part::12])
            shop.ingest()
        shop.follow()
    assert shop.rows().height == 500
    sent = shop.rows().tail(200)  # the newer half came live
    assert sent["customer__amount_count_7d"].n_unique() > 5
    assert_same(shop.rows(), shop.rebuilt(tmp_path / "again" / "shop"))


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))]
)
def test_killed_after_any_write_it_goes_on_the_same(seed, tmp_path, make_project, monkeypatch):
    """Files come in between, too, and others prep; some events are late, double or wrong."""
    monkeypatch.setattr(stretch, "WRITTEN_EVERY", 3600.0)
    chance = random.Random(seed)
    shop = LiveShop(tmp_path / "live" / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="ingestion")
    lines = [(name, line) for name, found in shop.newer.items() for line in found]
    chance.shuffle(lines)  # order among the same entity's events is lost: many are late
    kills = 0
    while lines:
        for _ in range(chance.randint(1, 4)):
            name = chance.choice(["orders", "returns"])
            count = chance.choice([1, 2, 20])
            mine = [line for of, line in lines if of == name][:count]
            lines = [(of, line) for of, line in lines if of != name or line not in mine]
            if mine:
                shop.send(name, [*mine, *chance.choice([[], ["no json"], mine[:1]])])
        shop.ingest()
        if chance.random() < 0.2:
            shop.project.run(Silent(), first="ingestion", last="prep")
        if chance.random() < 0.7:
            try:
                with end_after_writes(chance.randint(1, 40)):
                    shop.follow()
            except Ended:
                kills += 1
                shop.begin_prep()
    shop.follow()
    assert kills
    assert shop.rows().height == 500
    assert_same(shop.rows(), shop.rebuilt(tmp_path / "again" / "shop"))


def test_workers_share_views_and_let_each_other_prep(tmp_path, make_project):
    """Neither of them preps again and again because the other has."""
    shop = LiveShop(tmp_path / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="ingestion")
    preps, stop = [], threading.Event()

    class Counted(OnlinePrep):
        def prep(self, is_over):
            preps.append(self)
            return super().prep(is_over)

    p = shop.project
    told = []
    workers = [
        Counted(p.definition, p.folder, p.home, p.catalog, p.stream(), tell=told.append)
        for _ in range(2)
    ]
    threads = [threading.Thread(target=worker.run, args=(stop,)) for worker in workers]
    for thread in threads:
        thread.start()
    try:
        for part in range(6):
            for name, lines in shop.newer.items():
                shop.send(name, lines[part::6])
                shop.ingest()
            until = time.monotonic() + 60
            while shop.behind() and time.monotonic() < until:
                time.sleep(0.05)
            assert not shop.behind(), told
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert not told
    assert len(preps) <= 4
    assert_same(shop.rows(), shop.rebuilt(tmp_path / "again" / "shop"))


def test_rows_that_not_all_groups_know_are_in_no_data_version(tmp_path, make_project):
    shop = LiveShop(tmp_path / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="ingestion")
    shop.follow()
    before = shop.rows()
    shop.prep.prep()
    context = shop.prep._context
    one = Stretch(context, shop.stream, {})
    one.__enter__()
    for name, lines in shop.newer.items():
        shop.send(name, lines)
    shop.ingest()
    while not one.turn():
        pass
    (rows,) = one._followers[ROWS]
    record(context, "one", [(rows.work, rows.write())])
    one.__exit__(Ended, None, None)  # killed: the views were folded as far, and are not written
    assert_same(shop.rows(), before)
    shop.follow()
    assert shop.rows().height == 500
    assert_same(shop.rows(), shop.rebuilt(tmp_path / "again" / "shop"))


def test_of_what_comes_too_late_people_are_told_once_an_hour(tmp_path, make_project, monkeypatch):
    edits = {before: after for before, after in EDITS.items() if "late" not in before}
    shop, clock = LiveShop(tmp_path / "shop", make_project, edits), [now()]
    shop.project.run(Silent(), first="ingestion", last="prep")
    shop.begin_prep(clock=lambda: clock[0])

    def told():
        query = sa.select(tables.events).where(tables.events.c.kind == "late data")
        return [event["subject"] for event in shop.project.catalog.rows(query)]

    def too_late():
        return sum(group["too_late"] for group in shop.groups())

    seen = [too_late()]
    assert (seen, told()) == ([0], [])
    monkeypatch.setattr(stretch, "WRITTEN_EVERY", 3600)
    with Stretch(shop.prep._context, shop.stream, {}) as one:
        for part, minutes in enumerate((0, 30, 30, 59, 1)):  # what is sent is of 2024
            clock[0] += minutes * 60_000_000
            for name, lines in shop.newer.items():
                shop.send(name, lines[part::5])
            shop.ingest()
            while shop.waits():
                one.turn()
            one._write()
            seen.append(too_late())
    assert sorted(set(seen)) == seen, "each time some came"
    expected = seen[1], seen[3] - seen[1], seen[5] - seen[3]
    assert told() == [f"view 'customer': {many:,} observations" for many in expected]


def test_a_worker_that_waits_for_a_prep_can_be_told_to_stop(tmp_path, make_project):
    shop = LiveShop(tmp_path / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="prep")
    stop = threading.Event()
    with shop.project.home.prepping():
        waiting = threading.Thread(target=shop.prep.run, args=(stop,))
        waiting.start()
        time.sleep(0.3)
        assert waiting.is_alive()
        stop.set()
        waiting.join(20)
        assert not waiting.is_alive()


def test_micro_batches_have_one_report_together(tmp_path, make_project):
    shop = LiveShop(tmp_path / "shop", make_project)
    shop.project.run(Silent(), last="prep")
    lines = shop.newer["orders"]
    for part in range(5):
        shop.send("orders", lines[part::5])
        shop.ingest()
        shop.follow()
    sent = [b for b in shop.project.catalog.committed("orders") if b["topic"] is not None]
    assert len(sent) == 5
    assert not any("columns" in batch["quality"] for batch in sent), "live prep waits for none"
    shop.project.run(Silent(), first="ingestion", last="prep")
    *others, last = [b for b in shop.project.catalog.committed("orders") if b["topic"] is not None]
    assert (last["quality"]["rows"], last["quality"]["looked_at"]) == (len(lines), len(lines))
    assert not any("columns" in batch["quality"] for batch in others)
    shop.send("orders", ['{"order_id": 999, "ordered_at": "2024-03-01T00:00:00Z", "amount": 1.0}'])
    shop.ingest()
    shop.project.run(Silent(), first="ingestion", last="prep")
    newest = shop.project.catalog.committed("orders")[-1]["quality"]
    assert newest["rows"] == 1


def test_a_withdrawn_batch_is_folded_away_by_who_folds_live(tmp_path, make_project):
    shop = LiveShop(tmp_path / "live" / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="ingestion")
    shop.follow()
    for name, lines in shop.newer.items():
        shop.send(name, lines[:60])
        shop.ingest()
    shop.follow()
    project = shop.project
    batch = project.catalog.committed("orders")[-1]["batch_id"]
    assert project.withdraw(batch, "a test till", rebuild=True)
    shop.follow()
    assert project.catalog.stale() == project.catalog.pending_rebuilds() == []
    assert_same(shop.rows(), shop.rebuilt(tmp_path / "again" / "shop"))


def test_a_rebuild_that_a_killed_command_asked_for_is_taken_up_live(tmp_path, make_project):
    shop = LiveShop(tmp_path / "shop", make_project)
    shop.project.run(Silent(), first="ingestion", last="prep")
    shop.project.ask_rebuild(["customer"])
    assert shop.prep.stretch(lambda: False, lambda: None), "an offline prep is due"
    assert shop.prep.prep()
    assert shop.project.catalog.pending_rebuilds() == []
