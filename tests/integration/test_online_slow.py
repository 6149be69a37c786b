"""Two ingestion services, and steps that take longer than a lease: each row is there once."""

import sys
import threading
import time
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ingestion"))

from streaming import Live, line, payments

import octavo as ov
from octavo.stages.ingestion import online
from octavo.streams import Block
from octavo.streams.sqlite import SqliteStream


def slow(service, meanwhile):
    """Let something be done in each write of a service, before its batch is committed."""
    batches = service._feeds[0]._batches
    write = batches.write

    def written(*arguments):
        found = write(*arguments)
        meanwhile()
        return found

    batches.write = written


def epoch(live):
    return live.stream._topic("incoming.payments").look("ingestion").claims[0].epoch


def test_another_claims_what_is_being_written(tmp_path):
    live = Live(tmp_path)
    first = live.service
    first.turn()
    live.leave()  # the other one, by whose clock the first has been silent for long
    claimed = []

    def claim():
        took = [live.service.turn(flush=True) for _ in range(3)]
        claimed.append((epoch(live), any(took)))

    slow(first, claim)
    live.send(line(1) + "no\n" + line(2) + line(2))
    first.turn(flush=True)
    assert claimed == [(2, False)], "it was claimed, and nothing was taken in beside"
    assert [batch["epoch"] for batch in live.batches] == [1]
    assert live.behind() == 4, "it is not for the first to say that it is done"
    live.send(line(1) + line(3))
    first._feeds[0]._member._clock = live.service._feeds[0]._member._clock
    assert not first.turn(flush=True), "it holds nothing any more"
    live.ingest()
    assert live.told == []
    assert live.rows("id") == [(1,), (2,), (3,)]
    assert live.accepted()["id"].to_list() == [1, 2, 3]
    assert [at for at, *_ in live.rejected()] == [1]
    assert [(b["first_offset"], b["end_offset"], b["epoch"]) for b in live.batches] == [
        (0, 4, 1),
        (4, 6, 2),
    ]


@pytest.mark.parametrize("partitions", [1, 2])
def test_they_go_on_though_every_write_outlasts_a_lease(tmp_path, monkeypatch, partitions):
    monkeypatch.setattr(online, "LEASE", 0.2)
    dataset = payments(online=ov.Stream(age="1us", rows=6, partitions=partitions))
    live = Live(tmp_path, dataset)
    services = [live.service]
    services += [Live(tmp_path, dataset, SqliteStream(live.home.streams)).service]
    writes = []
    for number, service in enumerate(services):
        slow(service, lambda number=number: (writes.append(number), time.sleep(0.3)))
    for n in range(12):
        data = (line(n) + line(n) + line(n + 1)).encode()
        told = {"format": "ndjson"}
        block = Block(partition=n % partitions, rows=3, data=data, metadata=told)
        live.stream.append("incoming.payments", [block])
    stop = threading.Event()
    threads = [threading.Thread(target=each.run, args=(stop,)) for each in services]
    for thread in threads:
        thread.start()
    until = time.monotonic() + 60
    while live.behind() and time.monotonic() < until:
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert not live.behind()
    assert {*writes} == {0, 1}
    assert epoch(live) > 2
    assert sorted(n for (n,) in live.rows("id")) == [*range(13)]
    assert sorted(live.accepted()["id"]) == [*range(13)]
    assert sum(b["rows"] + b["duplicates"] for b in live.batches) == 36
