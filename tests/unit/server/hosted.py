"""An application over models that a test makes: a bundle of trees, and a log that keeps all."""

import asyncio
import socket
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import httpx
import numpy as np
import polars as pl

from octavo.bundle import Bundle
from octavo.bundle.encoders import OrdinalEncoder
from octavo.bundle.model import LinearModel
from octavo.definition import Replace
from octavo.definition.events import EVENT_ID, EVENT_TIME
from octavo.server import App
from octavo.server.access import Access
from octavo.server.app import Hosted
from octavo.server.events import Events
from octavo.server.leaving import Server
from octavo.services.batching import Bounds
from octavo.services.flags import Flags
from octavo.services.inferences import answered, context
from octavo.services.limits import Limits
from octavo.services.models import Models
from octavo.services.prediction_records import packed, unpacked
from octavo.services.receiving import Receiver
from octavo.services.requests import EventDecoder
from octavo.stages.prep.request_time import Answer

NAMES = ["a", "b", "c"]
NO_FLOW = {"streams": [], "views": [], "followed": {}, "tables": []}


def bundle_of(value: float) -> Bundle:
    """Return one that predicts ``value + a``: of whichever version an answer is, it tells."""
    frame = pl.DataFrame({name: [0.5] for name in NAMES})
    coef = np.array([[1.0, 0.0, 0.0]])
    model = LinearModel("regression", 3, coef, np.array([value]))
    return Bundle(model, OrdinalEncoder.fit(frame), "y", "linear")


class Scorer:
    """Answers events that are features: for ``c`` below zero it refuses them."""

    def __init__(
        self, version: int, bundle: Bundle | None = None, checked=None, support=None
    ) -> None:
        self.deployment_id, self.candidate_id = f"deployment-{version}", f"candidate-{version}"
        self.bundle = bundle or bundle_of(version)
        self.schema = dict.fromkeys(NAMES, pl.Float64)
        self.decoder = EventDecoder(self.schema)
        self.features = SimpleNamespace(positions={})
        self.waits = lambda marks: None
        self.flags = Flags(checked or Replace(), self.bundle, support)

    def wait_for(self, marks):
        self.waits(marks)

    def answer(self, events):
        from octavo.errors import DataError

        frame = self.decoder.frame(events)
        if (frame["c"] < 0).any():
            raise DataError("it is below zero.", where="column 'c'")
        ids = pl.Series(EVENT_ID, [str(i) for i in range(frame.height)])
        times = pl.Series(EVENT_TIME, [None] * frame.height, pl.Datetime("us", "UTC"))
        return Answer(frame.with_columns(ids, times), {})


class Log:
    """Keeps what was answered."""

    logged = 0

    def __init__(self):
        self.kept, self.not_logged, self.without_features = [], {}, {}

    def add(self, inference):
        self.kept.append(inference)

    def records(self):
        contexts = [context(each) for each in self.kept]
        records = [
            packed("log", number, of.mark, answered(each, of))
            for number, (each, of) in enumerate(zip(self.kept, contexts, strict=True))
        ]
        return unpacked(records, {of.mark: of for of in contexts})

    def close(self):
        pass


def hosting(pipeline, *scorers, name="shop", stream=None, flow=lambda: NO_FLOW, bounds=None):
    """Return an application, and its log; the last of the scorers is live."""
    log, models = Log(), Models(bounds or Bounds())
    versions = {each.deployment_id: each for each in scorers}
    catalog = SimpleNamespace(one=lambda query: None, rows=lambda query: [])
    models.add(name, catalog, lambda row: versions[row["deployment_id"]], log)
    if scorers:
        models.serve(name, scorers[-1])
    receiver = Receiver(pipeline, stream) if pipeline else SimpleNamespace(datasets=[])
    told = name, log, None, None, Events(receiver), flow
    return App(models, [Hosted(*told)]), log


@contextmanager
def served(app, limits=Limits(), known=None, **told):  # noqa: B008  frozen
    """Serve an application over a socket; give a client."""
    gate = Access(app, limits, known, app.metrics.registry)
    is_ready = threading.Event()
    server = Server(app, gate, is_ready.set, **told)
    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        assert is_ready.wait(10)
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client
        server.should_exit = True
        thread.join(10)


def ask(app, calls):
    """Let ``calls(client)`` ask an application."""

    async def together():
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            return await calls(client)

    return asyncio.run(together())
