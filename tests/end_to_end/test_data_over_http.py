"""The same rows in Python, by the command and over HTTP, in every format, page by page."""

import io
import json
import shutil

import polars as pl
import pytest

from octavo.project import load

from .server_process import serving

DATA = "/v1/pipelines/shop/data"
ARROW = {"accept": "application/vnd.apache.arrow.stream"}
NDJSON = {"accept": "application/x-ndjson"}


@pytest.fixture(scope="module")
def folder(finished, tmp_path_factory):
    copy = tmp_path_factory.mktemp("data") / "shop"
    shutil.copytree(finished, copy)
    return copy


@pytest.fixture(scope="module")
def served(folder):
    with serving(folder, "server") as client:
        yield client


def arrow(answer):
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == ARROW["accept"]
    return pl.read_ipc_stream(io.BytesIO(answer.content))


def test_python_command_and_http_give_the_same_rows(folder, served, tmp_path, octavo):
    project = load(folder)
    asked = {"columns": "amount,hour", "filter": ["amount >= 100", "channel = online"]}
    filters = asked["filter"]
    expected = project.data("train", columns=["amount", "hour"], filters=filters)
    assert 20 < expected.height < project.data("train").height
    assert expected["amount"].min() >= 100
    answer = served.get(DATA, params={"split": "train", **asked}, headers=ARROW)
    assert arrow(answer).equals(expected)
    assert answer.headers["octavo-data-version"] == project.rows().data_version
    assert answer.headers["octavo-rows"] == str(expected.height)
    lines = served.get(DATA, params={"split": "train", **asked}, headers=NDJSON)
    assert [json.loads(line) for line in lines.text.splitlines()] == json.loads(
        expected.write_json()
    )
    document = served.get(DATA, params={"split": "train", **asked}).json()
    assert document["rows"] == json.loads(expected.write_json())
    assert document["total"] == expected.height
    assert document["cursor"] is None
    for ending in ("parquet", "arrow", "ndjson", "csv"):
        path = tmp_path / f"train.{ending}"
        options = ["--columns", "amount,hour", "--filter", filters[0], "--filter", filters[1]]
        done = octavo("data", folder, "--split", "train", *options, "-o", path)
        assert done.returncode == 0, done.stderr
        readers = {"parquet": pl.read_parquet, "arrow": pl.read_ipc, "ndjson": pl.read_ndjson}
        written = readers.get(ending, pl.read_csv)(path)
        assert written["amount"].equals(expected["amount"])
        assert written.columns == expected.columns
    first = octavo("data", folder, "--limit", "3", "-o", tmp_path / "first.parquet")
    assert first.returncode == 0, first.stderr
    assert pl.read_parquet(tmp_path / "first.parquet").equals(project.data().head(3))


def test_labels_and_fold(folder, served):
    project = load(folder)
    for labels in ("with", "without", "both"):
        found = arrow(served.get(DATA, params={"labels": labels}, headers=ARROW))
        assert found.equals(project.data(labels=labels))
    assert arrow(served.get(DATA, params={"split": "test", "fold": "1"}, headers=ARROW)).equals(
        project.data("test")
    )


def test_pages_are_of_one_data_version_whatever_is_prepped_between(folder, served, octavo):
    expected = load(folder).data("all")
    asked = {"split": "all", "limit": "700"}
    answer = served.get(DATA, params=asked, headers=ARROW)
    pages, version = [arrow(answer)], answer.headers["octavo-data-version"]
    (folder / "data/orders-2.csv").write_text(
        "order_id,ordered_at,customer,product,channel,amount\n"
        "990001,2024-03-05T10:00:00Z,c01,p01,online,20.0\n"
    )
    (folder / "data/returns-2.csv").write_text(
        "order_id,ordered_at,customer,decided_at,outcome\n"
        "990001,2024-03-05T10:00:00Z,c01,2024-03-05T12:00:00Z,kept\n"
    )
    done = octavo("run", folder, "--to", "segregation")
    assert done.returncode == 0, done.stderr
    while cursor := answer.headers.get("octavo-cursor"):
        answer = served.get(DATA, params={**asked, "cursor": cursor}, headers=ARROW)
        pages.append(arrow(answer))
        assert answer.headers["octavo-data-version"] == version
    assert [page.height for page in pages] == [700, 700, 600]
    assert pl.concat(pages).equals(expected)
    newer = served.get(DATA, params=asked, headers=ARROW)
    assert newer.headers["octavo-data-version"] != version
    assert newer.headers["octavo-rows"] == "2001"


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("split=tarin", 400, "there is no split 'tarin'. Did you mean 'train'?"),
        ("labels=some", 400, "there is no choice of labels 'some'"),
        ("columns=amuont", 400, "there is no feature 'amuont'. Did you mean 'amount'"),
        ("columns=amount,amount", 400, "columns: a feature is named twice."),
        ("filter=amount~3", 400, "filter 'amount~3': "),
        ("filter=amount>much", 400, "'much' is not of the column's type"),
        ("labels=without&filter=returned=true", 400, "there is no column 'returned'"),
        ("limit=0", 400, "limit: 0 is not from 1 to 100000. Use the cursor."),
        ("limit=-1", 400, "limit: '-1' is not a whole number. Write digits."),
        ("limit=1&limit=2", 400, "limit: it is given twice."),
        ("fold=2", 400, "there is no fold '2'. Known: 1."),
        ("colums=amount", 400, "there is no parameter 'colums'. Did you mean 'columns'?"),
        ("cursor=x", 400, "cursor: 'x' is no cursor. Take it from the page before."),
        ("cursor=data-0.00000000.5", 400, "cursor: it belongs to another question."),
    ],
)
def test_a_bad_request_is_told_what_where_and_the_next_step(served, query, status, says):
    answer = served.get(f"{DATA}?{query}")
    assert answer.status_code == status
    assert list(answer.json()) == ["error"]
    assert says in answer.json()["error"]


def test_other_refusals(served):
    assert served.post(DATA).status_code == 405
    other = served.get(DATA, headers={"accept": "text/html"})
    assert other.status_code == 406
    assert "application/json" in other.json()["error"]
    first = served.get(DATA, params={"limit": "1"}).json()["cursor"]
    gone = first.replace("data-", "data-gone-")
    answer = served.get(DATA, params={"limit": "1", "cursor": gone})
    assert answer.status_code == 409
    assert "Begin again without a cursor" in answer.json()["error"]
