"""Services that end are started anew: soon if they had started well, later and later if not."""

import re
import signal
import sys
import threading
import time

import pytest

from octavo.errors import ExitCode
from octavo.services import supervisor
from octavo.services.supervisor import Command, Supervisor


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

    assert Supervisor({"it": Command(command)}, tell).run(stop) == ExitCode.DONE
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
    commands = {"other": Command(other), "wrong": Command(wrong)}
    assert Supervisor(commands, telling(told)).run(threading.Event()) == ExitCode.USAGE
    assert told == ["! wrong: cannot run as defined; all services stop"]
    assert mark.exists()


def test_one_that_does_not_stop_is_killed(monkeypatch):
    monkeypatch.setattr(supervisor, "GRACE", 0.2)
    stop, told = threading.Event(), []
    deaf = ["sh", "-c", f"trap '' {signal.SIGTERM:d}; exec sleep 60"]
    threading.Timer(0.3, stop.set).start()
    assert Supervisor({"deaf": Command(deaf)}, telling(told)).run(stop) == ExitCode.DONE
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
    assert Supervisor({n: Command(w) for n, w in commands.items()}, tell).run(stop) == ExitCode.DONE
    assert [line for line in told if "one" in line] == ["one: begun", "one: ", "one: gone"]
    said = [line for line in told if "two" in line]
    assert said[:2] == [
        "! two: bad \ufffd",
        "! two: ended by SIGKILL; starts again in 0.02 s",
    ]


SERVICE = """
import os, pathlib, signal, sys, time
from octavo.services.supervisor import ready
out = pathlib.Path(sys.argv[1])
def ends(number, _):
    with out.open("a") as file: file.write(f"{os.environ['IS']} ends by {number}\\n")
    sys.exit(0)
for each in (signal.SIGTERM, signal.SIGUSR1): signal.signal(each, ends)
if os.environ["IS"] == "wrong": sys.exit(2)
ready()
with out.open("a") as file: file.write(f"{os.environ['IS']} begins\\n")
time.sleep(60)
"""


def begun(path):
    return path.exists() and path.read_text().endswith("begins\n")


@pytest.fixture
def follow(tmp_path):
    """Return what hands two services over again and again, and gives what they wrote."""

    def command(name, says):
        return Command([sys.executable, "-c", SERVICE, str(tmp_path / name)], {"IS": says})

    def run(*versions):
        first, *others = ({name: command(name, is_) for name, is_ in v.items()} for v in versions)
        stop, told = threading.Event(), []
        supervised = Supervisor(first, telling([]))

        def look():
            if all((tmp_path / name).exists() for name in first):
                told.extend(supervised.hand_over(each, stop) for each in others)
                last = first if told[-1] else others[-1]
                while not all(begun(tmp_path / name) for name in last):
                    time.sleep(0.02)
                stop.set()

        threading.Timer(60, stop.set).start()
        assert supervised.run(stop, look) == ExitCode.DONE
        return told, {path.name: path.read_text().splitlines() for path in tmp_path.iterdir()}

    return run


def test_a_successor_begins_when_its_predecessor_has_ended(follow):
    told, wrote = follow({"a": "old", "b": "old"}, {"a": "new", "c": "new"})
    assert told == [""]
    usr, term = int(signal.SIGUSR1), int(signal.SIGTERM)
    assert wrote == {
        "a": ["old begins", f"old ends by {usr}", "new begins", f"new ends by {term}"],
        "b": ["old begins", f"old ends by {usr}"],
        "c": ["new begins", f"new ends by {term}"],
    }


def test_one_that_does_not_come_up_leaves_all_as_it_was(follow):
    told, wrote = follow({"a": "old", "b": "old"}, {"a": "new", "b": "wrong"})
    assert told == ["b"]
    usr, term = int(signal.SIGUSR1), int(signal.SIGTERM)
    again = ["old begins", f"old ends by {term}"]
    assert wrote == {
        "a": ["old begins", f"old ends by {usr}", "new begins", f"new ends by {usr}", *again],
        "b": again,
    }


def test_others_are_kept_up_while_a_successor_takes_its_time(tmp_path):
    begun, stop, told = tmp_path / "begun", threading.Event(), []
    slow = "import sys, time; time.sleep(1.5); sys.exit(1)"
    commands = {
        "slow": Command(["sleep", "60"]),
        "other": Command(["sh", "-c", f"echo >> {begun}; sleep 0.5"]),
    }
    supervised = Supervisor(commands, telling([]))

    def look():
        if begun.exists():
            before = begun.read_text().count("\n")
            told.append(supervised.hand_over({"slow": Command([sys.executable, "-c", slow])}, stop))
            told.append(begun.read_text().count("\n") - before)
            stop.set()

    threading.Timer(60, stop.set).start()
    assert supervised.run(stop, look) == ExitCode.DONE
    assert told[0] == "slow"
    assert told[1] >= 1
