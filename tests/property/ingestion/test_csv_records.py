"""CSV against Python's csv module, and record boundaries against a slow, plain reader."""

import csv
import io
from itertools import accumulate

import polars as pl
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from octavo.definition import Csv
from octavo.engines import LocalEngine
from octavo.stages.ingestion import delimited, records
from octavo.stages.ingestion.files import begin, whole
from octavo.stages.ingestion.records import blocks, split
from octavo.stages.ingestion.types import NULL_TOKENS

WORDS = st.one_of(
    st.text(st.sampled_from("ab \",;|\t\n\r'é€😀\x00"), max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.sampled_from(NULL_TOKENS),
)
QUICK = settings(
    max_examples=100,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
ENGINE = LocalEngine(workers=2)


@pytest.fixture
def small_blocks(monkeypatch):
    def set_size(size):
        monkeypatch.setattr(records, "BLOCK", size)
        monkeypatch.setattr(delimited, "BLOCK", size)

    return set_size


@st.composite
def tables(draw):
    width = draw(st.integers(1, 4))
    row = st.lists(WORDS, min_size=width, max_size=width)
    return draw(st.lists(row, min_size=1, max_size=12))


def parse(path, content, width):
    path.write_bytes(content)
    text = {f"c{i}": pl.String for i in range(width)}
    # What nothing in the file could tell: the delimiter of one column, whether '' is a value.
    csv = Csv(delimiter="," if width == 1 else None, quote='"' if b"'" in content else None)
    return whole(begin(path, where_label="dataset 'x'", engine=ENGINE, schema=text, csv=csv))


def nulled(rows):
    return [[None if value in NULL_TOKENS else value for value in row] for row in rows]


@QUICK
@given(
    tables(),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.booleans(),
    st.integers(60, 200),
)
def test_what_the_csv_module_writes_is_read_as_it_reads_it(
    tmp_path, small_blocks, rows, delimiter, line_end, quoting, bom, size
):
    if quoting == csv.QUOTE_MINIMAL and line_end == "\n":  # before 3.13 csv leaves CR unquoted
        rows = [[value.replace("\r", "") for value in row] for row in rows]
    width = len(rows[0])
    delimiter = "," if width == 1 else delimiter
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, lineterminator=line_end, quoting=quoting)
    writer.writerows([[f"c{i}" for i in range(width)], *rows])
    small_blocks(size)
    content = (b"\xef\xbb\xbf" if bom else b"") + out.getvalue().encode()
    parsed = parse(tmp_path / "t.csv", content, width)
    expected = list(csv.reader(io.StringIO(out.getvalue(), newline=""), delimiter=delimiter))[1:]
    assert parsed.frame.drop("_row").rows() == [tuple(r) for r in nulled(expected)]
    assert parsed.frame["_row"].to_list() == list(range(len(rows)))
    assert parsed.rejected.is_empty()


@QUICK
@given(
    st.lists(
        st.lists(st.text(st.sampled_from('ab" 5é'), max_size=5), min_size=1, max_size=4),
        min_size=1,
        max_size=15,
    ),
    st.integers(60, 200),
)
def test_accepted_and_rejected_records_are_all_records(tmp_path, small_blocks, rows, size):
    """Records of two fields are rows, all others are rejected as they stand in the file."""
    rows = [[value.lstrip('"') for value in row] for row in rows]
    lines = [",".join(row) for row in rows]
    assume(any(lines))
    small_blocks(size)
    parsed = parse(tmp_path / "t.csv", ("c0,c1\n" + "\n".join(lines) + "\n").encode(), 2)
    kept = [(row, line) for row, line in zip(rows, lines, strict=True) if line]
    good = {i: row for i, (row, _) in enumerate(kept) if len(row) == 2}
    assert parsed.records == len(kept)
    assert parsed.frame.rows() == [(*nulled([row])[0], i) for i, row in good.items()]
    bad = [(i, line, len(row)) for i, (row, line) in enumerate(kept) if len(row) != 2]
    assert parsed.rejected.select("_row", "text").rows() == [(i, line) for i, line, _ in bad]
    assert parsed.rejected["reason"].to_list() == [
        f"has {n} field{'s' if n > 1 else ''}, the header has 2" for *_, n in bad
    ]


@QUICK
@given(st.integers(0, 8), st.integers(1, 9), st.integers(60, 200))
def test_a_quote_that_never_closes_costs_one_record(tmp_path, small_blocks, place, rows, size):
    lines = [f"{i},word {i}" for i in range(rows)]
    place = min(place, rows - 1)
    lines[place] = f'{place},"word'
    small_blocks(size)
    parsed = parse(tmp_path / "t.csv", ("c0,c1\n" + "\n".join(lines)).encode(), 2)
    assert parsed.rejected.select("_row", "text", "rule").rows() == [
        (place, lines[place], "quotes")
    ]
    assert parsed.frame.height == rows - 1


def read_slowly(text):
    """Return (begin, end, fields or None if broken) of each record, by the rules of `records`."""
    found, begin = [], 0
    while begin < len(text):
        at, fields, field_begins = begin, 1, True
        while at is not None and text[at] != "\n":
            if field_begins and text[at] == '"':
                at = after_quotes(text, at)
                field_begins = False
                continue
            field_begins = text[at] == ","
            fields += field_begins
            at += 1
        end = text.index("\n", begin) if at is None else at
        stop = end - 1 if end > begin and text[end - 1] == "\r" else end
        if stop > begin:
            found.append((begin, stop, None if at is None else fields))
        begin = end + 1
    return found


def after_quotes(text, at):
    at += 1
    while (at := text.find('"', at)) >= 0:
        if text[at + 1] != '"':
            return at + 1 if text[at + 1] in ",\n\r" else None
        at += 2
    return None


@settings(max_examples=800, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.text(st.sampled_from('a"",\n\r'), max_size=60), st.integers(1, 20), st.integers(0, 20))
def test_records_are_those_a_slow_reader_finds(text, size, head):
    text = text.removesuffix("\n") + "\n"
    source = io.BytesIO(text.encode())
    begun = source.read(head)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(records, "BLOCK", size)
        cut = list(blocks(begun, source.read, ",", lambda: 0))
    assert b"".join(block.data for block in cut).decode() == text
    found = []
    before = [0, *accumulate(len(block.data) for block in cut)]
    for first, block in zip(before, cut, strict=False):
        these = split(block, ",")
        broken = these.holding(block.quotes.broken)
        for start, end, fields, is_broken in zip(
            these.starts, these.ends, these.fields, broken, strict=True
        ):
            found.append((first + start, first + end, None if is_broken else fields))
    assert found == read_slowly(text)
