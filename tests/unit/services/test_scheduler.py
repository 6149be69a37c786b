"""What the scheduler does as time passes: states, policies, retries, and who may write."""

from itertools import pairwise

import pytest
from tests.scheduling import DAY, HOUR, MINUTE, SECOND, Mortal, World, at, job

from octavo.errors import DefinitionError
from octavo.services.scheduling import control
from octavo.services.scheduling.deciding import Ended, upcoming
from octavo.services.scheduling.jobs import ingested_with, jobs_of
from octavo.services.scheduling.service import Settled
from octavo.stores.leases import Lease, LeaseLost

NOW = at("2026-05-01T10:00")
WRONG, BROKEN = Ended(True, "the disk is full"), Ended(True, "no such column", definite=True)


@pytest.fixture
def world(tmp_path):
    def made(*jobs, now=NOW):
        return World(jobs, Mortal(tmp_path / "catalog.db"), now)

    return made


def test_a_job_begins_at_its_times_and_rests_between(world):
    there = world(job("training", cron="30 * * * *")).go(NOW + 3 * HOUR)
    assert there.done("training") == [NOW + n * HOUR + 30 * MINUTE for n in range(3)]
    assert (there.row("training")["state"], there.row("training")["result"]) == ("armed", "done")
    told = [e["kind"] for e in there.events() if e["subject"] == "training"]
    assert told == ["job armed"] + 3 * ["job running", "job done"]
    assert upcoming(there.jobs[0], there.row("training"), there.now) == NOW + 3.5 * HOUR


@pytest.mark.parametrize(
    ("missed", "hours"), [("skip", [0, 5, 6]), ("once", [0, 4, 5, 6]), ("all", [*range(7)])]
)
def test_what_becomes_of_missed_times(world, missed, hours):
    there = world(job("training", every="1h", missed=missed))
    there.go(NOW + MINUTE)
    there.now += 4 * HOUR + 10 * MINUTE  # nobody looks
    there.go(NOW + 6 * HOUR + 30 * MINUTE)
    first = there.done("training")[0]
    assert [round((due - first) / HOUR, 3) for due in there.done("training")] == hours
    skipped = [e["document"]["skipped"] for e in there.events() if "skipped" in e["document"]]
    expected = {"all": [], "once": [[1, 3]], "skip": [[1, 4]]}[missed]
    assert [[(each - first) / HOUR for each in pair] for pair in skipped] == expected


def test_a_run_that_takes_longer_than_its_interval_does_not_overlap_itself(world):
    there = world(job("training", every="10m"))
    there.takes = 25 * MINUTE
    there.go(NOW + 2 * HOUR)
    begun = [moment for moment, _ in there.begun]
    assert all(later - moment >= there.takes for moment, later in pairwise(begun))
    assert len(begun) == 5


def test_a_failed_run_is_tried_again_later_and_later(world):
    there = world(job("training", cron="0 12 * * *", retries=3, backoff="10m"))
    there.ends["training"] = [WRONG, WRONG, WRONG]
    there.go(NOW + 6 * HOUR)
    noon = at("2026-05-01T12:00")
    waits = [(moment - noon) // MINUTE for moment, _ in there.begun]
    assert waits == [0, 11, 32, 73], "a run ends, and is looked at, a minute later"
    assert there.done("training") == [noon]
    failures = [e["document"]["tries"] for e in there.events("job waiting", "job failed")]
    assert failures == [3, 2, 1]


def test_a_job_that_fails_each_time_waits_for_its_next_time(world):
    there = world(job("training", cron="0 * * * *", retries=1))
    there.ends["training"] = [WRONG, WRONG]
    there.go(NOW + 90 * MINUTE)
    row = there.row("training")
    assert (row["state"], row["reason"]) == ("failed", "the disk is full")
    assert there.events("job failed")[0]["severity"] == "warning"
    there.go(NOW + 125 * MINUTE)
    assert there.done("training") == [NOW + 2 * HOUR]
    assert there.row("training")["state"] == "armed"


def test_a_wrong_definition_is_not_tried_again(world):
    there = world(job("training", cron="0 * * * *", retries=5))
    there.ends["training"] = [BROKEN]
    there.go(NOW + 110 * MINUTE)
    assert (there.row("training")["state"], len(there.begun)) == ("failed", 1)


def test_what_is_due_together_runs_together_and_apart_if_that_fails(world):
    names = ["ingestion/orders", "ingestion/returns"]
    there = world(*(job(name, "problem", "prep", cron="0 * * * *") for name in names))
    there.ends["ingestion/returns"] = [WRONG, WRONG]
    there.go(NOW + 70 * MINUTE)
    assert [each for _, each in there.begun] == [names, [names[0]], [names[1]]]
    assert there.done(names[0]) == [NOW + HOUR], "one dataset may fail without stopping the other"
    assert [there.row(name)["state"] for name in names] == ["armed", "failed"]
    there.go(NOW + 2 * HOUR + MINUTE)
    assert there.begun[-1][1] == names


def test_a_wrong_definition_of_one_dataset_does_not_stop_another(world):
    names = ["ingestion/orders", "ingestion/returns"]
    there = world(*(job(name, "problem", "prep", cron="0 * * * *") for name in names))
    there.ends["ingestion/returns"] = [BROKEN, BROKEN]
    there.go(NOW + 70 * MINUTE)
    assert [each for _, each in there.begun] == [names, [names[0]], [names[1]]]
    assert there.done(names[0]) == [NOW + HOUR]
    assert [there.row(name)["state"] for name in names] == ["armed", "failed"]


def test_other_stages_wait_for_the_run_that_goes_on(world):
    there = world(job("training", cron="0 * * * *"), job("monitoring", cron="1 * * * *"))
    there.takes = 10 * MINUTE
    there.go(NOW + HOUR + 5 * MINUTE)
    assert there.row("monitoring")["state"] == "waiting"
    assert there.row("monitoring")["reason"].endswith("training runs")
    there.go(NOW + HOUR + 30 * MINUTE)
    assert there.done("monitoring") == [NOW + HOUR + MINUTE]


def test_what_waits_for_news_gets_its_turn_beside_a_job_that_is_always_due(world):
    there = world(job("monitoring", every="10m"), job("training", on="upstream"))
    there.takes = 15 * MINUTE
    there.go(NOW + 5 * MINUTE)
    there.offered["training"] = "new"
    there.go(NOW + 2 * HOUR)
    assert [names for _, names in there.begun].index(["training"]) == 1


def test_nothing_begins_in_a_blackout_and_what_was_due_runs_once_after_it(world):
    dark = [("2026-05-01T12:30", "2026-05-01T15:30")]
    there = world(job("training", cron="0 * * * *", blackouts=dark))
    there.go(at("2026-05-01T14:00"))
    row = there.row("training")
    assert row["state"] == "blacked out"
    assert "15:30:00 UTC" in row["reason"]
    assert upcoming(there.jobs[0], row, there.now) == at("2026-05-01T15:30") + 1
    there.go(at("2026-05-01T16:30"))
    assert [(due - NOW) // HOUR for due in there.done("training")] == [1, 2, 5, 6]


def test_a_job_expires(world):
    there = world(job("training", cron="0 12 * * *", until="2026-05-02", missed="all"))
    there.go(NOW + 3 * DAY, step=HOUR)
    assert len(there.done("training")) == 2
    assert there.row("training")["state"] == "expired"
    assert upcoming(there.jobs[0], there.row("training"), there.now) is None


def test_paused_jobs_wait_until_they_are_resumed(world):
    hourly = job("training", cron="0 * * * *")
    there = world(hourly).go(NOW + MINUTE)
    control.pause(hourly, there.catalog, "the machine is moved", there.now)
    there.go(NOW + 3 * HOUR)
    assert there.begun == []
    row = there.row("training")
    assert (row["state"], row["reason"]) == ("paused", "the machine is moved")
    control.resume(hourly, there.catalog, there.now)
    there.go(NOW + 3 * HOUR + 10 * MINUTE)
    assert there.done("training") == [NOW + 3 * HOUR]
    with pytest.raises(DefinitionError, match="not paused"):
        control.resume(hourly, there.catalog, there.now)
    told = [e["kind"] for e in there.events() if "paused" in e["kind"] or "resumed" in e["kind"]]
    assert told == ["job paused", "job resumed"]
    assert all(e["actor"] for e in there.events())


def test_a_run_can_be_asked_for_whatever_the_schedule_says(world):
    manual, night = job("training", on="manual"), job("monitoring", cron="0 3 * * *")
    there = world(manual, night).go(NOW + DAY // 2)
    assert there.begun == []
    for each in (manual, night):
        control.pause(each, there.catalog, "", there.now)
        control.run_now(each, there.catalog, there.now)
    asked = there.now
    there.go(asked + 10 * MINUTE)
    assert there.done("training") == there.done("monitoring") == [asked]
    assert "asked for it" in there.events("job running")[0]["document"]["reason"]


def test_a_run_asked_for_while_it_runs_comes_after_it(world):
    hourly = job("training", cron="0 * * * *")
    there = world(hourly)
    there.takes = 20 * MINUTE
    there.go(NOW + HOUR + 5 * MINUTE)
    control.run_now(hourly, there.catalog, there.now)
    asked = there.now
    there.go(NOW + 2 * HOUR - MINUTE)
    assert there.done("training") == [NOW + HOUR, asked]


def test_new_data_begin_a_run_once(world):
    watching = job("ingestion/orders", "problem", "prep", on="data", hours=("08:00", "20:00"))
    there = world(watching).go(NOW + HOUR)
    assert there.begun == []
    there.offered["ingestion/orders"] = "two files"
    there.go(NOW + 2 * HOUR)
    assert len(there.begun) == 1, "what failed or is as it was is not begun for ever"
    there.offered["ingestion/orders"] = None
    there.go(at("2026-05-01T21:00"))
    there.offered["ingestion/orders"] = "three files"
    there.go(at("2026-05-02T07:59"))
    assert len(there.begun) == 1, "not within its hours"
    there.go(at("2026-05-02T08:01"))
    assert len(there.begun) == 2


def test_a_file_that_grows_is_waited_for():
    seen = iter(["1 byte", "2 bytes", "2 bytes", None])
    settled = Settled(lambda: next(seen))
    assert [settled.value(second) for second in (0.0, 1.0, 5.0, 9.0, 10.0, 15.0)] == (
        [None, None, None, None, "2 bytes", None]
    )


def test_another_schedule_begins_anew_and_what_is_not_declared_is_forgotten(world):
    there = world(job("training", cron="0 * * * *"), job("monitoring", every="1h"))
    there.go(NOW + 2 * HOUR + MINUTE)
    there.jobs = [job("training", every="3h")]
    there.start_over()
    there.now += 20 * SECOND  # the lease of the one that is gone
    there.go(NOW + 6 * HOUR)
    assert [(due - NOW) // HOUR for due in there.done("training")] == [1, 2, 5]
    assert [e["subject"] for e in there.events("job removed")] == ["monitoring"]


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"cron": "0 * * * *"}, [60, 120, 180]),
        ({"every": "1h"}, [18, 78, 138]),
        ({"every": "1h", "from_": "2026-05-01T10:30"}, [30, 90, 150]),
    ],
)
def test_another_schedule_does_not_wait_for_the_beginning_of_the_one_before(world, new, expected):
    there = world(job("training", every="1d", from_="2027-06-01")).go(NOW + 17 * MINUTE)
    there.jobs = [job("training", **new)]
    there.start_over()
    there.go(NOW + 3 * HOUR + MINUTE)
    assert [(due - NOW) // MINUTE for due in there.done("training")] == expected


def test_an_interval_that_gets_a_beginning_counts_from_it(world):
    there = world(job("training", every="1h")).go(NOW + 17 * MINUTE)
    there.jobs = [job("training", every="1h", from_="2026-05-01T09:30")]
    there.start_over()
    there.go(NOW + 2 * HOUR)
    assert there.done("training")[1:] == [NOW + 30 * MINUTE, NOW + 90 * MINUTE]


def test_a_failure_is_told_once_also_when_the_job_was_paused_since(world):
    dark = [("2026-05-01T12:30", "2026-05-01T12:40")]
    there = world(job("training", cron="0 12 * * *", blackouts=dark))
    there.ends["training"] = [WRONG]
    there.go(NOW + 140 * MINUTE)
    control.pause(there.jobs[0], there.catalog, "", there.now)
    there.go(there.now + 5 * MINUTE)
    control.resume(there.jobs[0], there.catalog, there.now)
    there.go(NOW + 3 * HOUR)
    assert there.row("training")["state"] == "failed"
    assert len(there.events("job failed")) == 1


def test_a_scheduler_that_comes_back_counts_for_nothing(world):
    there = world(job("training", every="1h"))
    there.go(NOW + MINUTE)
    stopped = there.scheduler
    there.now += MINUTE
    there.start_over()
    assert there.scheduler.look(there.now), "the lease is over: another takes it"
    assert [names for _, names in there.begun] == [["training"], ["training"]], "taken up"
    there.now += 10 * SECOND
    assert not stopped.look(there.now), "what it began has ended, and is not counted"
    assert there.done("training") == []
    there.scheduler.look(there.now)
    assert len(there.done("training")) == 1
    assert [e["subject"] for e in there.events("scheduler took over")] == ["epoch 1", "epoch 2"]


def test_what_is_written_under_a_lost_lease_is_refused(tmp_path):
    catalog = Mortal(tmp_path / "catalog.db")
    one, other = Lease(catalog, "x", 10), Lease(catalog, "x", 10)
    assert one.hold(0)
    assert not other.hold(10 * SECOND)
    assert other.hold(10 * SECOND + 1)
    with pytest.raises(LeaseLost), catalog.transaction() as connection:
        one.check(connection)
    assert not one.hold(10 * SECOND + 2)
    other.leave()
    assert one.hold(10 * SECOND + 3)
    assert (one.epoch, other.epoch) == (3, 2)
    assert other.hold(-DAY), "a clock that was set back does not keep a lease for days"


def test_stages_without_a_schedule_follow_the_one_before():
    from tests.unit.definition.definitions import orders, pipeline

    import octavo as ov

    hourly = ov.Schedule(every="1h")
    made = pipeline(orders(schedule=hourly), monitor=ov.Monitor(schedule=hourly))
    assert [(j.name, j.first, j.last) for j in jobs_of(made)] == [
        ("ingestion/orders", "problem", "deployment"),
        ("monitoring", "monitoring", "monitoring"),
    ]
    made = pipeline(orders(schedule=hourly), training=ov.Training(schedule=hourly))
    assert [(j.first, j.last) for j in jobs_of(made)] == [
        ("problem", "segregation"),
        ("segregation", "monitoring"),
    ]
    assert ingested_with(made, jobs_of(made)[:1]) == ["orders"]
