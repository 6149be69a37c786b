"""Whether a bundle can be served: loaded and asked in a clean process, before it is called ready.

The process is a fresh Python that sees no training library, no environment and no package of the
user's; see `octavo.bundle.check`.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from octavo.bundle import Bundle, check
from octavo.definition import Gate
from octavo.definition.durations import microseconds

ROWS = 256
"""Rows that are predicted one by one."""
LONGEST = 300
"""Seconds until a process that does not answer is ended."""


def servable(bundle: Bundle, folder: Path, rows: pl.DataFrame, gate: Gate) -> dict[str, Any]:
    """Check a bundle on disk.

    Parameters
    ----------
    bundle
        The same bundle, loaded here.
    folder
        Where it is.
    rows
        Feature rows, of which the first `ROWS` are predicted.
    gate
        Its limits.

    Returns
    -------
    dict
        What was measured, and ``refused``: the reason why it cannot be served, or None.
    """
    asked = rows.select(list(bundle.schema)).head(ROWS)
    with tempfile.TemporaryDirectory(prefix="octavo-") as scratch:
        file = Path(scratch) / "rows.arrow"
        asked.write_ipc(file)
        try:
            done = subprocess.run(
                [sys.executable, "-I", check.__file__, str(folder), str(file)],
                capture_output=True,
                text=True,
                timeout=LONGEST,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return {"refused": f"a clean process did not predict within {LONGEST} seconds"}
    if done.returncode:
        last = (done.stderr.strip().splitlines() or [f"it ended with {done.returncode}"])[-1]
        return {"refused": f"a clean process cannot predict with it: {last}"}
    found = json.loads(done.stdout.splitlines()[-1])
    told = np.array([float.fromhex(value) for value in found.pop("predicted")])
    same = np.array_equal(told, bundle.predict(asked).ravel())
    return found | {"same_bits": same, "refused": _refused(found, gate, same=same)}


def _refused(found: dict[str, Any], gate: Gate, *, same: bool) -> str | None:
    if not same:
        return "a clean process predicts otherwise"
    if not found["alone_as_together"]:
        return "one row alone is predicted otherwise than among others"
    limits = {
        "load_seconds": (_seconds(gate.slowest_load, "slowest_load"), "s to the first prediction"),
        "p99_ms": (_seconds(gate.slowest_answer, "slowest_answer", 1e3), "ms for a row (p99)"),
        "memory_mb": (gate.most_memory, "MB of memory"),
    }
    for name, (limit, unit) in limits.items():
        if limit is not None and found[name] > limit:
            return f"it takes {found[name]:.3g} {unit}, {limit:.3g} are allowed"
    return None


def _seconds(limit: Any, name: str, times: float = 1.0) -> float | None:
    """Return a declared time in seconds, times some factor."""
    return None if limit is None else microseconds(limit, where=f"Gate.{name}") / 1e6 * times
