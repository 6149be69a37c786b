"""Streams to the raw store: the same rows as from files, and nothing that a row does blocks it."""

import io
import json
import threading
from datetime import UTC, datetime

import polars as pl
import pytest
from streaming import Live, line, payments

import octavo as ov
from octavo.errors import DefinitionError, ResourceError
from octavo.project import load
from octavo.stages.ingestion import isolating, misnamed
from octavo.stages.ingestion.isolating import isolate
from octavo.stages.ingestion.ranges import Range, plan
from octavo.stores import catalog as tables
from octavo.stores.compaction import compact
from octavo.stores.delta import DeltaLog
from octavo.stores.raw import Incoming, RawStore
from octavo.streams import Block, LeaseLostError


@pytest.fixture
def live(tmp_path):
    return Live(tmp_path)


def arrow(frame):
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def test_rows_are_kept_with_their_offsets_and_bad_ones_aside(live):
    live.send(line(1) + "no json\n" + line(2, -1) + "\n" + line(3))
    live.ingest()
    live.send('[{"id": 4, "at": "2024-01-01T00:00:00Z", "amount": 7}, 5]', "json")
    live.ingest()
    (first, second) = live.batches
    assert [(b["first_offset"], b["end_offset"]) for b in live.batches] == [(0, 4), (4, 6)]
    assert live.rows("id") == [(1,), (3,), (4,)]
    assert live.rows("_position") == [
        ((first["sequence"] << 32),),
        ((first["sequence"] << 32) + 3,),
        ((second["sequence"] << 32),),
    ]
    assert [(at, text.strip(), rule) for at, text, rule in live.rejected()] == [
        (1, "no json", "json"),
        (2, line(2, -1).strip(), "check:positive"),
        (5, "5", "json"),
    ]
    assert (first["rows"], first["rejected"]) == (2, 2)


def test_what_is_known_never_goes_back(live):
    before = int(datetime.now(UTC).timestamp() * 1e6)
    live.send(line(1, at="2999-01-01T00:00:00Z"))
    live.ingest()
    live.send(line(2))
    live.ingest()
    clocks = [batch["clock"] for batch in live.batches]
    assert before <= clocks[0] <= clocks[1] == live.batches[0]["newest"]
    known = [int(k.timestamp() * 1e6) for (k,) in live.rows("_known_at")]
    assert known == sorted(known)


def test_accepted_rows_go_on_once_with_their_stamps(live):
    live.send(line(1) + "x\n" + line(2))
    live.ingest()
    again = live.batches[0]
    live.service._feeds[0]._pass_on(again)
    assert live.accepted().select("id", "_position", "_batch_id").rows() == live.rows(
        "id", "_position", "_batch_id"
    )
    (record,) = live.stream.read("accepted.payments", {0: 0})
    assert record.key == again["batch_id"]


def test_an_event_that_came_before_is_told_by_its_id(live):
    live.send(line(1) + line(2))
    live.ingest()
    live.send(line(1) + line(2, 6) + line(3) + line(3))
    live.ingest()
    last = live.batches[-1]
    assert (last["rows"], last["duplicates"], last["restated"]) == (1, 2, 1)
    assert [rule for *_, rule in live.rejected()] == ["restated"]
    live.begin()  # what is remembered is read again
    live.send(line(3))
    live.ingest()
    assert live.batches[-1]["duplicates"] == 1


def test_types_are_those_of_a_file_of_the_same_lines(tmp_path):
    lines = line(1, 2, tag="7", flag="true", deep="x") + line(2, 3) + line(3, 4, more=1.5)
    lines += '{"id": 4, "at": "2024-01-01T00:00:00Z", "amount": 2.5, "o": {"a": [1, 2]}}\n'
    lines += line(5, 10**30)
    live = Live(tmp_path / "live")
    live.send(lines)
    live.ingest()
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "p.ndjson").write_text(lines)
    (tmp_path / "file" / "pipeline.py").write_text(SCRIPT)
    project = load(tmp_path / "file")
    project.run(_Quiet(), last="ingestion")
    (batch,) = project.catalog.committed()
    file = RawStore(project.home).scan("payments", [batch]).sort("_position").collect()
    stamps = ["_known_at", "_batch_id"]
    assert live.rows().drop(stamps).equals(file.drop(stamps))
    assert live.catalog.schemas() == project.catalog.schemas()


class _Quiet:
    def __getattr__(self, name):
        return lambda *_, **__: None


SCRIPT = """
import octavo as ov, polars as pl
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments(online=None, offline=ov.Files("*.ndjson")))
"""


def test_a_column_without_a_value_yet_is_left_to_a_later_batch(live):
    live.send('{"id": 1, "at": "2024-01-01T00:00:00Z", "amount": 2, "note": null}')
    live.ingest()
    assert "note" not in live.catalog.schemas()["payments"]
    live.send(line(2, 2.5, note=3))
    live.ingest()
    assert live.catalog.schemas()["payments"]["note"] == "integer"
    assert live.catalog.schemas()["payments"]["amount"] == "widened"
    assert live.rows("amount", "note") == [(2.0, None), (2.5, 3)]


def test_declared_types_need_no_value(tmp_path):
    live = Live(tmp_path, payments(online=ov.Stream(age="1us", types={"note": pl.Float64})))
    live.send(line(1))
    live.ingest()
    assert live.catalog.schemas()["payments"]["note"] == "number"


def test_checks_that_would_stop_a_file_reject_rows(tmp_path):
    stop = ov.Check("small", pl.col("amount") < 100, severity="stop")
    live = Live(tmp_path, payments(checks=[stop]))
    live.send(line(1, 500) + line(2) + line(3, 600))
    live.ingest()
    assert live.rows("id") == [(2,)]
    assert [rule for *_, rule in live.rejected()] == ["check:small"] * 2


@pytest.mark.parametrize(
    "poison",
    [
        '{"_row": 1}',
        '{"_EVENT_ID": 1, "id": 9}',
        '{"id": 9, "ID": 8}',
        '{"id": 9, "a\\u0000b": 8}',
        '{"amount|number": 3}',
    ],
)
def test_a_row_that_no_table_holds_takes_no_other_with_it(live, poison):
    live.send(line(1) + poison + "\n" + line(2))
    live.send(poison)
    live.ingest()
    live.send(line(3))
    live.ingest()
    assert live.rows("id") == [(1,), (2,), (3,)]
    assert [(at, text, rule) for at, text, rule in live.rejected()] == [
        (1, poison, "unusable"),
        (3, poison, "unusable"),
    ]


def test_rows_without_what_the_definition_needs_are_kept_aside_until_one_has_it(live):
    live.send('{"foo": 1}\n{"foo": 2}\n')
    live.ingest()
    assert live.batches[0]["rows"] == 0
    assert live.catalog.schemas() == {}
    live.send(line(1))
    live.ingest()
    assert live.rows("id") == [(1,)]
    assert [rule for *_, rule in live.rejected()] == ["unusable"] * 2


def test_values_that_an_expression_cannot_compute_reject_their_rows(tmp_path):
    strict = pl.col("at").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC")
    live = Live(tmp_path, payments(event_time=strict))
    live.send(
        "".join(line(n, at="x" if n in (3, 17) else "2024-01-01T00:00:00Z") for n in range(20))
    )
    live.ingest()
    assert [n for (n,) in live.rows("id")] == [n for n in range(20) if n not in (3, 17)]
    assert [at for at, *_ in live.rejected()] == [3, 17]


def test_arrow_keeps_its_types_and_does_not_mix_with_json_in_a_batch(live):
    frame = pl.DataFrame({"id": [1, 2], "at": ["2024-01-01T00:00:00Z"] * 2, "amount": [2.0, -1.0]})
    live.send(arrow(frame), "arrow", schema="a")
    live.send(line(3, 4))
    live.send(arrow(frame.with_columns(pl.col("id") + 9)), "arrow", schema="a")
    live.ingest()
    assert [b["first_offset"] for b in live.batches] == [0, 2, 3]
    assert live.rows("id", "amount") == [(1, 2.0), (3, 4.0), (10, 2.0)]
    assert [at for at, *_ in live.rejected()] == [1, 4]


def test_a_block_that_is_not_what_it_says_is_kept_aside(live):
    live.send(line(1))
    for data, form in ((b"a\nb\nc", "ndjson"), (b"[1", "json"), (b"xx", "arrow"), (b"x", "yaml")):
        told = {"format": form}
        live.stream.append("incoming.payments", [Block(rows=2, data=data, metadata=told)])
    live.send(line(2))
    live.ingest()
    assert live.rows("id") == [(1,), (2,)]
    assert [at for at, *_ in live.rejected()] == [1, 3, 5, 7]


def test_all_that_has_come_is_taken_in_before_it_stops(tmp_path):
    live = Live(tmp_path, payments(online=ov.Stream(age="1h", rows=2)))
    for n in range(0, 6, 2):
        live.send(line(n) + line(n + 1))
    stop = threading.Event()
    stop.set()
    live.service.run(stop)  # at once: it has yet to begin
    assert live.rows("id") == [(n,) for n in range(6)]
    assert not live.behind()


def test_a_batch_that_is_planned_first_and_committed_last_is_known(live):
    live.send(line(1))
    live.ingest()
    file = live.batches[0] | {"batch_id": "f", "sequence": 2, "content_hash": "f", "topic": None}
    live.catalog.insert(tables.batches, **file | {"state": "planned", "committed_at": None})
    live.send(line(2))
    live.ingest()
    frame = (
        live.rows()
        .head(1)
        .with_columns(
            pl.lit("7").alias("_event_id"),
            pl.lit("f").alias("_batch_id"),
            pl.lit(7, pl.Int64).alias("id"),
        )
    )
    frame = frame.with_columns(pl.lit(2 << 32, pl.Int64).alias("_position"))
    DeltaLog(live.home.raw("payments")).append(frame, app_id="f", version=1)
    with live.catalog.transaction() as connection:
        table = tables.batches
        connection.execute(table.update().values(state="committed").where(table.c.sequence == 2))
    live.send(line(7) + line(2) + line(3))
    live.ingest()
    assert (live.batches[-1]["rows"], live.batches[-1]["duplicates"]) == (1, 2)


def test_what_is_settled_is_not_looked_at_again(live, monkeypatch):
    behind, looked = live.catalog.batches_after, []

    def after(sequence):
        found = behind(sequence)
        looked.append(len(found))
        return found

    monkeypatch.setattr(live.catalog, "batches_after", after)
    for n in range(5):
        live.send(line(n))
        live.ingest()
    assert looked == [1, 2, 2, 2, 2], "the one before, and what is planned"


def test_a_range_begins_where_the_last_one_ended(live):
    live.send(line(1))
    live.ingest()

    def planned(begin, epoch=9):
        return plan(live.catalog, "payments", Range("incoming.payments", 0, begin, 9, epoch, 0), 0)

    for begin in (0, 2):
        with pytest.raises(LeaseLostError):
            planned(begin)
    planned(1)
    with pytest.raises(LeaseLostError):
        planned(1)
    with pytest.raises(LeaseLostError):
        planned(9, epoch=8)


def test_a_batch_that_prep_has_passed_comes_later_in_the_log(live, monkeypatch):
    live.send(line(1))
    live.ingest()
    live.send(line(2))
    write = live.service._feeds[0]._batches.write

    def passed(batch, records):
        written = write(batch, records)
        if batch["sequence"] == 2:  # a file's batch is committed, and prep begins, meanwhile
            newest = live.batches[0] | {"batch_id": "f", "sequence": 3, "content_hash": "f"}
            newest |= {"newest": batch["clock"] + 5, "topic": None}
            live.catalog.insert(tables.batches, **newest)
            assert live.catalog.draw_barrier()[1] == 3
        return written

    monkeypatch.setattr(live.service._feeds[0]._batches, "write", passed)
    live.ingest()
    last = live.batches[-1]
    assert (last["sequence"], last["rows"]) == (4, 1)
    assert last["clock"] >= live.batches[-2]["newest"]
    assert (last["first_offset"], last["end_offset"]) == (1, 2)


def test_isolating_keeps_the_first_of_two_that_exclude_each_other():
    def attempt(places):
        if 13 in places or {4, 7} <= set(places):
            raise ValueError("no")

    assert isolate(attempt, [[n] for n in range(40)], ValueError("no")) == {7: "no", 13: "no"}
    assert isolate(attempt, [list(range(40))], ValueError("no")) == {7: "no", 13: "no"}


def test_rows_with_a_column_that_none_can_have_take_no_others_with_them(live):
    """However many they are: a client that sends such rows is not the only one."""
    rows = [
        line(n) if n % 2 else json.dumps({"id": n, "ID": n, "_row": n} | {f"more{n % 7}": 1})
        for n in range(2000)
    ]
    live.send("\n".join(map(str.strip, rows)))
    live.ingest()
    assert [n for (n,) in live.rows("id")] == list(range(1, 2000, 2))
    assert [at for at, *_ in live.rejected()] == list(range(0, 2000, 2))


def test_what_is_seen_to_be_wrong_costs_no_trial():
    tried = []

    def attempt(places):
        tried.append(places)
        if any(place % 10 for place in places):
            raise ValueError("no")

    kinds = [[n] for n in range(1000)]
    aside = isolate(attempt, kinds, ValueError("no"), lambda at: "seen" if at % 10 else "")
    assert aside == {n: "seen" for n in range(1000) if n % 10}
    assert tried == [list(range(0, 1000, 10))]


def test_rows_with_a_value_that_checks_cannot_take_take_no_others_with_them(live):
    """However they are spread, in the first batch: nothing says yet what the column is."""
    live.send("".join(line(n, amount="much" if n % 9 == 0 else 5) for n in range(3000)))
    live.ingest()
    assert [n for (n,) in live.rows("id")] == [n for n in range(3000) if n % 9]
    assert len(live.rejected()) == 334


def test_garbled_keys_do_not_become_columns_without_end(live, monkeypatch):
    monkeypatch.setattr(misnamed, "MOST", 20)
    live.send(line(0))
    for first in (100, 200):
        live.ingest()
        rows = [line(n, **({f"k{n}": 1} if n % 2 else {})) for n in range(first, first + 60)]
        live.send("".join(rows))
    live.ingest()
    taken = {n for (n,) in live.rows("id")}
    assert {0, *range(100, 160, 2), *range(200, 260, 2)} <= taken
    assert len(live.catalog.schemas()["payments"]) == 20
    assert len(taken) + len(live.rejected()) == 121
    reasons = live.raw.rejected("payments", live.batches[-1]["batch_id"])["reason"]
    assert "would be more than 20 in all" in reasons[0]


def test_isolating_ends(monkeypatch):
    monkeypatch.setattr(isolating, "ATTEMPTS", 10)
    tried = []

    def attempt(places):
        tried.append(places)
        raise ValueError("never")

    assert len(isolate(attempt, [[n] for n in range(1000)], ValueError("never"))) == 1000
    assert len(tried) == 10


def test_the_machine_is_to_blame_for_what_rows_are_not(live, monkeypatch):
    live.service.turn()  # begins
    live.send(line(1))
    with monkeypatch.context() as patched:

        def full(self, *_, **__):
            raise ResourceError.disk_full(where="there")

        patched.setattr(Incoming, "commit", full)
        live.service.turn(flush=True)
    assert live.told == [
        "payments: there: the disk is full. Free some space and run again: "
        "nothing was half-written."
    ]
    assert not live.batches
    live.service._feeds[0]._pause = 0
    live.ingest()
    assert live.rows("id") == [(1,)]


def test_tables_remember_one_number_of_a_partition_however_many_batches_come(live):
    for n in range(12):
        live.send(line(n) + "no\n")
        live.ingest()
    newest = live.batches[-1]
    for table in (live.home.raw("payments"), live.home.rejected("payments")):
        log = DeltaLog(table)
        assert log.transaction_version("incoming.payments/0") == newest["sequence"] == 12
        assert log.transaction_version(newest["batch_id"]) is None


def test_batches_are_merged_while_more_come(live):
    for n in range(12):
        live.send(line(n) + "no\n")
        live.ingest()
        if n == 9:
            for table in live.home.tables:
                compact(DeltaLog(table), table)
    raw = DeltaLog(live.home.raw("payments"))
    assert [file.rows for file in raw.files()] == [10, 1, 1]
    live.send(line(3) + line(12) + line(4, amount=7))
    live.ingest()
    assert live.rows("id") == [(n,) for n in range(13)]
    assert live.batches[-1]["duplicates"] == 1
    assert live.batches[-1]["restated"] == 1
    assert len(live.rejected()) == 13
    assert live.accepted()["id"].to_list() == [*range(13)]


def test_a_definition_that_stamps_otherwise_is_refused(live):
    live.send(line(1))
    live.ingest()
    with pytest.raises(DefinitionError, match="changed since"):
        Live(live.home.path, payments(available="1d"), live.stream)
