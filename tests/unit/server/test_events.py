"""Events over HTTP, without a server: what is answered, and when."""

import asyncio
import io
import sys
from pathlib import Path

import httpx
import polars as pl
import pytest

import octavo as ov
from octavo.errors import ResourceError
from octavo.services.receiving import Receiver
from octavo.streams.memory import MemoryStream

sys.path.insert(0, str(Path(__file__).parents[1] / "ingestion"))

sys.path.insert(0, str(Path(__file__).parent))

from hosted import hosting
from streaming import line, payments, pipeline_of

PATH = "/v1/datasets/payments/events"
KINDS = {
    "json": "application/json",
    "ndjson": "application/x-ndjson; charset=utf-8",
    "arrow": "application/vnd.apache.arrow.stream",
}


class Counting(MemoryStream):
    """Counts appends, and may fail them."""

    appends = 0
    error: Exception | None = None

    def append(self, topic, blocks):
        if self.error:
            raise self.error
        self.appends += 1
        return super().append(topic, blocks)


@pytest.fixture
def stream():
    return Counting()


def app_of(stream, **options):
    app, _ = hosting(pipeline_of(payments(**options)), stream=stream)
    return app


def ask(app, requests, path=PATH):
    """Send requests at the same time; return their answers."""

    async def together():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await asyncio.gather(
                *(client.post(path, content=body, headers=headers) for body, headers in requests)
            )

    return asyncio.run(together())


def post(app, body, form="ndjson", path=PATH, **headers):
    told = {"content-type": KINDS.get(form, form)} | {
        k.replace("_", "-"): v for k, v in headers.items()
    }
    return ask(app, [(body, told)], path)[0]


def arrow(rows):
    buffer = io.BytesIO()
    pl.DataFrame({"id": range(rows)}).write_ipc_stream(buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("form", "body", "rows"),
    [
        ("json", b'{"id": 1}', 1),
        ("json", b'\xef\xbb\xbf [{"id": 1}, {"id":\n 2}, 3]', 3),
        ("json", b"no json at all", 1),
        ("ndjson", b'{"id": 1}\n\nno json\r\n{"id": 2}', 3),
        ("arrow", arrow(5), 5),
    ],
)
def test_rows_are_counted_and_kept_as_they_came(stream, form, body, rows):
    app = app_of(stream)
    post(app, line(0))
    answer = post(app, body, form)
    assert answer.status_code == 202
    assert answer.json() == {
        "dataset": "payments",
        "topic": "incoming.payments",
        "partition": 0,
        "offset": 1,
        "rows": rows,
        "repeated": False,
    }
    record = stream.read("incoming.payments", {0: 1})[0]
    assert (record.rows, record.data, record.metadata["format"]) == (rows, body, form)


@pytest.mark.parametrize(
    ("status", "body", "form", "words"),
    [
        (400, b"[1, 2", "json", "no JSON"),
        (400, b"[" * 100_000, "json", "no JSON"),
        (400, b" \n", "json", "no row"),
        (400, b"", "ndjson", "no row"),
        (400, b"[]", "json", "no row"),
        (400, b"x", "arrow", "no Arrow"),
        (400, arrow(5)[:-60], "arrow", ""),
        (413, b"1\n" * (2**20 + 1), "ndjson", "1,048,576"),
        (413, b"x" * (16 * 2**20 + 1), "ndjson", "larger than"),
        (415, b"a,b", "text/csv", "application/x-ndjson"),
        (415, b"{}", "", "Content-Type"),
    ],
)
def test_what_cannot_be_told_apart_is_refused(stream, status, body, form, words):
    answer = post(app_of(stream), body, form)
    assert answer.status_code == status, answer.text
    assert words in answer.json()["error"]
    assert not stream.appends


def test_other_refusals(stream):
    app = app_of(stream)
    assert "Did you mean 'payments'" in post(app, b"{}", path="/v1/datasets/paymens/events").text
    assert post(app, b"{}", path="/v1/datasets/paymens/events").status_code == 404
    assert post(app, b"{}", content_encoding="gzip").status_code == 415
    assert post(app, b"{}", idempotency_key="k" * 256).status_code == 400
    offline = app_of(stream, online=None, offline=ov.Files("*.csv"))
    assert "comes by no stream" in post(offline, b"{}").text
    predict = post(app, b"{}", "json", path="/v1/pipelines/shop/predict")
    assert (predict.status_code, "no deployment" in predict.text) == (503, True)


def test_a_key_is_for_one_content(stream):
    app = app_of(stream)
    first = post(app, line(1), idempotency_key="a")
    again = post(app, line(1), idempotency_key="a")
    other = post(app, line(2), idempotency_key="a")
    form = post(app, line(1), "json", idempotency_key="a")
    assert [r.status_code for r in (first, again, other, form)] == [202, 200, 422, 422]
    assert again.json() == first.json() | {"repeated": True}
    assert "was used for other content" in other.text
    assert stream.extents("incoming.payments")[0].end == 1


def test_who_is_too_fast_waits(stream):
    app = app_of(stream, online=ov.Stream(backlog=10))
    assert post(app, line(1)).status_code == 202
    answer = post(app, line(2))
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")


@pytest.mark.parametrize(
    ("error", "status"),
    [(ResourceError.disk_full(where="d"), 507), (ResourceError("broken.", where="d"), 503)],
)
def test_the_machine_stands_in_the_way(stream, error, status):
    app = app_of(stream)
    stream.error = error
    assert post(app, line(1)).status_code == status
    stream.error = None
    assert post(app, line(1)).status_code == 202


def test_requests_at_the_same_time_share_a_commit(stream):
    app = app_of(stream)
    told = {"content-type": KINDS["json"]}
    answers = ask(app, [(line(n).encode(), told) for n in range(200)])
    assert sorted(r.json()["offset"] for r in answers) == list(range(200))
    for n, answer in enumerate(answers):
        (record, *_) = stream.read("incoming.payments", {0: answer.json()["offset"]}, max_rows=1)
        assert record.data == line(n).encode()
    assert stream.appends < 100


def test_one_partition_for_one_content(stream):
    app = app_of(stream, online=ov.Stream(partitions=8))
    found = {n: post(app, line(n)).json()["partition"] for n in range(40)}
    assert len(set(found.values())) > 3
    assert all(post(app, line(n)).json()["partition"] == at for n, at in found.items())


def test_a_topic_is_made_as_declared(stream):
    Receiver(pipeline_of(payments(online=ov.Stream("sales", partitions=3))), stream)
    assert stream.topics() == ["incoming.sales"]
    assert len(stream.extents("incoming.sales")) == 3
