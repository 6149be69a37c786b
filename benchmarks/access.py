"""Claim: the gate costs a request 10 µs at the most, the look for unusual rows 20 µs a batch.

The gate with keys, a rate and an application that does nothing, beside that application alone; then
of a key by itself. The look: 40 numbers, one row and 1,024; 8 texts besides. There is no peer: the
goals stand in its place.
``python benchmarks/access.py [--requests 50000] [--json]``
"""

import argparse
import asyncio
import tempfile
import time
from pathlib import Path

import numpy as np
import polars as pl
from prometheus_client import CollectorRegistry

from harness import Claim
from octavo.bundle.encoders import OrdinalEncoder
from octavo.bundle.support import Support
from octavo.server.access import Access
from octavo.services.keys import KnownKeys, create
from octavo.services.limits import Limits, Rate
from octavo.stores.catalog import Catalog

BODY = b'{"features": []}'


class Nothing:
    """Reads the body and answers nothing."""

    is_leaving = False

    async def __call__(self, scope, receive, send):
        await receive()


async def receive():
    """Give a body that is there already."""
    return {"type": "http.request", "body": BODY, "more_body": False}


def per_call(app, scope: dict, requests: int) -> float:
    """Return the microseconds of a request, the best of five rounds."""

    async def work() -> float:
        best = float("inf")
        for _ in range(5):
            began = time.perf_counter()
            for _ in range(requests // 5):
                await app(scope, receive, None)
            best = min(best, time.perf_counter() - began)
        return 1e6 * best / (requests // 5)

    return asyncio.run(work())


def gate(requests: int) -> tuple[float, float]:
    """Return what the gate costs a request, and a key alone, microseconds."""
    with tempfile.TemporaryDirectory() as folder:
        catalog = Catalog(Path(folder) / "catalog.db")
        made = [create(catalog, f"client {n}", ["predict"]).key for n in range(100)]
        known = KnownKeys(catalog, print)
        head = ("host", "accept", "accept-encoding", "connection", "user-agent", "content-type")
        headers = [(name.encode(), b"something") for name in head]
        headers += [(b"authorization", f"Bearer {made[50]}".encode())]
        headers += [(b"content-length", str(len(BODY)).encode())]
        path = "/v1/pipelines/shop/predict"
        scope = {"type": "http", "method": "POST", "path": path, "headers": headers}
        limits = Limits(Rate(1e9, 1.0))
        access = Access(Nothing(), limits, known, CollectorRegistry())
        bare, guarded = per_call(Nothing(), scope, requests), per_call(access, scope, requests)
        key = made[50].encode()
        began = time.perf_counter()
        for _ in range(requests):
            known.caller(key)
        alone = 1e6 * (time.perf_counter() - began) / requests
        known.close()
    return guarded - bare, alone


def look(rows: int, texts: int) -> float:
    """Return the microseconds of a look at some rows, the median of many."""
    rng = np.random.default_rng(7)
    train = pl.DataFrame(rng.normal(size=(10_000, 40)), schema=[f"f{i}" for i in range(40)])
    words = rng.choice([f"w{i}" for i in range(50)], (10_000, texts))
    train = train.with_columns(pl.Series(f"t{i}", words[:, i]) for i in range(texts))
    columns = {each.name: each for each in OrdinalEncoder.fit(train).columns}
    support = Support.learn(columns.values(), train)
    matrix = train.select(pl.selectors.numeric()).head(rows).to_numpy()
    given = matrix
    if texts:
        given = {f"f{i}": matrix[:, i] for i in range(40)}
        given |= {f"t{i}": words[:rows, i].astype(object) for i in range(texts)}
    taken = []
    for _ in range(2_000):
        began = time.perf_counter()
        support.unusual(support.outside(*support.values(columns, given)))
        taken.append(time.perf_counter() - began)
    return 1e6 * float(np.median(taken))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=50_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    whole, key = gate(options.requests)
    for claim, ours, goal in (
        ("the gate: key, role, rate, sizes, in flight", whole, 10),
        ("of it the key", key, 3),
        ("unusual rows, 40 numbers, one row", look(1, 0), 20),
        ("unusual rows, 40 numbers, each of 1,024 rows", look(1024, 0) / 1024, 1),
        ("unusual rows, 40 numbers and 8 texts, one row", look(1, 8), 100),
    ):
        Claim(claim, ours, goal, goal=1, unit="µs").show(as_json=options.json)


if __name__ == "__main__":
    main()
