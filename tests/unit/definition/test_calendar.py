"""Calendar features against Python's own calendar, over frames and row by row."""

import datetime as dt
import math
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.definition.expressions import check_row_expression, sample_disagreement
from octavo.errors import DefinitionError

ALL = [
    *("year", "quarter", "month", "week", "day", "day_of_year", "weekday", "hour", "minute"),
    *("is_weekend", "day_cycle", "week_cycle", "year_cycle"),
]
TIME = pl.Datetime("us", "UTC")


def expected(at):
    """Return all features of a local time, from the standard library."""
    day = at.timetuple().tm_yday
    share = (at.hour * 3600 + at.minute * 60 + at.second) / 86400
    cycles = {
        "day": share,
        "week": (at.weekday() + share) / 7,
        "year": (day - 1 + share) / 366,
    }
    found = {
        "year": at.year, "quarter": (at.month + 2) // 3, "month": at.month,
        "week": at.isocalendar().week, "day": at.day, "day_of_year": day,
        "weekday": at.isoweekday(), "hour": at.hour, "minute": at.minute,
        "is_weekend": at.weekday() >= 5,
    }  # fmt: skip
    for name, passed in cycles.items():
        found[f"{name}_cycle_sin"] = math.sin(2 * math.pi * passed)
        found[f"{name}_cycle_cos"] = math.cos(2 * math.pi * passed)
    return {f"at_{name}": value for name, value in found.items()}


SECONDS = st.integers(-(10**9), 4 * 10**9)
MOMENTS = SECONDS.map(
    lambda seconds: dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(0, seconds)
)


@given(st.lists(st.none() | MOMENTS, min_size=1, max_size=8), st.sampled_from([None, "Asia/Tokyo"]))
@settings(max_examples=60, deadline=None)
def test_parts_are_those_of_the_standard_library(moments, zone):
    frame = pl.DataFrame({"at": moments}, schema={"at": TIME})
    features = ov.calendar("at", ALL, zone=zone)
    for each in features:
        check_row_expression(each, where="test")
    assert sample_disagreement(frame, features) is None
    for moment, row in zip(moments, frame.select(features).to_dicts(), strict=True):
        if moment is None:
            assert set(row.values()) == {None}
        else:
            local = moment.astimezone(ZoneInfo(zone)) if zone else moment
            assert row == pytest.approx(expected(local), abs=1e-12)


def test_dates_are_their_midnight_and_summer_time_is_told():
    day = pl.DataFrame({"at": [dt.date(2024, 2, 29)]})
    found = day.select(ov.calendar("at", ["weekday", "hour", "day_of_year"])).row(0)
    assert found == (4, 0, 60)
    noons = [dt.datetime(2024, month, 1, 12, tzinfo=dt.UTC) for month in (7, 1)]
    hours = pl.DataFrame({"at": noons}, {"at": TIME}).select(
        ov.calendar("at", "hour", zone="Europe/Rome")
    )
    assert hours["at_hour"].to_list() == [14, 13]


def test_days_until_another_time():
    frame = pl.DataFrame(
        {
            "born": [dt.date(2024, 1, 1), dt.date(2024, 3, 1), None],
            "at": [dt.datetime(2024, 1, 31, 23, tzinfo=dt.UTC)] * 3,
        },
        schema_overrides={"at": TIME},
    )
    found = frame.select(ov.calendar("born", [], until="at", name="age"))
    assert found["age_days_ago"].to_list() == [30, -29, None]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"take": "houre"}, "Did you mean 'hour'"),
        ({"zone": "Europe/Rom"}, "no time zone 'Europe/Rom'"),
        ({"take": 7}, "names no columns"),
    ],
)
def test_what_cannot_be_asked(given, said):
    with pytest.raises(DefinitionError, match=said):
        ov.calendar("at", **given)
