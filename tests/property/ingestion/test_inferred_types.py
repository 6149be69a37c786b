"""Types against Python's own readers of numbers and dates."""

import datetime as dt
import json

import polars as pl
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from octavo.engines import LocalEngine
from octavo.stages.ingestion.files import begin, whole
from octavo.stages.ingestion.types import NULL_TOKENS, TIME, cast, infer

QUICK = settings(max_examples=100, deadline=None)
ENGINE = LocalEngine(workers=2)
DATES = st.dates(dt.date(1, 1, 2), dt.date(9999, 12, 30))
TIMES = st.datetimes().filter(lambda moment: 1 < moment.year < 9999)
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda m: dt.timezone(dt.timedelta(minutes=m)))


def inferred(values):
    typed = infer(pl.Series("x", values, dtype=pl.String))
    assert not typed.bad.any()
    return typed.values


@QUICK
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=20))
def test_integers_come_back(numbers):
    read = inferred([f" {n}" if n % 3 else str(n) for n in numbers])
    assert read.dtype == pl.Int64
    assert read.to_list() == numbers


@QUICK
@given(st.lists(st.floats(allow_nan=False), min_size=1, max_size=20))
def test_floats_come_back_bit_for_bit(numbers):
    read = inferred([repr(n) for n in numbers])
    assert read.dtype == pl.Float64
    assert [n.hex() for n in read] == [n.hex() for n in numbers]


@QUICK
@given(
    st.lists(DATES, min_size=1, max_size=20),
    st.sampled_from(["%Y-%m-%d", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d-%m-%Y"]),
)
def test_dates_come_back_unless_the_order_of_day_and_month_is_open(dates, pattern):
    def year_padded(date):  # strftime writes the year 1 as 1
        return date.strftime(pattern.replace("%Y", f"{date.year:04}"))

    read = inferred([year_padded(date) for date in dates])
    tells = any(date.day > 12 for date in dates) or all(d.day == d.month for d in dates)
    if pattern[:2] == "%Y" or "." in pattern or tells:
        assert read.to_list() == dates
    else:
        assert read.dtype == pl.String


@QUICK
@given(
    st.lists(st.tuples(TIMES, ZONES), min_size=1, max_size=20),
    st.sampled_from([" ", "T"]),
    st.sampled_from(["auto", "minutes", "milliseconds"]),
    st.booleans(),
)
def test_times_come_back_in_utc(moments, mark, precision, zoned):
    texts, expected = [], []
    for moment, zone in moments:
        aware = moment.replace(tzinfo=zone if zoned else None)
        text = aware.isoformat(mark, precision)
        texts.append(text.replace("+00:00", "Z"))
        read = dt.datetime.fromisoformat(text)
        expected.append((read if zoned else read.replace(tzinfo=dt.UTC)).astimezone(dt.UTC))
    read = inferred(texts)
    assert read.dtype == TIME
    assert read.to_list() == expected


CELLS = st.one_of(
    st.text(st.sampled_from("0123456789-+./:eETZ nainf"), max_size=12),
    st.sampled_from([*NULL_TOKENS, "true", "False", "007", "1e400", "3.0", "13/01/2020"]),
    st.integers(-10, 10).map(str),
    st.dates().map(str),
    st.datetimes().map(str),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(CELLS, max_size=8).map(lambda few: few * 40), st.lists(CELLS, max_size=3))
def test_a_column_is_read_the_same_when_its_type_is_known_beforehand(many, few):
    text = pl.Series("x", many + few, dtype=pl.String)
    typed = infer(text)
    again = cast(text, typed.values.dtype)
    assert again.values.equals(typed.values, check_dtypes=True)
    assert again.bad.equals(typed.bad)
    present = text.len() - text.str.strip_chars().is_in(NULL_TOKENS).sum()
    assert typed.bad.sum() <= 0.01 * present
    if typed.bad.any():
        assert present >= 100


SCALARS = {
    "integers": st.integers(-(2**63), 2**63 - 1),
    "floats": st.floats(allow_nan=False, allow_infinity=False),
    "booleans": st.booleans(),
    "texts": st.text(st.characters(exclude_categories=["Cs"]), max_size=6),
    "lists": st.lists(st.integers(), max_size=2),
}


@settings(max_examples=80, deadline=None)
@given(st.data())
def test_json_values_keep_their_types(tmp_path_factory, data):
    kinds = data.draw(st.lists(st.sampled_from(sorted(SCALARS)), min_size=1, max_size=2))
    value = st.none() | st.one_of(*(SCALARS[kind] for kind in kinds))
    values = data.draw(st.lists(value, min_size=1, max_size=12))
    there = data.draw(st.lists(st.booleans(), min_size=len(values), max_size=len(values)))
    assume(any(there))
    rows = [{"k": 1} | ({"x": v} if t else {}) for v, t in zip(values, there, strict=True)]
    path = tmp_path_factory.mktemp("json") / "t.ndjson"
    lines = [json.dumps(row, ensure_ascii=data.draw(st.booleans())) for row in rows]
    path.write_text("\n".join(lines))
    parsed = whole(begin(path, where_label="dataset 'x'", engine=ENGINE))
    assert parsed.rejected.is_empty()
    found = parsed.frame["x"]
    values = [row.get("x") for row in rows]
    of = {type(v) for v in values if v is not None}
    if of == {int}:
        assert found.dtype == pl.Int64
        assert found.to_list() == values
    elif of and of <= {int, float}:
        assert found.dtype == pl.Float64
        assert found.to_list() == [None if v is None else float(v) for v in values]
    elif of == {bool}:
        assert found.dtype == pl.Boolean
        assert found.to_list() == values
    else:
        assert found.dtype == pl.String
        as_text = [v if isinstance(v, str | None) else json.dumps(v) for v in values]
        assert found.to_list() == as_text
