"""Damaged rows sent over HTTP: each ends in one place, and none blocks those behind it."""

import json
import random
import time

import httpx
import pytest

from octavo.definition.events import POSITION
from octavo.stages.ingestion.received import NDJSON, texts
from octavo.stores.raw import RawStore

from .sending import make, row
from .service_trees import Tree

ODD = [
    b"null",
    b"[]",
    b"{}",
    b"1e999",
    b'{"id":1',
    b"\0",
    b"\xff\xfe",
    b"\xed\xa0\x80",
    b'"\\ud800"',
]
VALUES = [None, True, -0.0, 2**63, 10**40, "", "é" * 300, "1e5", [], [[1]], {"a": {"b": 1}}, "NaN"]


def damaged(chance: random.Random, number: int) -> bytes:
    """Return an order as a line; every other is damaged in some way."""
    fields = row(chance, "orders", number, 0.0)
    kind = chance.randrange(10)
    if kind == 0:
        fields[chance.choice(list(fields))] = chance.choice(VALUES)
    elif kind == 1:
        fields[chance.choice(["", "_row", "ID", "a\0b", "x|y", "new"])] = chance.choice(VALUES)
    elif kind == 2:
        del fields[chance.choice(list(fields))]
    line = bytearray(json.dumps(fields, ensure_ascii=False).encode())
    at = chance.randrange(len(line))
    if kind == 3:
        line[at] = chance.choice(b"\0\x01\"'\\{}[],:\x7f\x80\xc3\xff 09eE-")
    elif kind == 4:
        del line[at:]
    elif kind == 5:
        line[at:at] = chance.choice(ODD)
    return bytes(line)


def fuzz(folder, messages, seed):
    """Send messages in blocks; return the project, and texts by their place."""
    project, chance = make(folder), random.Random(seed)
    sent, number = {}, 0
    with Tree(folder, "server", "ingestion") as tree:
        with httpx.Client(base_url=tree.address(within=180), timeout=60) as http:
            while number < messages:
                lines = [damaged(chance, number + n) for n in range(chance.randint(1, 4000))]
                number += len(lines)
                body = b"\n".join(lines)
                headers = {"content-type": "application/x-ndjson"}
                while True:
                    answer = http.post("/v1/datasets/orders/events", content=body, headers=headers)
                    if answer.status_code != 429:
                        break
                    time.sleep(float(answer.headers["retry-after"]))
                assert answer.status_code == 202, answer.text
                place = answer.json()
                found = texts(NDJSON, body)
                assert place["rows"] == len(found)
                begin = place["partition"], place["offset"]
                sent |= {(begin[0], begin[1] + n): text for n, text in enumerate(found)}
        stream, until = project.stream(), time.monotonic() + 60 + messages / 1000
        while sum(stream.lags("incoming.orders")["ingestion"]):
            assert time.monotonic() < until, "something blocks"
            time.sleep(0.2)
        stream.close()
        assert tree.stop() == 0, tree.output.read_text()
    return project, sent


def check(project, sent):
    raw, batches = RawStore(project.home), project.catalog.committed("orders")
    begins = {b["sequence"]: (b["partition"], b["first_offset"]) for b in batches}
    accepted = raw.scan("orders", batches).select(POSITION).collect()[POSITION]
    places = [(begins[each >> 32], each % 2**32) for each in accepted]
    kept = {(partition, first + n) for (partition, first), n in places}
    assert len(kept) == len(accepted)
    aside = {}
    for batch in batches:
        rejected = raw.rejected("orders", batch["batch_id"]).select("_row", "text")
        begin = begins[batch["sequence"]]
        aside |= {(begin[0], begin[1] + n): text for n, text in rejected.rows()}
    duplicates = sum(batch["duplicates"] for batch in batches)
    print(f"{len(kept):,} accepted, {len(aside):,} rejected, {duplicates:,} duplicates")
    assert sum(batch["rejected"] for batch in batches) == len(aside)
    assert not kept & aside.keys()
    assert len(kept) + len(aside) + duplicates == len(sent)
    assert len(kept) > len(sent) / 2, "what is whole is not rejected with what is not"
    assert len(aside) > len(sent) / 20
    for place, text in aside.items():
        assert text == sent[place].decode(errors="backslashreplace")


def test_every_message_ends_in_one_place(tmp_path):
    check(*fuzz(tmp_path / "live" / "shop", 10_000, 1))


@pytest.mark.slow
def test_a_million_messages(tmp_path):
    check(*fuzz(tmp_path / "live" / "shop", 1_000_000, 2))
