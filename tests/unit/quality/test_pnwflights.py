"""The known faults of pnwflights14, as its description lists them: all are found, and said."""

import os
from pathlib import Path

import polars as pl
import pytest

from octavo.engines import LocalEngine
from octavo.quality import Finding, examine
from octavo.stages.ingestion.files import begin, whole

SHARED = Path(os.environ.get("OCTAVO_SHARED", Path(__file__).parents[4] / "shared"))
FOLDER = SHARED / "data" / "pnwflights14"

pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not FOLDER.exists(), reason="the development data sets are not there"),
]


@pytest.fixture(scope="module")
def tables() -> dict[str, pl.DataFrame]:
    return {
        path.name.split(".")[0]: whole(begin(path, where_label="t", engine=LocalEngine())).frame
        for path in sorted(FOLDER.glob("*.csv.gz"))
    }


@pytest.fixture(scope="module")
def found(tables) -> dict[str, list[Finding]]:
    return {
        name: examine(frame, others={n: f for n, f in tables.items() if n != name})
        for name, frame in tables.items()
    }


def said(findings: list[Finding], rule: str, *columns: str) -> Finding:
    (match,) = [f for f in findings if f.rule == rule and set(columns) <= set(f.columns)]
    return match


def test_times_are_hhmm_numbers(found):
    for name in ("dep_time", "arr_time"):
        assert "hhmm" in said(found["flights"], "clock", name).sentence


def test_nineteen_rows_say_2400(found, tables):
    finding = said(found["flights"], "midnight", "dep_time")
    assert finding.rows == 19
    assert set(tables["flights"]["dep_time"].gather(finding.at)) == {2400}


def test_ninety_six_minutes_of_delay_give_a_departure_at_one(found):
    finding = said(found["flights"], "past_midnight", "dep_time", "dep_delay")
    assert "1 with a `dep_delay` of 96 minutes" in finding.sentence
    assert finding.at[0] == 0


def test_857_cancelled_flights_have_no_time(found):
    finding = said(found["flights"], "together", "dep_time", "hour", "minute")
    assert finding.rows == 857


def test_248_tail_numbers_are_missing(found):
    assert "`tailnum` in 248 rows" in said(found["flights"], "values", "tailnum").sentence


def test_only_some_flights_have_a_plane(found, tables):
    finding = said(found["flights"], "reference", "tailnum")
    planes = set(tables["planes"]["tailnum"])
    lacking = [t is not None and t not in planes for t in tables["flights"]["tailnum"]]
    assert finding.at.tolist() == [n for n, is_lacking in enumerate(lacking) if is_lacking]
    assert "94.64 % are found" in finding.sentence


def test_the_date_of_the_weather_is_utc(found):
    finding = said(found["weather"], "zone", "date")
    assert "7 or 8 hours later" in finding.sentence
    assert "UTC" in finding.sentence


def test_gusts_are_the_speed_in_another_unit(found):
    assert "1.1508 × `wind_speed`" in said(found["weather"], "multiple", "wind_gust").sentence


def test_a_plane_of_the_year_0(found, tables):
    finding = said(found["planes"], "sentinel", "year")
    assert tables["planes"]["year"].gather(finding.at).to_list() == [0]


def test_what_is_called_a_fault_is_few_and_none_of_it_wrong(found):
    faults = {
        (name, f.rule, *f.columns) for name, fs in found.items() for f in fs if f.weight == "fault"
    }
    assert faults == {
        ("airports", "blanks", "name"),
        ("airports", "key", "faa"),  # two airports are BFT
        ("airports", "placeholder", "faa"),  # one of them UNK
        ("flights", "midnight", "dep_time"),
        ("flights", "midnight", "arr_time"),
        ("flights", "range", "hour"),  # 24
        ("planes", "separators", "model"),  # FALCON-XP and FALCON XP
        ("planes", "sentinel", "year"),
        ("weather", "median_mad", "dewp"),  # 3282.8 degrees
    }
