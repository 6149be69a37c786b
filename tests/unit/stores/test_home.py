import subprocess
import sys

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


def test_the_lock_goes_with_a_killed_process(tmp_path):
    script = (
        "import os, signal, sys; from pathlib import Path; from octavo.stores.home import Home\n"
        "with Home(Path(sys.argv[1])).lock(): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", script, str(tmp_path)], check=False)
    with Home(tmp_path).lock():
        pass
