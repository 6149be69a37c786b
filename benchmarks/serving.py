"""Claim: one worker answers many times as many requests as those of other model servers.

Four times as many as FastAPI with Booster.predict, ten times MLServer's, 25 times BentoML's and
MLflow's, and with a lower p99 than each. A LightGBM model of 200 trees × 31 leaves over 40 numbers,
one row of JSON a request, at 1, 16 and 64 connections; at 16 the claims. Octavo is `octavo up
server` as it comes: the row is validated, counted and logged to the prediction store. Each peer is
in its best configuration, as `peers/` has it. All are asked in turn by the same load, and the
median of the rounds counts; each answer is compared with LightGBM's own first.
``python benchmarks/serving.py [--peers fastapi,mlserver,bentoml,mlflow] [--rounds 5] [--seconds 4]
[--json]``
"""

import argparse
import json
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np

from harness import Claim
from harness.deployed import FEATURES, NAMES, Served, served, up
from harness.load import Load, load
from harness.server import asked, free_port, peer, running

CONNECTIONS = (1, 16, 64)
CLAIMED = 16
"""Connections that the claims are about."""
ROW = 17
"""The row of the table that is asked for."""
Row = Mapping[str, float]


class Wire(NamedTuple):
    """How a server is asked for a row, and how much faster ours is claimed to be."""

    path: str
    body: Callable[[Row], Any]
    prediction: Callable[[Any], float]
    """Reads it from the answer."""
    goal: float = 1


def tensor(row: Row) -> dict[str, Any]:
    """Return a row as the Open Inference Protocol has it."""
    data = list(row.values())
    return {"inputs": [{"name": "X", "shape": [1, FEATURES], "datatype": "FP64", "data": data}]}


OCTAVO = Wire(
    "/v1/pipelines/{}/predict/features",
    lambda row: {"features": [row]},
    lambda told: told["predictions"][0]["y"],
)
PEERS = {
    "fastapi": Wire("/predict", dict, lambda told: told["prediction"], 4),
    "mlserver": Wire(
        "/v2/models/served/infer", tensor, lambda told: told["outputs"][0]["data"][0], 10
    ),
    "bentoml": Wire("/predict", lambda row: list(row.values()), float, 25),
    "mlflow": Wire(
        "/invocations",
        lambda row: {"inputs": [list(row.values())]},
        lambda told: told["predictions"][0],
        25,
    ),
}


class Server(NamedTuple):
    """A process that answers a row."""

    process: int
    port: int
    path: str
    body: bytes
    grpc_port: int
    """Of those that speak gRPC."""


@contextmanager
def serving(name: str, model: Served, *, grpc: bool = False, threads: int = 1) -> Iterator[Server]:
    """Run a server that answers as LightGBM does; give it.

    Parameters
    ----------
    grpc
        Whether Octavo is to speak gRPC too.
    threads
        As of `running`.
    """
    wire, port, grpc_port = PEERS.get(name, OCTAVO), free_port(), free_port()
    if name in PEERS:
        command = peer(name, model.model, port, *[grpc_port] * (name == "mlserver"))
    else:
        command = up(model.project, port, *["--grpc-port", str(grpc_port)] * grpc)
    row = model.frame.select(NAMES).row(ROW, named=True)
    path, body = wire.path.format(model.project.name), json.dumps(wire.body(row)).encode()
    with running(command, port, threads=threads) as process:
        told = wire.prediction(json.loads(asked(port, path, body)))
        expected = model.booster.predict(np.array([list(row.values())]))[0]
        np.testing.assert_allclose(told, expected, rtol=1e-12, err_msg=name)
        yield Server(process, port, path, body, grpc_port)


def measure(
    servers: Mapping[str, Server], options: argparse.Namespace
) -> dict[tuple[str, int], list[Load]]:
    """Ask all in turn, several times over."""
    found: dict[tuple[str, int], list[Load]] = {}
    for _ in range(options.rounds + 1):
        for connections in CONNECTIONS:
            for name, server in servers.items():
                told = server.port, server.path, server.body
                seen = load(
                    *told, connections=connections, seconds=options.seconds, server=server.process
                )
                if seen.failed:
                    sys.exit(f"{name} failed {seen.failed} times")
                found.setdefault((name, connections), []).append(seen)
    return {key: seen[1:] for key, seen in found.items()}  # the first round warms up


def middle(loads: list[Load], what: str) -> float:
    """Return the median of something over rounds."""
    return statistics.median(getattr(each, what) for each in loads)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--peers", default=",".join(PEERS), help="some of them, and their order")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    peers = options.peers.split(",")
    if unknown := set(peers) - set(PEERS):
        parser.error(f"there is no peer {unknown.pop()!r}; there are {', '.join(PEERS)}")
    with served() as model, ExitStack() as stack:
        names = ("octavo", *peers)
        servers = {name: stack.enter_context(serving(name, model)) for name in names}
        found = measure(servers, options)
    for (name, connections), loads in found.items():
        show(f"{name} at {connections}", loads)
    for name in peers:
        claim(name, found["octavo", CLAIMED], found[name, CLAIMED], options)


def show(what: str, loads: list[Load]) -> None:
    """Print what was measured."""
    told = [middle(loads, each) for each in ("rate", "p50_ms", "p99_ms", "server_us", "own_us")]
    print(
        "{}: {:,.0f} req/s, p50 {:.2f} ms, p99 {:.2f} ms, CPU {:.0f} µs (load {:.0f} µs)".format(
            what, *told
        )
    )


def claim(name: str, ours: list[Load], theirs: list[Load], options: argparse.Namespace) -> None:
    """Print the claims beside a peer."""
    what = f"a request at {CLAIMED} connections, beside {name}"
    seconds = (1 / middle(loads, "rate") for loads in (ours, theirs))
    Claim(what, *seconds, goal=PEERS[name].goal).show(as_json=options.json)
    waits = (middle(loads, "p99_ms") for loads in (ours, theirs))
    Claim(f"p99 of {what}", *waits, goal=1, unit="ms").show(as_json=options.json)


if __name__ == "__main__":
    main()
