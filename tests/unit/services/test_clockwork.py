"""The times of schedules, beside clocks that are read minute by minute."""

import pytest
from tests.scheduling import DAY, HOUR, MINUTE, at, due_by_clock, minutes

from octavo.definition import Schedule
from octavo.services.scheduling.clockwork import (
    blackout_of,
    first_place,
    has_ended,
    is_active,
    newest_time,
    next_time,
)

CHANGES = [
    ("Europe/Zurich", "2026-03-28", "2026-03-31"),
    ("Europe/Zurich", "2026-10-24", "2026-10-27"),
    ("America/New_York", "2026-03-07", "2026-03-10"),
    ("America/New_York", "2026-10-31", "2026-11-03"),
    ("Africa/Cairo", "2026-04-23", "2026-04-26"),
]
"""Days around which clocks change; in Cairo at midnight."""


def times(schedule: Schedule, start: int, end: int) -> list[int]:
    found, place = [], start - 1
    while (place := next_time(schedule, place)) is not None and place < end:
        found.append(place)
    return found


@pytest.mark.parametrize(("zone", "first", "last"), CHANGES)
@pytest.mark.parametrize(("hour", "minute"), [(2, 30), (1, 30), (0, 0), (2, 0), (3, 0), (12, 15)])
def test_a_time_of_the_day_is_due_once_a_day(zone, first, last, hour, minute):
    start, end = at(first, zone), at(last, zone)
    expected = due_by_clock(start - MINUTE, end, zone, hour, minute)
    schedule = Schedule(cron=f"{minute} {hour} * * *", zone=zone)
    assert times(schedule, start, end) == [each for each in expected if each >= start]
    assert len(expected) in (3, 4)


@pytest.mark.parametrize(("zone", "first", "last"), CHANGES)
@pytest.mark.parametrize("minute", [0, 45])
def test_each_hour_is_each_hour_that_passes(zone, first, last, minute):
    start, end = at(first, zone), at(last, zone)
    expected = [now for now, shown in minutes(start, end, zone) if shown.minute == minute]
    assert times(Schedule(cron=f"{minute} * * * *", zone=zone), start, end) == expected
    assert len(expected) in (71, 73)


def test_times_that_are_left_out_together_are_due_once():
    schedule = Schedule(cron="0,15,30 2,3 * * *", zone="Europe/Zurich")
    found = times(schedule, at("2026-03-29", "Europe/Zurich"), at("2026-03-30", "Europe/Zurich"))
    assert found == [at("2026-03-29T01:00"), at("2026-03-29T01:15"), at("2026-03-29T01:30")]


def test_a_time_shown_twice_is_not_due_again_from_between():
    schedule = Schedule(cron="30 2 * * *", zone="Europe/Zurich")
    shown_again = at("2026-10-25T01:10")  # 2:10, for the second time
    assert next_time(schedule, shown_again) == at("2026-10-26T01:30")


@pytest.mark.parametrize(("zone", "first", "last"), CHANGES)
@pytest.mark.parametrize("hours", [("22:00", "02:30"), ("02:15", "04:00"), ("08:00", "09:00")])
def test_hours_of_a_day_are_those_that_clocks_show(zone, first, last, hours):
    start, end = at(first, zone), at(last, zone)
    schedule = Schedule(cron="*/15 * * * *", zone=zone, hours=hours)

    def is_open(clock: str) -> bool:
        begin, over = hours
        return begin <= clock < over if begin < over else clock >= begin or clock < over

    expected = [
        now
        for now, shown in minutes(start, end, zone)
        if shown.minute % 15 == 0 and is_open(f"{shown:%H:%M}")
    ]
    assert times(schedule, start, end) == expected
    assert 3 <= len(expected) <= 60


def test_hours_in_which_it_is_never_due_end_the_search():
    assert next_time(Schedule(cron="0 12 * * *", hours=("13:00", "14:00")), 0) is None


def test_an_interval_goes_on_from_where_it_began():
    schedule, now = Schedule(every="90m"), at("2026-05-01T10:07")
    place = first_place(schedule, now)
    assert times(schedule, place + 1, now + 3 * HOUR + 1)[:1] != []
    found = []
    while len(found) < 3:
        place = next_time(schedule, place)
        found.append(place)
    assert found == [now, now + 90 * MINUTE, now + 180 * MINUTE]


def test_an_interval_is_counted_from_its_first_day():
    schedule = Schedule(every="7h", from_="2026-05-01", until="2026-05-02", zone="Europe/Zurich")
    begin = at("2026-05-01", "Europe/Zurich")
    expected = [begin + n * 7 * HOUR for n in range(7)]  # the last day is part of it
    assert chain(schedule, begin - DAY) == expected
    assert chain(schedule, begin + HOUR) == expected[1:], "it began before the scheduler did"
    assert has_ended(schedule, at("2026-05-03", "Europe/Zurich"))
    assert not has_ended(schedule, at("2026-05-02T23:59", "Europe/Zurich"))


def chain(schedule: Schedule, now: int) -> list[int]:
    place, found = first_place(schedule, now), []
    while (place := next_time(schedule, place)) is not None:
        found.append(place)
    return found


@pytest.mark.parametrize(
    "schedule",
    [
        Schedule(cron="*/5 * * * *"),
        Schedule(cron="30 2 * * *", zone="Europe/Zurich"),
        Schedule(cron="0 0 1 * *", zone="America/New_York"),
        Schedule(every="11h"),
        Schedule(every="1h", hours=("22:00", "06:00"), zone="Europe/Zurich"),
        Schedule(cron="0 * * * *", until="2026-03-15"),
    ],
)
def test_the_newest_time_is_the_last_of_all(schedule):
    after = at("2026-03-01T00:30")
    if schedule.every:
        after = first_place(schedule, after)
    for passed in (MINUTE, HOUR, 9 * HOUR, 29 * DAY, 41 * DAY):
        every = times(schedule, after + 1, after + passed + 1) if not schedule.every else None
        if every is None:
            every, place = [], after
            while (place := next_time(schedule, place)) is not None and place <= after + passed:
                every.append(place)
        assert newest_time(schedule, after, after + passed) == (every[-1] if every else None)


def test_blackouts_are_days_or_times_of_the_zone():
    schedule = Schedule(
        every="1h",
        zone="Europe/Zurich",
        blackouts=["2026-12-25", ("2026-12-24T18:00", "2026-12-25"), ("2027-01-01", "2027-01-02")],
    )
    over = at("2026-12-26", "Europe/Zurich") - 1
    assert blackout_of(schedule, at("2026-12-24T18:00", "Europe/Zurich")) == over
    assert blackout_of(schedule, at("2026-12-24T17:59", "Europe/Zurich")) is None
    assert blackout_of(schedule, over) == over
    assert blackout_of(schedule, over + 1) is None
    assert is_active(schedule, over), "a blackout is no part of what there is: it is missed"
