"""ARFF, JSON documents, workbooks and Delta folders: typed rows, and what cannot be rows."""

import datetime as dt
import gzip
import json

import polars as pl
import pytest
from deltalake import write_deltalake
from reading import read

from octavo.errors import DataError
from octavo.stages.ingestion.files import content_hash, expand

WEATHER = """% made by hand
@RELATION weather

@attribute outlook {sunny, overcast, 'very wet'}
@attribute 'air temperature' REAL
@attribute humidity numeric
@attribute windy {TRUE, FALSE}
@attribute seen date "yyyy-MM-dd"
@attribute remark string
@DATA
sunny, 85.5, 85, FALSE, '2024-01-31', 'it''s hot, dry'
'very wet',?,90,TRUE,2024-02-01,?
% a remark between
overcast,83,86,FALSE,2024-02-02,'?'
{0 sunny, 2 1}
sunny,1
"""


def test_arff_gives_types_and_keeps_what_is_no_row(tmp_path):
    parsed = read(tmp_path / "t.arff", WEATHER)
    assert parsed.schema == {
        "outlook": pl.String, "air temperature": pl.Float64, "humidity": pl.Int64,
        "windy": pl.Boolean, "seen": pl.Date, "remark": pl.String,
    }  # fmt: skip
    assert parsed.frame["outlook"].to_list() == ["sunny", "very wet", "overcast"]
    assert parsed.frame["air temperature"].to_list() == [85.5, None, 83.0]
    assert parsed.frame["seen"][1] == dt.date(2024, 2, 1)
    assert parsed.frame["remark"].to_list()[:2] == ["it's hot, dry", None]
    assert parsed.rejected.select("_row", "text").rows() == [
        (3, "{0 sunny, 2 1}"), (4, "sunny,1"),
    ]  # fmt: skip
    again = read(tmp_path / "u.arff", WEATHER, schema=parsed.schema)
    assert again.frame.equals(parsed.frame)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("@relation x\n@attribute a numeric\n", "there is no @data"),
        ("@attribute a numeric\n@data\n", "has no rows"),
        ("@attribute\n@data\n1\n", "line 1 declares no attribute"),
    ],
)
def test_arff_that_is_none_says_why(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path / "t.arff", text)


ROWS = [{"a": 1, "b": "x"}, {"a": 2.5, "c": {"d": [1]}}]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "wrap", [lambda r: r, lambda r: {"n": 2, "data": {"items": r}, "tags": [1]}]
)
def test_json_documents_hold_their_rows_somewhere(tmp_path, indent, wrap):
    parsed = read(tmp_path / "t.json", json.dumps(wrap(ROWS), indent=indent))
    assert parsed.frame.select("a", "b").rows() == [(1.0, "x"), (2.5, None)]
    assert json.loads(parsed.frame["c.d"][1]) == [1]
    assert parsed.rejected.is_empty()


def test_elements_that_are_no_objects_are_kept_aside(tmp_path):
    parsed = read(tmp_path / "t.json", '[{"a": 1}, 7, {"a": 2}]')
    assert parsed.frame["a"].to_list() == [1, 2]
    assert parsed.rejected.select("_row", "text", "rule").rows() == [(1, "7", "json")]


def test_lines_named_json_are_read_as_lines(tmp_path):
    path = tmp_path / "t.json.gz"
    path.write_bytes(gzip.compress(b'{"a": 1}\n{"a": 2}\n{"a": \n'))
    parsed = read(path)
    assert parsed.frame["a"].to_list() == [1, 2]
    assert parsed.rejected["text"].to_list() == ['{"a": ']


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"a": [{"x": 1}], "b": [{"y": 1}]}', "holds 2 arrays of objects: a, b"),
        ("[1, 2]", "holds 0 arrays"),
        ("[1, ", "it is not JSON"),
    ],
)
def test_documents_without_rows_say_why(tmp_path, text, said):
    with pytest.raises(DataError, match=said):
        read(tmp_path / "t.json", text)


def test_a_workbook_with_one_sheet_of_data(tmp_path):
    pytest.importorskip("fastexcel")
    noon = pl.Series(["2024-01-01 12:00", None]).str.to_datetime("%Y-%m-%d %H:%M")
    frame = pl.DataFrame({"id": [1, 2], "when": noon, "name": ["ä", None]})
    frame.write_excel(tmp_path / "t.xlsx")
    parsed = read(tmp_path / "t.xlsx")
    assert parsed.frame["id"].to_list() == [1, 2]
    assert parsed.frame["when"][0] == dt.datetime(2024, 1, 1, 12, tzinfo=dt.UTC)
    assert parsed.frame["name"].to_list() == ["ä", None]
    assert json.loads(parsed.text(1))["id"] == 2


def test_a_workbook_with_several_sheets_is_refused_by_their_names(tmp_path):
    pytest.importorskip("fastexcel")
    xlsxwriter = pytest.importorskip("xlsxwriter")
    with xlsxwriter.Workbook(tmp_path / "t.xlsx") as book:
        for sheet in ("May", "June"):
            pl.DataFrame({"a": [1]}).write_excel(book, worksheet=sheet)
    with pytest.raises(DataError, match="2 sheets with data: 'May', 'June'"):
        read(tmp_path / "t.xlsx")


def test_a_delta_folder_is_one_file_and_another_when_it_changes(tmp_path):
    folder = tmp_path / "events"
    write_deltalake(folder, pl.DataFrame({"a": [1, 2]}))
    assert expand(["events"], tmp_path) == [folder]
    before = content_hash(folder)
    assert read(folder).frame["a"].to_list() == [1, 2]
    write_deltalake(folder, pl.DataFrame({"a": [3]}), mode="append")
    assert sorted(read(folder).frame["a"]) == [1, 2, 3]
    assert content_hash(folder) != before
    assert read(folder).bytes > 0
