"""Files of many blocks whose end is not as their beginning, as a run ingests them."""

import polars as pl
import pytest

import octavo as ov
from octavo.engines import LocalEngine
from octavo.errors import DataError, DefinitionError
from octavo.stages.ingestion import delimited, offline, reading, records
from octavo.stages.ingestion.files import begin
from octavo.stores.catalog import Catalog
from octavo.stores.home import Home
from octavo.stores.raw import RawStore


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Give a function that writes lines as a dataset's first batch, in blocks of a few lines."""
    monkeypatch.setattr(records, "BLOCK", 100)
    monkeypatch.setattr(delimited, "BLOCK", 100)
    monkeypatch.setattr(reading, "HELD", 1)

    class Context:
        raw = RawStore(Home(tmp_path))
        catalog = Catalog(Home(tmp_path).catalog)
        now = staticmethod(lambda: 0)

    def write(dataset, lines):
        path = tmp_path / "t.csv"
        path.write_text("id,at,x\n" + "\n".join(lines) + "\n")
        batch = {"batch_id": "b", "sequence": 1, "clock": None, "content_hash": "0" * 32}
        batch["dataset"] = "visits"
        going = begin(path, where_label="visits", engine=LocalEngine(workers=2))
        tries, found = 0, None
        while found is None:
            tries += 1
            found = offline._written(Context, dataset, batch, going, None)
        rows = Context.raw.scan("visits", [batch]).sort("_position").collect()
        return rows, Context.raw.rejected("visits"), tries

    return write


def dataset(*checks):
    return ov.Dataset("visits", ov.Files("*.csv"), event_id="id", event_time="at", checks=checks)


def test_what_the_beginning_was_taken_for_leaves_no_trace(written):
    lines = [f"{i},2024-01-01,{i}" for i in range(200)] + ["200,2024-01-01,0.5"]
    rows, rejected, tries = written(dataset(), lines)
    assert tries == 2
    assert rows["x"].to_list() == [*map(float, range(200)), 0.5]
    assert rows["id"].to_list() == list(range(201))
    assert rejected.is_empty()


def test_what_is_doubted_for_a_while_is_read_again_as_a_whole(written):
    """Five words are more than one in a hundred of the first rows, and less of all."""
    lines = [f"{i},2024-01-01,{i}" for i in range(1200)]
    for i in range(150, 155):
        lines[i] = f"{i},2024-01-01,many"
    rows, rejected, tries = written(dataset(), lines)
    assert tries == 2
    assert rejected["_row"].to_list() == [*range(150, 155)]
    assert rows["id"].to_list() == [*range(150), *range(155, 1200)]


def test_an_expression_is_refused_only_for_the_types_of_the_whole(written):
    """Two slashed dates are text; more of them are times."""
    lines = [f"{i},01/02/2024,1" for i in range(50)]
    rows, _, tries = written(
        dataset(), [*lines, *(f"{i},{i - 36}/02/2024,1" for i in range(50, 60))]
    )
    assert tries == 2
    assert rows["_event_time"][0].isoformat() == "2024-02-01T00:00:00+00:00"
    with pytest.raises(DefinitionError, match="it gives String, not a datetime"):
        written(dataset(), lines)


def test_a_check_that_stops_is_decided_at_the_end_and_leaves_nothing(written, tmp_path):
    lines = [f"{i},2024-01-01,{i % 10}" for i in range(200)]
    check = ov.Check("not nine", pl.col("x") < 9, severity="stop", tolerate=0.05)
    with pytest.raises(DataError) as raised:
        written(dataset(check), lines)
    assert raised.value.what == (
        "20 of 200 rows fail, 10.00% where 5.00% are tolerated; the first is row 9."
    )
    assert not (tmp_path / "raw").exists()
    assert not (tmp_path / "rejected").exists()
    assert not list(tmp_path.glob("incoming/*"))


def test_rows_set_aside_are_those_of_the_file(written):
    lines = [f"{i},2024-01-01,{i}" for i in range(300)]
    lines[150] = '150,"NA",150'
    lines[170] = "170,2024-01-01"
    lines[190] = "190,2024-01-01,many"
    lines[210] = ",2024-01-01,210"
    check = ov.Check("not 230", pl.col("x") != 230)
    rows, rejected, _ = written(dataset(check), [*lines, "7,2024-01-01,8"])
    assert rejected.select("_row", "text", "column", "rule").rows() == [
        (150, '150,"NA",150', None, "event_time"),
        (170, "170,2024-01-01", None, "fields"),
        (190, "190,2024-01-01,many", "x", "type"),
        (210, ",2024-01-01,210", "id", "event_id"),
        (230, "230,2024-01-01,230", "x", "check:not 230"),
        (300, "7,2024-01-01,8", None, "restated"),
    ]
    assert rows.height == 295
