"""Files read as a dataset declares its own, from ingestion and from scoring alike."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

import octavo as ov
from octavo.engines import LocalEngine
from octavo.services.scoring import _may_be_log
from octavo.stages.ingestion import json_lines, reading, records
from octavo.stages.ingestion.files import begin, begin_of, whole
from octavo.stages.ingestion.loaded import Wanted, _meant

ENGINE = LocalEngine(workers=2)
WANTED = {"engine": ENGINE, "where_label": "x", "needed": None}


def test_scoring_reads_what_ingestion_read(tmp_path):
    files = ov.Files(
        "*.csv", types={"day": "%m.%d.%Y"}, encoding="latin-1", csv=ov.Csv(delimiter="|")
    )
    dataset = ov.Dataset("d", files, treat=[ov.AsNumber("x")])
    path = tmp_path / "t.csv"
    path.write_bytes("day|name|x\n01.02.2024|Zo\xeb|1\n".encode("latin-1"))
    first = whole(begin_of(dataset, path, schema=None, **WANTED))
    assert first.frame.row(0) == (dt.date(2024, 1, 2), "Zo\xeb", "1", 0)
    schema = dict(first.schema)
    again = whole(begin_of(dataset, path, schema=schema, columns=tuple(schema), **WANTED))
    assert again.frame.equals(first.frame)
    less = {name: schema[name] for name in ("name", "x")}
    path.write_bytes(b"name|x\na|2\n")
    found = whole(begin_of(dataset, path, schema=less, columns=tuple(less), **WANTED))
    assert found.frame.row(0) == ("a", "2", 0), "types of columns that are not asked for"


@pytest.mark.parametrize(
    ("name", "may"), [("x.log", True), ("access.txt", True), ("t.csv", False), ("x", True)]
)
def test_what_may_be_a_log_of_a_dataset(name, may):
    files = ov.Files("logs/*.txt", lines="common")
    assert _may_be_log(Path(name), files) == may


def test_rows_are_read_once_though_a_column_turns_out_not_to_be_there(tmp_path, monkeypatch):
    for module in (records, json_lines):
        monkeypatch.setattr(module, "BLOCK", 200)
    monkeypatch.setattr(reading, "HELD", 1)
    path = tmp_path / "t.ndjson"
    path.write_text("".join(f'{{"id": {n}, "amount": {n}}}\n' for n in range(200)))
    schema = {"id": pl.Int64, "amt": pl.Int64, "amount": pl.Int64}
    asked = {**WANTED, "needed": {"amount": "the label"}, "renamed": {"amt": "amount"}}
    begun = begin(path, columns=tuple(schema), schema=schema, **asked)
    pieces = []
    while not begun.settled:
        pieces = list(begun.pieces())
    assert len(pieces) > 5
    assert [n for piece in pieces for n in piece.frame["id"]] == list(range(200))


def test_a_column_has_its_type_under_all_its_names():
    renamed = {"plz": "zip", "postal": "zip"}
    for known in ("plz", "postal", "zip"):
        wanted = Wanted(schema={known: pl.String()}, renamed=renamed)
        assert {wanted.dtype(name) for name in ("plz", "postal", "zip")} == {pl.String()}
    assert Wanted(schema={"other": pl.String()}, renamed=renamed).dtype("zip") is None


def test_each_missing_column_is_meant_by_another_one():
    missing = ["amount_a", "amount_b"]
    assert _meant(missing, ["amount", "x"]) == {"amount": "amount_a"}
    assert sorted(_meant(missing, ["amount_1", "amount_2"]).values()) == missing
