"""An environment of its own for each peer, so that its packages and ours do not meet."""

import subprocess
import sys
from pathlib import Path

CACHE = Path(__file__).parents[2] / ".venv" / "peers"
"""In the folder that git ignores and `make clean` removes."""


def environment(name: str, *requirements: str) -> Path:
    """Return the Python of a peer's environment, made at the first call.

    The requirements belong to the folder's name: other versions, another environment.
    """
    folder = CACHE / "-".join([name, *requirements]).replace("[", "_").replace("]", "")
    python, ready = folder / "bin" / "python", folder / "ready"
    if not ready.exists():
        print(f"Making an environment with {', '.join(requirements)} …", flush=True)
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        pip = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, *requirements], check=True)
        ready.touch()
    return python
