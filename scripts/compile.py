"""Compile what is compiled on first use: `python scripts/compile.py`.

Processes that begin at the same time compile the same, each for itself; tests are such processes.
"""

import importlib
import pkgutil

import octavo.bundle
import octavo.stages.ingestion.kernels
import octavo.windows

for package in (octavo.bundle, octavo.windows):
    for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
