"""Whole records of files that grow, and nothing else; what is said of files that are no more."""

import contextlib

import pytest
from following import Grown, Killed

import octavo as ov
from octavo.errors import DefinitionError
from octavo.stages.ingestion import growing
from octavo.stages.ingestion.tail import behind


def write(path, text, mode="a"):
    with path.open(mode, newline="") as file:
        file.write(text)


def test_a_half_written_row_waits_until_it_ends(tmp_path):
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    write(file, "id,text\n1,one\n2,tw")
    grown.settle()
    assert grown.rows() == [{"id": "1", "text": "one"}]
    assert behind(grown.dataset, tmp_path, grown.home) == 4
    write(file, "o\n")
    grown.settle()
    assert grown.rows()[1:] == [{"id": "2", "text": "two"}]
    assert behind(grown.dataset, tmp_path, grown.home) == 0


def test_a_quoted_line_end_ends_no_row(tmp_path):
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    write(file, 'id,text\n1,"one\n')
    grown.settle()
    assert grown.rows() == []
    write(file, 'and ""more"", still"\n2,\n')
    grown.settle()
    assert grown.rows() == [
        {"id": "1", "text": 'one\nand "more", still'},
        {"id": "2", "text": None},
    ]


def test_a_quote_that_never_closes_costs_its_line(tmp_path):
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    write(file, 'id,text\n1,"one\n2,two\n')
    grown.settle()
    assert grown.rows() == []
    grown.now += 60
    grown.settle()
    broken, good = grown.lines()
    assert good == '{"id":"2","text":"two"}'
    said = f"file {file}, line 2: a quoted field does not end where it should"
    assert broken.startswith(said)


def test_what_is_no_row_is_sent_with_its_place(tmp_path):
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    file.write_bytes(b'id,text\n1,"a\nb"\n2\n3,\xff\n4,d\n')
    grown.settle()
    lines = grown.lines()
    assert lines[1] == f"file {file}, line 4: has 1 field, the header has 2: 2"
    assert lines[2] == f"file {file}, line 5: it is not UTF-8 text: 3,\\xff"
    assert lines[3] == '{"id":"4","text":"d"}'


def test_lines_of_json_go_as_they_are(tmp_path):
    grown, file = Grown(tmp_path, "*.ndjson"), tmp_path / "a.ndjson"
    write(file, '{"id": 1, "more": [1, 2]}\r\n\nno\n{"id": 2}\n{"id"')
    grown.settle()
    first, second, third = grown.lines()
    assert (first, third) == ('{"id": 1, "more": [1, 2]}', '{"id": 2}')
    assert second.startswith(f"file {file}, line 3: it is not a JSON object")


def test_lines_of_a_log_are_taken_apart(tmp_path):
    grown = Grown(tmp_path, "app.log", lines=r"(?P<id>\d+) (?P<text>.*)")
    write(tmp_path / "app.log", "1 one\nnone\n2 two\n")
    grown.settle()
    assert grown.lines()[0] == '{"id":"1","text":"one"}'
    assert "line 2: it does not fit the pattern" in grown.lines()[1]


def test_other_encodings_and_decimal_commas(tmp_path):
    grown = Grown(tmp_path, "*.csv", encoding="latin-1", csv=ov.Csv(delimiter=";", decimal=","))
    grown.catalog.known["grown"]["id"] = "number"
    (tmp_path / "a.csv").write_bytes("id;text\n1,5;Käse\nNA; -\n".encode("latin-1"))
    grown.settle()
    assert grown.rows() == [{"id": "1.5", "text": "Käse"}, {"id": None, "text": " -"}]


def test_a_file_without_a_header_keeps_its_first_row(tmp_path):
    grown, file = Grown(tmp_path, "*.csv", columns=("column_1", "column_2")), tmp_path / "a.csv"
    write(file, "a,b\nc,d\n")
    grown.settle()
    assert len(grown.rows()) == 2


@pytest.mark.parametrize("name", ["a.csv.1", "b.csv", "moved"])
def test_what_is_left_of_a_renamed_file_is_read(tmp_path, name):
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    write(file, "id,text\n1,one\n")
    grown.settle()
    write(file, "2,two\n")
    file.rename(tmp_path / name)
    write(file, "id,text\n3,three\n")
    grown.begin()
    grown.settle()
    assert sorted(row["id"] for row in grown.rows()) == ["1", "2", "3"]
    assert any("is called" in each for each in grown.told)


@pytest.mark.parametrize("step", range(1, 6))
def test_a_new_file_that_is_renamed_after_a_kill_is_no_other_one(tmp_path, step, monkeypatch):
    """Its first rows may be in the stream, though it is not yet stored how far it was read."""
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    write(file, "id,text\n1,one\n")
    store, left = growing.store, [step]

    def killed(path, files):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        store(path, files)

    with monkeypatch.context() as patch, contextlib.suppress(Killed):
        patch.setattr(growing, "store", killed)
        grown.settle()
    file.rename(tmp_path / "old.csv")
    write(file, "id,text\n22,two\n3,three\n")
    grown.begin()
    grown.settle()
    assert sorted(row["id"] for row in grown.rows()) == ["1", "22", "3"]


def test_a_file_that_is_cut_is_told_and_read_anew(tmp_path):
    grown, file = Grown(tmp_path, "*.csv"), tmp_path / "a.csv"
    write(file, "id,text\n1,one\n2,two\n")
    grown.settle()
    write(file, "id,text\n3,three\n", "w")
    grown.settle()
    assert [row["id"] for row in grown.rows()] == ["1", "2", "3"]
    assert any("was replaced or cut" in each for each in grown.told)


def test_a_folder_that_is_out_of_reach_is_read_on_when_it_is_back(tmp_path):
    (tmp_path / "in").mkdir()
    grown, file = Grown(tmp_path, "in/*.csv"), tmp_path / "in" / "a.csv"
    write(file, "id,text\n1,one\n")
    grown.settle()
    (tmp_path / "in").rename(tmp_path / "out")
    grown.settle()
    (tmp_path / "out").rename(tmp_path / "in")
    write(file, "2,two\n")
    grown.settle()
    assert [row["id"] for row in grown.rows()] == ["1", "2"]


def test_what_does_not_grow_by_records_is_told_once(tmp_path):
    grown = Grown(tmp_path, "*")
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    grown.settle()
    assert sum("does not grow by whole records" in each for each in grown.told) == 1


def test_before_the_first_run_nothing_is_read(tmp_path):
    grown = Grown(tmp_path, "*.csv")
    grown.catalog.batch["state"] = "planned"
    write(tmp_path / "a.csv", "id,text\n1,one\n")
    grown.settle()
    assert grown.rows() == []
    assert grown.told == ["grown: waits for the first `octavo run`, which loads what is there."]


def test_files_that_are_followed_need_a_stream():
    with pytest.raises(DefinitionError, match="comes by no stream"):
        ov.Dataset("a", ov.Files("a.csv", follow=True))
