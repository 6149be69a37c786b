"""Real processes: several clients send while all services are killed and held up at random."""

import random
import subprocess
import sys
import time

import polars as pl
import pytest

from octavo.definition.events import KNOWN_AT, POSITION
from octavo.stages.prep.request_time import OnlineFeatures
from octavo.stores.delta import DeltaLog
from octavo.stores.features import STAMPS
from octavo.stores.raw import RawStore

from .anew import features_of, prepped_anew, tables_of
from .outcome import assert_same
from .sending import CUSTOMERS, DATASETS, SHOPS, Client, deliver, make
from .service_trees import Tree


def begin_run(folder):
    """Ingest and prep what files there are, beside the services."""
    command = [sys.executable, "-m", "octavo", "run", str(folder), "--to", "prep"]
    with (folder.parent / "run.txt").open("a") as output:
        return subprocess.Popen(command, stdout=output, stderr=output)


def stream_and_kill(folder, *, kills, clients, seed):
    """Return the project, and the clients with what they sent and what was acknowledged."""
    project, chance = make(folder), random.Random(seed)
    assert begin_run(folder).wait(300) == 0, (folder.parent / "run.txt").read_text()
    with Tree(folder) as one, Tree(folder, "ingestion", "prep", name="more") as other:
        trees, address = (one, other), one.address(within=180)
        senders = [Client(address, number + 1) for number in range(clients)]
        for each in senders:
            each.start()
        strike(folder, trees, chance, kills)
        until = time.monotonic() + 60
        while not all(each.acknowledged for each in senders) and time.monotonic() < until:
            time.sleep(0.2)
        for each in senders:
            each.stopped.set()
        for each in senders:
            each.join()
        for tree in trees:
            tree.release()
        wait_until_done(project)
        for tree in trees:
            assert tree.stop() == 0, tree.output.read_text()
    return project, senders


def strike(folder, trees, chance, kills):
    """Kill services, and hold some up; meanwhile a file comes, and is prepped by a run."""
    targets = [
        (trees[0], "server"),
        (trees[0], "maintenance"),
        *((tree, name) for tree in trees for name in ("ingestion", "prep")),
    ]
    killed, run, until = 0, None, time.monotonic() + 30 + 20 * kills
    while killed < kills:
        assert time.monotonic() < until, "services did not come back"
        time.sleep(chance.uniform(0, 2))
        tree, name = chance.choice(targets)
        if chance.random() < 0.15:
            tree.hold_up(name, chance.uniform(1, 8))
        else:
            killed += tree.kill(name)
        if killed == kills // 2 and run is None:
            deliver(folder, 1)
            run = begin_run(folder)
    assert run is not None
    assert run.wait(300) == 0, (folder.parent / "run.txt").read_text()


def wait_until_done(project):
    """Wait until all that was sent is in the raw store, and all of that in the features."""
    stream, catalog, until = project.stream(), project.catalog, time.monotonic() + 120
    topics = [f"incoming.{name}" for name in DATASETS]

    def lags():
        groups = catalog.live_groups()
        waiting = sum(sum(stream.lags(topic)["ingestion"]) for topic in topics)
        return waiting + sum(catalog.position() - group["position"] for group in groups)

    while lags():
        assert time.monotonic() < until, f"{lags()} wait still"
        time.sleep(0.2)
    stream.close()


def check_raw(project, name, senders):
    """What was acknowledged is there exactly once; what was bad is kept, at its place."""
    raw, batches = RawStore(project.home), project.catalog.committed(name)
    found = raw.scan(name, batches).collect()
    if len(batches) > 50:
        assert len(DeltaLog(project.home.raw(name)).files()) < len(batches) / 2, "not merged"
    blocks = [block for each in senders for block in each.acknowledged if block[0] == name]
    ids = found.filter(pl.col("id") >= 10**9)["id"].to_list()
    assert len(ids) == len(set(ids)), "a row is there twice"
    assert not {n for _, rows, *_ in blocks for n in rows} - set(ids), "a row is lost"
    assert not set(ids) - {n for each in senders for n in each.sent[name]}, "nobody sent it"
    assert found.height - len(ids) == 400, "the files' rows"
    sent = [batch for batch in batches if batch["topic"] is not None]
    places, ends = {}, {}
    for batch in sent:
        partition, begin = batch["partition"], batch["first_offset"]
        assert begin == ends.get(partition, 0), "ranges without gap or double"
        ends[partition] = batch["end_offset"]
        rejected = raw.rejected(name, batch["batch_id"])
        places |= {(partition, begin + n): t for n, t in rejected.select("_row", "text").rows()}
    for _, rows, bad, place in blocks:
        assert place["rows"] == len(rows) + len(bad)
        for number, line in enumerate(bad):
            assert places[place["partition"], place["offset"] + len(rows) + number] == line
    rows = sum(b["rows"] + b["rejected"] + b["duplicates"] for b in sent)
    assert rows == sum(ends.values())
    stream = project.stream()
    records = stream.read(f"accepted.{name}", {0: 0}, max_rows=10**7, max_bytes=10**9)
    stream.close()
    assert sum(record.rows for record in records) == len(ids)
    assert {record.metadata["batch_id"] for record in records} <= {b["batch_id"] for b in sent}
    return found


def lookups(project):
    """Return what the states answer for all entities, at the end of the log and a little before."""
    pipeline, catalog = project.definition, project.catalog
    online = OnlineFeatures(pipeline, project.home, catalog)
    end = max(place for place, _ in online.positions.values())
    customers = [f"c{number:02}" for number in range(CUSTOMERS)]
    shops = [f"s{number}" for number in range(SHOPS)]
    keys = {
        "customer": [[each] for each in customers],
        "shop": [[each] for each in shops],
        "both": [[one, other] for one in customers for other in shops],
    }
    return {
        (name, tuple(key), ago): online.lookup(name, key, end - ago)
        for name, found in keys.items()
        for key in found
        for ago in (0, 30 * 10**6)
    }


def check(project, senders, anew):
    assert all(each.acknowledged for each in senders)
    assert not [text for each in senders for text in each.refused]
    raw = {name: check_raw(project, name, senders) for name in DATASETS}
    rows = raw["orders"].select(STAMPS).sort(KNOWN_AT, POSITION)
    for name, found in tables_of(project).items():
        assert found.equals(rows), f"{name}: each row once"
    other = prepped_anew(project.folder, anew)
    assert_same(features_of(project), features_of(other))
    assert_same(lookups(project), lookups(other))
    assert not project.catalog.stale()


def test_through_kills_nothing_is_lost_or_doubled(tmp_path):
    found = stream_and_kill(tmp_path / "live" / "shop", kills=20, clients=3, seed=1)
    check(*found, tmp_path / "anew" / "shop")


@pytest.mark.slow
def test_through_many_kills_nothing_is_lost_or_doubled(tmp_path):
    found = stream_and_kill(tmp_path / "live" / "shop", kills=200, clients=4, seed=2)
    check(*found, tmp_path / "anew" / "shop")
