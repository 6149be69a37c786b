"""Servers of models made by hand, over real sockets, in a thread of the test's process."""

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import uvicorn

from octavo.bundle import Bundle, LinearEncoder, LinearModel, OrdinalEncoder, TreeModel
from octavo.definition import Replace
from octavo.server import App
from octavo.services.batching import Bounds
from octavo.services.flags import Flags
from octavo.services.inferences import Inference
from octavo.services.models import Models, Version

WIDTH = 13


class Log:
    """Keeps what a model would log: of no row nothing is."""

    def __init__(self) -> None:
        self.added: list[Inference] = []

    def add(self, inference: Inference) -> None:
        if len(inference.predictions):
            self.added.append(inference)


def mixed() -> Bundle:
    """A number, a whole number, a truth and a text; with yes or no."""
    frame = pl.DataFrame(
        {
            "delay": [1.0, None, 30.0, 7.5],
            "stops": [0, 1, 2, 3],
            "late": [True, False, None, True],
            "carrier": ["B", "A", "B", "é"],
        }
    )
    encoder = LinearEncoder.fit(frame)
    width = len(encoder.names)
    model = LinearModel(
        kind="binary", n_features=width, coef=[np.arange(1, width + 1) / 7], intercept=[-1.0]
    )
    return Bundle(
        model=model,
        encoder=encoder,
        target="missed",
        algorithm="linear",
        classes=(False, True),
        threshold=0.6,
    )


def numbers(width: int = WIDTH) -> Bundle:
    """A regression on numbers alone, with a tree that treats a missing one otherwise."""
    rng = np.random.default_rng(3)
    frame = pl.DataFrame({f"x{n}": rng.normal(size=50) for n in range(width)})
    model = TreeModel(
        kind="regression",
        n_features=width,
        feature=[0, width - 1],
        threshold=[0.1, -0.2],
        left=[~0, ~2],
        right=[1, ~1],
        default_left=[1, 0],
        leaf_value=[-1 / 3, 0.7, 2.5],
        roots=[0],
        base_score=[0.1],
    )
    encoder = OrdinalEncoder.fit(frame)
    return Bundle(model=model, encoder=encoder, target="amount", algorithm="lightgbm")


def classes() -> Bundle:
    """Three classes of two numbers."""
    frame = pl.DataFrame({"a": [1.0, 2.0, 4.0], "b": [3, 1, 2]})
    encoder = LinearEncoder.fit(frame)
    width = len(encoder.names)
    coef = np.arange(3 * width).reshape(3, width) / 5
    model = LinearModel(kind="multiclass", n_features=width, coef=coef, intercept=[0.1, 0.0, -0.1])
    names = ("low", "middle", "high")
    return Bundle(model=model, encoder=encoder, target="level", algorithm="linear", classes=names)


BUNDLES = {"mixed": mixed(), "numbers": numbers(), "classes": classes()}


class Known(Models):
    """Models whose versions are in no catalog."""

    def versions(self, name: str) -> list[Version]:
        live = self.live(name)
        return [Version("7", "deployment-7", "c7", 0, None)] if live else []

    def _loaded(self, name: str, version: str) -> Any:
        raise self.unknown(version)

    @staticmethod
    def unknown(version: str) -> Exception:
        from octavo.services.models import UnknownModelError

        return UnknownModelError.unknown("version", version, ["7"])


def models_of(bundles: Mapping[str, Bundle | None]) -> Models:
    models = Known(Bounds())
    for name, bundle in bundles.items():
        models.add(name, None, None, Log())  # type: ignore[arg-type]
        if bundle is not None:
            scorer = SimpleNamespace(
                bundle=bundle,
                deployment_id="deployment-7",
                candidate_id="c7",
                schema={},
                features=SimpleNamespace(positions={}),
                flags=Flags(Replace(), bundle, None),
            )
            models.serve(name, scorer)  # type: ignore[arg-type]
    return models


@contextmanager
def running(
    app: Any, grpc: bool = False, admit: Any = None, in_flight: int | None = None
) -> Iterator[SimpleNamespace]:
    """Serve an application until the block ends; give its ports."""
    config = uvicorn.Config(app, port=0, log_config=None, lifespan="off")
    server = uvicorn.Server(config)
    found = SimpleNamespace(http=0, grpc=0)
    began = threading.Event()

    async def serve() -> None:
        inference = None
        if grpc:
            from octavo.server.grpc import bind

            inference, found.grpc = bind(
                app.models, app.metrics, "127.0.0.1:0", admit, in_flight=in_flight
            )
            await inference.start()
        task = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        found.http = server.servers[0].sockets[0].getsockname()[1]
        began.set()
        await task
        if inference is not None:
            await inference.stop(1)

    thread = threading.Thread(target=asyncio.run, args=(serve(),), daemon=True)
    thread.start()
    assert began.wait(30)
    try:
        yield found
    finally:
        server.should_exit = True
        thread.join(30)


@contextmanager
def serving(
    bundles: Mapping[str, Bundle | None] = BUNDLES, grpc: bool = False
) -> Iterator[SimpleNamespace]:
    with running(App(models_of(bundles), []), grpc) as ports:
        yield ports
