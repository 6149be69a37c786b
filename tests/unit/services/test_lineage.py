"""What is behind and after what, from rows of a catalog; and what a prediction could see."""

import polars as pl
import pytest

import octavo as ov
from octavo.services.lineage.back import Back
from octavo.services.lineage.forward import Forward
from octavo.services.lineage.graph import Graph, document
from octavo.services.lineage.records import (
    BATCH,
    CANDIDATE,
    DEPLOYMENT,
    GROUP,
    VERSION,
    Records,
    told,
)
from octavo.services.lineage.sight import Place, could_see, prepped, recorded
from octavo.services.lineage.uses import COLUMNS, Reach, Uses, _Finder, _within
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog
from octavo.stores.home import Home
from octavo.stores.predictions import SCHEMA, PredictionStore
from octavo.stores.raw import ROWS_PER_BATCH, RawStore

PAYMENTS = ov.Dataset("payments", ov.Files("p.csv"), event_id="id", event_time="at")
OUTCOMES = ov.Dataset("outcomes", ov.Files("o.csv"), event_id="id", event_time="at")
PIPELINE = ov.Pipeline(
    problem=ov.Problem("?", target="bad", kind="binary", metric="roc_auc", at_least=0.6),
    datasets=[PAYMENTS, OUTCOMES],
    rows=PAYMENTS,
    label=ov.Label("bad", of=OUTCOMES, on="id", value=pl.col("x") > 0),
    views=[ov.View("card", "card", [ov.Window(PAYMENTS, "x", over="1d", take="sum")])],
)
BASE = {"content_hash": "", "state": "committed", "run_id": "run-1", "planned_at": 50}


@pytest.fixture
def catalog(tmp_path):
    """Three batches, one of a stream and one withdrawn after it was prepped; a model of these."""
    catalog = Catalog(tmp_path / "catalog.db")
    batches = [
        {"batch_id": "b1", "dataset": "payments", "sequence": 1, "source": "/p.csv", "rows": 9},
        {"batch_id": "b2", "dataset": "payments", "sequence": 2, "source": "in", "rows": 5,
         "topic": "in.payments", "partition": 0, "first_offset": 40, "end_offset": 45},
        {"batch_id": "b3", "dataset": "outcomes", "sequence": 3, "source": "/o.csv", "rows": 1},
    ]  # fmt: skip
    for batch in batches:
        catalog.insert(tables.batches, **(BASE | batch | {"content_hash": batch["batch_id"]}))
    for group, cut_over, at in (("g1", 3, 100), ("g2", 4, 200)):
        made = {"group_id": group, "committed_at": at, "run_id": ""}
        about = {"name": "card", "columns": {"s": "f"}, "cut_over": cut_over, "cause": ""}
        catalog.insert(tables.feature_groups, **made, **about)
        about = {"position": cut_over, "clock": 1, "rows": 1, "too_late": 0}
        catalog.insert(tables.feature_versions, **made, **about)
    withdrawn = tables.batches.update().where(tables.batches.c.batch_id == "b2")
    with catalog.transaction() as connection:
        connection.execute(withdrawn.values(state="withdrawn", withdrawn=4, withdrawn_why="no"))
    for name, batches_, gone, group in (
        ("d1", ["b1", "b2", "b3"], {}, "g1"),
        ("d2", ["b1", "b3"], {"b2": 2}, "g1"),
        ("d3", ["b1", "b3"], {}, "g2"),
    ):
        found = {"batches": batches_, "withdrawn": gone, "position": 3, "clock": 7}
        found["groups"] = {"card": [{"group": group}]}
        catalog.insert(tables.data_versions, data_version=name, document=found, created_at=1)
        candidate = {"candidate_id": f"c{name}", "data_version": name, "study": "s", "params": {}}
        told_ = {"algorithm": "a", "config_version": 0, "validation": 0.5, "seconds": 1.0}
        catalog.insert(tables.candidates, run_id="run-1", created_at=1, **candidate, **told_)
    catalog.insert(
        tables.deployments, deployment_id="deployment-1", candidate_id="cd2", run_id="run-1",
        live_from=1, live_to=None,
    )  # fmt: skip
    return catalog


@pytest.fixture
def records(catalog):
    return Records(PIPELINE, catalog)


def behind(records, kind, id_):
    graph, row = Graph(), records.find(id_)[1]
    graph.add(kind, id_, **told(kind, row))
    Back(graph, records).of(kind, row)
    return graph


def after(records, kind, id_, used=None):
    graph, row = Graph(), records.find(id_)[1]
    graph.add(kind, id_, **told(kind, row))
    Forward(graph, records, lambda: {"deployment-1": 12}, lambda _: used or {}).of(kind, row)
    return graph


def links(graph, how=None):
    return {(e["from"], e["to"]) for e in graph.edges if how is None or e["how"] == how}


def test_a_deployment_comes_of_files_and_offsets(records):
    graph = behind(records, DEPLOYMENT, "deployment-1")
    assert links(graph) == {
        ("cd2", "deployment-1"), ("d2", "cd2"),
        ("b1", "d2"), ("b3", "d2"), ("b2", "d2"),
        ("/p.csv#b1", "b1"), ("/o.csv#b3", "b3"), ("in.payments/0@40-45", "b2"),
    }  # fmt: skip
    assert links(graph, "features made of") == {("b2", "d2")}, "its rows are left out of the data"
    source = graph.nodes["in.payments/0@40-45"].about
    assert (source["first_offset"], source["end_offset"]) == (40, 45)


def test_what_was_folded_after_a_withdrawal_has_no_trace_of_it(records):
    assert "b2" not in behind(records, CANDIDATE, "cd3").nodes
    assert "b2" in behind(records, VERSION, "d1").nodes


def test_a_withdrawn_batch_went_into_what_was_folded_with_it(records):
    used = {"deployment-1": {"used": 3, "features": 2, "event": 1}}
    graph = after(records, BATCH, "b2", used)
    assert links(graph) == {
        ("b2", "d1"), ("b2", "d2"), ("b2", "g1"), ("d1", "cd1"), ("d2", "cd2"),
        ("cd2", "deployment-1"), ("deployment-1", "deployment-1/predictions"),
        ("b2", "deployment-1/predictions"),
    }  # fmt: skip
    about = graph.nodes["deployment-1/predictions"].about
    assert (about["count"], about["used"], about["event"]) == (12, 3, 1)


def test_a_batch_of_outcomes_is_in_no_feature_that_does_not_read_it(records):
    graph = after(records, BATCH, "b3")
    assert {n.kind for n in graph.after("b3")} == {"data version"}


def test_a_group_went_into_the_data_versions_that_read_it(records):
    assert links(after(records, GROUP, "g1"), "features of") == {("g1", "d1"), ("g1", "d2")}


def test_a_document_has_each_node_once(records):
    found = document(behind(records, VERSION, "d1"), after(records, VERSION, "d1"))
    ids = [node["id"] for node in found["nodes"]]
    assert sorted(ids) == sorted({*ids})
    assert {edge["from"] for edge in found["edges"]} | {e["to"] for e in found["edges"]} <= {*ids}


def test_places_are_those_recorded():
    served = '{"card":[7,11],"shop/g1":[5,1],"shop/g2":[6,0]}'
    assert recorded(served) == {"card": Place(7, 11), "shop": Place(6, 0)}
    assert recorded(served, "g1") == {"card": Place(7, 11), "shop": Place(5, 1)}
    assert prepped(served) == recorded('{"rows":3,"card":2}') == recorded(None) == {}
    assert prepped('{"rows":3,"card":2}') == {"card": 2}


@pytest.mark.parametrize(
    ("clock", "place", "at", "rebuilt_at", "could"),
    [
        (100, Place(100, 2 * ROWS_PER_BATCH), 60, None, True),
        (100, Place(100, 2 * ROWS_PER_BATCH - 1), 60, None, False),
        (100, Place(101, 0), 60, None, True),
        (100, Place(99, 9 * ROWS_PER_BATCH), 60, None, False),
        (100, Place(101, 0), 60, 61, True),
        (100, Place(101, 0), 61, 61, False),
        (None, Place(1, 0), 50, None, True),
        (None, Place(1, 0), 49, None, False),
    ],
)
def test_a_batch_is_seen_from_its_clock_on(clock, place, at, rebuilt_at, could):
    batch = {"clock": clock, "sequence": 2, "planned_at": 50}
    assert could_see(batch, place, at, rebuilt_at) is could


@pytest.mark.parametrize(
    ("reach", "within"),
    [
        (Reach(0, 10), [0, 1, 2]),
        (Reach(3, 10), [1, 2]),
        (Reach(0, 5), [0, 1]),
        (Reach(0, None), [0, 1, 2, 3, 5]),
    ],
)
def test_an_event_is_within_reach_of_the_windows(reach, within):
    asked = pl.DataFrame(
        {
            "_row": [0, 1, 2, 3, 4, 5],
            "_key": ["a"] * 4 + ["b", "a"],
            "_time": [100, 104, 109, 110, 104, 99],
        }
    )
    facts = pl.DataFrame({"_key": ["a", "a"], "_time": [40, 100], "_fact": [40, 100]})
    assert sorted(_within(asked, facts, reach).to_list()) == within


def test_predictions_for_rows_of_a_dataset_that_has_none_any_more_crash_nothing(tmp_path):
    home, catalog = Home(tmp_path / "home"), Catalog(tmp_path / "empty.db")
    stores = RawStore(home), PredictionStore(home)
    uses = Uses(PIPELINE, catalog, Records(PIPELINE, catalog), *stores)
    finder = object.__new__(_Finder)
    finder._uses, finder._batch = uses, {"sequence": 1, "clock": 1, "withdrawn": None}
    predicted = {"origin": ["batch"], "positions": ['{"card": 5}'], "_event_id": ["e"]}
    schema = {name: SCHEMA[name] for name in COLUMNS}
    block = pl.DataFrame(predicted, schema_overrides=schema).match_to_schema(
        schema, missing_columns="insert"
    )
    assert finder._of_rows(PIPELINE.views[0], block.with_row_index("_row")).is_empty()
