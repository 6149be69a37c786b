"""The times of a schedule, from a time that is passed in; it reads no clock.

Times are microseconds since the epoch. Cron is cronsim's: it goes by the clock of a zone as
Debian's cron does, also when that is put forward or back.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from cronsim import CronSim

from octavo.definition import Schedule
from octavo.definition.durations import microseconds

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
HOUR, DAY = 3_600_000_000, 86_400_000_000
HORIZON = 9 * 366 * DAY
"""How far it is looked for a next time: a 29 February comes by then."""
_SPANS = (HOUR, DAY, 32 * DAY, 367 * DAY, HORIZON)


def local(schedule: Schedule, at: int) -> datetime:
    """Return a time on the clocks of the schedule's zone."""
    return (_EPOCH + timedelta(microseconds=at)).astimezone(ZoneInfo(schedule.zone))


def instant(schedule: Schedule, clock: datetime) -> int:
    """Return when the clocks of the zone show a time; ``fold`` says which of two such times."""
    return _since_epoch(clock.replace(tzinfo=ZoneInfo(schedule.zone)))


def _since_epoch(at: datetime) -> int:
    return (at.astimezone(UTC) - _EPOCH) // _MICROSECOND


def has_ended(schedule: Schedule, at: int) -> bool:
    """Say whether it is due no more, at a time and for ever."""
    return schedule.ends is not None and at > instant(schedule, schedule.ends)


def is_active(schedule: Schedule, at: int) -> bool:
    """Say whether a time is one at which it can be due: between its days, and within its hours."""
    early = schedule.begins is not None and at < instant(schedule, schedule.begins)
    if early or has_ended(schedule, at):
        return False
    if schedule.opens is None:
        return True
    first, last = schedule.opens
    clock = local(schedule, at).time()
    return first <= clock < last if first < last else not last <= clock < first


def blackout_of(schedule: Schedule, at: int) -> int | None:
    """Return when the blackout is over in which a time lies; None: it lies in none."""
    over = None
    for first, last in schedule.dark:
        end = instant(schedule, last)
        if instant(schedule, first) <= at <= end:
            over = max(over or 0, end)
    return over


def first_place(schedule: Schedule, now: int) -> int:
    """Return from where the times of a schedule are counted that begins now.

    Of an interval the first time is now, or when it is declared to begin.
    """
    if schedule.every is None:
        return now
    begin = instant(schedule, schedule.begins) if schedule.begins else now
    return begin - _every(schedule) if begin >= now else _place(schedule, begin, now)


def next_time(schedule: Schedule, after: int) -> int | None:
    """Return the first time after one at which it is due; None: it never is, by the clock.

    Parameters
    ----------
    after
        Of an interval, one of its times.
    """
    found = _candidate(schedule, after)
    while found is not None and not is_active(schedule, found):
        if found > after + HORIZON or has_ended(schedule, found):
            return None
        found = _candidate(schedule, _before_active(schedule, found))
    return found


def newest_time(schedule: Schedule, after: int, now: int) -> int | None:
    """Return the last time after one, and up to now, at which it was due; None: there is none."""
    for span in _SPANS:
        start = _place(schedule, after, now - span)
        found = None
        for at in _times(schedule, start):
            if at > now:
                break
            found = at
        if found is not None or start == after:
            return found
    return None


def _times(schedule: Schedule, after: int) -> Iterator[int]:
    while (at := next_time(schedule, after)) is not None:
        yield at
        after = at


def _candidate(schedule: Schedule, after: int) -> int | None:
    """Return the next time that cron or interval give, whether it is active or not."""
    if schedule.every is not None:
        return after + _every(schedule)
    if schedule.cron is None:
        return None
    for found in CronSim(schedule.cron, local(schedule, after)):
        # What is due once although clocks show it twice is given again from between the two.
        if (at := _since_epoch(found)) > after:
            return at
    return None


def _before_active(schedule: Schedule, at: int) -> int:
    """Return a place behind a time that is not active, and before the next one that is."""
    target = at
    if schedule.begins is not None:
        target = max(target, instant(schedule, schedule.begins) - 1)
    if target == at and schedule.opens is not None:
        today, opens = local(schedule, at).date(), schedule.opens[0]
        days = [datetime.combine(today + timedelta(days=n), opens) for n in (0, 1, 2)]
        shown = {instant(schedule, day.replace(fold=n)) for day in days for n in (0, 1)}
        target = min(each for each in shown if each > at) - 1
        if local(schedule, at).utcoffset() != local(schedule, target).utcoffset():
            return at  # clocks are changed on the way, perhaps into the hours: no leap
    return _place(schedule, at, target)


def _place(schedule: Schedule, after: int, target: int) -> int:
    """Return a place not before another, and not behind a target if that is later."""
    if target <= after:
        return after
    if schedule.every is None:
        return target
    return after + (target - after) // _every(schedule) * _every(schedule)


def _every(schedule: Schedule) -> int:
    assert schedule.every is not None, "it is an interval"
    return microseconds(schedule.every, where="Schedule.every")
