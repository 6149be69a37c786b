import datetime as dt

import polars as pl
import pytest
from reading import read

from octavo.errors import DataError, DefinitionError
from octavo.stages.ingestion.types import NULL_TOKENS, TIME, infer


def inferred(*values):
    return infer(pl.Series("x", values, dtype=pl.String))


@pytest.mark.parametrize(
    ("values", "dtype", "read_as"),
    [
        (["1", "-2", "+3", " 4 "], pl.Int64, [1, -2, 3, 4]),
        (["1", "2.5"], pl.Float64, [1.0, 2.5]),
        ([".5", "1e3", "-inf"], pl.Float64, [0.5, 1000.0, float("-inf")]),
        (["007", "12"], pl.String, ["007", "12"]),
        (["0", "0.5"], pl.Float64, [0.0, 0.5]),
        (["-01.5"], pl.String, ["-01.5"]),
        (["9223372036854775807"], pl.Int64, [2**63 - 1]),
        (["9223372036854775808", "1"], pl.String, ["9223372036854775808", "1"]),
        (["9223372036854775808", "1.5"], pl.Float64, [2.0**63, 1.5]),
        (["1e400"], pl.String, ["1e400"]),
        (["1_000"], pl.String, ["1_000"]),
        (["true", "False", "TRUE"], pl.Boolean, [True, False, True]),
        (["yes", "no"], pl.String, ["yes", "no"]),
        (["2020-01-31", "2020-2-1"], pl.Date, [dt.date(2020, 1, 31), dt.date(2020, 2, 1)]),
        (["2020-02-30"], pl.String, ["2020-02-30"]),
        (["31.1.2020"], pl.Date, [dt.date(2020, 1, 31)]),
        (["01/02/2020", "31/01/2020"], pl.Date, [dt.date(2020, 2, 1), dt.date(2020, 1, 31)]),
        (["01/02/2020", "01/31/2020"], pl.Date, [dt.date(2020, 1, 2), dt.date(2020, 1, 31)]),
        (["01/02/2020", "03/04/2020"], pl.String, ["01/02/2020", "03/04/2020"]),
        (["05/05/2020"], pl.Date, [dt.date(2020, 5, 5)]),
        (["20200131"], pl.Int64, [20200131]),
        (["0000-00-00"], pl.String, ["0000-00-00"]),
        ([" a", "b "], pl.String, [" a", "b "]),
        ([], pl.String, []),
    ],
)
def test_types(values, dtype, read_as):
    typed = inferred(*values)
    assert typed.values.dtype == dtype
    assert typed.values.to_list() == read_as
    assert not typed.bad.any()


@pytest.mark.parametrize(
    "text",
    [
        "2020-03-04T05:06:00Z",
        "2020-03-04 05:06",
        "2020-03-04T05:06:00.000",
        "2020-03-04 07:06:00+02:00",
        "2020-03-04T00:36:00-0430",
        "2020-03-04 05:06:00 UTC",
        "2020/03/04 05:06:00",
        "04.03.2020 05:06",
        "4.3.2020 5:06:00",
        "2020-03-04T05:05:60Z",
        "2020-03-04 5:06 am",
    ],
)
def test_times_are_utc(text):
    typed = inferred(text)
    assert typed.values.dtype == TIME
    assert typed.values.to_list() == [dt.datetime(2020, 3, 4, 5, 6, tzinfo=dt.UTC)]


def test_times_are_cut_to_microseconds_and_twelve_hours_count_from_noon():
    assert inferred("2020-01-01T00:00:00.1234569").values[0].microsecond == 123456
    hours = [f"31/01/2020 {t}" for t in ("12:00 AM", "1:00 AM", "12:00 PM", "11:00 pm")]
    assert [value.hour for value in inferred(*hours).values] == [0, 1, 12, 23]
    assert inferred("31/01/2020 13:00 PM").values.dtype == pl.String


def test_a_time_may_be_a_date_but_a_date_no_time():
    typed = inferred("2020-01-01", "2020-01-01T05:00:00Z")
    assert typed.values.dtype == TIME
    assert [value.hour for value in typed.values] == [0, 5]


@pytest.mark.parametrize("token", NULL_TOKENS)
def test_null_tokens_are_null_in_every_type(token):
    for value, dtype in (("1", pl.Int64), ("x", pl.String), ("true", pl.Boolean)):
        typed = inferred(token, value)
        assert typed.values.dtype == dtype
        assert typed.values.null_count() == 1
    assert inferred(token).values.dtype == pl.String


def test_null_tokens_are_spelled_exactly():
    assert inferred("nA", "1").values.dtype == pl.String
    assert inferred("NULL ", "1").values.to_list() == [None, 1]
    assert inferred("NULL ", "x").values.to_list() == ["NULL ", "x"]


def test_a_hundred_values_outvote_one():
    typed = inferred(*["1"] * 99, "abc")
    assert typed.values.dtype == pl.Int64
    assert typed.bad.arg_true().to_list() == [99]
    assert inferred(*["1"] * 98, "abc").values.dtype == pl.String
    assert inferred(*["1"] * 99, "NA", "abc").values.dtype == pl.Int64
    assert inferred(*["1"] * 197, *["abc"] * 3).values.dtype == pl.String


def test_a_type_that_all_fit_beats_one_that_most_fit():
    """A late fraction makes numbers of integers; it is not rejected."""
    typed = inferred(*["1"] * 9999, "2.5")
    assert typed.values.dtype == pl.Float64
    assert not typed.bad.any()


def test_one_code_makes_a_column_of_digits_text():
    assert inferred(*["12345"] * 999, "02134").values.dtype == pl.String


def test_values_that_do_not_fit_are_rejected_with_their_record(tmp_path):
    lines = [f"{i},x{i}" for i in range(200)]
    lines[7] = 'abc,"the, text"'
    parsed = read(tmp_path / "t.csv", "n,t\n" + "\n".join(lines))
    assert parsed.rejected.rows() == [
        (7, 'abc,"the, text"', "n", "type", "column 'n': 'abc' is not an integer")
    ]
    assert parsed.frame["_row"].to_list() == [i for i in range(200) if i != 7]
    assert parsed.schema["n"] == pl.Int64


def test_of_several_faults_the_first_is_told_and_rows_stay_in_order(tmp_path):
    known = {"a": pl.Int64, "b": pl.Date}
    content = "a,b\n1,2020-01-01\nx,y\n2\n3,soon\n4,NA\n"
    parsed = read(tmp_path / "t.csv", content, schema=known)
    assert parsed.rejected.select("_row", "column", "rule").rows() == [
        (1, "a", "type"),
        (2, None, "fields"),
        (3, "b", "type"),
    ]
    assert parsed.frame.rows() == [(1, dt.date(2020, 1, 1), 0), (4, None, 4)]


@pytest.mark.parametrize(
    ("dtype", "value", "why"),
    [
        (pl.Int64, "3.5", "'3.5' is not an integer"),
        (pl.Int64, "007", "'007' is a code with leading zeros, not an integer"),
        (pl.Float64, "1,5", "'1,5' is not a number"),
        (pl.Boolean, "yes", "'yes' is not true or false"),
        (pl.Date, "2020-01-01T05:00", "'2020-01-01T05:00' is not a date"),
        (TIME, "noon", "'noon' is not a date and time"),
        (TIME, "01/02/2020", "'01/02/2020' leaves open which is the day and which the month"),
    ],
)
def test_a_known_type_rejects_with_the_reason(tmp_path, dtype, value, why):
    content = f'"n"\t"k"\n{value}\t1\n' + "NA\t1\n" * 200
    parsed = read(tmp_path / "t.csv", content, schema={"n": dtype, "k": pl.Int64})
    (row,) = parsed.rejected.rows(named=True)
    assert row["reason"].startswith(f"column 'n': {why}")
    assert row["text"] == f"{value}\t1"
    assert parsed.frame.rows() == [(None, 1, i) for i in range(1, 201)]
    assert parsed.schema["n"] == dtype


def test_a_file_that_does_not_tell_day_from_month_is_refused_as_a_whole(tmp_path):
    """Nothing is rejected for good: the file can be read once its format is declared."""
    content = "t\n" + "\n".join(f"0{i}/0{i + 1}/2020" for i in range(1, 8))
    with pytest.raises(DataError, match="leave open which is the day") as raised:
        read(tmp_path / "t.csv", content, schema={"t": pl.Date})
    assert "types={'t': '%d/%m/%Y'}" in raised.value.fix
    assert read(tmp_path / "t.csv", overrides={"t": "%d/%m/%Y"}).frame["t"][0] == dt.date(
        2020, 2, 1
    )


def test_whole_floats_are_integers_where_integers_are_known(tmp_path):
    parsed = read(tmp_path / "t.csv", "n\n3.0\n4\n", schema={"n": pl.Int64})
    assert parsed.frame["n"].to_list() == [3, 4]


def test_declared_types_win(tmp_path):
    content = "code,n,when,day\n007,1,3/4/2020 05:06,03-04-20\n008,2,4/4/2020 05:06,04-04-20\n"
    parsed = read(
        tmp_path / "t.csv",
        content,
        overrides={"code": pl.Int32, "n": pl.Float64, "when": "%d/%m/%Y %H:%M", "day": "%d-%m-%y"},
        schema={"code": pl.String, "n": pl.Int64, "when": pl.String, "day": pl.String},
    )
    assert parsed.schema == {"code": pl.Int64, "n": pl.Float64, "when": TIME, "day": pl.Date}
    when = dt.datetime(2020, 4, 3, 5, 6, tzinfo=dt.UTC)
    assert parsed.frame.row(0) == (7, 1.0, when, dt.date(2020, 4, 3), 0)


def test_a_declared_format_may_have_a_zone(tmp_path):
    parsed = read(
        tmp_path / "t.csv", "t\n3 Apr 2020 05:06 +0200\n", overrides={"t": "%d %b %Y %R %z"}
    )
    assert parsed.frame["t"].to_list() == [dt.datetime(2020, 4, 3, 3, 6, tzinfo=dt.UTC)]


@pytest.mark.parametrize(
    "wrong", [pl.List(pl.Int64), pl.Duration, pl.Null, "date", int, "%Q", "%H:%M"]
)
def test_a_type_no_dataset_has_is_a_definition_error(tmp_path, wrong):
    with pytest.raises(DefinitionError, match="column 'a' is declared as"):
        read(tmp_path / "t.csv", "a\n1\n", overrides={"a": wrong})


def test_a_declared_column_must_exist(tmp_path):
    with pytest.raises(DefinitionError, match=r"no column 'amonut'.*'amount'"):
        read(tmp_path / "t.csv", "amount,b\n1,2\n", overrides={"amonut": pl.Int64})


def test_a_file_that_lacks_what_is_needed_is_refused_with_what_to_declare(tmp_path):
    known = {"arr_delay": pl.Int64, "dest": pl.String, "x": pl.Int64}
    needed = {"arr_delay": "the label", "dest": "view 'airport'"}
    with pytest.raises(DataError) as raised:
        read(tmp_path / "t.csv", "arr_dely,dest,more\n1,a,2\n", schema=known, needed=needed)
    assert raised.value.what == (
        "the file lacks 'arr_delay' (the label needs it) and has 'arr_dely', 'more', which earlier "
        "batches have not."
    )
    assert "renamed={'arr_dely': 'arr_delay'}" in raised.value.fix


def test_what_is_not_needed_may_come_and_go(tmp_path):
    known = {"arr_delay": pl.Int64, "dest": pl.String, "x": pl.Int64}
    parsed = read(tmp_path / "t.csv", "arr_dely,dest\n007,a\n", schema=known, needed={"dest": ""})
    assert parsed.schema == {"dest": pl.String, "arr_dely": pl.String}
    assert parsed.frame.rows() == [("a", "007", 0)]


def test_a_column_called_otherwise_has_the_type_of_the_usual_one(tmp_path):
    known = {"amount": pl.Float64, "n": pl.Int64}
    how = {"schema": known, "renamed": {"amt": "amount"}, "needed": {"amount": ""}}
    parsed = read(tmp_path / "t.csv", "amt\n5\nx\n", **how)
    assert parsed.frame.rows() == [(5.0, 0)]
    assert parsed.schema == {"amt": pl.Float64}
    parsed = read(tmp_path / "t.csv", "n,amt,b\n1,5,2\n", **how, columns=["amount", "n"])
    assert parsed.schema == {"n": pl.Int64, "amt": pl.Float64}


@pytest.mark.parametrize(
    ("text", "dtype", "rejected"),
    [
        ("1\n2.5\n3", pl.Float64, 0),
        ("1\n2.0\n3", pl.Int64, 0),  # a whole number, however it is written
        ("1\nx\n3", pl.Int64, 1),
        ("1\n2.5\nx\n3", pl.Float64, 1),
        ("a\nb\nc\n2.5", pl.Int64, 4),  # hardly a column of numbers
        ("1\n99999999999999999999", pl.Int64, 1),  # would lose digits
    ],
)
def test_whole_numbers_become_numbers_when_fractions_come(tmp_path, text, dtype, rejected):
    known = {"n": pl.Int64}
    free = read(tmp_path / "t.csv", f"n\n{text}\n", schema=known, naming=())
    assert free.schema == {"n": dtype}
    assert free.rejected.height == rejected
    named = read(tmp_path / "t.csv", f"n\n{text}\n", schema=known, naming={"n"})
    assert named.schema == {"n": pl.Int64}


def test_a_column_asked_for_must_be_there(tmp_path):
    with pytest.raises(DataError, match=r"lacks 'amonut'. Write 'amonut' for 'amount'"):
        read(tmp_path / "t.csv", "amount,b\n1,2\n", columns=["amonut"])


def test_columns_follow_the_schema_whatever_their_order_in_the_file(tmp_path):
    parsed = read(tmp_path / "t.csv", "b,a\nx,1\n", schema={"a": pl.Int64, "b": pl.String})
    assert parsed.frame.rows() == [(1, "x", 0)]


def test_unused_columns_may_be_anything(tmp_path):
    known = {"a": pl.Int64}
    parsed = read(tmp_path / "t.csv", "a,_row\n1,2\n", schema=known, columns=["a"])
    assert parsed.frame.rows() == [(1, 0)]
