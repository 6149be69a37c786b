"""Run a project and die, by SIGKILL, at the n-th durable write within one stage.

``python killed_run.py DIR STAGE N``; N = -1 dies when the stage's work is done but not recorded.
"""

import os
import signal
import sys
from contextlib import contextmanager

from octavo.bundle import Bundle
from octavo.cli.display import TerminalDisplay
from octavo.project import Project
from octavo.runner import STAGES
from octavo.stores.catalog import Catalog
from octavo.stores.delta import DeltaLog
from octavo.stores.state.environment import Environment


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def arm(stage: str, number: int) -> None:
    """Count durable writes while the stage runs, and die at the n-th."""
    run, append, save = STAGES[stage].run, DeltaLog.append, Bundle.save
    transaction, write = Catalog.transaction, Environment.write
    left = [number]
    running = [False]

    def count() -> None:
        left[0] -= running[0]
        if running[0] and left[0] == 0:
            die()

    def appended(self, *arguments, **options):
        result = append(self, *arguments, **options)
        count()
        return result

    def written(self, *arguments):
        result = write(self, *arguments)
        count()
        return result

    def saved(self, folder):
        save(self, folder)
        count()

    @contextmanager
    def committed(self, **options):
        with transaction(self, **options) as connection:
            yield connection
        count()

    def killed(context):
        running[0] = True
        run(context)
        die()

    DeltaLog.append, Bundle.save, Catalog.transaction = appended, saved, committed
    Environment.write = written
    STAGES[stage].run = killed


if __name__ == "__main__":
    folder, stage, number = sys.argv[1], sys.argv[2], int(sys.argv[3])
    arm(stage, number)
    with TerminalDisplay() as display:
        Project(folder).run(display)
