"""Predict in a process where no training library can be imported, and measure it.

``python -I check.py FOLDER ROWS``: loads the bundle in FOLDER, predicts for the rows of the Arrow
file ROWS, together and one by one, and prints JSON. It is started as a file, so that it needs
nothing but Octavo itself, which it finds beside it.
"""

import json
import sys
import time
from importlib.abc import MetaPathFinder
from pathlib import Path
from typing import Any

TRAINING = ("catboost", "cloudpickle", "lightgbm", "optuna", "scipy", "sklearn", "xgboost")
"""What must not be needed."""
MANY = 20_000
"""Rows predicted together to tell how many a second."""
TIMES = 3
"""How often a row is timed; the fastest counts, which is the row's and not the machine's."""


class _Refused(MetaPathFinder):
    """Finds training libraries, and refuses them."""

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> None:
        if fullname.partition(".")[0] in TRAINING:
            raise ImportError(f"{fullname} is a training library: a bundle must not need it")


def main(folder: str, rows: str) -> None:
    """Check the bundle and print what was found."""
    began = time.perf_counter()
    sys.meta_path.insert(0, _Refused())
    sys.path.insert(0, str(Path(__file__).parents[2]))
    import numpy as np
    import polars as pl

    from octavo.bundle import Bundle

    frame = pl.read_ipc(rows)
    bundle = Bundle.load(folder)
    bundle.predict(frame.head(1))
    loaded = time.perf_counter() - began
    together = bundle.predict(frame)
    singles, seconds = [], []
    for place in range(frame.height):
        row = frame.slice(place, 1)
        singles.append(bundle.predict(row))
        seconds.append(min(_seconds(bundle, row) for _ in range(TIMES)))
    many = pl.concat([frame] * (MANY // frame.height + 1)).head(MANY)
    rate = many.height / _seconds(bundle, many)
    found = {
        "load_seconds": loaded,
        "p50_ms": float(np.quantile(seconds, 0.5)) * 1e3,
        "p99_ms": float(np.quantile(seconds, 0.99)) * 1e3,
        "rows_per_second": rate,
        "memory_mb": _peak() / 1e6,
        "alone_as_together": bool(np.array_equal(np.concatenate(singles), together)),
        "predicted": [float(value).hex() for value in together.ravel()],
    }
    print(json.dumps(found))


def _seconds(bundle: Any, rows: Any) -> float:
    start = time.perf_counter()
    bundle.predict(rows)
    return time.perf_counter() - start


def _peak() -> int:
    """Return the most memory that was resident, bytes.

    The kernel's own count: ``getrusage`` begins with what the parent held when it started this one.
    """
    text = Path("/proc/self/status").read_text()
    (line,) = [line for line in text.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024


if __name__ == "__main__":
    main(*sys.argv[1:])
