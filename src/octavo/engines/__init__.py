"""Engines: where partition-parallel work runs. Which one is a URL in the profile."""

from octavo.engines.contract import Engine
from octavo.engines.local import LocalEngine

__all__ = ["Engine", "LocalEngine"]
