"""A project that events are sent to, by clients that do not rest until each is acknowledged."""

import json
import random
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import polars as pl

from octavo.project import Project, load

SCRIPT = """
import polars as pl
import octavo as ov

sent = ov.Stream(age="100ms", partitions=2)
types = {"at": pl.Datetime("us", "UTC")}
orders = ov.Dataset(
    "orders",
    ov.Files("data/orders*.csv", types=types),
    online=sent,
    event_id="id",
    event_time="at",
    checks=[ov.Check("positive", pl.col("amount") > 0)],
)
visits = ov.Dataset(
    "visits",
    ov.Files("data/visits*.csv", types=types),
    online=sent,
    event_id="id",
    event_time="at",
)
pipeline = ov.Pipeline(
    problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.5),
    datasets=[orders, visits],
    rows=orders,
    label=ov.Label("large", of=orders, on="id", value=pl.col("amount") > 3),
    views=[
        ov.View(
            "customer",
            key="customer",
            late="1d",
            windows=[
                ov.Window(orders, "amount", over=["10s", "1h"], take=["count", "mean", "max"]),
                ov.Window(visits, "page", over="2d", take=["last", "n_unique"]),
            ],
        ),
        ov.View(
            "shop",
            key="shop",
            late="1h",
            windows=[
                ov.Window(orders, "amount", over="3d", resolution="1m", take=["sum", "std"]),
                ov.Window(visits, over="1h", delay="5s"),
            ],
        ),
        ov.View(
            "both",
            key=["customer", "shop"],
            windows=[ov.Window(visits, "page", over="1h", take="top", current=False)],
        ),
    ],
    row=[pl.col("amount")],
    derived=[(pl.col("amount") / pl.col("customer__amount_mean_1h")).alias("against_usual")],
    training=ov.Training(algorithms=["logistic"]),
)
"""
DATASETS = ("orders", "visits")
CUSTOMERS, SHOPS = 30, 3
PAUSE = 0.03
"""Seconds between two blocks of a client: services are to be killed at work, not under a heap."""


def row(chance: random.Random, name: str, number: int, ago: float) -> dict:
    """Return an event that happened some seconds ago."""
    at = datetime.now(UTC) - timedelta(seconds=ago)
    found = {
        "id": number,
        "at": f"{at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "customer": f"c{min(chance.randrange(CUSTOMERS), chance.randrange(CUSTOMERS)):02}",
        "shop": f"s{chance.randrange(SHOPS)}",
    }
    own = {"amount": chance.randint(1, 10**4) / 100} if name == "orders" else {}
    return found | (own or {"page": f"page {chance.randrange(9)}"})


def make(folder: Path) -> Project:
    """Write the project, with three days of history in files, and prep these."""
    (folder / "data").mkdir(parents=True)
    (folder / "pipeline.py").write_text(SCRIPT)
    (folder / "octavo.toml").write_text('[profile.default]\nmaintain_every = "1s"\n')
    deliver(folder, 0)
    return load(folder)


def deliver(folder: Path, number: int) -> None:
    """Write a file of each dataset, of events of the last three days."""
    chance = random.Random(number)
    for name in DATASETS:
        ids = (10**6 * (number + 1) + n for n in range(200))
        rows = [row(chance, name, each, chance.uniform(0, 3 * 86_400)) for each in ids]
        pl.DataFrame(rows).write_csv(folder / "data" / f"{name}-{number}.csv")


class Client(threading.Thread):
    """Sends blocks until told to stop, each again under its key until it is acknowledged.

    Some of its events are late, some too late for their windows; some come twice, and some rows are
    bad.
    """

    def __init__(self, address: str, number: int) -> None:
        super().__init__(daemon=True)
        self._address, self._number = address, number
        self._chance = random.Random(number)
        self.stopped = threading.Event()
        self.sent: dict[str, set[int]] = {name: set() for name in DATASETS}
        """By dataset, the events that were sent, acknowledged or not."""
        self.acknowledged: list[tuple[str, list[int], list[str], dict]] = []
        """Of each block its dataset, the events in it, its bad lines at its end, and its place."""
        self.refused: list[str] = []

    def run(self) -> None:
        chance, number, earlier = self._chance, 0, []
        with httpx.Client(base_url=self._address, timeout=10) as http:
            while not self.stopped.is_set():
                name = chance.choice(DATASETS)
                if earlier and chance.random() < 0.2:  # once more, under another key
                    name, rows = chance.choice(earlier)
                else:
                    first = self._number * 10**9 + number
                    ids = range(first, first + chance.randint(1, 20))
                    rows = [row(chance, name, each, self._ago()) for each in ids]
                    earlier.append((name, rows))
                number += len(rows)
                self._send(http, name, rows, self._bad(name, number), f"{self._number}-{number}")
                time.sleep(PAUSE)

    def _ago(self) -> float:
        return self._chance.choice([0.0, 0.0, self._chance.uniform(0, 60), 2 * 3600, 3 * 86_400])

    def _bad(self, name: str, number: int) -> list[str]:
        """Return lines that are to be rejected."""
        kinds = [f"bad {number}", json.dumps({"id": None, "customer": f"none {number}"})]
        if name == "orders":
            negative = {"id": number, "at": "2024-01-01T00:00:00Z", "amount": -number}
            kinds.append(json.dumps(negative))
        return self._chance.sample(kinds, 1) if self._chance.random() < 0.3 else []

    def _send(
        self, http: httpx.Client, name: str, rows: list[dict], bad: list[str], key: str
    ) -> None:
        ids = [each["id"] for each in rows]
        self.sent[name] |= {*ids}
        body = "\n".join([*map(json.dumps, rows), *bad])
        headers = {"content-type": "application/x-ndjson", "idempotency-key": key}
        while not self.stopped.is_set():
            try:
                answer = http.post(f"/v1/datasets/{name}/events", content=body, headers=headers)
            except httpx.TransportError:  # the server was killed
                time.sleep(0.05)
                continue
            if answer.status_code in (200, 202):
                self.acknowledged.append((name, ids, bad, answer.json()))
                return
            if answer.status_code not in (429, 503):
                self.refused.append(answer.text)
                return
            time.sleep(0.05)
