"""Events that come again, in blocks and with hashes that collide, against a plain dictionary."""

from types import SimpleNamespace

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import octavo as ov
from octavo.engines import LocalEngine
from octavo.stages.ingestion import delimited, reading, records, repeats
from octavo.stages.ingestion.accept import Intake
from octavo.stages.ingestion.files import begin
from octavo.stores.home import Home
from octavo.stores.raw import RawStore

VISITS = ov.Dataset("visits", ov.Files("*.csv"), event_id=["id", "part"])
ENGINE = LocalEngine(workers=2)
ROWS = st.lists(
    st.tuples(
        st.sampled_from("abcdefgh"), st.integers(1, 2), st.sampled_from(["1.5", "2.5", "NA"])
    ),
    min_size=1,
    max_size=30,
)


def deliver(folder, number, rows, batches):
    """Ingest rows as a batch; return what became of each."""
    path = folder / f"{number}.csv"
    path.write_text("id,part,x\n" + "".join(f"{i},{part},{x}\n" for i, part, x in rows))
    batch = {"batch_id": f"b{number}", "sequence": number, "clock": None, "content_hash": "0" * 32}
    raw = RawStore(Home(folder))
    types = {"id": pl.String, "part": pl.Int64, "x": pl.Float64}
    going = begin(path, where_label="visits", engine=ENGINE, schema=types)
    with raw.receive("visits", batch["batch_id"]) as incoming:
        intake = Intake(VISITS, batch, raw, lambda: batches, incoming)
        for piece in going.pieces():
            intake.take(piece)
        intake.finish()
        incoming.commit()
    batches.append(batch | {"restated": intake.rules["restated"]})
    kept = raw.scan("visits", batches[-1:]).select("_position").collect().to_series()
    again = raw.restated("visits", batches[-1:]).select("_position").collect().to_series()
    aside = raw.rejected("visits", batch["batch_id"])
    assert aside["_row"].to_list() == sorted(p % 2**32 for p in again)
    assert aside["text"].to_list() == [",".join(map(str, rows[row])) for row in aside["_row"]]
    return SimpleNamespace(
        kept={p % 2**32 for p in kept},
        restated={p % 2**32 for p in again},
        duplicates=intake.duplicates,
        counts=(intake.rows, intake.rules["restated"]),
    )


@pytest.mark.parametrize("colliding", [False, True])
@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.lists(ROWS, min_size=1, max_size=3))
def test_rows_are_compared_with_the_newest_version(
    tmp_path_factory, monkeypatch, colliding, deliveries
):
    monkeypatch.setattr(records, "BLOCK", 40)
    monkeypatch.setattr(delimited, "BLOCK", 40)
    monkeypatch.setattr(reading, "HELD", 1)
    monkeypatch.setattr(repeats, "FILE", 200)
    monkeypatch.setattr(repeats, "SLOTS", 4)
    if colliding:
        hashes = repeats._hashes
        monkeypatch.setattr(repeats, "_hashes", lambda ids: hashes(ids) % 3 + 1)
    folder, batches, newest = tmp_path_factory.mktemp("visits"), [], {}
    for number, rows in enumerate(deliveries):
        kept, restated, duplicates = set(), set(), 0
        for row, (i, part, x) in enumerate(rows):
            if (i, part) not in newest:
                kept.add(row)
            elif newest[i, part] == x:
                duplicates += 1
            else:
                restated.add(row)
            newest[i, part] = x
        found = deliver(folder, number, rows, batches)
        assert (found.kept, found.restated, found.duplicates) == (kept, restated, duplicates)
        assert found.counts == (len(kept), len(restated))
