"""What is sent when, on a clock that is not one: each event once, and nobody disturbed."""

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.services.due import LONGEST_PAUSE, Waiting, first_at, messages, pause, undisturbed

SECOND, HOUR = 1_000_000, 3_600_000_000
DAY = 24 * HOUR
BEGAN = int(datetime(2026, 3, 27, tzinfo=UTC).timestamp()) * SECOND  # clocks go forward on 29 March
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu"]
clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
quiets = st.builds(
    lambda hours, zone: ov.Quiet(*hours, zone=zone),
    st.tuples(clocks, clocks).filter(lambda hours: hours[0] != hours[1]),
    st.sampled_from(ZONES),
)
rules = st.builds(
    lambda **told: ov.Notify("json://localhost", **told),
    quiet=st.none() | quiets,
    digest=st.none() | st.sampled_from(["1m", "1h", "5h"]),
    at_once=st.none() | st.sampled_from(["warning", "error"]),
    attempts=st.integers(3, 6),
)
happened = st.lists(
    st.tuples(st.integers(0, 4 * DAY), st.sampled_from(["info", "warning", "error"])), max_size=12
)


def wall(at, zone):
    moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)
    return moment.astimezone(ZoneInfo(zone)).strftime("%H:%M")


def is_quiet(quiet, at):
    if quiet is None:
        return False
    clock, begin, end = wall(at, quiet.zone), quiet.begin, quiet.end
    return begin <= clock < end if begin < end else clock >= begin or clock < end


def is_urgent(rule, severity):
    order = ["info", "warning", "error"]
    return rule.at_once is not None and order.index(severity) >= order.index(rule.at_once)


class Target:
    """What is sent to one target; a pass every minute, of which some fail or are killed."""

    def __init__(self, rule, events):
        self.rule, self.new = rule, sorted(events)
        self.waiting, self.sent, self.tried, self.lost = {}, [], [], []

    def turn(self, now, fate):
        while self.new and self.new[0][0] <= now:
            at, severity = self.new.pop(0)
            number = len(self.waiting) + len(self.lost) + sum(len(m) for _, m in self.sent)
            due = first_at(self.rule, severity, at)
            self.waiting[number] = Waiting(number, at, severity, 0, due)
        for each in list(self.waiting.values()):
            if each.attempts >= self.rule.attempts and each.next_at <= now:
                self.lost.append(self.waiting.pop(each.id))
        for message in messages(self.rule, list(self.waiting.values()), now):
            outcome = fate()
            self.tried.append((now, message, outcome))
            for each in message:
                if outcome == "taken":
                    del self.waiting[each.id]
                else:
                    again = pause(each.attempts + 1) if outcome == "refused" else 120 * SECOND
                    self.waiting[each.id] = replace(
                        each, attempts=each.attempts + 1, next_at=now + again
                    )
            if outcome == "taken":
                self.sent.append((now, message))


@settings(deadline=None)  # seven days of passes
@given(rules, happened, st.randoms(use_true_random=False), st.booleans())
def test_each_event_is_sent_once_and_nobody_is_disturbed(rule, events, chance, works):
    shifted = [(BEGAN + at, severity) for at, severity in events]
    target = Target(rule, shifted)
    fates = ["taken"] if works else ["taken", "refused", "killed"]
    moments = {BEGAN + minute * 60 * SECOND for minute in range(0, 7 * 24 * 60, 7)}
    for now in sorted(moments | {at for at, _ in shifted}):
        target.turn(now, lambda: chance.choice(fates))
    told = [each.id for _, message in target.sent for each in message]
    assert len(told) == len(set(told)), "nothing is sent twice"
    assert not target.waiting, "nothing waits for ever"
    assert sorted([*told, *(each.id for each in target.lost)]) == list(range(len(events)))
    if works:
        assert not target.lost
    for now, message, _ in target.tried:
        assert all(each.next_at <= now or not each.attempts for each in message)
        if is_quiet(rule.quiet, now):
            assert all(is_urgent(rule, each.severity) for each in message)
        if len(message) > 1:
            assert not any(is_urgent(rule, each.severity) for each in message)
            assert rule.digest or all(is_quiet(rule.quiet, each.at) for each in message)
    if works and rule.digest:
        collected = [now for now, m in target.sent if not is_urgent(rule, m[0].severity)]
        long = {"1m": 60, "1h": 3600, "5h": 18000}[rule.digest] * SECOND
        assert all(later - now >= long for now, later in itertools.pairwise(collected))


@given(quiets, st.integers(0, 400 * DAY))
def test_quiet_hours_end_at_the_first_moment_that_is_not_quiet(quiet, after):
    at = BEGAN + after
    ends = undisturbed(quiet, at)
    assert ends >= at
    assert (ends == at) == (not is_quiet(quiet, at))
    assert not is_quiet(quiet, ends)
    assert ends - at <= 25 * HOUR
    if ends > at:
        middle = at + (ends - at) // 2
        # Where clocks are set, a moment between may be outside by the clock on the wall.
        assert is_quiet(quiet, middle) or ends - at > 22 * HOUR or crosses(quiet.zone, at, ends)


def crosses(zone, begin, end):
    offsets = [
        datetime.fromtimestamp(at / 1e6, UTC).astimezone(ZoneInfo(zone)).utcoffset()
        for at in (begin, end)
    ]
    return offsets[0] != offsets[1]


def test_pauses_double_up_to_an_hour():
    assert [pause(n) // SECOND for n in (1, 2, 3, 9, 10, 500)] == [10, 20, 40, 2560, 3600, 3600]
    assert sum(pause(n) for n in range(1, 12)) < 4 * LONGEST_PAUSE


@pytest.mark.parametrize(
    ("clock", "ends"),
    [("2026-11-26T21:59", "21:59"), ("2026-11-26T22:00", "07:00"), ("2026-11-27T06:59", "07:00")],
)
def test_quiet_hours_over_midnight(clock, ends):
    quiet = ov.Quiet("22:00", "07:00", zone="Europe/Berlin")
    at = datetime.fromisoformat(clock).replace(tzinfo=ZoneInfo("Europe/Berlin"))
    assert wall(undisturbed(quiet, int(at.timestamp()) * SECOND), "Europe/Berlin") == ends
