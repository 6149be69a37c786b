"""Compiled expressions give what Polars gives, to the bit and in type, or leave it to Polars."""

import math
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from octavo.definition.compiled import NotCompiledError
from octavo.definition.compiled.compiler import compiled
from octavo.definition.compiled.plain import plain_values, reading, writing
from octavo.definition.expressions import with_expressions

UTC_TIME, WHOLE = pl.Datetime("us", "UTC"), (-(2**63), 2**63 - 1)
SCHEMA = {
    **dict.fromkeys(["i", "j"], pl.Int64),
    **dict.fromkeys(["f", "g"], pl.Float64),
    **dict.fromkeys(["b", "c"], pl.Boolean),
    **dict.fromkeys(["s", "u"], pl.String),
    **dict.fromkeys(["t", "v"], UTC_TIME),
    "d": pl.Date,
    "e": pl.Duration("us"),
}
whole = st.one_of(st.integers(-9, 9), st.sampled_from([*WHOLE, 2**53 + 1]), st.integers(*WHOLE))
real = st.one_of(
    st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.1, 1e-320, 1e308, math.inf, -math.inf, math.nan]),
    st.integers(-9, 9).map(float),
    st.floats(),
)
years = datetime(1890, 1, 1, tzinfo=UTC), datetime(2120, 1, 1, tzinfo=UTC)
VALUES = {
    pl.Int64: whole,
    pl.Float64: real,
    pl.Boolean: st.booleans(),
    pl.String: st.text("abAB |é", max_size=4),
    UTC_TIME: st.datetimes(*(year.replace(tzinfo=None) for year in years), timezones=st.just(UTC)),
    pl.Date: st.dates(years[0].date(), years[1].date()),
    pl.Duration("us"): st.timedeltas(timedelta(days=-3000), timedelta(days=3000)),
}
ROW = dict.fromkeys(SCHEMA)
rows = st.fixed_dictionaries({n: st.none() | VALUES[dtype] for n, dtype in SCHEMA.items()})

BY_NAME = {"+": "add", "-": "sub", "*": "mul", "/": "truediv", "//": "floordiv", "%": "mod"}
BY_NAME |= {"<": "lt", "<=": "le", "==": "eq", "!=": "ne", ">": "gt", ">=": "ge"}


def two(op, *kinds):
    """Make a recipe of two inputs: an operator, or a method."""
    return (lambda x, y: getattr(x, BY_NAME.get(op, op))(y)), kinds


def one(name, kind):
    """Make a recipe of a method without arguments, perhaps of a namespace."""
    return (lambda x: _called(x, name)), (kind,)


def _called(x, name):
    for part in name.split("."):
        x = getattr(x, part)
    return x()


def when(kind, other=None):
    return (lambda c, x, y: pl.when(c).then(x).otherwise(y)), ("yes", kind, other or kind)


DATE_PARTS = ("year", "quarter", "month", "day", "weekday", "ordinal_day")
CLOCK_PARTS = ("hour", "minute", "second")
TOTALS = ("days", "hours", "minutes", "seconds", "milliseconds", "microseconds")
COMPARED = ("<", "<=", "==", "!=", ">", ">=", "eq_missing", "ne_missing")
RECIPES = {
    "whole": [
        *(two(op, "whole", "whole") for op in ("+", "-", "*", "//", "%", "fill_null")),
        *(one(f"dt.{part}", "time") for part in (*DATE_PARTS, *CLOCK_PARTS)),
        *(one(f"dt.{part}", "day") for part in DATE_PARTS),
        *(one(f"dt.total_{part}", "span") for part in TOTALS),
        *(one(name, "whole") for name in ("abs", "neg")),
        *(one(f"str.{name}", "text") for name in ("len_chars", "len_bytes")),
        *((lambda x, u=u: x.dt.epoch(u), ("time",)) for u in ("us", "ms", "s", "d")),
        *((lambda x: x.cast(pl.Int64), (kind,)) for kind in ("whole", "real", "yes")),
        (lambda x: x.clip(-2, 7), ("whole",)),
        when("whole"),
    ],
    "real": [
        *(two(op, "real", "real") for op in ("+", "-", "*", "/", "//", "%", "fill_nan")),
        *(two(op, "real", "whole") for op in ("+", "-", "*", "/", "//", "%", "fill_null")),
        *(two(op, "whole", "real") for op in ("+", "-", "*", "/", "//", "%")),
        two("/", "whole", "whole"),
        *(one(name, "real") for name in ("abs", "neg", "floor", "ceil")),
        *(one(name, "real") for name in ("sqrt", "log", "log1p", "exp")),
        *((lambda x: x.cast(pl.Float64), (kind,)) for kind in ("whole", "yes")),
        (lambda x: x.clip(-0.5, 7), ("real",)),
        (lambda x: x.clip(upper_bound=0), ("real",)),
        (lambda x, y: pl.coalesce(x, y), ("real", "real")),
        (lambda c, x: pl.when(c).then(x), ("yes", "real")),
        when("real"),
        when("real", "whole"),
    ],
    "yes": [
        *(two(op, kind, kind) for op in COMPARED for kind in ("real", "whole", "text", "time")),
        *(two(op, "whole", "real") for op in COMPARED),
        two("<", "span", "span"),
        *(two(op, "yes", "yes") for op in ("__and__", "__or__", "__xor__", "fill_null")),
        one("not_", "yes"),
        (lambda x: x.is_in(["a", "é", "|b"]), ("text",)),
        (lambda x: x.is_in([0, -3, 2**63 - 1]), ("whole",)),
        (lambda x: x.is_in(["a", "é"], nulls_equal=True), ("text",)),
        *(one(name, "real") for name in ("is_nan", "is_not_nan", "is_null")),
        *(one(name, "text") for name in ("is_null", "is_not_null")),
        *(
            (lambda x, y, c=c: x.is_between(y, 5, c), (kind, kind))
            for c in ("both", "left", "right", "none")
            for kind in ("real", "whole")
        ),
        (lambda x, y: pl.any_horizontal(x, y), ("yes", "yes")),
        (lambda x, y: pl.all_horizontal(x, y), ("yes", "yes")),
        (lambda x, y: x.str.contains(y, literal=True), ("text", "text")),
        (lambda x, y: x.str.starts_with(y), ("text", "text")),
        (lambda x, y: x.str.ends_with(y), ("text", "text")),
        when("yes"),
    ],
    "text": [
        *(two(op, "text", "text") for op in ("+", "fill_null")),
        (lambda x, y: pl.concat_str(x, y, separator="|"), ("text", "text")),
        *(one(f"str.to_{case}case", "text") for case in ("lower", "upper")),
        *((lambda x: x.cast(pl.String), (kind,)) for kind in ("whole", "yes", "time", "day")),
        when("text"),
    ],
    "time": [
        *(two(op, "time", "span") for op in "+-"),
        *(
            (lambda x, zone=zone: x.dt.convert_time_zone(zone), ("time",))
            for zone in ("UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata")
        ),
        (lambda x: x.dt.replace_time_zone(None).dt.replace_time_zone("UTC"), ("time",)),
        when("time"),
    ],
    "span": [
        two("-", "time", "time"),
        *(two(op, "span", "span") for op in "+-"),
        one("neg", "span"),
        (lambda x, y: pl.duration(hours=x, minutes=y), ("whole", "whole")),
        (lambda x: pl.duration(weeks=1, days=x, milliseconds=5), ("whole",)),
        when("span"),
    ],
    "day": [one("dt.date", "time"), when("day")],
}
COLUMNS = {"whole": "ij", "real": "fg", "yes": "bc", "text": "su"}
COLUMNS |= {"time": "tv", "span": "e", "day": "d"}
CONSTANTS = {
    "whole": st.integers(-9, 300),
    "real": real,
    "yes": st.booleans(),
    "text": st.sampled_from(["", "a", "é"]),
    "span": st.integers(-99, 99).map(lambda n: timedelta(minutes=n)),
}


class Boxed:
    """An expression: Polars' own cannot be compared, which Hypothesis does."""

    def __init__(self, expression):
        self.expression = expression

    def __repr__(self):
        return str(self.expression)


@st.composite
def boxed(draw):
    def grown(kind, depth):
        sort = draw(st.integers(0, 9)) if depth else 0
        if sort > 3:
            make, kinds = draw(st.sampled_from(RECIPES[kind]))
            return make(*(grown(each, depth - 1) for each in kinds))
        if sort == 3 and kind in CONSTANTS:
            return pl.lit(draw(CONSTANTS[kind]))
        return pl.col(draw(st.sampled_from(COLUMNS[kind])))

    make, kinds = draw(st.sampled_from([r for each in RECIPES.values() for r in each]))
    return Boxed(make(*(grown(kind, 2) for kind in kinds)))


def by_polars(expression, row, other):
    """The value alone, and among others; none where Polars refuses them."""
    found = []
    for rows_of in ([row], [row, other, row], [row, other], [row] * 3):
        frame = pl.DataFrame(
            {n: pl.Series([each[n] for each in rows_of], dtype=d) for n, d in SCHEMA.items()}
        )
        try:
            found.append(with_expressions(frame, [expression.alias("_")])["_"].head(1))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):
            if len(rows_of) == 1:
                break  # of others it may be the other row, or one of Polars' own confusions
    return found


@settings(max_examples=2000, deadline=None)
@given(boxed(), rows, rows)
@example(Boxed(pl.col("f") + 0), {**ROW, "f": -0.0}, ROW)
@example(Boxed(pl.col("f") / 3), {**ROW, "f": 5.3}, ROW)
@example(Boxed(pl.col("i") / 3), {**ROW, "i": 10}, ROW)
@example(Boxed(pl.col("t").dt.weekday() * 60), {**ROW, "t": years[0]}, ROW)
@example(Boxed(pl.col("i") // pl.col("j")), {**ROW, "i": WHOLE[0], "j": -1}, ROW)
def test_a_compiled_expression_gives_what_polars_gives(boxed, row, other):
    expression = boxed.expression
    try:
        node = compiled(expression, SCHEMA)
        found = node.value({name: reading(dtype)(row[name]) for name, dtype in SCHEMA.items()})
    except NotCompiledError:
        event("left to Polars")
        return
    event("compiled")
    expected = by_polars(expression, row, other)
    assert expected, f"Polars refuses {expression}"
    for each in expected:
        assert node.dtype == each.dtype
        (value,) = plain_values(each)
        assert type(found) is type(value)
        assert repr(found) == repr(value)


@given(rows)
def test_plain_values_go_there_and_back(row):
    for name, dtype in SCHEMA.items():
        found = writing(dtype)(reading(dtype)(row[name]))
        assert repr(found) == repr(pl.Series([row[name]], dtype=dtype)[0]) or found == row[name]


@pytest.mark.parametrize("value", [-(2**63) - 1, 2**63])
def test_a_number_that_is_too_large_is_refused(value):
    with pytest.raises(OverflowError):
        reading(pl.Int64)(value)
