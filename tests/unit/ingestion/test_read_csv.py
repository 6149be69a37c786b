import gzip
import io
import zipfile

import polars as pl
import pytest
from reading import read

from octavo.errors import DataError
from octavo.stages.ingestion import records


def test_a_file_becomes_typed_rows(tmp_path):
    parsed = read(tmp_path / "t.csv", "n,name\n1,a\n2,b\n")
    assert parsed.frame.rows(named=True) == [
        {"n": 1, "name": "a", "_row": 0},
        {"n": 2, "name": "b", "_row": 1},
    ]
    assert parsed.schema == {"n": pl.Int64, "name": pl.String}
    assert parsed.frame["_row"].dtype == pl.Int64
    assert parsed.rejected.is_empty()
    assert parsed.rejected.schema == {
        "_row": pl.Int64,
        "text": pl.String,
        "column": pl.String,
        "rule": pl.String,
        "reason": pl.String,
    }
    assert (parsed.records, parsed.bytes) == (2, 15)


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_delimiter_is_found(tmp_path, mark):
    lines = [["n", "text"], ["1", '"a, b; c | d\te"'], ["2", "x"]]
    parsed = read(tmp_path / "t.csv", "\n".join(mark.join(line) for line in lines))
    assert parsed.frame["text"].to_list() == ["a, b; c | d\te", "x"]


def test_commas_in_a_tsv_are_text(tmp_path):
    assert read(tmp_path / "t.tsv", "a,b\n1,2\n").frame.columns == ["a,b", "_row"]


def test_decimal_commas_do_not_confuse_semicolons(tmp_path):
    parsed = read(tmp_path / "t.csv", "a;b\n1,5;2,5\n3,5;4,5\n")
    assert parsed.frame.drop("_row").rows() == [(1.5, 2.5), (3.5, 4.5)]


def test_records_of_another_width_are_kept_with_text_and_reason(tmp_path):
    content = "a,b,c\n1,2,3\n1,2,3,4\r\n\n5\n6,7,8\n"
    parsed = read(tmp_path / "t.csv", content)
    assert parsed.frame["_row"].to_list() == [0, 3]
    assert parsed.rejected.rows() == [
        (1, "1,2,3,4", None, "fields", "has 4 fields, the header has 3"),
        (2, "5", None, "fields", "has 1 field, the header has 3"),
    ]
    assert parsed.records == 4


def test_broken_quotes_cost_their_line(tmp_path):
    content = 'a,b\n1,"x"y\n2,"two\nlines"\n3,"open\n4,z\n5,"w"\n'
    parsed = read(tmp_path / "t.csv", content)
    assert parsed.frame.rows() == [(2, "two\nlines", 1), (4, "z", 3), (5, "w", 4)]
    assert parsed.rejected.select("_row", "text", "rule").rows() == [
        (0, '1,"x"y', "quotes"),
        (2, '3,"open', "quotes"),
    ]


def test_a_field_longer_than_the_limit_counts_as_unclosed(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "LONGEST_FIELD", 50)
    monkeypatch.setattr(records, "BLOCK", 40)
    lines = [f"{i},word" for i in range(40)]
    lines[3] = '3,"word'
    monkeypatch.setattr("octavo.stages.ingestion.delimited.BLOCK", 40)
    parsed = read(tmp_path / "t.csv", "a,b\n" + "\n".join(lines))
    assert parsed.rejected["text"].to_list() == ['3,"word']
    assert parsed.frame.height == 39
    source = io.BytesIO("\n".join(lines).encode())
    sizes = [len(b.data) for b in records.blocks(b"", source.read, ",", lambda: 0)]
    assert max(sizes) < 150, "it waited for the quote until the end of the file"


def test_quotes_inside_a_field_are_characters(tmp_path):
    parsed = read(tmp_path / "t.csv", 'a,b\n5" pipe,"6"" pipe, long"\nx"y",z\n')
    assert parsed.frame.rows() == [('5" pipe', '6" pipe, long', 0), ('x"y"', "z", 1)]


def test_bytes_that_are_no_utf8_reject_their_record(tmp_path):
    parsed = read(tmp_path / "t.csv", b"a,b\n1,caf\xe9\n2,caf\xc3\xa9\n")
    assert parsed.frame.rows() == [(2, "café", 1)]
    assert parsed.rejected.rows() == [(0, "1,caf\\xe9", None, "encoding", "it is not UTF-8 text")]


def test_a_column_without_a_name_is_called_after_its_place(tmp_path):
    parsed = read(tmp_path / "t.csv", b'\xef\xbb\xbf"", a ,\n0,1,2\n')
    assert parsed.frame.columns == ["column_1", "a", "column_3", "_row"]


def test_a_name_given_twice_gets_its_place_behind_it(tmp_path):
    parsed = read(tmp_path / "t.csv", "a,b,a,a_3,a\n1,2,3,4,5\n")
    assert parsed.frame.columns == ["a", "b", "a_3", "a_3_4", "a_5", "_row"]


def test_header_and_names_may_be_quoted_and_blank_lines_come_first(tmp_path):
    parsed = read(tmp_path / "t.csv", '\r\n\r\n"a, or\nb","c"\r\n1,2\r\n')
    assert parsed.frame.columns == ["a, or\nb", "c", "_row"]
    assert parsed.frame.rows() == [(1, 2, 0)]


def test_columns_are_taken_in_the_order_asked_for(tmp_path):
    parsed = read(tmp_path / "t.csv", "a,b,c\n1,x,3\n", columns=["c", "a"])
    assert parsed.frame.columns == ["c", "a", "_row"]
    assert parsed.frame.rows() == [(3, 1, 0)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("packed", ["plain", "gz", "zip"])
def test_packed_files_are_read_alike(tmp_path, packed, line_end):
    content = line_end.join(["n,t", *(f"{i},word {i}" for i in range(1000))]).encode()
    path = tmp_path / "t.csv"
    if packed == "gz":
        path = tmp_path / "t.csv.gz"
        content = gzip.compress(content, mtime=0)
    elif packed == "zip":
        path = tmp_path / "anything.zip"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.mkdir("folder")
            archive.writestr("folder/t.csv", content)
        content = None
    parsed = read(path, content)
    assert parsed.frame["n"].to_list() == list(range(1000))
    assert parsed.frame["t"][-1] == "word 999"
    assert parsed.bytes == path.stat().st_size


def test_progress_ends_with_the_whole_file(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "BLOCK", 1000)
    monkeypatch.setattr("octavo.stages.ingestion.delimited.BLOCK", 1000)
    told = []
    content = "n\n" + "\n".join(map(str, range(2000)))
    parsed = read(tmp_path / "t.csv", content, progress=lambda *done: told.append(done))
    assert len(told) > 5
    assert told == sorted(told)
    assert told[-1] == (parsed.bytes, parsed.bytes)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("t.csv", b"", "the file is empty"),
        ("t.csv", b"\n\n", "the file is empty"),
        ("t.csv", b"\xef\xbb\xbf", "the file is empty"),
        ("t.csv", b"a,b\n", "has a header but no rows"),
        ("t.csv", b"a,b\n\r\n\n", "has a header but no rows"),
        ("t.csv", b'a,"b\n1,2\n', "quotes of the header are broken"),
        ("t.csv", b"a,_row\n1,2\n", "keeps the column names _row for itself"),
        ("t.csv", b"a,b\n1,2,3\n4\n", "none of its 2 records can be used; record 0: has 3 fields"),
        ("t.csv", b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "is not UTF-8 text"),
        ("t.csv", bytes(range(1, 100)), "control characters"),
        ("t.csv", gzip.compress(b"a\n1\n", mtime=0), "is gzip-compressed"),
        ("t.csv", b"PAR1....", "is a Parquet file"),
        ("t.csv.gz", b"a,b\n1,2\n", "cannot be unpacked: Not a gzipped file"),
        ("t.csv.gz", gzip.compress(b"a\n" + b"1\n" * 9999, mtime=0)[:-20], "ends in the middle"),
        ("t.csv.gz", gzip.compress(b"a\n1\n", mtime=0)[:-8] + bytes(8), "cannot be unpacked: CRC"),
        ("t.zip", b"a,b\n1,2\n", "is not a zip archive"),
        ("t.xlsx", b"PK", "the workbook cannot be read"),
        ("t.docx", b"PK", "is of no kind that can be read"),
        ("t.parquet.gz", b"x", "is of no kind that can be read"),
    ],
)
def test_bad_files_say_what_is_wrong(tmp_path, name, content, said):
    with pytest.raises(DataError, match=said) as raised:
        read(tmp_path / name, content)
    assert str(tmp_path / name) in raised.value.where
    assert "dataset 'x'" in raised.value.where
    assert raised.value.fix


def test_a_zip_holds_one_file(tmp_path):
    path = tmp_path / "t.zip"
    for names, said in (
        ((), "holds 0 files"),
        (("a.csv", "b.csv"), "2 files: a.csv, b.csv"),
        (("a.parquet",), "holds a Parquet file"),
        (("a.doc",), "'a.doc' is of no kind"),
    ):
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, "a\n1\n")
        with pytest.raises(DataError, match=said):
            read(path)


def test_a_damaged_member_of_a_zip_is_named(tmp_path):
    path = tmp_path / "t.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", "a\n" + "\n".join(map(str, range(5000))))
    content = bytearray(path.read_bytes())
    content[2000:2100] = bytes(100)
    with pytest.raises(DataError, match="cannot be unpacked"):
        read(path, bytes(content))
    with pytest.raises(DataError, match="only the beginning of one"):
        read(path, bytes(content[:3000]))


def test_no_file_a_folder_and_a_forbidden_file(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="there is no such file"):
        read(tmp_path / "none.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(DataError, match="this is a folder"):
        read(tmp_path / "folder.csv")

    def forbidden(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", forbidden)
    with pytest.raises(DataError, match="may not be read"):
        read(tmp_path / "t.csv")
