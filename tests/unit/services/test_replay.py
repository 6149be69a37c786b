"""What is replayed, in which order and when; what a target that does not take it brings about."""

import math

import pytest
from replaying import Clock, Kept, Made, dataset, play, timeline

from octavo.errors import DataError, ResourceError
from octavo.services import replay as replaying
from octavo.services import timeline as timelines
from octavo.services.replay import spoken
from octavo.streams import BacklogError, Place

A, B = dataset("a"), dataset("b")


def test_rows_go_in_the_order_in_which_they_became_known():
    made, target = Made(a=[5, 1, 3, 3], b=[2, 4]), Kept()
    played = play(timeline(made, A, B), target, speed=0.01, stop=target)
    assert target.rows == [("a", 1), ("b", 0), ("a", 2), ("a", 3), ("b", 1), ("a", 0)]
    assert (played.sent, played.repeated, played.is_complete) == (6, 0, True)


@pytest.mark.parametrize(("first", "last"), [(None, None), (2, None), (2, 4), (None, 4)])
def test_a_span_begins_with_its_first_moment_and_ends_before_its_last(first, last):
    known = [1, 2, 3.5, 4, 5]
    line, target = timeline(Made(a=known), A, first=first, last=last), Kept()
    play(line, target, speed=math.inf, stop=target)
    inside = [n for n, at in enumerate(known) if (first or 0) <= at < (last or 9)]
    assert [n for _, n in target.rows] == inside
    assert line.rows == len(inside)


def test_a_span_without_rows_is_refused():
    with pytest.raises(DataError, match="none of the rows"):
        timeline(Made(a=[1]), A, first=2)


def test_nothing_is_sent_before_it_was_known_and_little_after():
    made, clock, sent = Made(a=[100, 100.4, 130], b=[115]), Clock(), []

    def target(name, data, key):
        sent.append((name, clock.now - 1000))
        return Place(0, 0, False)

    play(timeline(made, A, B), target, speed=10, stop=clock, clock=clock)
    due = [("a", 0), ("b", 1.5), ("a", 3)]
    assert [name for name, _ in sent] == [name for name, _ in due]
    for (_, at), (_, earliest) in zip(sent, due, strict=True):
        assert earliest < at <= earliest + 0.11


def test_facts_without_a_time_come_first_and_do_not_set_the_clock():
    made, clock, sent = Made(a=[100, 200], s=[0, 0]), Clock(), []
    static = dataset("s", event_time=None)

    def target(name, data, key):
        sent.append((name, clock.now - 1000))
        return Place(0, 0, False)

    play(timeline(made, A, static), target, speed=10, stop=clock, clock=clock)
    assert [name for name, _ in sent] == ["s", "a", "a"]
    assert sent[0][1] == 0
    assert sent[2][1] == pytest.approx(10, abs=0.2)


def test_who_is_slow_is_told_how_far_behind(monkeypatch):
    clock, told = Clock(), []

    def target(name, data, key):
        clock.now += 3
        return Place(0, 0, False)

    line = timeline(Made(a=[0, 1, 2]), A)
    play(line, target, speed=1, stop=clock, clock=clock, show=lambda p: told.append(p.behind))
    assert told[-1] == pytest.approx(9 - 2.1, abs=0.2)


def test_a_full_topic_is_waited_for_as_long_as_it_says():
    clock, answers = Clock(), [BacklogError("t", 9, 1, retry_after=50.0)] * 3

    def target(name, data, key):
        if answers:
            raise answers.pop()
        return Place(0, 0, False)

    played = play(timeline(Made(a=[0]), A), target, speed=math.inf, stop=clock, clock=clock)
    assert clock.waits == [50.0] * 3
    assert played.is_complete


def test_what_cannot_be_reached_is_tried_for_a_minute():
    clock, tried = Clock(), []

    def target(name, data, key):
        tried.append(key)
        raise ResourceError("gone.")

    with pytest.raises(ResourceError, match="gone"):
        play(timeline(Made(a=[0]), A), target, speed=math.inf, stop=clock, clock=clock)
    assert clock.now - 1000 == pytest.approx(replaying.PATIENCE, abs=1)
    assert len(set(tried)) == 1


def test_large_slots_are_divided_the_same_way_each_time(monkeypatch):
    monkeypatch.setattr(replaying, "ROWS", 7)
    monkeypatch.setattr(replaying, "BYTES", 900)
    monkeypatch.setattr(timelines, "CHAPTER", 5)
    made, target = Made(a=[1] * 30 + [2], b=[1]), Kept()
    play(timeline(made, A, B), target, speed=math.inf, stop=target)
    again = play(timeline(made, A, B), target, speed=math.inf, stop=target)
    assert target.rows == [*(("a", n) for n in range(31)), ("b", 0)]
    assert len(target.blocks) > 6
    assert again.repeated == again.sent == 32


def test_moments_are_written_in_utc_no_longer_than_needed():
    assert spoken(0) == "1970-01-01T00:00:00Z"
    assert spoken(1_383_264_000_500_000) == "2013-11-01T00:00:00.500000Z"
    assert spoken(-1) == "1969-12-31T23:59:59.999999Z"


def test_a_slot_that_is_begun_is_sent_whole_so_that_another_speed_may_go_on():
    made, target = Made(a=[100, 200], b=[100, 200]), Kept()
    target.left = 1
    stopped = play(timeline(made, A, B), target, speed=10, stop=target)
    assert (target.rows, stopped.is_complete) == ([("a", 0), ("b", 0)], False)
    target.left = None
    target.stopped = False
    first = stopped.until / 1e6
    played = play(timeline(made, A, B, first=first), target, speed=math.inf, stop=target)
    assert target.rows == [("a", 0), ("b", 0), ("a", 1), ("b", 1)]
    assert (played.sent, played.repeated) == (2, 0)
