import datetime as dt
import gzip
import json
from decimal import Decimal

import polars as pl
import pytest
from reading import read

from octavo.errors import DataError
from octavo.stages.ingestion.types import TIME


def lines(*rows):
    return "\n".join(row if isinstance(row, str) else json.dumps(row) for row in rows)


def test_json_lines_keep_json_types(tmp_path):
    content = lines(
        {"i": 1, "f": 1, "b": True, "s": "007", "m": 1, "o": {"k": [1, 2.50]}},
        {"i": 2, "f": 2.5, "b": None, "s": "é\n", "m": "x", "o": None, "late": ""},
    )
    parsed = read(tmp_path / "t.ndjson", content)
    assert parsed.schema == {
        "i": pl.Int64,
        "f": pl.Float64,
        "b": pl.Boolean,
        "s": pl.String,
        "m": pl.String,
        "o.k": pl.String,
        "o.k.length": pl.Int64,
        "late": pl.String,
    }
    assert parsed.frame.rows() == [
        (1, 1.0, True, "007", "1", "[1, 2.5]", 2, None, 0),
        (2, 2.5, None, "é\n", "x", None, None, "", 1),
    ]


def test_bad_lines_are_kept_with_their_text(tmp_path):
    content = b'{"a": 1}\n{"a": \n\n[1]\n{"a": NaN}\n{"a": "\xff"}\n{"a": "\\ud800"}\n{"a": 2}\n'
    parsed = read(tmp_path / "t.jsonl.gz", gzip.compress(content))
    assert parsed.frame.rows() == [(1, 0), (2, 6)]
    assert parsed.rejected.select("_row", "text", "rule").rows() == [
        (1, '{"a": ', "json"),
        (2, "[1]", "json"),
        (3, '{"a": NaN}', "json"),
        (4, '{"a": "\\xff"}', "encoding"),
        (5, '{"a": "\\ud800"}', "json"),
    ]
    assert "not a JSON object" in parsed.rejected["reason"][0]


def test_json_text_is_read_as_the_known_type(tmp_path):
    known = {"t": TIME, "n": pl.Int64, "s": pl.String, "gone": pl.Float64}
    content = lines(
        {"t": "2020-01-01T00:00:00Z", "n": "12", "s": 5}, {"t": "NA", "n": 1}, {"n": 2.5}
    )
    parsed = read(tmp_path / "t.ndjson", content, schema=known)
    assert parsed.frame.rows() == [(dt.datetime(2020, 1, 1, tzinfo=dt.UTC), 12, "5", None, 0)]
    assert parsed.rejected["reason"].to_list() == [
        "column 't': 'NA' is not a date and time",
        "column 'n': '2.5' is not an integer",
    ]


def test_new_keys_are_new_columns(tmp_path):
    with pytest.raises(DataError, match="has 'b', which earlier batches do not have"):
        read(tmp_path / "t.ndjson", lines({"a": 1}, {"b": 2}), schema={"a": pl.Int64})


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b\n1,2\n", "none of its 2 records can be used; record 0: it is not a JSON object"),
    ],
)
def test_files_that_are_no_json_lines(tmp_path, content, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path / "t.ndjson", content)


@pytest.fixture
def parquet(tmp_path):
    def write(**columns):
        path = tmp_path / "t.parquet"
        pl.DataFrame(columns).write_parquet(path)
        return path

    return write


def test_parquet_types_are_widened(parquet):
    utc = dt.datetime(2020, 1, 1, 12, 0, 0, 5, tzinfo=dt.UTC)
    moment = utc.replace(tzinfo=None)
    path = parquet(
        small=pl.Series([1, 2], dtype=pl.UInt8),
        single=pl.Series([0.1, float("nan")], dtype=pl.Float32),
        money=pl.Series([Decimal("1.5"), None]),
        kind=pl.Series(["a", "b"], dtype=pl.Categorical),
        nano=pl.Series([moment, None], dtype=pl.Datetime("ns")),
        there=pl.Series([moment, None]).dt.replace_time_zone("America/New_York"),
        day=[dt.date(2020, 1, 1), None],
        nothing=pl.Series([None, None], dtype=pl.Null),
    )
    parsed = read(path)
    assert list(parsed.schema.values()) == [
        pl.Int64,
        pl.Float64,
        pl.Float64,
        pl.String,
        TIME,
        TIME,
        pl.Date,
        pl.String,
    ]
    there = utc + dt.timedelta(hours=5)
    single = pl.Series([0.1], dtype=pl.Float32)[0]
    assert parsed.frame.row(0) == (1, single, 1.5, "a", utc, there, dt.date(2020, 1, 1), None, 0)
    assert parsed.frame.row(1) == (2, None, None, "b", None, None, None, None, 1)


def test_integers_beyond_64_bits_are_rejected_as_json(parquet):
    parsed = read(parquet(n=pl.Series([1, 2**64 - 1], dtype=pl.UInt64), s=["a", "b"]))
    assert parsed.frame.rows() == [(1, "a", 0)]
    assert parsed.rejected.rows() == [
        (
            1,
            '{"n":18446744073709551615,"s":"b"}',
            "n",
            "type",
            "column 'n': '18446744073709551615' is not an integer",
        )
    ]


def test_other_types_than_before_are_one_error(parquet):
    path = parquet(a=[1.5], b=["x"], c=[1])
    with pytest.raises(DataError) as raised:
        read(path, schema={"a": pl.Int64, "b": pl.Boolean, "c": pl.Int64})
    assert "'a' is Float64, not Int64; 'b' is String, not Boolean" in raised.value.what
    assert "'c'" not in raised.value.what


def test_integers_are_taken_where_numbers_are_known(parquet):
    parsed = read(parquet(a=[1]), schema={"a": pl.Float64})
    assert parsed.frame["a"].to_list() == [1.0]
    assert parsed.frame["a"].dtype == pl.Float64


def test_declared_types_are_read_from_the_values_text(parquet):
    path = parquet(s=["2020-01-02", "x"], f=[1.0, None], n=[1, 2])
    parsed = read(path, overrides={"s": pl.Date, "f": pl.Int64, "n": pl.String})
    assert parsed.frame.rows() == [(dt.date(2020, 1, 2), 1, "1", 0)]
    assert parsed.rejected["reason"].to_list() == ["column 's': 'x' is not a date"]


def test_columns_that_no_dataset_holds_are_named_and_may_be_left_out(parquet):
    path = parquet(a=[b"x"], b=[{"k": dt.timedelta(1)}], c=[1], d=[dt.timedelta(1)])
    with pytest.raises(DataError, match=r"'a' is Binary.*'b.k' is Duration.*'d' is Duration"):
        read(path)
    assert read(path, columns=["c"]).frame.rows() == [(1, 0)]


def test_a_path_is_no_pattern(tmp_path):
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "[x].parquet")
    assert read(tmp_path / "[x].parquet").frame.height == 1


def test_bad_parquet_files_say_so(tmp_path, parquet):
    path = parquet(a=list(range(1000)))
    content = path.read_bytes()
    for broken in (content[:-100], b"a,b\n1,2\n", content[:100] + content[200:]):
        with pytest.raises(DataError, match="the Parquet file cannot be read"):
            read(path, broken)
    with pytest.raises(DataError, match="has columns but no rows"):
        read(parquet(a=pl.Series([], dtype=pl.Int64)))
    with pytest.raises(DataError, match="lacks 'b'"):
        read(parquet(a=[1]), columns=["b"])
