"""What `octavo init` decides where nothing is to be predicted."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import octavo as ov
from octavo.errors import DataError
from octavo.services.drafting import make_watch, series_script, series_words
from octavo.services.drafting.tables import Table
from octavo.stores.raw import REJECTED_SCHEMA


def moments(rows: int, every: str) -> pl.Series:
    start = dt.datetime(2024, 1, 1, tzinfo=dt.UTC)
    return pl.datetime_range(start, start + dt.timedelta(days=9000), every, eager=True).head(rows)


def table(frame: pl.DataFrame) -> Table:
    return Table("readings", (Path("readings.csv"),), frame, pl.DataFrame(schema=REJECTED_SCHEMA))


def one_series(rows: int = 6_000, every: str = "5m") -> pl.DataFrame:
    rng = np.random.default_rng(0)
    values = {"at": moments(rows, every), "level": rng.normal(size=rows)}
    return pl.DataFrame(values)


def several(called: str) -> pl.DataFrame:
    frame = one_series(2_000)
    each = [frame.with_columns(pl.lit(name).alias(called)) for name in ("a", "b", "c")]
    return pl.concat(each).sort("at", maintain_order=True)


@pytest.mark.parametrize(
    ("rows", "every", "spans"),
    [
        (6_000, "5m", ("30m", "2d", "14d")),
        (3_000, "1h", ("3h", "2d", "14d")),
        (1_000, "1d", ("3d", "60d", "420d")),
        (4_000, "1s", ("3s", "5m", "35m")),
    ],
)
def test_windows_follow_from_pace_and_length(rows, every, spans):
    watch = make_watch([table(one_series(rows, every))], None, ())
    assert (watch.short, watch.usual, watch.long) == spans


def test_series_are_told_apart_by_name_or_by_times_that_repeat():
    by_name = make_watch([table(several("sensor"))], None, ())
    by_times = make_watch([table(several("where"))], None, ())
    assert (by_name.key, by_name.why_key) == ("sensor", "it is called so")
    assert (by_times.key, by_times.series) == ("where", 3)
    assert by_times.event_id == ("where", "at")
    assert make_watch([table(one_series())], None, ()).key is None


def test_states_ids_and_verdicts_are_not_watched():
    frame = one_series().with_columns(
        pl.int_range(pl.len()).alias("reading_id"),
        (pl.col("level") > 2).cast(pl.Int64).alias("is_odd"),
        pl.lit("hall").alias("room"),
        (pl.col("level") * 3).alias("Größe (cm)"),
    )
    watch = make_watch([table(frame)], None, ())
    assert watch.watched == ("level", "Größe (cm)")
    assert watch.left_out["is_odd"] == "only 2 values: a state, or a verdict"
    assert {"reading_id", "room"} <= watch.left_out.keys()


def test_the_definition_is_one_and_says_why(tmp_path):
    frame = one_series().with_columns((pl.col("level") * 3).alias("Größe (cm)"))
    watch = make_watch([table(frame)], None, ())
    source = series_script(watch, tmp_path)
    space: dict = {}
    exec(source, space)
    pipeline = space["pipeline"]
    assert isinstance(pipeline, ov.Pipeline)
    assert pipeline.problem.kind == "anomaly"
    assert len(pipeline.views) == 2
    assert len(pipeline.inputs) == 6
    assert max(map(len, source.splitlines())) <= 100
    said = dict(series_words(watch))
    assert said["Watched"] == "level, Größe (cm)"
    assert said["Series"] == "all rows are one series: each time has one reading"


def test_several_columns_may_tell_series_apart(tmp_path):
    halls = [several("sensor").with_columns(pl.lit(name).alias("hall")) for name in ("x", "y")]
    watch = make_watch([table(pl.concat(halls))], None, ("hall", "sensor"))
    assert (watch.key, watch.series) == (("hall", "sensor"), 6)
    assert watch.event_id == ("hall", "sensor", "at")
    alone = make_watch([table(several("sensor"))], None, ())
    assert (watch.short, watch.usual, watch.long) == (alone.short, alone.usual, alone.long)
    assert dict(series_words(watch))["Series"] == "6, by hall and sensor: as named"
    source = series_script(watch, tmp_path)
    assert 'key=["hall", "sensor"]' in source
    space: dict = {}
    exec(source, space)
    assert list(space["pipeline"].views[0].key) == ["hall", "sensor"]


@pytest.mark.parametrize("file", ["level.csv", "log.pl.csv"])
def test_only_what_is_used_is_imported(tmp_path, file):
    readings = replace(table(several("sensor")), paths=(Path(file),))
    source = series_script(make_watch([readings], None, ()), tmp_path)
    assert "import polars" not in source, "every column is named as it stands"
    assert "\n\nimport octavo as ov\n\n" in source
    one = series_script(make_watch([replace(readings, frame=one_series())], None, ()), tmp_path)
    assert "\n\nimport polars as pl\n\nimport octavo as ov\n\n" in one


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (pl.DataFrame({"x": [1.5, 2.5] * 50}), "no time was found"),
        (one_series().select("at", pl.lit("a").alias("b")), "there is no number to watch"),
        (one_series(100), "a series has about 100 readings: too few"),
    ],
)
def test_what_cannot_be_watched_is_said(frame, said):
    with pytest.raises(DataError, match=said):
        make_watch([table(frame)], None, ())
