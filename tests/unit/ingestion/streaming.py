"""A dataset that comes by a stream, and what its tests do with it: send, ingest, look."""

import json
import time
from pathlib import Path

import polars as pl

import octavo as ov
from octavo.stages.ingestion.online import OnlineIngestion
from octavo.stages.ingestion.received import rows_in
from octavo.stores.catalog import Catalog
from octavo.stores.home import Home
from octavo.stores.raw import RawStore
from octavo.streams import Block, open_stream
from octavo.streams.sqlite import SqliteStream

TIMES = "%Y-%m-%dT%H:%M:%SZ"


def payments(**options):
    """Return a dataset of payments that are positive."""
    told = {
        "online": ov.Stream(age="1us"),
        "event_id": "id",
        "event_time": pl.col("at").str.to_datetime(TIMES, time_zone="UTC", strict=False),
        "checks": [ov.Check("positive", pl.col("amount") > 0)],
    }
    return ov.Dataset("payments", **(told | options))


def pipeline_of(dataset):
    """Return the least pipeline around a dataset."""
    return ov.Pipeline(
        problem=ov.Problem("?", target="large", kind="binary", metric="roc_auc", at_least=0.5),
        datasets=[dataset],
        rows=dataset,
        label=ov.Label("large", of=dataset, on="id", value=pl.col("amount") > 3),
        row=[pl.col("amount")],
        training=ov.Training(algorithms=["logistic"]),
    )


def _later(shift):
    return lambda: time.monotonic_ns() + shift


class Live:
    """A home with a stream, and an ingestion service that may be left and begun anew."""

    silent = 0

    def __init__(self, folder, dataset=None, stream=None):
        self.dataset = dataset or payments()
        self.pipeline = pipeline_of(self.dataset)
        self.home = Home(Path(folder))
        self.catalog = Catalog(self.home.catalog)
        self.stream = stream or open_stream("sqlite:", self.home.streams)
        self.raw = RawStore(self.home)
        self.told = []
        self.service = self.begin()

    def begin(self):
        self.service = OnlineIngestion(
            self.pipeline,
            self.home,
            self.catalog,
            self.stream,
            tell=self.told.append,
            notify=lambda: None,
        )
        return self.service

    def leave(self):
        """Begin anew after a kill: who was there before is silent for a minute."""
        Live.silent += 60 * 10**9
        self.stream = SqliteStream(self.home.streams, clock=_later(Live.silent))
        return self.begin()

    def send(self, data, form="ndjson", key=None, **metadata):
        data = data if isinstance(data, bytes) else data.encode()
        told = {"format": form, **metadata}
        block = Block(rows=len(rows_in(form, data)), data=data, key=key, metadata=told)
        return self.stream.append("incoming.payments", [block])[0]

    def ingest(self):
        """Take in all that was sent; fails if that blocks."""
        until = time.monotonic() + 60
        while self.behind() and time.monotonic() < until:
            self.service.turn(flush=True)
        assert not self.behind(), self.told

    def behind(self):
        return sum(self.stream.lags("incoming.payments")["ingestion"])

    @property
    def batches(self):
        return self.catalog.committed("payments")

    def rows(self, *columns):
        frame = self.raw.scan("payments", self.batches).sort("_position").collect()
        return frame.select(columns).rows() if columns else frame

    def rejected(self):
        """Return offset, text and rule of all rejected rows that count."""
        found = []
        for batch in self.batches:
            for row in self.raw.rejected("payments", batch["batch_id"]).iter_rows(named=True):
                found.append((batch["first_offset"] + row["_row"], row["text"], row["rule"]))
        return sorted(found)

    def accepted(self):
        """Return what went on to the second stream."""
        records = self.stream.read("accepted.payments", {0: 0}, max_rows=10**6)
        parts = [pl.read_ipc_stream(record.data) for record in records]
        return pl.concat(parts, how="diagonal_relaxed") if parts else pl.DataFrame()


def line(number, amount=5, **more):
    """Return a payment as a line of JSON."""
    fields = {"id": number, "at": "2024-01-01T00:00:00Z", "amount": amount} | more
    return json.dumps(fields) + "\n"
