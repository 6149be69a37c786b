"""Ingest a project in tiny blocks and files, and die, by SIGKILL, at the n-th durable step.

``python ingesting.py DIR N``; N = 0 does not die. Prints how many steps there were.
"""

import os
import signal
import sys
from contextlib import contextmanager

from octavo.cli.display import TerminalDisplay
from octavo.project import Project
from octavo.stages.ingestion import delimited, extract, reading, records, repeats
from octavo.stores.catalog import Catalog
from octavo.stores.delta import DeltaLog
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

    def counted(method):
        def done(*arguments, **options):
            result = method(*arguments, **options)
            count()
            return result

        return done

    transaction = Catalog.transaction

    @contextmanager
    def committed(self, **options):
        with transaction(self, **options) as connection:
            yield connection
        count()

    extract.write, extract.finish = counted(extract.write), counted(extract.finish)
    Staged._flush = counted(Staged._flush)
    DeltaLog._placed = counted(DeltaLog._placed)
    DeltaLog.append = counted(DeltaLog.append)
    Catalog.transaction = committed
    return steps


if __name__ == "__main__":
    steps = arm(int(sys.argv[2]))
    with TerminalDisplay() as display:
        Project(sys.argv[1]).run(display, last="ingestion")
    print(steps[0])
