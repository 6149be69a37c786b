"""A server is told to stop at any moment, also before it has begun to answer."""

import os
import subprocess
import sys
from pathlib import Path

INGESTION = Path(__file__).parents[1] / "ingestion"
SCRIPT = f"""
import sys
sys.path.insert(0, {str(INGESTION)!r})
from streaming import payments, pipeline_of
pipeline = pipeline_of(payments())
"""


def test_one_whose_supervisor_has_ended_while_it_was_loaded_stops(tmp_path):
    (tmp_path / "pipeline.py").write_text(SCRIPT)
    command = [sys.executable, "-m", "octavo", "up", "server", str(tmp_path), "--port", "0"]
    environment = os.environ | {"OCTAVO_SUPERVISED_BY": f"{2**30}"}
    done = subprocess.run(command, env=environment, timeout=60, check=False)
    assert done.returncode == 0
