"""What code a run is made of: Octavo, the user's own, and the libraries that compute."""

import os
import platform
import subprocess
from importlib import metadata
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_info

from octavo.version import __version__

LIBRARIES = (
    "numpy",
    "polars",
    "numba",
    "scipy",
    "scikit-learn",
    "lightgbm",
    "xgboost-cpu",
    "catboost",
    "skl2onnx",
    "onnx",
    "onnxruntime",
)
"""Those whose version may show in the last bit of a model."""
BEGAN = "run began"
"""The event that says of a run, also of one that is taken up, what it was made with: profile,
settings, code and libraries."""


def code_version(folder: Path) -> str:
    """Return Octavo's version and, where the folder is under git, its commit."""
    command = ["git", "-C", str(folder), "describe", "--always", "--dirty"]
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}
    try:
        found = subprocess.run(
            command, capture_output=True, text=True, timeout=5, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return __version__
    commit = found.stdout.strip()
    return f"{__version__}+{commit}" if commit else __version__


def libraries() -> dict[str, str]:
    """Return the versions of Python and of `LIBRARIES`, as installed, and the kind of processor."""
    found = {"python": platform.python_version(), "machine": platform.machine()} | _processor()
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _processor() -> dict[str, str]:
    """Return for which processor NumPy multiplies, where its library says so.

    OpenBLAS finds that out when it is loaded; for each it adds up in another order.
    """
    installed = str(
        Path(np.__file__).resolve().parent
    )  # its libraries lie there or in numpy.libs beside it
    for library in threadpool_info():
        if library["filepath"].startswith(installed) and "architecture" in library:
            return {"processor": library["architecture"]}
    return {}
