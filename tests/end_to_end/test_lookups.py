"""Features over HTTP, entities at a time, tables in Arrow, events that are kept."""

import io
import json
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest

from octavo.project import load

from .server_process import serving

ARROW = {"content-type": "application/vnd.apache.arrow.stream"}
PREDICT, FEATURES = "/v1/pipelines/shop/predict", "/v1/pipelines/shop/features"
FILES = '    ov.Files("data/orders*.csv"),\n'
STREAM = {FILES: f"{FILES}    online=ov.Stream(),\n"}


@pytest.fixture(scope="module")
def project(tmp_path_factory, make_project, octavo):
    folder = make_project(tmp_path_factory.mktemp("lookups") / "shop", edits=STREAM)
    done = octavo("run", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def served(project):
    with serving(project) as client:
        yield client


@pytest.fixture(scope="module")
def orders(project):
    return pl.read_csv(project / "data/orders.csv", try_parse_dates=True).tail(40)


def stream(frame):
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


def as_events(frame):
    return json.loads(frame.write_json())


def same(one, other):
    """Compare values bit by bit; nulls are equal."""
    assert one.equals(other.cast(dict(one.schema)), null_equal=True)


def test_features_are_those_that_a_prediction_is_made_from(project, served, orders):
    scorer = load(project).scorer()
    expected = scorer.features.answer(orders)
    answer = served.post(FEATURES, json={"events": as_events(orders)}).json()
    found = pl.DataFrame([row["features"] for row in answer["rows"]], infer_schema_length=None)
    same(expected.features.select(list(scorer.bundle.schema)), found)
    assert answer["positions"] == {k: list(v) for k, v in expected.positions.items()}
    assert [row["event_id"] for row in answer["rows"]] == expected.features["_event_id"].to_list()
    # They are all that predicting needs.
    table = stream(found.cast({"hour": pl.Int8}))
    ready = served.post(f"{PREDICT}/features", content=table, headers=ARROW).json()
    events = served.post(PREDICT, json={"events": as_events(orders)}).json()
    assert [row["returned"] for row in ready["predictions"]] == [
        row["returned"] for row in events["predictions"]
    ]


def test_a_table_of_events_is_answered_as_the_events_are(served, orders):
    events = served.post(PREDICT, json={"events": as_events(orders)}).json()
    answer = served.post(PREDICT, content=stream(orders), headers=ARROW).json()
    assert answer == events
    table = served.post(
        PREDICT, content=stream(orders), headers=ARROW | {"accept": ARROW["content-type"]}
    )
    assert table.headers["content-type"] == ARROW["content-type"]
    assert table.headers["octavo-candidate"] == events["candidate"]
    found = pl.read_ipc_stream(table.content)
    assert found["returned"].to_list() == [row["returned"] for row in events["predictions"]]
    features = served.post(
        FEATURES, content=stream(orders), headers=ARROW | {"accept": ARROW["content-type"]}
    )
    rows = served.post(FEATURES, json={"events": as_events(orders)}).json()["rows"]
    expected = pl.DataFrame([row["features"] for row in rows], infer_schema_length=None)
    same(pl.read_ipc_stream(features.content).select(expected.columns), expected)
    assert "customer" in json.loads(features.headers["octavo-positions"])


def test_entities_at_a_time(project, served, orders):
    at = orders["ordered_at"].max()
    given = {"customer": "c01", "product": "p01", "channel": "online", "amount": 30.0}
    asked = {"entities": [given, given | {"customer": "nobody"}], "at": at.isoformat()}
    answer = served.post(FEATURES, json=asked)
    assert answer.status_code == 200, answer.text
    first, nobody = [row["features"] for row in answer.json()["rows"]]
    features = load(project).features()
    microseconds = pl.Series([at]).cast(pl.Datetime("us", "UTC")).cast(pl.Int64)[0]
    for view, key in (("customer", "c01"), ("product", "p01")):
        for name, value in features.lookup(view, [key], microseconds).items():
            assert first.get(name, value) == value
    assert first["hour"] == at.hour
    assert nobody["customer__amount_count_7d"] == 0
    found = served.post(PREDICT, json=asked).json()["predictions"]
    frame = pl.DataFrame([first, nobody], infer_schema_length=None)
    np.testing.assert_array_equal(
        [row["returned"] for row in found], load(project).scorer().bundle.predict(frame)
    )
    assert found[0]["event_id"] is None
    now = served.post(FEATURES, json={"entities": [given]}).json()["rows"][0]["features"]
    assert now["customer__amount_count_7d"] == 0  # it is long ago


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"entities": [{"customer": "c01"}]}, "no 'product', which view 'product' needs"),
        ({"entities": [{"customer": "c01", "product": "p01"}]}, "which feature"),
        ({"entities": [{"costumer": "c01"}]}, "costumer"),
        ({"entities": [{"customer": 1}]}, "customer"),
        ({"entities": []}, "there is no event"),
        ({"entities": [{}], "events": [{}]}, "entities are no events"),
        ({"entities": [{}], "ingest": True}, "entities are no events"),
        ({"entities": [{}], "at": "yesterday"}, "at"),
        ({"entities": 3}, "entities"),
        ({"events": [], "at": "2024-01-01T00:00:00Z", "ingest": False}, "entities and at"),
        ({"ingest": True}, "it needs events"),
    ],
)
def test_what_does_not_fit(served, body, words):
    for path in (PREDICT, FEATURES):
        answer = served.post(path, json=body)
        assert answer.status_code == 422, answer.text
        assert words in answer.json()["error"]


def test_tables_that_do_not_fit(served, orders):
    for frame, words in (
        (orders.rename({"amount": "amuont"}), "'amuont': the events have no such column"),
        (orders.with_columns(pl.col("amount").cast(pl.String)), "'amount': it is String"),
        (orders.head(0), "it has 0 rows"),
        (orders.drop("ordered_at"), "event time cannot be computed"),
    ):
        answer = served.post(PREDICT, content=stream(frame), headers=ARROW)
        assert (answer.status_code, words in answer.json()["error"]) == (422, True), answer.text
    answer = served.post(PREDICT, content=b"nothing", headers=ARROW)
    assert (answer.status_code, "no Arrow" in answer.json()["error"]) == (422, True)


def test_an_event_is_predicted_and_kept(served, orders):
    """It is on disk when it is answered, and in the features a little later, once."""
    now = datetime.now(UTC).isoformat()  # knowledge goes on from now, once a row was sent
    changes = {"order_id": 900_001, "customer": "c07", "ordered_at": now}
    event = as_events(orders.tail(1))[0] | changes
    asked = {"events": [event], "ingest": True}
    answer = served.post(PREDICT, json=asked, headers={"idempotency-key": "one"}).json()
    plain = served.post(PREDICT, json={"events": [event]}).json()["predictions"]
    assert answer["predictions"] == plain  # its own event is seen by it, once
    mark = answer["ingested"]
    assert (mark["dataset"], mark["rows"], mark["repeated"]) == ("orders", 1, False)
    again = served.post(PREDICT, json=asked, headers={"idempotency-key": "one"}).json()
    assert again["ingested"] == mark | {"repeated": True}
    after = event | {"order_id": 900_002}
    for _ in range(10):  # each waits for ten seconds
        answer = served.post(FEATURES, json={"events": [after], "wait_for": mark})
        if answer.status_code != 503:
            break
    assert answer.status_code == 200, answer.text
    features = answer.json()
    assert features["rows"][0]["features"]["customer__amount_count_1d"] == 2


def test_an_event_that_cannot_be_predicted_is_not_kept(served):
    answer = served.post(PREDICT, json={"events": [{"order_id": 900_003}], "ingest": True})
    assert answer.status_code == 422
    text = served.get("/metrics").text
    assert 'octavo_received_rows_total{dataset="orders"} 1.0' in text
