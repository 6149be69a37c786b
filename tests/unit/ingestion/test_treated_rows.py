"""Rows under treatment: rules see the treated value, the raw store keeps the one received."""

import polars as pl
import pytest
from accepting import accept

import octavo as ov
from octavo.engines import LocalEngine
from octavo.errors import DefinitionError
from octavo.stages.ingestion.batches import _check_types
from octavo.stages.ingestion.files import begin, whole
from octavo.stores.home import Home
from octavo.stores.raw import RawStore

TEXT = """id,at,weight
1,01/02/2024,12 kg
2,2024-02-02,500 g
3,03/02/2024,a lot
1,01/02/2024,12 kg
2,2024-02-02,0.5 kg
4,2024-02-04,-3 kg
"""

PARCELS = ov.Dataset(
    "parcels",
    ov.Files("parcels.csv"),
    event_id="id",
    event_time="at",
    treat=[
        ov.AsTime("at", ["%d/%m/%Y", "%Y-%m-%d"]),
        ov.AsNumber("weight", units={"kg": 1, "g": 0.001}),
    ],
    checks=[ov.Check("weight is positive", pl.col("weight") > 0)],
)


@pytest.fixture
def accepted(tmp_path):
    path = tmp_path / "parcels.csv"
    path.write_text(TEXT)
    text = dict.fromkeys(PARCELS.kept_as_text, pl.String)
    reading = begin(path, where_label="d", engine=LocalEngine(), overrides=text)
    batch = {"batch_id": "b", "sequence": 0, "clock": None, "content_hash": "0" * 16}
    return accept(PARCELS, reading, batch, RawStore(Home(tmp_path)))


def test_the_raw_store_keeps_what_was_received(accepted):
    assert accepted.rows["weight"].to_list() == ["12 kg", "500 g", "a lot"]
    assert accepted.rows["at"].to_list() == ["01/02/2024", "2024-02-02", "03/02/2024"]


def test_times_are_those_of_the_treated_values(accepted):
    days = accepted.rows["_event_time"].dt.strftime("%Y-%m-%d").to_list()
    assert days == ["2024-02-01", "2024-02-02", "2024-02-03"]


def test_rules_look_at_the_treated_values(accepted):
    rejected = accepted.rejected.filter(pl.col("rule") != "restated")
    assert rejected.select("text", "rule").rows() == [
        ("4,2024-02-04,-3 kg", "check:weight is positive")
    ]


def test_what_is_the_same_is_told_from_what_was_received(accepted):
    assert accepted.duplicates == 1
    assert accepted.restated["weight"].to_list() == ["0.5 kg"]


def test_a_column_that_was_ingested_as_numbers_must_be_ingested_anew():
    with pytest.raises(DefinitionError, match="--fresh"):
        _check_types(PARCELS, {"id": pl.Int64(), "at": pl.String(), "weight": pl.Float64()})
    _check_types(PARCELS, {"id": pl.Int64(), "at": pl.String(), "weight": pl.String()})


def test_dates_written_in_several_ways_are_noticed(tmp_path):
    path = tmp_path / "days.csv"
    path.write_text("day\n2024-01-02\n2024-01-03\n13/01/2024\n14.01.2024\n2/1/2024\n")
    parsed = whole(begin(path, where_label="d", engine=LocalEngine()))
    (noticed,) = parsed.noticed
    assert parsed.schema == {"day": pl.Date()}
    assert noticed.at.tolist() == [2, 3, 4]
    assert "In 1 row (20 %) day and month could be exchanged" in noticed.sentence
    declared = whole(
        begin(path, where_label="d", engine=LocalEngine(), overrides={"day": pl.String})
    )
    assert declared.noticed == []
