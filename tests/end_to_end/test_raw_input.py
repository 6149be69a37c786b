"""Nested records with prose, and a log: drafted, run through all stages, asked for predictions."""

import datetime as dt
import json

import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.definition.events import EVENT_ID
from octavo.project import load
from octavo.status import outputs

from .test_init import octavo, ran

GOOD, BAD = ["great", "friendly", "quick", "warm"], ["late", "rude", "broken", "cold"]
COMMON = ["the", "a", "driver", "came", "with", "my", "order", "and", "it", "was", "5", "€"]


def tickets(path, rows, seed):
    """Write nested records, some of which are broken; return those that are whole."""
    rng, whole, lines = np.random.default_rng(seed), [], []
    at = dt.datetime(2024, 1, 1, tzinfo=dt.UTC) + dt.timedelta(days=90 * seed)
    for i in range(rows):
        at += dt.timedelta(minutes=float(rng.exponential(60)))
        refund = bool(rng.random() < 0.3)
        words = rng.choice(COMMON, 8).tolist()
        words += rng.choice(BAD if refund != (rng.random() < 0.1) else GOOD, 2).tolist()
        prose = " ".join(rng.permutation(words))
        items = [{"sku": str(s), "n": 1} for s in rng.choice(list("abc"), rng.integers(0, 4))]
        where = {"city": str(rng.choice(["Rome", "Oslo"]))}
        who = {"id": f"c{rng.integers(40)}", "address": where}
        record = {
            "ticket_id": f"t{seed}-{i}",
            "opened": {"at": at.isoformat().replace("+00:00", "Z")},
            "customer": who if i % 50 != 9 else None,
            "items": items,
            "text": [prose, prose.upper(), None, "" if i % 3 else prose][int(rng.integers(0, 4))],
            "refund": refund,
        }  # fmt: skip
        whole.append(record)
        lines.append(json.dumps(record, ensure_ascii=False))
        if i % 400 == 5:
            lines.append('{"ticket_id": "x", "customer": {"id"')
            lines.append(json.dumps({**record, "opened.at": "twice"}))
    path.write_text("".join(line + "\n" for line in lines))
    return whole


def test_nested_records_with_prose(tmp_path):
    records = tickets(tmp_path / "tickets-1.ndjson", 1500, 0)
    done = octavo("init", tmp_path, "--data", tmp_path / "tickets-1.ndjson", "--target", "refund",
                  "--json")  # fmt: skip
    assert done.exception is None, done.exception
    said = json.loads(done.stdout)
    assert said["event_id"] == "ticket_id"
    assert said["event_time"] == 'pl.col("opened.at")'
    assert said["texts"]["text"] > 0.5
    assert said["windows"]["entities"] == ["customer.id"]
    assert "customer.address.city" in said["features"]
    verdict = ran(tmp_path)
    assert verdict["answered"]
    assert verdict["test"] > 0.75

    project = load(tmp_path)
    counts = outputs(project.catalog, "ingestion")["datasets"]["tickets_1"]
    assert counts == {"batches": 1, "rows": 1500, "rejected": 8}
    rejected = octavo("batches", tmp_path, "--rejected", "--json")
    texts = [row["text"] for row in json.loads(rejected.stdout)]
    assert (
        sorted(text in (tmp_path / "tickets-1.ndjson").read_text() for text in texts) == [True] * 8
    )

    newest = records[-40:]
    served = _asked(project, newest)
    (tmp_path / "new.ndjson").write_text("".join(json.dumps(r) + "\n" for r in newest))
    scored = octavo("score", tmp_path / "new.ndjson", tmp_path / "out.parquet", "--dir", tmp_path)
    assert scored.exception is None, scored.exception
    answers = pl.read_parquet(tmp_path / "out.parquet")
    assert answers["refund"].to_list() == served.predictions.tolist()

    own = project.definition.row_features  # windows see the event that was ingested once more
    asked = pl.Series([record["ticket_id"] for record in newest]).implode()
    prepped = project.data("all", "both").filter(pl.col(EVENT_ID).is_in(asked))
    assert prepped.select(own).equals(served.features.select(own))
    encoder = Bundle.load(project.home.candidate(project.scorer().candidate_id)).encoder
    assert encoder.texts == ["text"]
    words = [place for place, name in enumerate(encoder.names) if name.startswith("text: ")]
    bits = [encoder.transform(each)[:, words].tobytes() for each in (prepped, served.features)]
    assert bits[0] == bits[1]
    folder = project.home.candidate(project.scorer().candidate_id)
    document = json.loads((folder / "bundle.json").read_text())
    one = document["encoder"].get("encoders", [document["encoder"]])[0]
    (column,) = (c for c in one["columns"] if c["name"] == "text")
    assert {"rude", "friendly"} <= set(column["terms"])
    drift = outputs(project.catalog, "monitoring")["drift"]
    assert 0 < drift["text"]["psi"] < 1


def _asked(project, records):
    """Score events as they would be sent, without their outcome."""
    scorer = project.scorer()
    sent = [{key: value for key, value in each.items() if key != "refund"} for each in records]
    asked = scorer.decoder.decode(json.dumps({"events": sent}).encode())
    return scorer.score(scorer.decoder.frame(asked.events))


def test_the_same_file_as_orders_and_as_their_items(tmp_path):
    records = tickets(tmp_path / "t.ndjson", 300, 0)
    (tmp_path / "pipeline.py").write_text(PIPELINE)
    done = octavo("run", tmp_path, "--json")
    assert done.return_value in (0, 3), done.exception
    frame = load(tmp_path).data("all", "both", columns=["ticket__n_sum"])
    sums = dict(frame.select(EVENT_ID, "ticket__n_sum").iter_rows())
    assert sums == {r["ticket_id"]: float(len(r["items"])) if r["items"] else None for r in records}


PIPELINE = """
import polars as pl

import octavo as ov

TYPES = {"opened.at": pl.Datetime("us", "UTC")}
tickets = ov.Dataset(
    "tickets", ov.Files("t.ndjson", types=TYPES), event_id="ticket_id", event_time="opened.at"
)
items = ov.Dataset(
    "items",
    ov.Files(
        "t.ndjson",
        nested=ov.Nested(rows="items", names={"items.n": "n"}),
        types=TYPES,
        columns=["ticket_id", "n", "opened.at"],
    ),
    event_time="opened.at",
)
pipeline = ov.Pipeline(
    problem=ov.Problem("Refund?", target="refund", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[items, tickets],
    rows=tickets,
    label=ov.Label("refund", of=tickets, value=pl.col("refund")),
    views=[ov.View("ticket", key="ticket_id", windows=[ov.Window(items, "n", take="sum")])],
    row=ov.calendar("opened.at", ["hour", "week_cycle"]),
    training=ov.Training(algorithms=["logistic"], trials=1),
)
"""


def test_a_log(tmp_path):
    rng, at, lines = np.random.default_rng(2), dt.datetime(2024, 3, 1, tzinfo=dt.UTC), []
    for i in range(1500):
        at += dt.timedelta(seconds=float(rng.exponential(240)))
        path = str(rng.choice(["/", "/cart", "/pay"]))
        status = 500 if rng.random() < (0.6 if path == "/pay" else 0.05) else 200
        lines.append(
            f"10.0.0.{rng.integers(30)} - - [{at:%d/%b/%Y:%H:%M:%S} +0000] "
            f'"GET {path} HTTP/1.1" {status} {rng.integers(999)} "-" "curl/8"'
        )
        if i % 300 == 7:
            lines.append("worker restarted")
    log = tmp_path / "access.log"
    log.write_text("\n".join(lines) + "\n")
    done = octavo("init", tmp_path, "--data", log, "--target", "status >= 500", "--json")
    assert done.exception is None, done.exception
    assert 'ov.Files("access.log", lines="combined")' in (tmp_path / "pipeline.py").read_text()
    verdict = ran(tmp_path)
    assert verdict["answered"]
    counts = outputs(load(tmp_path).catalog, "ingestion")["datasets"]["access"]
    assert counts == {"batches": 1, "rows": 1500, "rejected": 5}
    (tmp_path / "new.log").write_text("\n".join(lines[-20:]) + "\nno line\n")
    scored = octavo("score", tmp_path / "new.log", tmp_path / "out.csv", "--dir", tmp_path)
    assert scored.exception is None, scored.exception
    assert pl.read_csv(tmp_path / "out.csv").height == 20
    assert pl.read_csv(tmp_path / "out.rejected.csv")["rule"].to_list() == ["lines"]
