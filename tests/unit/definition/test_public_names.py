"""The public surface, and what it costs to load."""

import subprocess
import sys
from types import ModuleType

import pytest

import octavo
import octavo.definition
import octavo.project
import octavo.stages.training.algorithms

HEAVY = [
    "polars",
    "numba",
    "sklearn",
    "lightgbm",
    "xgboost",
    "optuna",
    "sqlalchemy",
    "uvicorn",
    "deltalake",
    "rich",
    "apprise",
]

LOAD = """
import sys, time
began = time.process_time()
import octavo
seconds = time.process_time() - began
print(seconds, *(name for name in sys.argv[1:] if name in sys.modules))
"""

HELP = """
import sys, time
wanted, sys.argv = sys.argv[1:], ["octavo", "--help"]
try:
    from octavo.cli.main import main
    main()
finally:
    print(time.process_time(), *(n for n in wanted if n in sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize("module", [octavo, octavo.definition], ids=lambda m: m.__name__)
def test_all_is_what_is_exported_and_sorted_as_ruff_does(module):
    if module is octavo:  # loads its names when they are first used
        declared = set(octavo.__all__) - {"load", "OnnxFitted"}
        assert all(getattr(octavo, n) is getattr(octavo.definition, n) for n in declared)
        assert octavo.load is octavo.project.load
        assert octavo.OnnxFitted is octavo.stages.training.algorithms.OnnxFitted
        assert not hasattr(octavo, "Datset")
    else:
        public = {
            name
            for name, value in vars(module).items()
            if not name.startswith("_") and not isinstance(value, ModuleType)
        }
        assert set(module.__all__) == public
    order = (str.isupper, str.isidentifier)  # constants, then classes, then functions
    ranked = [(not order[0](n), not n[0].isupper(), n) for n in module.__all__]
    assert ranked == sorted(ranked)


def cost(script: str) -> tuple[float, list[str]]:
    """Return CPU seconds, the least of three, and the heavy modules that were loaded."""
    found = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", script, *HEAVY], capture_output=True, text=True, check=True
        )
        seconds, *loaded = (done.stderr if script == HELP else done.stdout).split()
        found.append(float(seconds))
    return min(found), loaded


def test_importing_octavo_is_cheap():
    seconds, loaded = cost(LOAD)
    assert not loaded
    assert seconds < 0.1


def test_help_is_cheap():
    seconds, loaded = cost(HELP)
    assert not loaded
    assert seconds < 0.3


END = """
import atexit, gc, sys
sys.argv = ["octavo", "--help"]
atexit.register(lambda: print(gc.get_freeze_count(), file=sys.stderr))
from octavo.cli.main import main
main()
"""


def test_at_its_end_a_command_looks_through_nothing():
    done = subprocess.run([sys.executable, "-c", END], capture_output=True, text=True, check=True)
    assert int(done.stderr) > 10_000
