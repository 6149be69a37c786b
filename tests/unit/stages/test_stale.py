"""Which corrections concern a group, and whom they make stale."""

import polars as pl
import pytest

import octavo as ov
from octavo.definition.events import EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, TIMESTAMP
from octavo.stages.prep import stale
from octavo.stages.prep.stale import RESTATED, WITHDRAWN, Correction, corrections, marks
from octavo.stores.home import Home
from octavo.stores.raw import RawStore

PAYMENTS = ov.Dataset("payments", ov.Files("p.csv"), event_id="id", event_time="at")
OUTCOMES = ov.Dataset("outcomes", ov.Files("o.csv"), event_id="id", event_time="at")
PIPELINE = ov.Pipeline(
    problem=ov.Problem("?", target="bad", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[PAYMENTS, OUTCOMES],
    rows=PAYMENTS,
    label=ov.Label("bad", of=OUTCOMES, on="id", value=pl.col("x") > 0),
    views=[
        ov.View("card", "card", [ov.Window(PAYMENTS, "x", over="1d", take="sum")]),
        ov.View("pair", ["card", "shop"], [ov.Window(OUTCOMES, over="1d")]),
    ],
)
NAMES = ["rows", "card", "pair"]


def batch(sequence, *, restated=0, withdrawn=None, dataset="payments"):
    return {
        "batch_id": f"b{sequence}", "dataset": dataset, "sequence": sequence,
        "restated": restated, "withdrawn": withdrawn,
    }  # fmt: skip


def rows(sequence, *found):
    """Make raw rows of (id, card, shop, x, at)."""
    schema = {"id": pl.String, "card": pl.String, "shop": pl.Int64, "x": pl.Int64, "at": pl.Int64}
    frame = pl.DataFrame(found, schema=schema, orient="row")
    time = pl.col("at").cast(TIMESTAMP)
    return frame.with_columns(
        pl.col("id").alias(EVENT_ID),
        time.alias(EVENT_TIME),
        time.alias(KNOWN_AT),
        (pl.int_range(pl.len()) + sequence * 2**32).alias(POSITION),
        pl.lit(f"b{sequence}").alias("_batch_id"),
    )


@pytest.fixture
def raw(tmp_path):
    return RawStore(Home(tmp_path))


def deliver(raw, sequence, found, restated=None, dataset="payments"):
    with raw.receive(dataset, f"b{sequence}") as incoming:
        incoming.rows.add(rows(sequence, *found))
        incoming.restated.add(rows(sequence, *(restated or [])))
        incoming.commit()


def found(raw, batches, correction, names=NAMES):
    marked = marks(PIPELINE, raw, batches, correction, names)
    assert {m["batch_id"] for m in marked} <= {correction.batch["batch_id"]}
    assert {m["position"] for m in marked} <= {correction.position}
    return {(mark["name"], mark["key"]): mark["rows"] for mark in marked}


OLD = [("1", "c1", 7, 10, 5), ("2", "c1", 8, 20, 6), ("3", "c2", 7, 30, 7)]


def test_a_restatement_concerns_the_entities_that_observe_it(raw):
    deliver(raw, 1, OLD)
    deliver(raw, 2, [], restated=[("1", "c1", 7, 11, 5), ("2", "c1", 8, 21, 6)])
    batches = [batch(1), batch(2, restated=2)]
    assert found(raw, batches, Correction(batches[1], RESTATED)) == {
        ("rows", "*"): 2,
        ("card", "c1"): 2,
    }


def test_a_row_that_asks_something_else_now_is_stale_in_every_view(raw):
    deliver(raw, 1, OLD)
    deliver(raw, 2, [], restated=[("1", "c9", 7, 10, 5), ("3", "c2", 7, 30, 9)])
    batches = [batch(1), batch(2, restated=2)]
    assert found(raw, batches, Correction(batches[1], RESTATED)) == {
        ("rows", "*"): 2,
        ("card", "c1"): 1, ("card", "c9"): 1, ("card", "c2"): 1,
        ("pair", "c1|7"): 1, ("pair", "c9|7"): 1, ("pair", "c2|7"): 1,
    }  # fmt: skip


def test_a_restated_outcome_concerns_its_observers_and_the_label(raw):
    deliver(raw, 1, OLD, dataset="outcomes")
    deliver(raw, 2, [], restated=[("2", "c1", 8, 0, 6)], dataset="outcomes")
    batches = [batch(1, dataset="outcomes"), batch(2, restated=1, dataset="outcomes")]
    assert found(raw, batches, Correction(batches[1], RESTATED)) == {
        ("rows", "*"): 1,
        ("pair", "c1|8"): 1,
    }


def test_a_withdrawal_concerns_the_entities_of_all_its_rows(raw):
    deliver(raw, 1, OLD)
    deliver(raw, 2, [("4", "c3", 7, 1, 8)], restated=[("3", "c2", 7, 31, 7)])
    batches = [batch(1), batch(2, restated=1, withdrawn=3)]
    correction = Correction(batches[1], WITHDRAWN)
    assert found(raw, batches, correction) == {
        ("rows", "*"): 2,
        ("card", "c3"): 1, ("card", "c2"): 1,
    }  # fmt: skip


def test_a_row_whose_first_version_is_withdrawn_asks_from_the_place_of_the_next(raw):
    deliver(raw, 1, OLD)
    deliver(raw, 2, [("4", "c4", 9, 1, 8)], restated=[("1", "c1", 7, 11, 5)])
    batches = [batch(1, withdrawn=3), batch(2, restated=1)]
    assert found(raw, batches, Correction(batches[0], WITHDRAWN)) == {
        ("rows", "*"): 3,
        ("card", "c1"): 2, ("card", "c2"): 1,
        ("pair", "c1|7"): 1,
    }  # fmt: skip


def test_what_is_delivered_anew_after_a_withdrawal_asks_for_itself(raw):
    deliver(raw, 1, OLD)
    deliver(raw, 3, [("1", "c9", 7, 11, 5)])
    batches = [batch(1, withdrawn=2), batch(3)]
    assert ("pair", "c9|7") not in found(raw, batches, Correction(batches[0], WITHDRAWN))


def test_too_many_entities_are_marked_as_all(raw, monkeypatch):
    monkeypatch.setattr(stale, "MOST_KEYS", 1)
    deliver(raw, 1, OLD)
    batches = [batch(1, withdrawn=2)]
    assert found(raw, batches, Correction(batches[0], WITHDRAWN), ["card"]) == {("card", "*"): 3}


def test_a_dataset_that_is_defined_no_longer_concerns_nobody(raw):
    batches = [batch(1, withdrawn=2, dataset="weather")]
    assert found(raw, batches, Correction(batches[0], WITHDRAWN)) == {}


@pytest.mark.parametrize(
    ("given", "after", "through", "expected"),
    [
        (batch(3, restated=1), 2, 3, [RESTATED]),
        (batch(3, restated=1), 3, 9, []),
        (batch(3, restated=1), 1, 2, []),
        (batch(3), 2, 3, []),
        (batch(3, withdrawn=5), 4, 5, [WITHDRAWN]),
        (batch(3, withdrawn=5), 5, 9, []),
        (batch(3, withdrawn=5), 3, 4, []),
        (batch(3, restated=2, withdrawn=5), 2, 9, []),
        (batch(3, restated=2, withdrawn=5), 3, 9, [WITHDRAWN]),
    ],
)
def test_what_came_after_a_group_corrects_what_it_had_folded(given, after, through, expected):
    found = corrections([given], after, through)
    assert [each.cause for each in found] == expected
