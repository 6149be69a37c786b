import fcntl
import subprocess
import sys
import threading

import pytest

from octavo.errors import ResourceError
from octavo.stores.home import Home


def test_a_second_run_is_refused_while_one_is_under_way(tmp_path):
    home = Home(tmp_path / ".octavo")
    with home.lock():
        other = Home(home.path)
        with pytest.raises(ResourceError, match="another run is under way"), other.lock():
            pass
    with home.lock():
        pass


def test_a_look_whether_a_run_is_under_way_refuses_none(tmp_path):
    home = Home(tmp_path)
    with (tmp_path / "lock").open("a+") as looking:
        fcntl.flock(looking, fcntl.LOCK_SH)
        threading.Timer(0.04, fcntl.flock, [looking, fcntl.LOCK_UN]).start()
        with home.lock():
            assert home.is_running
        assert not home.is_running


def test_the_lock_goes_with_a_killed_process(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from octavo.stores.home import Home\n"
        "with Home(Path(sys.argv[1])).lock(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    with Home(tmp_path).lock():
        pass
