"""Engines: where partition-parallel work runs. There is one: threads of this process."""

from octavo.engines.contract import Engine
from octavo.engines.local import LocalEngine

__all__ = ["Engine", "LocalEngine"]
