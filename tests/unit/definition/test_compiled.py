"""What is compiled of expressions, and what becomes of the rest."""

import logging
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from octavo.definition.compiled import NotCompiledError, RowExpressions
from octavo.definition.compiled.compiler import compiled
from octavo.definition.compiled.zones import offset_in

SCHEMA = {"i": pl.Int64, "f": pl.Float64, "s": pl.String, "t": pl.Datetime("us", "UTC")}
MORE = {"n": pl.UInt64, "d": pl.Date}
ROW = {"i": 3, "f": 0.5, "s": "Ab", "t": 1_700_000_000_000_000}
i, f, s, t = map(pl.col, SCHEMA)


def test_what_pipelines_are_made_of_is_compiled():
    found = RowExpressions(
        [
            (f / pl.col("i")).fill_nan(0.0).alias("share"),
            (t.dt.weekday() >= 6).alias("weekend"),
            (t + pl.duration(minutes=i)).alias("later"),
            pl.concat_str(i.cast(pl.String), s, separator="|").alias("id"),
            pl.lit(1.0).alias("one"),
            s.is_in(["Ab", "cd"]).alias("known"),
            i.is_in([1, 2]).alias("low"),
        ],
        SCHEMA,
    )
    assert found.left_to_polars == []
    assert found.of_rows([ROW]) == [
        {
            "share": 0.5 / 3,
            "weekend": False,
            "later": 1_700_000_180_000_000,
            "id": "3|Ab",
            "one": 1.0,
            "known": True,
            "low": False,
        }
    ]


def test_the_rest_is_computed_by_polars_for_all_rows_together():
    expressions = RowExpressions([f.round(0).alias("r"), (i + 1).alias("next")], SCHEMA)
    assert expressions.left_to_polars == ["r"]
    found = expressions.of_rows([ROW, ROW | {"f": None, "i": None}])
    assert found == [{"next": 4, "r": 0.0}, {"next": None, "r": None}]


@pytest.mark.parametrize(
    "expression",
    [
        f.log(10),
        f.round(2),
        f / pl.when(i > 0).then(f).otherwise(3.0),
        pl.max_horizontal(i, f),
        s.str.contains("a+"),
        s.cast(pl.Int64),
        f.cast(pl.Float32),
        i.cast(pl.Int8, strict=False),
        pl.lit(float("inf")) + f,
        -1 / pl.col("n"),
        pl.col("unknown"),
    ],
)
def test_what_is_not_known_for_certain_is_not_compiled(expression):
    with pytest.raises(NotCompiledError):
        compiled(expression, SCHEMA | MORE)


@pytest.mark.parametrize(
    ("expression", "row"),
    [
        (s.str.to_lowercase(), {"s": "É"}),
        (f.cast(pl.Int64), {"f": float("nan")}),
        (t.dt.year(), {"t": 2**62}),
        (t.dt.convert_time_zone("Europe/Berlin").dt.hour(), {"t": -1}),
        (pl.col("d").cast(pl.Datetime("us")), {"d": 2**31 - 1}),
    ],
)
def test_a_value_that_is_not_known_for_certain_is_left_to_polars(expression, row):
    value = compiled(expression, SCHEMA | MORE).value
    assert value(ROW | {"d": 0}) is not None
    with pytest.raises(NotCompiledError):
        value(ROW | row)


@pytest.mark.parametrize(("nulls_equal", "said"), [(False, None), (True, False)])
def test_whether_null_is_one_of_some_others(nulls_equal, said):
    expression = s.is_in(["Ab"], nulls_equal=nulls_equal)
    alone = pl.DataFrame({"s": [None]}, {"s": pl.String}).select(expression)
    assert alone.item() is said
    assert compiled(expression, SCHEMA).value(ROW | {"s": None}) is said


def test_a_real_literal_keeps_its_last_bit():
    """Polars itself may lose it when it reads the expression again."""
    c = 1.3356511160372277e28
    assert compiled(f * c, SCHEMA).value({"f": 1.0}) == c


@pytest.mark.parametrize("zone", ["America/New_York", "Europe/Berlin", "Australia/Lord_Howe"])
def test_the_clocks_of_a_zone_change_when_polars_says(zone):
    offset = offset_in(zone)
    hours = pl.datetime_range(
        datetime(2023, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC), "30m", eager=True
    ).dt.cast_time_unit("us")
    for shift in (timedelta(0), timedelta(microseconds=-1)):
        times = hours + shift
        local = times.dt.convert_time_zone(zone).dt.replace_time_zone(None).cast(pl.Int64)
        expected = (local - times.cast(pl.Int64)).to_list()
        assert [offset(at) for at in times.cast(pl.Int64).to_list()] == expected
    assert len(set(expected)) == 2


def test_what_differs_from_polars_is_told_and_left_to_it(caplog):
    expressions = RowExpressions([(i + 1).alias("next")], SCHEMA)
    expressions._compiled["next"] = lambda row: row["i"] + 2
    with caplog.at_level(logging.WARNING):
        expressions.check([ROW])
    assert "next" in caplog.text
    assert expressions.of_rows([ROW]) == [{"next": 4}]
