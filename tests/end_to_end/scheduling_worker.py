"""A scheduler in a process of its own, whose runs write a line: ``scheduling_worker.py HOME``."""

import signal
import sys
import threading
from pathlib import Path

from octavo.services.scheduling.service import SchedulingService
from octavo.stores.catalog import Catalog
from tests.scheduling import job

RUNS = "import sys, time; time.sleep(0.2); open(sys.argv[1], 'a').write('run\\n')"


def main(home: Path) -> None:
    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    SchedulingService(
        [job("training", every="2s", missed="all")],
        Catalog(home / "catalog.db"),
        offered=lambda job: None,
        command=lambda jobs: [sys.executable, "-c", RUNS, str(home / "runs.txt")],
        tell=lambda text: None,
        seconds=6,
    ).run(stop)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
