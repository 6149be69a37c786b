"""What happens in a process apart: answers, and every way not to answer."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from octavo.engines import Apart, LateError, LostError, memory_left


@pytest.fixture
def apart():
    process = Apart(memory=2 * 10**9)
    yield process
    process.stop()


class Doubled:
    """A user's class: it is in no module that the other process could import."""

    def __call__(self, x):
        return 2 * x


def takes_all_memory(_):
    held = []
    while True:
        held.append(bytearray(50_000_000))


def raises_what_cannot_be_pickled(_):
    class Odd(Exception):
        def __init__(self):
            self.lock = threading.Lock()

    raise Odd


def test_it_answers_from_a_process_of_its_own_again_and_again(apart):
    assert apart.call(Doubled(), 21) == 42
    others = {apart.call(lambda _: os.getpid(), None) for _ in range(3)}
    assert len(others) == 1
    assert os.getpid() not in others


@pytest.mark.parametrize(
    ("function", "says"),
    [
        (lambda _: 1 / 0, "ZeroDivisionError: division by zero"),
        (raises_what_cannot_be_pickled, "Odd"),
        (lambda _: threading.Lock(), "pickle"),
        (takes_all_memory, "MemoryError"),
        (lambda _: sys.exit(3), "SystemExit: 3"),
        (lambda _: os._exit(3), r"its process died \(exit code 3\)"),
        (lambda _: os.kill(os.getpid(), signal.SIGSEGV), r"its process died \(signal 11\)"),
        (lambda _: os.kill(os.getpid(), signal.SIGKILL), "killed.*where memory is short"),
    ],
)
def test_whatever_it_dies_of_is_told_and_the_next_call_is_answered(apart, function, says):
    with pytest.raises(LostError, match=says):
        apart.call(function, None)
    assert apart.call(Doubled(), 1) == 2


def test_what_takes_too_long_is_killed(apart):
    began = time.monotonic()
    with pytest.raises(LateError, match="stopped after 1 s"):
        apart.call(time.sleep, 60, seconds=1)
    assert time.monotonic() - began < 20
    assert apart.call(Doubled(), 1) == 2


def test_it_imports_from_the_folders_it_is_given(tmp_path):
    (tmp_path / "beside.py").write_text("def f(x): return x + 1\n")
    sys.path.insert(0, str(tmp_path))
    try:
        from beside import f  # type: ignore[import-not-found]
    finally:
        sys.path.remove(str(tmp_path))
    process = Apart(path=[str(tmp_path)])
    assert process.call(f, 1) == 2
    process.stop()


SCRIPT = """
import os, sys, time
from octavo.engines import Apart
print(Apart().call(lambda _: os.getpid(), None), flush=True)
Apart().call(time.sleep, 60)
"""


def test_it_does_not_outlive_who_asked(tmp_path):
    """And the script is not run a second time: there is no guard in it."""
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    with subprocess.Popen([sys.executable, script], stdout=subprocess.PIPE, text=True) as parent:
        child = int(parent.stdout.readline())  # type: ignore[union-attr]
        parent.kill()
    until = time.monotonic() + 20
    while Path(f"/proc/{child}").exists() and time.monotonic() < until:
        time.sleep(0.05)
    assert not Path(f"/proc/{child}").exists()


def test_the_memory_left_is_less_than_there_is():
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    left = memory_left()
    assert left is not None
    assert 0 < left < total
