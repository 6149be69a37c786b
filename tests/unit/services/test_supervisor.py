"""Services that end are started anew: soon if they had started well, later and later if not."""

import re
import signal
import sys
import threading

import pytest

from octavo.errors import ExitCode
from octavo.services import supervisor
from octavo.services.supervisor import supervise


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    monkeypatch.setattr(supervisor, "SHORTEST", 0.02)
    monkeypatch.setattr(supervisor, "LONGEST", 0.1)
    monkeypatch.setattr(supervisor, "HEALTHY", 0.5)
    monkeypatch.setattr(supervisor, "LOOK", 0.005)


def telling(told):
    """Return what keeps what services say."""

    def tell(service, line, *, err):
        told.append(f"{'! ' * err}{service}: {line}")

    return tell


def pauses(command, count):
    """Return the pauses after the first ends of a service, in seconds."""
    stop, found = threading.Event(), []

    def tell(service, line, *, err):
        assert (service, err) == ("it", True)
        found.append(float(re.fullmatch(r"ended .+; starts again in (.+) s", line)[1]))
        if len(found) == count:
            stop.set()

    assert supervise({"it": command}, stop, tell) == ExitCode.DONE
    return found


def test_pauses_double_up_to_the_longest():
    assert pauses(["false"], 5) == [0.02, 0.04, 0.08, 0.1, 0.1]


@pytest.mark.parametrize("end", ["exit 3", "kill -KILL $$"])
def test_a_service_that_ran_well_is_started_anew_soon(tmp_path, end):
    often = tmp_path / "often"
    script = f"echo >> {often}; [ $(wc -l < {often}) != 4 ] || sleep 0.7; {end}"
    assert pauses(["sh", "-c", script], 6) == [0.02, 0.04, 0.08, 0.02, 0.04, 0.08]


def test_one_that_cannot_run_as_it_is_defined_ends_all(tmp_path):
    mark = tmp_path / "told"
    trap = f"import signal, sys, time; signal.signal(15, lambda *_: sys.exit(open({str(mark)!r}, "
    other = [sys.executable, "-c", f"{trap}'w').close())); time.sleep(60)"]
    wrong = ["sh", "-c", "sleep 1; exit 2"]
    told = []
    commands = {"other": other, "wrong": wrong}
    assert supervise(commands, threading.Event(), telling(told)) == ExitCode.USAGE
    assert told == ["! wrong: cannot run as defined; all services stop"]
    assert mark.exists()


def test_one_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE", 0.2)
    stop, told = threading.Event(), []
    deaf = ["sh", "-c", f"trap '' {signal.SIGTERM:d}; exec sleep 60"]
    threading.Timer(0.3, stop.set).start()
    assert supervise({"deaf": deaf}, stop, telling(told)) == ExitCode.DONE
    assert told == ["! deaf: did not stop within 0.2 s, and is killed"]


def test_all_that_services_say_is_told_by_name_to_the_last_line():
    stop, told = threading.Event(), []

    def tell(service, line, *, err):
        telling(told)(service, line, err=err)
        if {"one: begun", "! two: ended by SIGKILL; starts again in 0.02 s"} <= {*told}:
            stop.set()

    commands = {
        "one": ["sh", "-c", "trap 'echo; echo gone; exit' TERM; echo begun; while :; do :; done"],
        "two": ["sh", "-c", r"printf 'bad \377\n' >&2; kill -KILL $$"],
    }
    assert supervise(commands, stop, tell) == ExitCode.DONE
    assert [line for line in told if "one" in line] == ["one: begun", "one: ", "one: gone"]
    said = [line for line in told if "two" in line]
    assert said[:2] == [
        "! two: bad \ufffd",
        "! two: ended by SIGKILL; starts again in 0.02 s",
    ]
