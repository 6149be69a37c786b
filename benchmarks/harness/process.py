"""Work in a process of its own, which tells its seconds and the most memory it held.

Standard library only: the peers' environments import it too.
"""

import json
import os
import resource
import subprocess
from pathlib import Path
from typing import Any

BENCHMARKS = Path(__file__).parents[1]
TICKS = 100  # of a process's clock a second, as Linux tells it


def peak() -> int:
    """Return the most memory this process has held, bytes.

    Not ``getrusage``: on Linux that begins with what the parent held.
    """
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024


def cpu(process: int) -> float:
    """Return the seconds of CPU that a process has taken."""
    fields = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measured(*command: str | Path, memory: int | None = None) -> dict[str, Any] | None:
    """Run a script that ends with a line of JSON, and return that; None if it failed.

    Parameters
    ----------
    memory
        Bytes of address space it may take; None without limit.
    """

    def limit() -> None:
        if memory is not None:
            resource.setrlimit(resource.RLIMIT_AS, (memory, memory))

    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=limit,
        env={**os.environ, "PYTHONPATH": _path()},
    )
    if done.returncode:
        print((done.stderr.strip() or f"ended by signal {-done.returncode}").splitlines()[-1])
        return None
    return json.loads(done.stdout.strip().splitlines()[-1])


def _path() -> str:
    return os.pathsep.join([str(BENCHMARKS), *filter(None, [os.environ.get("PYTHONPATH")])])
