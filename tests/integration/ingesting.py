"""Ingest a project in tiny blocks and files, and die, by SIGKILL, at the n-th durable step.

``python ingesting.py DIR N [EVERY]``; N = 0 does not die. At each of EVERY steps, four times, prep
passes all that is planned. Prints how many steps there were.
"""

import os
import signal
import sqlite3
import sys

from durable_steps import follow

from octavo.cli.display import TerminalDisplay
from octavo.project import Project
from octavo.stages.ingestion import delimited, extract, reading, records, repeats
from octavo.stores.staged import Staged

records.BLOCK = delimited.BLOCK = 4096
reading.HELD = 1
repeats.FILE = Staged.__init__.__kwdefaults__["size"] = 20_000


def arm(number: int, every: int, catalog: str) -> list[int]:
    """Count data files, moves, extracts, appends and transactions; die after the n-th."""
    steps = [0]

    def count() -> None:
        steps[0] += 1
        if every and steps[0] % every == 0 and steps[0] <= 4 * every:
            with sqlite3.connect(catalog, timeout=30) as connection:
                connection.execute(
                    "insert or replace into barrier select 1, coalesce(max(sequence), 0), 0 "
                    "from batches"
                )
        if steps[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)

    follow(count, setattr, (extract, "write"), (extract, "finish"))
    return steps


if __name__ == "__main__":
    project = Project(sys.argv[1])
    every = int(sys.argv[3]) if len(sys.argv) > 3 else 0
    steps = arm(int(sys.argv[2]), every, str(project.home.catalog))
    with TerminalDisplay() as display:
        project.run(display, last="ingestion")
    print(steps[0])
