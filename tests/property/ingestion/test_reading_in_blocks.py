"""A file in blocks of a few bytes against the same file in one block."""

import json

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from octavo.engines import LocalEngine
from octavo.errors import OctavoError
from octavo.stages.ingestion import delimited, frames, json_lines, lines, reading, records
from octavo.stages.ingestion.files import begin, whole
from octavo.stages.ingestion.types import TIME

QUICK = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENGINE = LocalEngine(workers=2)
CELLS = st.sampled_from(
    [
        "1",
        "-2",
        "2.5",
        "007",
        "x",
        "",
        "NA",
        "true",
        "2020-01-02",
        "2020-01-02 03:04:05",
        "13/01/2020",
        "01/13/2020",
        "01/02/2020",
        "nan",
        "9223372036854775808",
    ]
)
VALUES = st.one_of(
    st.integers(-5, 5), st.floats(-2, 2), st.booleans(), st.none(), CELLS, st.just([1, "x"])
)


@pytest.fixture
def block_size(monkeypatch):
    def set_size(size, held):
        for module in (records, delimited, json_lines, lines):
            monkeypatch.setattr(module, "BLOCK", size)
        monkeypatch.setattr(frames, "ROWS", max(1, size // 20))
        monkeypatch.setattr(reading, "HELD", held)

    return set_size


def outcome(path, **known):
    """Return all that reading a file gives, or what it says."""
    try:
        parsed = whole(begin(path, where_label="dataset 'x'", engine=ENGINE, **known))
    except OctavoError as error:
        return str(error)
    kept = [(row, parsed.text(row)) for row in parsed.frame["_row"]]
    rejected = parsed.rejected.rows()
    rows = parsed.frame.cast({pl.Float64: pl.String}).rows()  # NaN is not equal to itself
    noticed = [(found.document(), found.at.tolist()) for found in parsed.noticed]
    return parsed.schema, rows, rejected, parsed.records, parsed.bytes, kept, noticed


@st.composite
def columns(draw, cells):
    """Return rows of two columns: long runs of few values, so that the end may be a surprise."""
    width, rows = 2, []
    for _ in range(draw(st.integers(1, 3))):
        run = [draw(st.lists(cells, min_size=width, max_size=width)) for _ in range(2)]
        rows += (run * draw(st.sampled_from([1, 5, 60])))[: draw(st.integers(1, 110))]
    return rows


SCHEMAS = st.sampled_from(
    [
        {},
        {"schema": {"a": pl.Date, "b": TIME}},
        {"schema": {"a": pl.Int64, "b": pl.String}},
        {"overrides": {"a": pl.Date, "b": "%Y-%m-%d"}},
        {"overrides": {"a": pl.Float64}},
    ]
)


@QUICK
@given(columns(CELLS), SCHEMAS, st.integers(40, 600), st.integers(1, 3))
def test_delimited(tmp_path, block_size, rows, known, size, held):
    path = tmp_path / "t.csv"
    path.write_text("a,b\n" + "".join(",".join(row) + "\n" for row in rows) + "1,2,3\n")
    block_size(1 << 20, 4)
    expected = outcome(path, **known)
    block_size(size, held)
    assert outcome(path, **known) == expected


@QUICK
@given(columns(VALUES), SCHEMAS, st.integers(40, 600), st.integers(1, 3), st.randoms())
def test_json_lines(tmp_path, block_size, rows, known, size, held, random):
    path = tmp_path / "t.ndjson"
    found = [{"a": a, "b": b} for a, b in rows]
    found = [{k: v for k, v in line.items() if random.random() < 0.8} for line in found]
    path.write_text("".join(json.dumps(line) + "\n" for line in found) + "[]\n")
    block_size(1 << 20, 4)
    expected = outcome(path, **known)
    block_size(size, held)
    assert outcome(path, **known) == expected


@QUICK
@given(columns(CELLS), SCHEMAS, st.integers(40, 600), st.integers(1, 3))
def test_parquet(tmp_path, block_size, rows, known, size, held):
    path = tmp_path / "t.parquet"
    pl.DataFrame(rows, schema={"a": pl.String, "b": pl.String}, orient="row").write_parquet(path)
    block_size(1 << 20, 4)
    expected = outcome(path, **known)
    block_size(size, held)
    assert outcome(path, **known) == expected


@QUICK
@given(columns(CELLS), SCHEMAS, st.integers(40, 600), st.integers(1, 3))
def test_lines(tmp_path, block_size, rows, known, size, held):
    path = tmp_path / "t.log"
    text = "".join(f"{a};{b}\n" for a, b in rows)
    path.write_bytes(b"no such line\n" + text.encode() + b"\xff;1\r\n;\n")
    known = known | {"lines": "(?P<a>[^;]*);(?P<b>[^;]*)"}
    block_size(1 << 20, 4)
    expected = outcome(path, **known)
    block_size(size, held)
    assert outcome(path, **known) == expected


def test_dates_written_in_several_ways_are_noticed_over_blocks(tmp_path, block_size):
    path = tmp_path / "t.csv"
    text = ["2024-01-02,x"] * 20 + ["13/01/2024,x", "1.1.2024,x", "3/1/2024,x", "y,z,"] * 3
    path.write_text("a,b\n" + "\n".join([*text, *text]) + "\n")
    block_size(1 << 20, 4)
    expected = outcome(path)
    (noticed,) = expected[-1]
    assert noticed[1][:4] == [20, 21, 22, 24]
    block_size(50, 1)
    assert outcome(path) == expected


def test_a_file_is_read_again_only_where_its_end_is_a_surprise(tmp_path, block_size):
    block_size(64, 1)

    def times(text):
        path = tmp_path / "t.csv"
        path.write_text("a,b\n" + "\n".join(text) + "\n")
        going = begin(path, where_label="x", engine=ENGINE)
        for passed in range(1, 9):
            rows = sum(piece.frame.height for piece in going.pieces())
            if going.settled:
                assert rows == len(text)
                return passed, going.schema["a"]
        return None

    whole = [f"{i},word {i}" for i in range(100)]
    assert times(whole) == (1, pl.Int64)
    assert times([*whole, "0.5,x"]) == (2, pl.Float64)
    assert times(["007,x", *whole]) == (1, pl.String)
    assert times([*whole, "007,x"]) == (2, pl.String)
    assert times([*["a word,x"] * 9, *["1,x"] * 9]) == (1, pl.String)
