"""A key with too many observations is named, with its text, before it does harm."""

from datetime import UTC, datetime

import polars as pl
import pytest

import octavo as ov
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION
from octavo.errors import DataError
from octavo.stages.prep import hot
from octavo.stages.prep.hot import Hot, check_most, hot_entities, tell_hot
from octavo.stages.prep.lanes import lanes, observations
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.windows import Observations, exact

VISITS = ov.Dataset("visits", ov.Files("visits.csv"), event_id="id", event_time="at")
VIEW = ov.View("pair", ["who", "shop"], [ov.Window(VISITS, over="1d")])


def events(who, start=0):
    at = pl.lit(datetime(2024, 1, 1, tzinfo=UTC))
    return pl.DataFrame({"who": who, "shop": [7] * len(who)}).with_columns(
        pl.lit("x").alias(EVENT_ID),
        at.alias(EVENT_TIME),
        at.alias(KNOWN_AT),
        pl.int_range(start, start + pl.len()).alias(POSITION),
    )


@pytest.fixture
def small(monkeypatch):
    for name, value in (("COLD", 10), ("HOT", 40)):
        monkeypatch.setattr(hot, name, value)


def fold(batches):
    """Return lane, all that is folded, and what the last of some batches observed."""
    frames = [events(who, start=1000 * number) for number, who in enumerate(batches)]
    [lane] = lanes(VIEW, {"visits": frames[0].schema})
    seen = [observations(VIEW, lane, frame) for frame in frames]
    return lane, Observations.concatenate([each.observations for each in seen]), seen[-1]


@pytest.mark.parametrize(
    ("batches", "hot"),
    [
        ([["a"] * 10], []),
        ([["a"] * 11], [("a", 11)]),
        ([["a"] * 11 + ["b"] * 44], [("b", 44)]),
        ([["a"] * 12 + ["b"] * 44], [("b", 44), ("a", 12)]),
        ([["a"] * 41 + [f"c{n}" for n in range(400)]], [("a", 41)]),
        ([["a"] * 40 + [f"c{n}" for n in range(400)]], []),
        ([["a"] * 9, ["b", "a", "a"]], [("a", 11)]),
        ([["a"] * 30, ["b"]], []),
        ([["a"] * 30, [None, "b"]], []),
    ],
    ids=["cold", "hot", "share", "two", "many", "not_many", "grown", "not_seen", "null_key"],
)
def test_hot_are_those_with_many_or_with_most(small, batches, hot):
    found = hot_entities(*fold(batches))
    assert [(entity.key, entity.held) for entity in found] == [
        (f"who={who}, shop=7", held) for who, held in hot
    ]


def test_no_more_are_named_than_one_reads(small):
    found = hot_entities(*fold([[f"c{n % 20}" for n in range(41 * 20)]]))
    assert len(found) == hot.NAMED


def test_what_the_kernel_cannot_add_up_is_refused_by_name(monkeypatch):
    lane, log, seen = fold([["a"] * 30 + ["b"], ["b", "a", "a"]])
    monkeypatch.setattr(exact, "MOST", 32)
    check_most(lane, log, seen)
    monkeypatch.setattr(exact, "MOST", 31)
    with pytest.raises(DataError) as refused:
        check_most(lane, log, seen)
    assert str(refused.value) == (
        "view 'pair', window over 'visits': who=a, shop=7 has 32 observations; the most is 31. "
        "If this key stands for a missing one, exclude it with where=; otherwise choose a finer "
        "key, or shorten over= and late=."
    )


def test_each_is_told_of_once_the_hottest_first(tmp_path):
    catalog = Catalog(tmp_path / "catalog.db")
    found = [
        Hot("v", "visits", "who=a", 30, 40),
        Hot("v", "visits", "who=b", 35, 40),
        Hot("v", "visits", "who=a", 32, 40),
        Hot("w", "visits", "who=a", 30, 40),
    ]
    with catalog.transaction() as connection:
        told = tell_hot(connection, "run-1", found)
    assert [(hot["view"], hot["key"], hot["held"]) for hot in told] == [
        ("v", "who=b", 35), ("v", "who=a", 32), ("w", "who=a", 30)
    ]  # fmt: skip
    written = catalog.rows(tables.events.select())
    assert [row["severity"] for row in written] == ["warning"] * 3
    assert written[0]["subject"] == "view 'v', visits: who=b"
    assert written[0]["document"]["reason"].startswith("35 of 40 observations retained (88%). If")
