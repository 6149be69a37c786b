"""Texts as the world writes them: encodings, delimiters, quotes, titles, decimal commas."""

import polars as pl
import pytest
from reading import read

import octavo as ov
from octavo.errors import DataError, DefinitionError

TABLE = "name;size\nMüller;1,5\nGößler;2,25\nÉmile;3\n"
ROWS = [("Müller", 1.5), ("Gößler", 2.25), ("Émile", 3.0)]


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252", "latin-1"]
)
@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_encodings_are_told_from_the_file(tmp_path, encoding, line_end):
    content = (TABLE * 4).replace("name;size\n", "").join(["name;size\n", ""])
    parsed = read(tmp_path / "t.csv", content.replace("\n", line_end).encode(encoding))
    assert parsed.frame.drop("_row").rows() == ROWS * 4
    assert parsed.rejected.is_empty()


def test_a_declared_encoding_wins_and_what_is_none_is_refused(tmp_path):
    content = "a,b\n1,caf\xe9\n2,tea\n".encode("cp1252")
    assert read(tmp_path / "t.csv", content).frame["b"].to_list() == ["café", "tea"]
    parsed = read(tmp_path / "t.csv", content, encoding="utf-8")
    assert parsed.rejected["text"].to_list() == ["1,caf\\xe9"]
    polish = read(
        tmp_path / "t.csv", "a,b\n1,\u0142\u00f3d\u017a\n".encode("cp1250"), encoding="cp1250"
    )
    assert polish.frame["b"].to_list() == ["łódź"]
    with pytest.raises(DefinitionError, match="no text encoding 'utf-88'"):
        ov.Files("t.csv", encoding="utf-88")
    with pytest.raises(DefinitionError, match="no text encoding 'base64'"):
        ov.Files("t.csv", encoding="base64")


def test_a_damaged_byte_among_utf8_letters_rejects_its_record_alone(tmp_path):
    parsed = read(tmp_path / "t.csv", b"a,b\n1,caf\xe9\n2,caf\xc3\xa9\n3,\xff\n")
    assert parsed.frame["b"].to_list() == ["café"]
    assert parsed.rejected["rule"].to_list() == ["encoding"] * 2


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_titles_and_remarks_before_the_table_are_left_aside(tmp_path, delimiter):
    body = "\n".join(delimiter.join(row) for row in [("a", "b"), ("1", "x"), ("2", "y")])
    for before in ("# made by hand\n# twice\n", "Report of March\n\n", "% note\n", ""):
        parsed = read(tmp_path / "t.csv", before + body + "\n")
        assert parsed.frame.rows() == [(1, "x", 0), (2, "y", 1)], before


def test_lines_to_skip_can_be_declared(tmp_path):
    text = "Report, of March\nmade, by, hand\na,b\n1,2\n3,4\n"
    parsed = read(tmp_path / "t.csv", text, csv=ov.Csv(skip=2))
    assert parsed.frame.drop("_row").to_dict(as_series=False) == {"a": [1, 3], "b": [2, 4]}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("1,x,2.5\n2,y,3.5\n3,z,4.5\n", ["column_1", "column_2", "column_3"]),
        ("5.1,3.5,1.4\n4.9,3.0,1.4\n4.7,3.2,1.3\n", ["column_1", "column_2", "column_3"]),
        ("country,2010,2011\nA,1,2\nB,3,4\nC,5,6\n", ["country", "2010", "2011"]),
        ("a,b\nx,y\nz,w\nu,v\n", ["a", "b"]),
        ("id,1\n7,2\n8,3\n9,4\n", ["id", "1"]),
    ],
)
def test_a_missing_header_is_told_by_numbers_in_its_place(tmp_path, text, names):
    parsed = read(tmp_path / "t.csv", text)
    assert parsed.frame.columns == [*names, "_row"]
    assert parsed.records == text.count("\n") - (names[0] != "column_1")


def test_whether_there_is_a_header_can_be_declared(tmp_path):
    parsed = read(tmp_path / "t.csv", "a,b\nc,d\n", csv=ov.Csv(header=False))
    assert parsed.frame.rows() == [("a", "b", 0), ("c", "d", 1)]


def test_single_quotes_that_are_values_are_no_quotes(tmp_path):
    parsed = read(tmp_path / "t.csv", "a,b\n','\n1,2\n")
    assert parsed.frame.drop("_row").rows() == [("'", "'"), ("1", "2")]


def test_single_quotes_hold_delimiters_and_line_ends(tmp_path):
    text = "a,b\n'x, y',1\n'it''s',2\n'two\nlines',3\n"
    parsed = read(tmp_path / "t.csv", text)
    assert parsed.frame["a"].to_list() == ["x, y", "it's", "two\nlines"]
    apostrophes = read(tmp_path / "t.csv", 'a,b\nit\'s,1\n"x, y",2\n')
    assert apostrophes.frame["a"].to_list() == ["it's", "x, y"]


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("a;b\n1,5;x\n2;y\n", [1.5, 2.0]),
        ('a,b\n"1,5",x\n"2,75",y\n', [1.5, 2.75]),
        ('a,b\n"1,500",x\n"2,750",y\n', ["1,500", "2,750"]),  # thousands? it cannot be told
        ("a;b\n1,5;x\n2.5;y\n", ["1,5", "2.5"]),
    ],
)
def test_a_decimal_comma_is_read_where_it_can_be_nothing_else(tmp_path, text, values):
    assert read(tmp_path / "t.csv", text).frame["a"].to_list() == values


def test_a_decimal_mark_can_be_declared(tmp_path):
    text = 'a,b\n"1,500",x\n"2,750",y\n'
    parsed = read(tmp_path / "t.csv", text, csv=ov.Csv(decimal=","))
    assert parsed.frame["a"].to_list() == [1.5, 2.75]
    plain = read(tmp_path / "t.csv", "a;b\n1,5;x\n", csv=ov.Csv(decimal="."))
    assert plain.frame["a"].to_list() == ["1,5"]


def test_texts_keep_their_commas_and_later_batches_their_type(tmp_path):
    text = "a;b\n1,5;one, two\n2,5;three\n"
    first = read(tmp_path / "t.csv", text)
    assert first.frame["b"].to_list() == ["one, two", "three"]
    later = read(tmp_path / "u.csv", "a;b\n3,5;x\nbad;y\n", schema=first.schema)
    assert later.frame["a"].to_list() == [3.5]
    assert later.rejected["text"].to_list() == ["bad;y"]
    assert first.schema["a"] == pl.Float64


@pytest.mark.parametrize("given", [{"delimiter": ";;"}, {"quote": "“"}, {"decimal": "x"}])
def test_what_no_text_is_written_with_is_refused(given):
    with pytest.raises(DefinitionError):
        ov.Csv(**given)


def test_remarks_alone_are_no_table(tmp_path):
    with pytest.raises(DataError):
        read(tmp_path / "t.csv", "# nothing\n# else\n")
