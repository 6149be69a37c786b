"""Requests that do not fit: whole ones that were changed, and what was never one."""

import gzip
import io
import json
import random
from collections.abc import Iterator
from typing import NamedTuple

import polars as pl

ARROW = "application/vnd.apache.arrow.stream"
JSON = "application/json"
_WORDS = [
    b"NaN", b"-Infinity", b"1e400", b"-0", b"[" * 500, b"{}", b"[]", b"null", b"true", b'"\\ud800"',
    b"9" * 400, b"\xff", b"\x00", b'"', b",", b"-1", b"18446744073709551616", b'"a":1,',
]  # fmt: skip


_BOMB = gzip.compress(bytes(80_000_000))


class Asked(NamedTuple):
    """One request."""

    path: str
    body: bytes
    headers: dict[str, str]


def whole(document: dict, name: str) -> list[Asked]:
    """Return the requests that an OpenAPI document has examples of, and their other forms."""
    found = []
    for path, methods in document["paths"].items():
        for kind, told in methods.get("post", {}).get("requestBody", {}).get("content", {}).items():
            if (example := told.get("example")) is not None:
                text = example if isinstance(example, str) else json.dumps(example)
                found.append(Asked(path, text.encode(), {"content-type": kind}))
    infer = f"/v2/models/{name}/infer"
    (tensors,) = (json.loads(each.body) for each in found if each.path == infer)
    found.append(_binary(infer, tensors))
    (ready,) = (each for each in found if each.path.endswith("predict/features"))
    buffer = io.BytesIO()
    pl.DataFrame(json.loads(ready.body)["features"]).write_ipc_stream(buffer)
    found.append(Asked(ready.path, buffer.getvalue(), {"content-type": ARROW}))
    packed = {"content-encoding": "gzip", "content-type": JSON}
    found.append(Asked(infer, gzip.compress(json.dumps(tensors).encode()), packed))
    return found


def _binary(path: str, tensors: dict) -> Asked:
    inputs, tail = [], b""
    for each in tensors["inputs"]:
        (value,) = each["data"]
        text = str(value).encode()
        raw = len(text).to_bytes(4, "little") + text if each["datatype"] == "BYTES" else bytes(8)
        raw = raw[:1] if each["datatype"] in ("INT8", "BOOL") else raw
        tail += raw
        told = {key: value for key, value in each.items() if key != "data"}
        inputs.append(told | {"parameters": {"binary_data_size": len(raw)}})
    head = json.dumps({"inputs": inputs}).encode()
    return Asked(path, head + tail, {"inference-header-content-length": str(len(head))})


def malformed(requests: list[Asked], count: int, seed: int = 1) -> Iterator[Asked]:
    """Give changed requests."""
    chance = random.Random(seed)
    for _ in range(count):
        asked = chance.choice(requests)
        body, headers = asked.body, dict(asked.headers)
        for _ in range(chance.randint(1, 3)):
            body = _changed(body, chance)
        if chance.random() < 0.1 and "inference-header-content-length" in headers:
            headers["inference-header-content-length"] = chance.choice(["0", "-1", "x", "99999999"])
        if chance.random() < 0.05:
            body, headers["content-encoding"] = _BOMB, "gzip"
        if chance.random() < 0.05:
            headers["content-type"] = chance.choice([JSON, "text/csv", ARROW, "", "a;b=c"])
        yield asked._replace(body=body, headers=headers)


def _changed(body: bytes, chance: random.Random) -> bytes:
    if not body:
        return chance.choice(_WORDS)
    at = chance.randrange(len(body))
    upto = min(len(body), at + chance.randint(0, 12))
    match chance.randrange(5):
        case 0:
            return body[:at]
        case 1:
            return body[:at] + bytes([chance.randrange(256)]) + body[at + 1 :]
        case 2:
            return body[:at] + chance.choice(_WORDS) + body[upto:]
        case 3:
            return body[:at] + body[at:upto] * chance.choice([2, 100, 10_000]) + body[upto:]
        case _:
            return body[:at] + body[upto:]
