"""The ingestion service is left at every durable step, and begun anew: each row is there once."""

import sys
from pathlib import Path

import pytest
from durable_steps import follow

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "ingestion"))

from streaming import Live, line

from octavo.streams.groups import GroupMember
from octavo.streams.sqlite import SqliteStream


class Killed(BaseException):
    """Stands for SIGKILL: nothing of Octavo handles it."""


@pytest.fixture
def arm(monkeypatch):
    """Return what lets the n-th durable step from now on be the last."""
    left = [0]

    def count():
        left[0] -= 1
        if left[0] == 0:
            raise Killed

    follow(count, monkeypatch.setattr, (SqliteStream, "append"), (GroupMember, "commit"))

    def set_to(number):
        left[0] = number

    return set_to


def test_left_at_every_step(tmp_path, arm):
    live, step, good, bad = Live(tmp_path), 0, [], []
    while True:
        step += 1
        rows = [3 * step, 3 * step + 1]
        at = live.send(line(rows[0]) + f"no {step}\n" + line(rows[1]) + line(rows[0])).offset
        good += rows
        bad += [(at + 1, f"no {step}", "json")]
        arm(step)
        try:
            live.ingest()
        except Killed:
            live.leave()
            continue
        break
    assert step > 10
    assert [n for (n,) in live.rows("id")] == good
    assert live.rejected() == bad
    assert sum(batch["duplicates"] for batch in live.batches) == step
    ranges = [(batch["first_offset"], batch["end_offset"]) for batch in live.batches]
    assert [begin for begin, _ in ranges] == [0, *(end for _, end in ranges[:-1])]
    assert ranges[-1][1] == 4 * step
    assert live.accepted()["id"].to_list() == good
    assert not list((live.home.path / "incoming").iterdir())


def test_several_kills_in_one_batch(tmp_path, arm):
    live, killed = Live(tmp_path), 0
    live.send(line(1) + "no\n" + line(2))
    for step in (2, 4, 5, 5, 1):
        arm(step)
        try:
            live.ingest()
        except Killed:
            killed += 1
        arm(0)
        live.leave()
    assert killed > 2
    live.ingest()
    assert live.rows("id") == [(1,), (2,)]
    assert live.accepted()["id"].to_list() == [1, 2]
    assert [at for at, *_ in live.rejected()] == [1]
    assert len(live.batches) == 1


def test_events_of_a_batch_that_another_committed_are_known(tmp_path, arm):
    live, step = Live(tmp_path), 0
    live.send(line(0))
    live.ingest()
    while True:
        step += 1
        live.send(line(step))
        arm(step)
        try:
            live.ingest()
        except Killed:
            live.leave()
            live.send(line(step) + line(step - 1))
            arm(0)
            live.ingest()
            continue
        break
    assert live.rows("id") == [(n,) for n in range(step + 1)]
    assert sum(batch["duplicates"] for batch in live.batches) == 2 * (step - 1) > 10


def test_who_does_not_know_that_its_lease_is_lost_changes_nothing(tmp_path):
    live = Live(tmp_path)
    zombie = live.service
    zombie.turn()
    (feed,) = zombie._feeds
    leases = feed._member.renew()
    live.send(line(1))
    live.leave()
    live.ingest()
    feed._member.renew = lambda: leases
    zombie.turn(flush=True)  # it has yet to plan what is done
    live.send(line(2))
    zombie.turn(flush=True)  # and begins anew, under its old lease
    zombie.turn(flush=True)
    assert live.behind() == 1
    live.ingest()
    assert live.rows("id") == [(1,), (2,)]
    assert len(live.batches) == 2
