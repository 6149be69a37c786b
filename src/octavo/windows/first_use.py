"""Compiled code on first use: importing Octavo compiles nothing, and nobody waits untold.

This module does not import numba, and knows nothing of what the code computes.
"""

import importlib
import sys
import threading
from functools import cache
from typing import Any

NOTICEABLE = 2.0
"""Seconds; what was compiled before is there sooner."""

MESSAGE = "octavo: compiling the window kernel, once for this installation (up to a minute) …\n"


@cache
def steps(module: str) -> Any:
    """Return a module of `octavo.windows` with compiled entries.

    The first import ever compiles them; if that takes noticeably long it is told on standard error.
    """
    timer = threading.Timer(NOTICEABLE, _tell)
    timer.daemon = True
    timer.start()
    try:
        return importlib.import_module(f"octavo.windows.{module}")
    finally:
        timer.cancel()


@cache
def _tell() -> None:
    """Tell once, however many modules are compiled."""
    sys.stderr.write(MESSAGE)
