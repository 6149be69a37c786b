"""Claim: 100,000 rows × 40 numbers over the wire take a quarter of the time MLServer's gRPC takes.

Octavo's V2 over HTTP with binary tensors, 32 MB of float64, validated, counted and logged to the
prediction store as always; from the bytes of the request to the predictions as an array. The peer
is asked over gRPC, its quickest wire, in both of the protocol's forms, and the quicker one counts;
its message limit is lifted. A LightGBM model of 200 trees × 31 leaves; all may use all cores. They
are asked in turn and the median counts; what each answers is compared with LightGBM first. Octavo's
own gRPC is told beside them.
``python benchmarks/bulk.py [--repeats 5] [--json]``
"""

import argparse
import json
import os
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path

import numpy as np

from harness import Beside, Claim, environment, in_turn
from harness.deployed import FEATURES, served
from harness.server import GRPC
from serving import Server, serving

ROWS = 100_000
GOAL = 4
SCRIPT = Path(__file__).parent / "peers" / "grpc_bulk.py"
LENGTH = "Inference-Header-Content-Length"


def over_http(server: Server, model: str, X: np.ndarray) -> Callable[[], np.ndarray]:
    """Return what asks Octavo for all rows at once."""
    size = {"binary_data_size": X.nbytes}
    tensor = {"name": "X", "datatype": "FP64", "shape": X.shape, "parameters": size}
    output = {"name": "y", "parameters": {"binary_data": True}}
    head = json.dumps({"inputs": [tensor], "outputs": [output]}).encode()
    body, headers = head + X.tobytes(), {LENGTH: str(len(head))}

    def ask() -> np.ndarray:  # servers close connections that were silent for some seconds
        connection = HTTPConnection("127.0.0.1", server.port)
        connection.request("POST", f"/v2/models/{model}/infer", body, headers)
        answer = connection.getresponse()
        told = answer.read()
        connection.close()
        if answer.status != 200:
            raise SystemExit(told.decode())
        return np.frombuffer(told[int(answer.headers[LENGTH]) :])

    return ask


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    X = np.random.default_rng(1).normal(size=(ROWS, FEATURES))
    client, cores = environment("grpc", *GRPC), os.cpu_count() or 1
    with served() as model, ExitStack() as stack:
        expected, folder = model.booster.predict(X), model.model.parent
        np.save(folder / "X.npy", X)
        names = {"octavo": model.project.name, "mlserver": "served"}
        servers = {
            name: stack.enter_context(serving(name, model, grpc=True, threads=cores))
            for name in names
        }
        ask = over_http(servers["octavo"], names["octavo"], X)
        np.testing.assert_allclose(ask(), expected, rtol=1e-12)
        found = {}
        for name, form in (("octavo", "raw"), ("mlserver", "raw"), ("mlserver", "listed")):
            told = [str(servers[name].grpc_port), names[name], folder / "X.npy"]
            with Beside(client, SCRIPT, *told, folder / "found.npy", form) as peer:
                np.testing.assert_allclose(np.load(folder / "found.npy"), expected, rtol=1e-12)
                found[name, form] = in_turn(ask, peer, repeats=options.repeats)
    for (name, form), (ours, theirs) in found.items():
        print(f"{name}, gRPC {form}: {theirs:.3f} s; beside it octavo over HTTP {ours:.3f} s")
    quickest = min((found["mlserver", form] for form in ("raw", "listed")), key=lambda of: of[1])
    what = f"{ROWS:,} rows × {FEATURES} over the wire, beside MLServer's gRPC"
    Claim(what, *quickest, goal=GOAL).show(as_json=options.json)


if __name__ == "__main__":
    main()
