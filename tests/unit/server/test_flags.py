"""Checks of what goes in and comes out, and rows unlike those of training, as clients meet them."""

import asyncio
import io
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

import octavo as ov
from octavo.bundle import Bundle
from octavo.bundle.encoders import OrdinalEncoder
from octavo.bundle.model import LinearModel
from octavo.bundle.support import Support
from octavo.errors import DataError, DefinitionError
from octavo.services.batching import Bounds
from octavo.services.flags import Flags

sys.path.insert(0, str(Path(__file__).parent))

from hosted import Scorer, ask, bundle_of, hosting

PATH = "/v1/pipelines/shop/predict"
SANE = ov.Check("a is sane", pl.col("a") < 100)
LOW = ov.Check("y is low", pl.col("y") < 50, severity="flag")
CHEAP = ov.Check("y is at most twice b", pl.col("y") <= pl.col("b") * 2, severity="flag")


def app_of(**checks):
    bundle = bundle_of(0)
    train = pl.DataFrame({"a": [0.0, 60.0], "b": [0.0, 90.0], "c": [0.0, 1.0]})
    support = Support.learn(bundle.encoder.columns, train)
    scorer = Scorer(1, bundle, ov.Replace(**checks), support)
    return hosting(None, scorer)[0]


def predict(app, *rows, of="events"):
    path = PATH if of == "events" else f"{PATH}/features"

    async def calls(client):
        told = [dict(zip("abc", row, strict=True)) for row in rows]
        return await client.post(path, json={of: told}), await client.get("/metrics")

    return ask(app, calls)


@pytest.mark.parametrize("of", ["events", "features"])
def test_what_was_found_stands_beside_the_prediction(of):
    app = app_of(check_inputs=[SANE], check_outputs=[LOW, CHEAP])
    rows = [(1, 1, 0), (51, 80, 0), (61, 91, 0), (1, None, 0), (9, 1, 0.5)]
    answer, metrics = predict(app, *rows, of=of)
    assert answer.status_code == 200, answer.text
    assert [row.get("flags") for row in answer.json()["predictions"]] == [
        None,
        ["check:y is low"],
        ["check:y is low", "outside:a", "outside:b"],
        ["check:y is low", "outside:b"],  # b never was missing: the model has no number for it
        ["check:y is at most twice b"],
    ]
    assert "octavo_predictions_flagged_total 4.0" in metrics.text


@pytest.mark.parametrize("of", ["events", "features"])
def test_what_must_not_be_is_refused_and_nothing_else(of):
    app = app_of(check_inputs=[SANE])
    answer, _ = predict(app, (1, 1, 0), (100, 1, 0), of=of)
    assert answer.status_code == 422
    assert "check 'a is sane', row 1: the row does not meet it" in answer.json()["error"]
    assert predict(app, (1, 1, 0), of=of)[0].status_code == 200


def test_of_requests_that_meet_in_a_batch_one_is_refused():
    app = app_of(check_inputs=[SANE])

    async def calls(client):
        bodies = [{"events": [{"a": a, "b": 1, "c": 0}]} for a in (1, 100, 2)]
        return await asyncio.gather(*(client.post(PATH, json=body) for body in bodies))

    assert [answer.status_code for answer in ask(app, calls)] == [200, 422, 200]


def test_of_features_that_meet_in_a_batch_each_is_logged_once():
    """Also where they are no matrix, but looked at and logged one by one."""
    frame = pl.DataFrame({"a": [0.5], "b": [0.5], "c": ["x"]})
    model = LinearModel("regression", 3, np.array([[1.0, 0.0, 0.0]]), np.zeros(1))
    bundle = Bundle(model, OrdinalEncoder.fit(frame), "y", "linear")
    app, log = hosting(None, Scorer(1, bundle, ov.Replace(check_inputs=[SANE])))

    async def calls(client):
        bodies = [{"features": [{"a": a, "b": 1, "c": "x"}]} for a in (1, 2, 100, 3)]
        return await asyncio.gather(*(client.post(f"{PATH}/features", json=b) for b in bodies))

    assert [answer.status_code for answer in ask(app, calls)] == [200, 200, 422, 200]
    assert log.records().height == 3


@pytest.mark.parametrize("of", ["events", "features"])
@pytest.mark.parametrize("last", [0.5, "x"], ids=["plain", "not plain"])
def test_an_answer_does_not_tell_of_the_flags_of_others_in_its_batch(last, of):
    if of == "events" and last == "x":
        return
    frame = pl.DataFrame({"a": [0.5], "b": [0.5], "c": [last]})
    model = LinearModel("regression", 3, np.array([[1.0, 0.0, 0.0]]), np.zeros(1))
    bundle = Bundle(model, OrdinalEncoder.fit(frame), "y", "linear")
    scorer = Scorer(1, bundle, ov.Replace(check_outputs=[LOW]))
    app = hosting(None, scorer, bounds=Bounds(wait_us=100_000))[0]
    path = PATH if of == "events" else f"{PATH}/features"
    accept = {"accept": "application/vnd.apache.arrow.stream"}

    async def calls(client):
        bodies = [{of: [{"a": a, "b": 1, "c": last}]} for a in (1, 90)]
        return await asyncio.gather(
            *(client.post(path, json=body, headers=accept) for body in bodies)
        )

    tables = [pl.read_ipc_stream(io.BytesIO(answer.content)) for answer in ask(app, calls)]
    assert ["flags" in table.columns for table in tables] == [False, True]


def test_an_output_may_refuse_too():
    answer, _ = predict(app_of(check_outputs=[ov.Check("low", pl.col("y") < 50)]), (51, 1, 0))
    assert (answer.status_code, "check 'low', row 0" in answer.text) == (422, True)


def test_what_a_check_cannot_tell_counts_as_met():
    told = ov.Check("b", pl.col("b") > 0, severity="flag")
    answer, _ = predict(app_of(check_inputs=[told]), (1, None, 0))
    assert answer.json()["predictions"][0]["flags"] == ["outside:b"]


def test_a_condition_that_is_one_value_for_all():
    checks = [ov.Check("never", pl.lit(False), severity="flag")]
    answer, _ = predict(app_of(check_outputs=checks), (1, 1, 0), (2, 2, 0))
    assert [row["flags"] for row in answer.json()["predictions"]] == [["check:never"]] * 2


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ({"check_inputs": SANE}, "is not a list"),
        ({"check_inputs": [SANE, SANE]}, "check 'a is sane'"),
        ({"check_inputs": [ov.Check("x", pl.col("a") > 0, severity="stop")]}, "no batch"),
        ({"check_outputs": ["y"]}, "not of the kind Check"),
    ],
)
def test_declarations_that_cannot_be(checks, says):
    with pytest.raises(DefinitionError, match=says):
        ov.Replace(**checks)


@pytest.mark.parametrize(
    ("checks", "says"),
    [
        ({"check_inputs": [ov.Check("x", pl.col("y") > 0)]}, r"check_inputs: check 'x' reads 'y'"),
        ({"check_outputs": [ov.Check("x", pl.col("z") > 0)]}, r"'z', which.*It has a, b, c, y"),
    ],
)
def test_checks_of_what_the_model_has_not(checks, says):
    with pytest.raises(DataError, match=says):
        Flags(ov.Replace(**checks), bundle_of(0), None)


def test_checks_change_no_data():
    assert ov.Replace(check_inputs=[SANE]) == ov.Replace()
