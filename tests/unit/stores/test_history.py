"""Versions of an event: where each gives way, and what is known last."""

import polars as pl
import pytest

from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, TIMESTAMP
from octavo.stores.history import (
    FIRST_POSITION,
    GONE_KNOWN_AT,
    GONE_POSITION,
    newest,
    versions,
)

SCHEMA = {
    EVENT_ID: pl.String,
    EVENT_TIME: pl.Int64,
    KNOWN_AT: pl.Int64,
    POSITION: pl.Int64,
    "x": int,
}
STAMPS = pl.col(EVENT_TIME, KNOWN_AT).cast(TIMESTAMP)


def frame(*rows):
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").with_columns(STAMPS)


def gone(found):
    """Return (event ID, position) to the place where that version gives way."""
    columns = (EVENT_ID, POSITION, GONE_KNOWN_AT, GONE_POSITION)
    return {row[:2]: row[2:] for row in found.select(columns).iter_rows()}


NEVER = (None, None)
FIRST = frame(("a", 1, 5, 1, 10), ("b", 2, 6, 2, 20))


def test_what_is_not_restated_stands():
    found = versions(FIRST, FIRST.clear())
    assert gone(found) == {("a", 1): NEVER, ("b", 2): NEVER}
    assert newest(found)["x"].to_list() == [10, 20]


def test_a_version_stands_until_the_next_could_be_known():
    found = versions(FIRST, frame(("a", 1, 9, 11, 11), ("a", 1, 20, 21, 12)))
    assert gone(found) == {
        ("a", 1): (9, 11), ("a", 11): (20, 21), ("a", 21): NEVER, ("b", 2): NEVER,
    }  # fmt: skip
    rows = newest(found)
    assert rows["x"].to_list() == [12, 20]
    assert rows[POSITION].to_list() == [1, 2], "a row keeps the place of its first version"
    assert rows[KNOWN_AT].cast(pl.Int64).to_list() == [5, 6]


@pytest.mark.parametrize("known", [3, 5])
def test_a_restatement_known_sooner_ends_all_versions_before_it(known):
    later = frame(("a", 1, 9, 11, 11), ("a", 1, known, 21, 12))
    assert gone(versions(FIRST, later)) | {("b", 2): NEVER} == {
        ("a", 1): (known, 21), ("a", 11): (known, 21), ("a", 21): NEVER, ("b", 2): NEVER,
    }  # fmt: skip


def test_of_two_known_at_once_the_one_that_came_first_ends_the_one_before():
    later = frame(("a", 1, 9, 11, 11), ("a", 1, 9, 21, 12))
    assert gone(versions(FIRST, later))["a", 1] == (9, 11)


def test_what_is_no_event_any_more_is_gone():
    found = versions(FIRST, frame(("a", None, None, 11, 11)))
    assert gone(found)["a", 1][1] == 11
    events = found.filter(pl.col(EVENT_TIME).is_not_null())
    assert newest(events)[EVENT_ID].to_list() == ["b"]


def test_what_is_an_event_only_now_has_its_own_place():
    found = versions(frame(("a", None, None, 1, 10)), frame(("a", 3, 9, 11, 11)))
    events = newest(found.filter(pl.col(EVENT_TIME).is_not_null()))
    assert events.select("x", POSITION).rows() == [(11, 11)]


def test_a_restatement_whose_original_was_withdrawn_is_the_first():
    found = versions(FIRST.filter(pl.col(EVENT_ID) == "b"), frame(("a", 1, 9, 11, 11)))
    assert found.filter(pl.col(EVENT_ID) == "a")[FIRST_POSITION].to_list() == [11]
    assert newest(found).select("x", POSITION).rows() == [(20, 2), (11, 11)]
