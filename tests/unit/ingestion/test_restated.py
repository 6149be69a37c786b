"""Rows of events that came before: repeated, restated, or both within one file."""

import polars as pl
import pytest
from accepting import accept

import octavo as ov
from octavo.engines import LocalEngine
from octavo.stages.ingestion.files import begin
from octavo.stores.home import Home
from octavo.stores.raw import RawStore

VISITS = ov.Dataset("visits", ov.Files("*.csv"), event_id="id", event_time="at")


@pytest.fixture
def deliver(tmp_path):
    """Give a function that accepts lines as the next batch; it knows the earlier ones."""
    raw, batches = RawStore(Home(tmp_path)), []

    def accepted(*lines, clock=None):
        path = tmp_path / f"{len(batches)}.csv"
        path.write_text("\n".join(["id,at,x", *lines]) + "\n")
        batch = {"batch_id": f"b{len(batches)}", "sequence": len(batches) + 1, "clock": clock}
        batch |= {"content_hash": "0123456789abcdef", "dataset": "visits"}
        reading = begin(path, where_label="visits", engine=LocalEngine())
        found = accept(VISITS, reading, batch, raw, batches)
        batches.append(batch | {"restated": found.restated.height})
        return found

    return accepted


def ids(frame):
    return frame["_event_id"].to_list()


def test_within_a_file_a_row_is_compared_with_the_one_before_it(deliver):
    found = deliver("a,2024-01-01,1.5", "a,2024-01-01,2.5", "b,2024-01-01,1.5", "a,2024-01-01,2.5",
                    "a,2024-01-01,1.5")  # fmt: skip
    assert ids(found.rows) == ["a", "b"]
    assert found.restated.select("_event_id", "x").rows() == [("a", 2.5), ("a", 1.5)]
    assert found.duplicates == 1
    assert found.rejected["rule"].to_list() == ["restated", "restated"]


def test_a_row_is_compared_with_the_newest_version_of_its_event(deliver):
    deliver("a,2024-01-01,1.5", "b,2024-01-01,1.5")
    assert ids(deliver("a,2024-01-01,2.5").restated) == ["a"]
    again = deliver("a,2024-01-01,2.5", "b,2024-01-01,1.5", "c,2024-01-01,1.5")
    assert (again.duplicates, ids(again.restated), ids(again.rows)) == (2, [], ["c"])
    back = deliver("a,2024-01-01,1.5")
    assert (back.duplicates, ids(back.restated)) == (0, ["a"]), "back to what it was"


def test_a_restated_row_has_a_place_of_its_own(deliver):
    deliver("a,2024-01-01,1.5")
    clock = 1_800_000_000_000_000
    (row,) = deliver("b,2024-01-01,1.5", "a,2024-01-01,2.5", clock=clock).restated.to_dicts()
    assert row["_position"] == 2 * 2**32 + 1
    assert pl.Series([row["_known_at"]]).cast(pl.Int64)[0] == clock
    assert row["_batch_id"] == "b1"
