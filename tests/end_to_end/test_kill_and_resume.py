"""SIGKILL in every stage: the run that goes on comes to what an undisturbed one does."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from octavo.runner import STAGES

from .outcome import assert_same, outcome

DRIVER = Path(__file__).parent / "killed_run.py"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, make_project, octavo):
    folder = make_project(tmp_path_factory.mktemp("calm") / "shop", parts=2)
    assert octavo("run", folder).returncode == 0
    return outcome(folder)


@pytest.mark.parametrize("number", [1, 2, -1])
def test_a_run_killed_in_every_stage_comes_to_the_same(
    tmp_path, make_project, octavo, undisturbed, number
):
    folder = make_project(tmp_path / "shop", parts=2)
    killed = 0
    for stage in STAGES:
        done = subprocess.run(
            [sys.executable, str(DRIVER), str(folder), stage, str(number)],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == -signal.SIGKILL, (stage, done.returncode, done.stderr)
        killed += 1
    assert killed == 8
    last = octavo("run", folder)
    assert last.returncode == 0, last.stderr
    assert_same(outcome(folder), undisturbed)
    again = octavo("run", folder)
    assert "Nothing new" in again.stdout


def test_readings_of_test_are_counted_once_per_run(tmp_path, make_project, octavo):
    import sqlalchemy as sa

    from octavo.project import load
    from octavo.stores import catalog as tables

    folder = make_project(tmp_path / "shop")
    command = [sys.executable, str(DRIVER), str(folder), "evaluation", "-1"]
    subprocess.run(command, capture_output=True, timeout=120, check=False)
    assert octavo("run", folder).returncode == 0
    readings = load(folder).catalog.rows(sa.select(tables.test_readings))
    assert [row["purpose"] for row in readings] == ["verdict"]
