"""Ingest a project in tiny blocks and files, and die, by SIGKILL, at the n-th durable step.

``python ingesting.py DIR N``; N = 0 does not die. Prints how many steps there were.
"""

import os
import signal
import sys

from durable_steps import follow

from octavo.cli.display import TerminalDisplay
from octavo.project import Project
from octavo.stages.ingestion import delimited, extract, reading, records, repeats
from octavo.stores.staged import Staged

records.BLOCK = delimited.BLOCK = 4096
reading.HELD = 1
repeats.FILE = Staged.__init__.__kwdefaults__["size"] = 20_000


def arm(number: int) -> list[int]:
    """Count data files, moves, extracts, appends and transactions; die after the n-th."""
    steps = [0]

    def count() -> None:
        steps[0] += 1
        if steps[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    follow(count, setattr, (extract, "write"), (extract, "finish"))
    return steps


if __name__ == "__main__":
    steps = arm(int(sys.argv[2]))
    with TerminalDisplay() as display:
        Project(sys.argv[1]).run(display, last="ingestion")
    print(steps[0])
