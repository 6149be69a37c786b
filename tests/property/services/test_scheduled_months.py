"""Two months with a change of the clocks each, in which the scheduler dies again and again."""

from functools import cache
from itertools import pairwise

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.scheduling import (
    HOUR,
    MINUTE,
    SECOND,
    Killed,
    Mortal,
    World,
    at,
    due_by_clock,
    job,
    minutes,
)

from octavo.services.scheduling.jobs import Job

ZURICH, NEW_YORK = "Europe/Zurich", "America/New_York"
MONTHS = {"spring": ("2026-03-06", "2026-04-03"), "autumn": ("2026-10-18", "2026-11-08")}
"""In New York clocks change on 8 March and 1 November, in Zurich on 29 March and 25 October."""


def jobs(month: str) -> list[Job]:
    """Return the jobs; the interval begins an hour after the scheduler."""
    return [
        job("ingestion/orders", "problem", "prep", cron="30 2 * * *", zone=ZURICH, missed="all"),
        job(
            "ingestion/returns", "problem", "prep", cron="30 2 * * *", zone=NEW_YORK, missed="once"
        ),
        job("training", cron="15 3 * * 0,6", zone=ZURICH, missed="once", retries=2, backoff="1m"),
        job("evaluation", cron="0 */6 * * *", zone=NEW_YORK, missed="all"),
        job("monitoring", every="5h", missed="all", from_=f"{MONTHS[month][0]}T01:00"),
    ]


@cache
def expected(month: str) -> dict[str, list[int]]:
    """Return when each job is due, by clocks that are read minute by minute."""
    start, end = (at(day) for day in MONTHS[month])
    return {
        "ingestion/orders": due_by_clock(start, end, ZURICH, 2, 30),
        "ingestion/returns": due_by_clock(start, end, NEW_YORK, 2, 30),
        "training": [
            now
            for now, shown in minutes(start, end, ZURICH)
            if (shown.hour, shown.minute) == (3, 15) and shown.isoweekday() in (6, 7)
        ],
        "evaluation": [
            now
            for now, shown in minutes(start, end, NEW_YORK)
            if shown.minute == 0 and shown.hour % 6 == 0
        ],
        "monitoring": [*range(start + HOUR, end, 5 * HOUR)],
    }


@pytest.mark.parametrize("month", MONTHS)
def test_the_oracle_knows_of_the_changes(month):
    days = len(expected(month)["evaluation"]) / 4
    assert len(expected(month)["ingestion/orders"]) == days
    assert len(expected(month)["ingestion/returns"]) == days
    gaps = {later - due for due, later in pairwise(expected(month)["evaluation"])}
    assert gaps == {6 * HOUR, 5 * HOUR if month == "spring" else 7 * HOUR}


DEATHS = st.lists(st.tuples(st.integers(1, 40), st.booleans()), min_size=10, max_size=40)
"""How many writes lie between two deaths, and whether the last of them counts."""


@pytest.mark.parametrize("month", MONTHS)
@given(deaths=DEATHS)
@settings(max_examples=2, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_run_happens_once_whenever_the_scheduler_dies(tmp_path_factory, month, deaths):
    check(tmp_path_factory, month, deaths)


@pytest.mark.slow
@pytest.mark.parametrize("month", MONTHS)
@given(deaths=DEATHS)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_each_run_happens_once_in_many_months(tmp_path_factory, month, deaths):
    check(tmp_path_factory, month, deaths)


def check(tmp_path_factory, month, deaths):
    start, end = (at(day) for day in MONTHS[month])
    catalog = Mortal(tmp_path_factory.mktemp("home") / "catalog.db")
    write = 0
    for apart, counts in deaths:
        write += apart
        catalog.deaths[write] = counts
    there = World(jobs(month), catalog, start, takes=20 * SECOND)
    killed = live(there, moments(month, end))
    done = {each.name: there.done(each.name) for each in jobs(month)}
    assert done == expected(month)
    assert killed == sum(death <= catalog.writes for death in catalog.deaths)
    again = sum(len(names) for _, names in there.begun) - sum(map(len, done.values()))
    assert again <= 2 * killed, "what runs again is what was cut off"


def moments(month: str, end: int) -> list[int]:
    """Return when it is looked: at each time that something is due, and in the minutes after it."""
    due = {moment for times in expected(month).values() for moment in times}
    after = (0, 21 * SECOND, 42 * SECOND, 3 * MINUTE)
    looks = {at(MONTHS[month][0])} | {moment + each for moment in due for each in after}
    return sorted(looks | {end + n * MINUTE for n in range(10)})


def live(there: World, looks: list[int]) -> int:
    """Look at some times, with a new scheduler after each death; return how often it died."""
    killed = 0
    for moment in looks:
        there.now = max(moment, there.now)
        while True:
            try:
                there.scheduler.look(there.now)
                break
            except Killed:
                killed += 1
                there.now += 16 * SECOND  # until the lease is over
                there.start_over()
    return killed
