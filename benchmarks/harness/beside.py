"""A peer's process that stays and works whenever it is asked, so that ours and its work take turns.

It tells its own seconds: the way through the pipe is nobody's work.
"""

import os
import statistics
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self


class Beside:
    """A script in the peer's environment that prints a line when it is ready.

    Then it reads a line, works, and prints the seconds that took, until there are no more lines.
    """

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self._answer()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()

    def seconds(self) -> float:
        """Have it work once."""
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return float(self._answer())

    def _answer(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("The peer ended.")
        return line


def in_turn(work: Callable[[], object], peer: Beside, *, repeats: int) -> tuple[float, float]:
    """Run a work here and the peer's in turn, and return the median seconds of each."""
    ours, theirs = [], []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        ours.append(time.perf_counter() - began)
        theirs.append(peer.seconds())
    return statistics.median(ours), statistics.median(theirs)
