"""A row over HTTP, the same row in a file, and the same row prepped: one definition."""

import json
import shutil
import time

import polars as pl
import pytest

from octavo.project import load
from octavo.stores.predictions import PredictionStore

from .outcome import rows_of
from .server_process import serving


@pytest.fixture(scope="module")
def finished(finished, tmp_path_factory):
    return shutil.copytree(finished, tmp_path_factory.mktemp("serve") / "shop")


@pytest.fixture(scope="module")
def served(finished):
    with serving(finished) as client:
        yield client


def events(folder, count):
    frame = pl.read_csv(folder / "data/orders.csv").tail(count)
    return frame, frame.to_dicts()


def test_http_and_file_give_the_same_bits(finished, served, tmp_path, octavo):
    frame, rows = events(finished, 120)
    frame.write_csv(tmp_path / "in.csv")
    done = octavo("score", tmp_path / "in.csv", tmp_path / "out.parquet", "--dir", finished)
    assert done.returncode == 0, done.stderr
    scored = dict(pl.read_parquet(tmp_path / "out.parquet").select("_event_id", "returned").rows())
    single = {}
    for row in rows:
        answer = served.post("/v1/pipelines/shop/predict", json={"events": [row]}).json()
        single[answer["predictions"][0]["event_id"]] = answer["predictions"][0]["returned"]
    answer = served.post("/v1/pipelines/shop/predict", json={"events": rows}).json()
    together = {p["event_id"]: p["returned"] for p in answer["predictions"]}
    assert single == together == scored
    assert len(set(scored.values())) > 50


def test_every_prediction_is_logged_with_the_features_it_was_made_from(finished, served):
    _, rows = events(finished, 7)
    served.post("/v1/pipelines/shop/predict", json={"events": rows})
    project = load(finished)
    for _ in range(100):
        logged = PredictionStore(project.home).scan().filter(pl.col("origin") == "http").collect()
        if logged["_event_id"].n_unique() >= 7:
            break
        time.sleep(0.1)
    record = logged.row(0, named=True)
    assert record["candidate_id"] == project.status()["deployment"]["candidate"]
    features = json.loads(record["features"])
    assert set(features) == set(project.definition.features)
    frame = pl.DataFrame([features], schema=dict.fromkeys(features), infer_schema_length=None)
    assert project.scorer().bundle.predict(frame)[0] == record["prediction"]
    assert set(json.loads(record["positions"])) == {"customer", "product"}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ("nonsense", "malformed"),
        ("{}", "events"),
        ('{"events": []}', "no event"),
        ('{"events": [{"amount": "much"}]}', "amount"),
        ('{"events": [{"amuont": 1}]}', "amuont"),
        ('{"events": [{"order_id": 1}]}', "event time"),
        ('{"events": [{"order_id": 99999999999999999999999}]}', "order_id"),
    ],
)
def test_a_request_that_does_not_fit_is_refused_with_the_field(served, body, says):
    answer = served.post("/v1/pipelines/shop/predict", content=body)
    assert answer.status_code == 422
    assert says in answer.json()["error"]


def test_other_addresses_and_methods(served):
    assert served.get("/nowhere").status_code == 404
    assert served.get("/v1/pipelines/shop/predict").status_code == 405
    health = served.get("/health").json()
    assert health["status"] == "ok"
    metrics = served.get("/metrics").text
    assert "octavo_predict_seconds_count" in metrics


def test_a_request_gets_what_prep_gives_the_same_event_later(tmp_path, make_project, octavo):
    """With its own event among what it sees, as the definition says."""
    folder = make_project(tmp_path / "shop")
    path = folder / "data/orders.csv"
    lines = path.read_text().splitlines()
    path.write_text("\n".join(lines[:-3]) + "\n")
    assert octavo("run", folder, "--to", "prep").returncode == 0
    (tmp_path / "new.csv").write_text("\n".join([lines[0], *lines[-3:]]) + "\n")
    schema = dict(pl.read_csv(path, try_parse_dates=True).schema.items())
    source = pl.read_csv(tmp_path / "new.csv", schema_overrides=schema)
    online = load(folder).features().of_rows(source)
    single = [load(folder).features().of_rows(source.slice(i, 1)) for i in range(3)]
    assert pl.concat(single).equals(online), "a row does not depend on the others of its request"
    (folder / "data/orders-2.csv").write_text("\n".join([lines[0], lines[-3]]) + "\n")
    assert octavo("run", folder, "--to", "segregation").returncode == 0
    prepped = rows_of(load(folder)).filter(pl.col("_event_id") == online["_event_id"][0])
    assert prepped["customer__amount_count_1d"][0] >= 1
    for name in load(folder).definition.features:
        assert prepped[name].equals(online[name].slice(0, 1), null_equal=True), name


def test_what_the_state_cannot_answer_in_full_is_refused(finished, served, tmp_path, octavo):
    frame = pl.read_csv(finished / "data/orders.csv")
    old = frame.head(1).to_dicts()
    answer = served.post("/v1/pipelines/shop/predict", json={"events": old})
    assert answer.status_code == 422
    assert "too long ago" in answer.json()["error"]
    pl.concat([frame.head(2), frame.tail(2)]).write_csv(tmp_path / "in.csv")
    out = tmp_path / "out.csv"
    done = octavo("score", tmp_path / "in.csv", out, "--dir", finished, "--json")
    assert json.loads(done.stdout)["rows"] == 2
    refused = pl.read_csv(tmp_path / "out.rejected.csv")
    assert refused["rule"].to_list() == ["too_old", "too_old"]
    assert refused["text"][0] == (finished / "data/orders.csv").read_text().splitlines()[1]


def test_features_get(finished, octavo):
    done = octavo("features", "get", "c01", "--view", "customer", "--dir", finished, "--json")
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout)) == {
        f.name for f in load(finished).definition.view("customer").features
    }
    early = octavo(
        "features", "get", "c01", "--view", "customer", "--at", "2024-01-02", "--dir", finished
    )
    assert early.returncode == 1
    assert "octavo data" in early.stderr


def test_data_by_command_and_in_python(finished, tmp_path, octavo):
    path = tmp_path / "train.parquet"
    assert octavo("data", finished, "--split", "train", "-o", path).returncode == 0
    project = load(finished)
    train = project.data("train")
    assert pl.read_parquet(path).equals(train)
    parts = {part: project.data(part) for part in ("train", "validation", "test")}
    assert parts["train"]["_event_time"].max() < parts["validation"]["_event_time"].min()
    gap = parts["test"]["_event_time"].min() - parts["validation"]["_event_time"].max()
    assert gap.total_seconds() >= 86_400
    both, without = project.data("all", "both"), project.data("all", "without")
    assert both.height == project.data("all").height + without.height
    assert "returned" not in without.columns
    assert project.data("train", as_="lazy").collect().equals(train)
    assert project.data("train", as_="arrow").num_rows == train.height


def test_status_document(finished, octavo):
    document = json.loads(octavo("status", finished, "--json").stdout)
    assert [stage["name"] for stage in document["stages"]] == [
        "problem", "ingestion", "prep", "segregation",
        "training", "evaluation", "deployment", "monitoring",
    ]  # fmt: skip
    for stage in document["stages"]:
        assert stage["state"] == "succeeded"
        assert isinstance(stage["seconds"], float)
        assert all(isinstance(stage[key], int) for key in ("rows_in", "rows_out", "rejected"))
    verdict = document["verdict"]
    assert verdict["answered"] is True
    for key in ("validation", "test", "baseline"):
        assert isinstance(verdict[key], float)
    low, high = verdict["test_interval"]
    assert low < verdict["test"] < high
    assert document["problem"]["metric"] == "average_precision"
