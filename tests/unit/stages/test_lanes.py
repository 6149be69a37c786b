"""What windows observe and what their columns are: numbers, texts, times."""

from datetime import UTC, date, datetime

import numpy as np
import polars as pl
import pytest

import octavo as ov
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, TIMESTAMP
from octavo.errors import DataError, DefinitionError
from octavo.stages.prep.lanes import as_columns, lanes, observations, own_values
from octavo.stages.prep.values import (
    Kind,
    dictionary_of,
    from_floats,
    joined,
    kind_of,
    to_floats,
)
from octavo.windows import category_hashes

VISITS = ov.Dataset("visits", ov.Files("visits.csv"), event_id="id", event_time="at")
ROWS = pl.DataFrame(
    {
        "id": [1, 2, 3, 4, 5],
        "at": [datetime(2024, 1, day, tzinfo=UTC) for day in range(1, 6)],
        "who": ["a", "b", None, "a", "b"],
        "page": ["home", "", "home", None, "préface"],
        "seconds": [3, None, 5, -1, 2],
        "share": [0.5, float("nan"), -0.0, None, float("inf")],
        "left": [True, False, None, True, True],
        "born": [date(1969, 7, 20), date(2255, 1, 1), None, date(1, 1, 1), date(1970, 1, 1)],
    }
)
EVENTS = ROWS.with_columns(
    pl.col("id").cast(pl.String).alias(EVENT_ID),
    pl.col("at").cast(TIMESTAMP).alias(EVENT_TIME),
    pl.col("at").cast(TIMESTAMP).alias(KNOWN_AT),
    pl.col("id").alias(POSITION),
)
NOON = pl.Series(["2024-01-01 12:00"]).str.to_datetime("%Y-%m-%d %H:%M")
SCHEMAS = {"visits": EVENTS.schema}


def view(*windows, **changes):
    return ov.View("v", changes.pop("key", "who"), windows, **changes)


def only_lane(*args, **changes):
    [lane] = lanes(view(ov.Window(VISITS, *args, **changes)), SCHEMAS)
    return lane


@pytest.mark.parametrize(
    ("value", "take", "types"),
    [
        ("seconds", ["mean", "last", "top"], [pl.Float64] * 3),
        ("left", ["mean", "last"], [pl.Float64] * 2),
        ("page", ["count", "n_unique", "since_last"], [pl.Float64] * 3),
        ("page", ["first", "last", "lag3", "top"], [pl.String] * 4),
        ("born", ["count", "n_unique", "since_first"], [pl.Float64] * 3),
        ("born", ["min", "max", "first", "last", "lag1", "top"], [TIMESTAMP] * 6),
        (None, ["count", "since_last"], [pl.Float64] * 2),
    ],
)
def test_columns_have_the_type_of_what_is_taken(value, take, types):
    lane = only_lane(value, take=take)
    assert list(lane.columns.values()) == types
    assert lane.plan.category == (value == "page")
    empty = as_columns(lane, np.empty((0, len(take))), np.array([False]), joined())
    assert {name: series.dtype for name, series in empty.items()} == lane.columns
    assert all(series.to_list() == [None] for series in empty.values())


@pytest.mark.parametrize(
    ("declare", "message"),
    [
        (
            lambda: only_lane("page", take=["last", "mean"]),
            "view 'v', window over 'visits', 'page': the values are String; there is no mean of "
            "texts. Of texts take count, first, last, lag, n_unique, top, since_first, since_last; "
            "or convert them to numbers.",
        ),
        (
            lambda: only_lane("page", take="q50"),
            "view 'v', window over 'visits', 'page': the values are String; there is no quantile "
            "of texts. Of texts take count, first, last, lag, n_unique, top, since_first, "
            "since_last; or convert them to numbers.",
        ),
        (
            lambda: only_lane("born", take="decayed_sum", halflife="1d", over="1d"),
            "view 'v', window over 'visits', 'born': the values are Date; there is no decayed_sum "
            "of times. Of times take min, max, count, first, last, lag, n_unique, top, "
            "since_first, since_last; or convert them to numbers.",
        ),
        (
            lambda: only_lane(pl.col("at") - pl.col("at"), take="mean", name="gap"),
            "view 'v', window over 'visits', 'gap': the values are Duration(time_unit='us'); a "
            "window takes numbers, booleans, texts, dates and times. Convert them (a duration "
            "with .dt.total_seconds()), or count events without a value.",
        ),
        (
            lambda: only_lane("pgae", take="last"),
            "view 'v', window over 'visits': there is no column 'pgae'. Did you mean 'page'?",
        ),
    ],
)
def test_what_means_nothing_is_refused_before_anything_is_read(declare, message):
    with pytest.raises(DefinitionError) as refused:
        declare()
    assert str(refused.value) == message


def test_of_a_dataset_without_data_all_is_null_whatever_is_taken():
    [lane] = lanes(view(ov.Window(VISITS, "page", take=["last", "mean"])), {})
    assert set(lane.columns.values()) == {pl.Float64}


def test_windows_share_a_lane_unless_they_observe_something_else():
    same = [ov.Window(VISITS, "page", over=over, take="last") for over in ("1d", "2d")]
    seen = ov.Window(VISITS, "page", take="top", where=pl.col("left"), name="left_page")
    before = ov.Window(VISITS, "page", over="3d", take="lag1", current=False)
    rounded = [
        ov.Window(VISITS, "page", over=o, resolution="12h", take="top") for o in ("1d", "5d")
    ]
    found = lanes(view(*same, seen, before, *rounded), SCHEMAS)
    assert [len(lane.columns) for lane in found] == [2, 1, 1, 2]
    assert [lane.plan.include_current for lane in found] == [True, True, False, True]
    assert [lane.plan.tiles is not None for lane in found] == [False, False, False, True]
    assert len({lane.name for lane in found}) == 4


def test_a_part_of_the_columns_needs_a_part_of_the_lanes():
    whole = view(
        ov.Window(VISITS, "seconds", over=["1d", "2d"], take=["mean", "last"]),
        ov.Window(VISITS, "page", take="mean"),
    )
    wanted = ["v__seconds_last_2d", "v__seconds_mean_1d"]
    [lane] = lanes(whole, SCHEMAS, only=wanted)
    assert list(lane.columns) == wanted[::-1]
    assert [c.aggregate.name for c in lane.plan.columns] == ["MEAN", "LAST"]


def test_plans_carry_parameters_and_resolution():
    lane = only_lane(
        "seconds",
        over="2d",
        take=["q5", "decayed_mean", "sum"],
        halflife="6h",
        resolution="1d",
    )
    assert [(c.aggregate.name, c.parameter) for c in lane.plan.columns] == [
        ("QUANTILE", 50), ("DECAYED_MEAN", 21_600_000_000), ("SUM", 0)
    ]  # fmt: skip
    assert {c.span.resolution for c in lane.plan.columns} == {86_400_000_000}


@pytest.mark.parametrize(
    ("value", "rows"),
    [
        ("page", [1, 2, 5]),
        ("seconds", [1, 4, 5]),
        ("share", [1, 5]),
        ("left", [1, 2, 4, 5]),
        ("born", [1, 2, 4, 5]),
        (None, [1, 2, 4, 5]),
    ],
)
def test_nulls_of_value_and_key_are_not_observed(value, rows):
    take = "count" if value is None else "last"
    lane = only_lane(value, take=take)
    found = observations(view(lane.window), lane, EVENTS)
    assert found.observations.position.tolist() == rows
    assert found.keys["who"].to_list() == [ROWS["who"][row - 1] for row in rows]
    own, _ = own_values(lane, EVENTS)
    keyed = EVENTS["who"].is_not_null().to_numpy()
    assert np.flatnonzero(~np.isnan(own) & keyed).tolist() == [row - 1 for row in rows]
    assert own[np.array(rows) - 1].tobytes() == found.observations.value.tobytes(), "the same bits"


def test_a_condition_decides_what_is_observed_and_what_is_known_by_name():
    lane = only_lane("page", take="last", where=pl.col("seconds") > 2, name="read")
    found = observations(view(lane.window), lane, EVENTS)
    assert found.observations.position.tolist() == [1]
    assert found.dictionary["text"].to_list() == ["home"]
    own, dictionary = own_values(lane, EVENTS)
    assert np.isnan(own).tolist() == [False, True, False, True, True]
    assert dictionary["text"].to_list() == ["home"]


def test_texts_are_remembered_only_where_they_must_be_told_again():
    lane = only_lane("page", take=["n_unique", "count"])
    assert observations(view(lane.window), lane, EVENTS).dictionary.is_empty()
    assert own_values(lane, EVENTS)[1].is_empty()


def test_values_of_another_type_than_the_dataset_has_are_refused():
    lane = only_lane("page", take="last")
    with pytest.raises(DataError, match="the values are Int64; they were texts in the dataset's"):
        own_values(lane, EVENTS.with_columns(page=pl.lit(1, dtype=pl.Int64)))
    nothing, _ = own_values(lane, EVENTS.with_columns(page=pl.lit(None)))
    assert np.isnan(nothing).all()


@pytest.mark.parametrize(
    "values",
    [
        ["", "a", None, "préface", "x" * 500, "a"],
        pl.Series(["b", None, "a"]).cast(pl.Categorical),
        pl.Series(["b", None, "a"]).cast(pl.Enum(["a", "b"])),
        [None, None],
        [f"text {number}" for number in range(3000)],
    ],
    ids=["texts", "categorical", "enum", "nothing", "many"],
)
def test_texts_come_back(values):
    texts = pl.Series("t", values, dtype=None if isinstance(values, pl.Series) else pl.String)
    assert kind_of(texts.dtype) is Kind.TEXTS
    floats = to_floats(texts, Kind.TEXTS)
    assert not np.isinf(floats).any()
    assert np.isnan(floats).tolist() == texts.is_null().to_list()
    dictionary = dictionary_of(texts, floats)
    told = from_floats("t", floats, pl.String(), [dictionary])
    assert told.to_list() == texts.cast(pl.String).to_list()
    assert from_floats("t", floats, pl.String(), [joined()]).to_list() == [None] * texts.len()
    halves = [dictionary_of(texts[:1], floats[:1]), dictionary_of(texts[1:], floats[1:])]
    assert from_floats("t", floats, pl.String(), halves).equals(told, null_equal=True)
    assert joined(*halves).equals(dictionary)


def test_every_bit_of_a_hash_survives_the_way_through_floats():
    hashes = np.array([0, 1, 2**63, 2**63 + 1, 2**62 - 1, 2**64 - 1 - 2**62], np.uint64)
    texts = [f"t{number}" for number in range(hashes.size)]
    dictionary = joined(pl.DataFrame({"hash": hashes, "text": texts}))
    floats = hashes.view(np.float64)
    assert np.isfinite(floats).all()
    assert from_floats("t", floats, pl.String(), [dictionary]).to_list() == texts
    assert category_hashes(floats).tolist() == hashes.tolist()


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([0, -1, None, 9_007_199_254_740_991], dtype=pl.Int64).cast(TIMESTAMP),
        pl.Series([date(1969, 7, 20), None, date(2255, 1, 1), date(1, 1, 1)]),
        NOON.dt.replace_time_zone("Europe/Berlin"),
        NOON.cast(pl.Datetime("ns")),
        NOON.cast(pl.Datetime("ms", "UTC")),
    ],
    ids=["microseconds", "dates", "zone", "nanoseconds", "milliseconds"],
)
def test_times_come_back_in_utc(values):
    assert kind_of(values.dtype) is Kind.TIMES
    told = from_floats("t", to_floats(values, Kind.TIMES), TIMESTAMP, [])
    assert told.equals(values.cast(TIMESTAMP).alias("t"), null_equal=True)
