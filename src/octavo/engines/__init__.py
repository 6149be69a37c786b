"""Engines: where work runs. Partition-parallel in threads of this process, or apart from it."""

from octavo.engines.apart import Apart, LateError, LostError, memory_left
from octavo.engines.contract import Engine
from octavo.engines.local import LocalEngine

__all__ = ["Apart", "Engine", "LateError", "LocalEngine", "LostError", "memory_left"]
