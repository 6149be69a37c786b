"""Claim: one worker answers more requests over gRPC than MLServer's.

The Open Inference Protocol's ModelInfer, one row as a list of 40 numbers, at 1 and 16 calls under
way on one channel; the model and both servers as in `serving.py`. The client is Python's gRPC in a
process of its own, which takes more of the processor for a call than ours does: what is told as the
load's share bounds what can be seen here. They are asked in turn, and the median of the rounds
counts; each answer is compared with LightGBM's own.
``python benchmarks/serving_grpc.py [--rounds 5] [--seconds 4] [--json]``
"""

import argparse
import sys
from contextlib import ExitStack
from pathlib import Path

import numpy as np

from harness import Claim, environment, measured
from harness.deployed import NAMES, served
from harness.load import Load
from harness.server import GRPC
from serving import ROW, middle, serving, show

CALLS = (1, 16)
SCRIPT = Path(__file__).parent / "peers" / "grpc_load.py"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    client, found = environment("grpc", *GRPC), {}
    with served() as model, ExitStack() as stack:
        X, rows = model.frame.select(NAMES)[ROW].to_numpy(), model.model.parent / "X.npy"
        expected = model.booster.predict(X)[0]
        np.save(rows, X)
        names = {"octavo": model.project.name, "mlserver": "served"}
        servers = {name: stack.enter_context(serving(name, model, grpc=True)) for name in names}
        for _ in range(options.rounds + 1):
            for calls in CALLS:
                for name, server in servers.items():
                    told = server.grpc_port, names[name], rows, calls, options.seconds
                    seen = measured(client, SCRIPT, *map(str, (*told, server.process)))
                    if seen is None:
                        sys.exit(f"{name} failed")
                    np.testing.assert_allclose(seen["prediction"], expected, rtol=1e-12)
                    found.setdefault((name, calls), []).append(Load(**seen["load"]))
    found = {key: loads[1:] for key, loads in found.items()}  # the first round warms up
    for (name, calls), loads in found.items():
        show(f"{name} over gRPC at {calls}", loads)
    for calls in CALLS:
        ours, theirs = (found[name, calls] for name in ("octavo", "mlserver"))
        what = f"a call over gRPC at {calls} under way, beside MLServer"
        seconds = (1 / middle(loads, "rate") for loads in (ours, theirs))
        Claim(what, *seconds, goal=1).show(as_json=options.json)
        waits = (middle(loads, "p99_ms") for loads in (ours, theirs))
        Claim(f"p99 of {what}", *waits, goal=1, unit="ms").show(as_json=options.json)


if __name__ == "__main__":
    main()
