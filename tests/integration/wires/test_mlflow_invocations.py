"""MLflow's clients, unchanged; and what its own server makes of the same bodies."""

import io
import json
import warnings

import httpx
import numpy as np
import pandas as pd
import polars as pl
import pytest
from requests import HTTPError

from octavo.version import __version__

from .wired import BUNDLES, WIDTH, serving

with warnings.catch_warnings():  # MLflow warns of its own code
    warnings.simplefilter("ignore")
    from mlflow.deployments import get_deploy_client
    from mlflow.pyfunc import scoring_server
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

NAMES = [f"x{n}" for n in range(WIDTH)]
MATRIX = np.random.default_rng(2).normal(size=(6, WIDTH))
NUMBERS = pd.DataFrame(MATRIX, columns=NAMES)
MIXED = pd.DataFrame(
    {
        "delay": [1.0, None, 30.0],
        "stops": [0, 1, 5],
        "late": [True, None, False],
        "carrier": ["B", "é", None],
        "more": [1, 2, 3],
    }
)


@pytest.fixture(scope="module")
def ports():
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def alone():
    with serving({"numbers": BUNDLES["numbers"]}) as found:
        yield found


@pytest.fixture
def post(ports):
    def ask(body, kind="application/json", name="mixed"):
        url = f"http://127.0.0.1:{ports.http}/endpoints/{name}/invocations"
        content = body if isinstance(body, (str, bytes)) else json.dumps(body)
        return httpx.post(url, content=content, headers={"content-type": kind})

    return ask


def expected(frame, name="numbers"):
    return BUNDLES[name].predict(pl.from_pandas(frame, nan_to_null=True)).tolist()


def test_the_scoring_servers_client(alone):
    client = ScoringServerClient("127.0.0.1", alone.http)
    client.wait_server_ready()
    assert client.get_version() == __version__
    for data in (
        NUMBERS,
        MATRIX,
        MATRIX.tolist(),
        json.dumps({"dataframe_records": NUMBERS.to_dict("records")}),
    ):
        found = client.invoke(data)
        assert found.get_predictions("ndarray").tolist() == expected(NUMBERS)
        assert found.get_predictions()[0].tolist() == expected(NUMBERS)
    with pytest.raises(Exception, match=r"400.*BAD_REQUEST.*feature 'x0': the column is missing"):
        client.invoke(NUMBERS.drop(columns="x0"))
    assert httpx.get(f"http://127.0.0.1:{alone.http}/health").status_code == 200


def test_the_deployments_client(ports):
    client = get_deploy_client(f"http://127.0.0.1:{ports.http}")
    found = client.predict(endpoint="numbers", inputs={"inputs": MATRIX.tolist()})
    assert found == {"predictions": expected(NUMBERS)}
    with pytest.raises(HTTPError, match="BAD_REQUEST"):
        client.predict(endpoint="numbers", inputs={"inputs": [[1]]})


def split(frame):
    return json.loads(frame.to_json(orient="split"))


def columns(frame):
    return {name: split(frame[[name]])["data"] for name in frame.columns}


def flat(frame):
    return {name: [row[0] for row in rows] for name, rows in columns(frame).items()}


BODIES = {
    "split": {"dataframe_split": split(MIXED)},
    "split without an index": {
        "dataframe_split": {k: v for k, v in split(MIXED).items() if k != "index"}
    },
    "split of NaN": '{"dataframe_split": {"columns": ["delay", "stops", "late", "carrier"],'
    '"data": [[NaN, 1, true, "A"], [Infinity, 2, false, "B"]]}}',
    "records": {"dataframe_records": json.loads(MIXED.to_json(orient="records"))},
    "records with gaps": {"dataframe_records": [
        {"delay": 1.5, "stops": 1, "late": True, "carrier": "B"},
        {"stops": 2, "late": False, "carrier": "A"},
    ]},
    "inputs by name": {"inputs": flat(MIXED.dropna())},
    "instances": {"instances": json.loads(MIXED.dropna().to_json(orient="records"))},
    "with params": {"inputs": flat(MIXED.dropna()), "params": {"a": 1}},
}  # fmt: skip


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_body_is_read_as_mlflow_reads_it(post, body):
    text = body if isinstance(body, str) else json.dumps(body)
    data, _ = scoring_server._split_data_and_params(text)
    theirs = pd.DataFrame(scoring_server.infer_and_parse_data(data))
    schema = {"delay": pl.Float64, "stops": pl.Int64, "late": pl.Boolean, "carrier": pl.String}
    frame = pl.DataFrame(
        {name: [None if pd.isna(v) else v for v in theirs[name].tolist()] for name in schema},
        schema,
        strict=False,
    )
    wanted = BUNDLES["mixed"].predict(frame)
    answer = post(body)
    assert answer.status_code == 200, answer.text
    found = answer.json()["predictions"]
    assert [row["missed"] for row in found] == wanted.tolist()
    assert [row["missed_yes"] for row in found] == (wanted >= 0.6).tolist()


@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8", "Text/CSV;charset=UTF-8"])
def test_csv_as_pandas_writes_it(post, kind):
    text = MIXED.to_csv(index=False)
    theirs = scoring_server.parse_csv_input(io.StringIO(text))
    assert theirs["late"].tolist()[:1] == [True]
    answer = post(text, kind)
    assert answer.status_code == 200, answer.text
    found = [row["missed"] for row in answer.json()["predictions"]]
    frame = pl.from_pandas(MIXED.astype({"late": "boolean"}), nan_to_null=True)
    assert found == BUNDLES["mixed"].predict(frame).tolist()
    answer = post(NUMBERS.to_csv(index=False), kind, "numbers")
    assert answer.json()["predictions"] == expected(NUMBERS)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("", "request body"),
        ("nonsense", "request body"),
        (b"\xff\xfe", "request body"),
        ("[1]", "exactly one of the input fields"),
        ("3", "exactly one of the input fields"),
        ("{}", "exactly one of the input fields"),
        ('{"inputs": [], "instances": []}', "exactly one of the input fields"),
        ('{"dataframe_split": []}', "dataframe_split: it must be a dictionary"),
        ('{"dataframe_split": {"columns": []}}', "dataframe_split: it must be a dictionary"),
        ('{"dataframe_split": {"data": [[1]], "more": 1}}', "dataframe_split: it must be"),
        ('{"dataframe_split": {"data": [[1]]}}', "row 0 is no list of 4 values"),
        ('{"dataframe_split": {"columns": 4, "data": [[1]]}}', "columns is no list"),
        ('{"dataframe_records": {}}', "dataframe_records: it is no list of records"),
        ('{"dataframe_records": [1]}', "dataframe_records: it is no list of records"),
        ('{"dataframe_records": [{"delay": 1}]}', "feature 'stops': the column is missing"),
        ('{"inputs": 1}', "inputs: it is neither"),
        ('{"inputs": {"delay": [1], "stops": [1, 2], "late": [null], "carrier": ["A"]}}', "1 to 2"),
        ('{"inputs": {"delay": ["x"], "stops": [1], "late": [null], "carrier": ["A"]}}', "'delay'"),
        ('{"inputs": {"delay": [1], "stops": [1], "late": [2], "carrier": ["A"]}}', "'late'"),
        ('{"inputs": {"delay": [1], "stops": [1], "late": [true], "carrier": [1]}}', "'carrier'"),
        ('{"inputs": {"delay": [[1]], "stops": [1], "late": [true], "carrier": [""]}}', "'delay'"),
    ],
)
def test_a_body_that_does_not_fit(post, body, words):
    answer = post(body)
    assert answer.status_code == 400
    assert answer.json()["error_code"] == "BAD_REQUEST"
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "it is no CSV"),
        ("delay,stops,late\n1,2,True\n", "feature 'carrier'"),
        ("delay,stops,late,carrier\nmuch,2,True,A\n", "feature 'delay'"),
        ("delay,stops,late,carrier\n1,2,perhaps,A\n", "feature 'late'"),
        ("delay,stops,late,carrier\n1,2,True,A,5,6\n", "it is no CSV"),
    ],
)
def test_csv_that_does_not_fit(post, text, words):
    answer = post(text, "text/csv")
    assert (answer.status_code, answer.json()["error_code"]) == (400, "BAD_REQUEST"), answer.text
    assert words in answer.json()["message"]


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/json; charset=latin-1", "application/json; a=b"]
)
def test_other_content_types(post, kind):
    answer = post("{}", kind)
    assert answer.status_code == 415
    assert answer.headers["content-type"].startswith("text/plain")


def test_names(post, ports):
    answer = post({"inputs": MATRIX.tolist()}, name="nubmers")
    assert (answer.status_code, answer.json()["error_code"]) == (404, "RESOURCE_DOES_NOT_EXIST")
    url = f"http://127.0.0.1:{ports.http}/invocations"
    answer = httpx.post(url, json={"inputs": []})
    assert answer.status_code == 400
    assert "/endpoints/NAME/invocations" in answer.json()["message"]


def test_nothing_is_deployed():
    with serving({"later": None}) as found:
        url = f"http://127.0.0.1:{found.http}"
        assert httpx.get(f"{url}/ping").status_code == 404
        answer = httpx.post(f"{url}/invocations", json={"inputs": []})
        assert (answer.status_code, answer.json()["error_code"]) == (503, "TEMPORARILY_UNAVAILABLE")
