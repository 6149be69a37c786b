"""Servers as processes: begun, waited for, asked once and ended; and those that are peers."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.error import HTTPError

from harness.environment import environment
from harness.process import BENCHMARKS

LIGHTGBM = ("lightgbm==4.7.*", "numpy<3")
UVICORN = "uvicorn[standard]==0.54.*"
PEERS = {
    "fastapi": ("fastapi==0.165.*", UVICORN, *LIGHTGBM),
    "mlserver": (
        *("mlserver==1.7.1", "mlserver-lightgbm==1.7.1", *LIGHTGBM),
        *("uvloop<0.22", "httptools==0.9.*"),  # 1.7.1 does not start with a newer uvloop
    ),
    "bentoml": ("bentoml==1.4.39", UVICORN, *LIGHTGBM),
    "mlflow": ("mlflow==3.17.2", UVICORN, *LIGHTGBM),
}
"""What each peer's environment has; how it serves is in ``peers/NAME_serving.py``."""
GRPC = ("tritonclient[grpc]==2.73.*", "protobuf<7", "numpy<3", "uvloop==0.23.*")
"""What the environment of clients over gRPC has."""
LOADING = 30
"""Seconds that a server may take from accepting to answering."""


def peer(name: str, model: Path, *ports: int) -> list[str | Path]:
    """Return the command by which a peer serves a LightGBM model, as its script says."""
    script = BENCHMARKS / "peers" / f"{name}_serving.py"
    return [environment(name, *PEERS[name]), script, model, *map(str, ports)]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@contextmanager
def running(command: list[str | Path], port: int, *, threads: int = 1) -> Iterator[int]:
    """Run a server until the block ends; give its process when it accepts.

    Parameters
    ----------
    threads
        That OpenMP, and so LightGBM, may take for one prediction.
    """
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, env={**os.environ, "OMP_NUM_THREADS": str(threads)}
    ) as process:
        try:
            while process.poll() is None:
                with socket.socket() as tried:
                    if not tried.connect_ex(("127.0.0.1", port)):
                        break
                time.sleep(0.1)
            if process.poll() is not None:
                sys.exit(f"{command} ended")
            yield process.pid
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def asked(port: int, path: str, body: bytes) -> bytes:
    """Post JSON; a server that accepts while it still loads its model is asked again."""
    url, until = f"http://127.0.0.1:{port}{path}", time.monotonic() + LOADING
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
    while True:
        try:
            with urllib.request.urlopen(request) as answered:
                return answered.read()
        except HTTPError as error:
            if time.monotonic() > until:
                sys.exit(f"{url}: {error}: {error.read().decode()}")
            time.sleep(0.1)
