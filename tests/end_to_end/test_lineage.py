"""From predictions to rows of files, from a batch to the predictions that used it, and its end."""

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

from octavo.errors import DataError, DefinitionError
from octavo.project import load
from octavo.services.inference_log import InferenceLog
from octavo.stores.compaction import compact
from octavo.stores.predictions import PredictionStore

from .answering import score_events
from .outcome import logging
from .shop_project import Silent

pytestmark = pytest.mark.xdist_group("verifying")

WINDOWS = ("customer__amount_mean_7d", "customer__returned_count_30d", "product__price_last")


def ask(project, orders) -> None:
    """Ask for orders one by one, as requests do."""
    scorer = project.scorer()
    with logging(project) as log:
        assert isinstance(log, InferenceLog)
        for order in orders.to_dicts():
            asked = scorer.decoder.decode(json.dumps({"events": [order]}).encode())
            score_events(scorer, log, asked)


@pytest.fixture(scope="module")
def served(finished, tmp_path_factory):
    """Give a shop in which five orders were asked for, and then came in a file of their own."""
    folder = shutil.copytree(finished, tmp_path_factory.mktemp("lineage") / "shop")
    orders = pl.read_csv(folder / "data/orders.csv").tail(5)
    orders = orders.with_columns(pl.col("order_id") + 10**6)
    project = load(folder)
    ask(project, orders)
    orders.write_csv(folder / "data/orders-2.csv")
    project.run(Silent(), last="prep")
    ask(project, orders.head(2).with_columns(pl.col("order_id") + 10**6))
    return project  # these two never came


def predictions(project, origin):
    found = PredictionStore(project.home).scan().filter(pl.col("origin") == origin)
    return found.sort("at", "prediction_id").collect()


def told(octavo, project, *arguments):
    done = octavo("lineage", *arguments, "--dir", project.folder, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_from_a_served_prediction_to_the_row_of_a_file(served, octavo):
    prediction = predictions(served, "http").row(2, named=True)
    found = told(octavo, served, prediction["prediction_id"])
    nodes = {node["id"]: node for node in found["nodes"]}
    made_of = {(edge["how"], edge["to"]): edge["from"] for edge in found["edges"]}
    row = nodes[made_of["about", found["root"]]]
    source = nodes[made_of["read from", made_of["brought by", row["id"]]]]
    order = pl.read_csv(served.folder / "data" / Path(source["path"]).name).row(
        row["row"], named=True
    )
    assert str(order["order_id"]) == prediction["_event_id"]
    model = made_of["of", made_of["answered by", found["root"]]]
    assert model == prediction["candidate_id"]
    data = made_of["trained on", model]
    batches = [edge["from"] for edge in found["edges"] if edge["to"] == data]
    files = {Path(nodes[made_of["read from", batch]]["path"]).name for batch in batches}
    assert files == {"orders.csv", "returns.csv", "products.csv"}, "not the one that came later"
    shown = octavo("lineage", prediction["prediction_id"], "--dir", served.folder).stdout
    assert "row 2 of a batch of orders" in shown
    assert "data/orders-2.csv, 5 rows" in shown


@pytest.mark.parametrize("feature", WINDOWS)
@pytest.mark.parametrize("origin", ["http", "batch"])
def test_the_rows_that_a_window_saw_give_what_was_served(served, origin, feature):
    lineage, found = served.lineage(), predictions(served, origin)
    seen = [lineage.window(id_, feature) for id_ in found["prediction_id"].head(5)]
    assert [each.again for each in seen] == [each.served for each in seen]
    if feature == WINDOWS[0]:
        assert [each.rows["amount"].mean() for each in seen] == pytest.approx(
            [each.again for each in seen], rel=1e-12
        )


def test_an_order_that_never_came_is_not_among_what_its_window_saw(served):
    prediction = predictions(served, "http").tail(1).row(0, named=True)
    seen = served.lineage().window(prediction["prediction_id"], "customer__amount_count_7d")
    assert prediction["_event_id"] not in seen.rows["_event_id"]
    assert seen.served == seen.again + 1, "it saw itself, and its row is nowhere"


def test_who_used_a_batch_is_nobody_less_than_who_saw_its_rows(served):
    """What may have seen it is told in bulk; each window tells exactly."""
    lineage, batches = served.lineage(), served.catalog.batches()
    some = pl.concat([predictions(served, "http"), predictions(served, "batch").tail(8)])
    saw = {
        (id_, batch)
        for id_ in some["prediction_id"]
        for feature in WINDOWS
        for batch in lineage.window(id_, feature).rows["_batch_id"]
    }
    every = pl.concat([predictions(served, "http"), predictions(served, "batch")])
    for batch in batches:
        used, id_ = lineage.using(batch["batch_id"]), batch["batch_id"]
        assert {prediction for prediction, seen in saw if seen == id_} <= {*used["prediction_id"]}
        here = pl.read_csv(served.folder / "data" / Path(batch["source"]).name)
        ids = set(here["order_id"].cast(pl.String)) if batch["dataset"] == "orders" else set()
        assert set(used.filter("event")["_event_id"]) == ids & set(every["_event_id"])
    newest = served.catalog.batches()[-1]["batch_id"]
    before = set(predictions(served, "http").head(5)["prediction_id"])
    assert not before & set(lineage.using(newest).filter("features")["prediction_id"])


def test_what_was_merged_is_found(served, tmp_path):
    project = load(shutil.copytree(served.folder, tmp_path / "shop"))
    log = PredictionStore(project.home).log
    row = predictions(project, "http").tail(1)
    for number in range(8):
        again = row.with_columns(prediction_id=pl.lit(f"copy-{number}"))
        PredictionStore(project.home).append(again, writer="test", version=number)
    before = project.lineage().of("copy-5").document()
    assert compact(log, project.home.predictions)
    assert project.lineage().of("copy-5").document() == before


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["deployment-7"], "Did you mean 'deployment-1'?"),
        (["deployment-1:batch:2000", "--feature", "hour"], "it is no window"),
        (["nobody", "--feature", WINDOWS[0]], "there is no prediction 'nobody'"),
        (["deployment-1", "-o", "x.csv"], "there is no batch 'deployment-1'"),
    ],
)
def test_what_cannot_be_told_is_refused(served, octavo, arguments, error):
    done = octavo("lineage", *arguments, "--dir", served.folder)
    assert done.returncode == 2
    assert error in done.stderr


def test_a_withdrawn_batch_tells_what_came_of_it_and_is_folded_away(served, tmp_path, octavo):
    project = load(shutil.copytree(served.folder, tmp_path / "shop"))
    batch = project.catalog.committed("orders")[-1]["batch_id"]
    reason = ("--reason", "a test till")
    done = octavo("batches", project.folder, "--withdraw", batch, *reason, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["rebuilt"] == [*found["stale"]] == ["rows", "customer"]
    assert project.catalog.stale() == []
    assert (found["data_versions"], found["live"]) == ([], None), "nothing learned from it yet"
    (used,) = found["predictions"]
    newest = set(predictions(project, "http")["prediction_id"][:5])
    assert used["event"] == len(newest)
    assert used["used"] >= used["event"]
    assert [batch in each for each in found["remains"]] == [True]
    with pytest.raises(DataError, match="was made anew since"):
        project.lineage().window(min(newest), "customer__amount_mean_7d")
    with pytest.raises(DefinitionError):
        project.lineage().using("nothing")


def test_whoever_preps_next_rebuilds_what_a_killed_withdrawal_asked_for(served, tmp_path):
    project = load(shutil.copytree(served.folder, tmp_path / "shop"))
    batch = project.catalog.committed("orders")[0]["batch_id"]
    marks = project.withdraw(batch, "wrong currency", rebuild=True)
    assert {mark["name"] for mark in marks} == {mark["name"] for mark in project.catalog.stale()}
    project.run(Silent(), first="prep", last="prep")
    assert project.catalog.stale() == project.catalog.pending_rebuilds() == []
    anew = {group["group_id"] for group in project.catalog.live_groups("customer")}
    assert anew != {group["group_id"] for group in served.catalog.live_groups("customer")}
