"""A server in a process of its own, and a client that talks to it."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx


@contextmanager
def serving(folder: Path, *options: str | Path, **told: Any) -> Iterator[httpx.Client]:
    """Serve a project that was run, until the block ends; stopping must be no failure.

    Parameters
    ----------
    options
        Of `octavo up`.
    told
        What the client is told.
    """
    command = [sys.executable, "-m", "octavo", "up", str(folder), "--port", "0", *map(str, options)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = ""
        while not address:
            line = process.stdout.readline()
            assert line, "the server ended"
            found = re.search(r"POST (https?://[^/]+)", line)
            address = found[1] if found else ""
        with httpx.Client(base_url=address, timeout=60, **told) as client:
            for _ in range(100):
                try:
                    client.get("/health")
                    break
                except httpx.TransportError:
                    time.sleep(0.1)
            try:
                yield client
            finally:
                process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0
