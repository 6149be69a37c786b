"""A process beside this one that calls functions, one at a time, and may die of them.

What must not take the run down with it goes there: a user's own training code, a library that
crashes or takes all memory, a call that never returns. It is a fresh interpreter, never a fork, and
unlike ``multiprocessing`` it does not run the caller's main script again.
"""

import contextlib
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TypeVar

import cloudpickle

_LONGEST = 2e6
"""Seconds that one wait can take, 23 days; the system counts milliseconds in 32 bits."""

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class LostError(Exception):
    """The process died, or what it called raised; the message says which."""


class LateError(Exception):
    """It took longer than it was given, and was killed."""


class Apart:
    """One such process; started at the first call, and anew after it has died.

    Parameters
    ----------
    memory
        Bytes it may allocate; what asks for more gets a ``MemoryError``. None: no limit.
    path
        Folders to import from, before those that this process imports from.
    """

    def __init__(self, memory: int | None = None, path: Sequence[str] = ()) -> None:
        self.memory = memory
        self.path = list(path)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Connection | None = None

    def call(
        self,
        function: Callable[[Argument], Result],
        argument: Argument,
        *,
        seconds: float | None = None,
    ) -> Result:
        """Return ``function(argument)``, computed there.

        Parameters
        ----------
        function, argument
            Pickled by value where they come from a script.
        seconds
            How long it may take; None: for ever.

        Raises
        ------
        LostError
            If the process died, or the function raised.
        LateError
            If it took too long.
        """
        channel = self._channel or self._start()
        try:
            channel.send_bytes(cloudpickle.dumps((function, argument)))
            if not channel.poll(None if seconds is None else min(seconds, _LONGEST)):
                self.stop()
                raise LateError(f"it was stopped after {seconds:.0f} s")
            good, value = pickle.loads(channel.recv_bytes())
        except (EOFError, ConnectionError) as error:
            raise LostError(self._obituary()) from error
        except BaseException:
            self.stop()
            raise
        if not good:
            raise LostError(value)
        return value

    @property
    def is_new(self) -> bool:
        """Whether the next call begins with a new process."""
        return self._process is None

    def kill(self) -> None:
        """Kill the process, if there is one; whoever waits for it, in another thread, loses it."""
        process = self._process  # another thread may forget it meanwhile
        if process is not None:
            _kill(process)

    def stop(self) -> None:
        """Kill the process, if there is one, and forget it."""
        if self._process is not None:
            _kill(self._process)
            self._process.wait()
        if self._channel is not None:
            self._channel.close()
        self._process = self._channel = None

    def _start(self) -> Connection:
        ours, theirs = Pipe()
        arguments = [str(theirs.fileno()), str(os.getpid()), str(self.memory or 0)]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "octavo.engines.child", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=2,  # the run's own answer goes to standard output
            pass_fds=[theirs.fileno()],
            start_new_session=True,  # Ctrl-C asks this process, which decides
        )
        theirs.close()
        ours.send([*self.path, *sys.path])
        self._channel = ours
        return ours

    def _obituary(self) -> str:
        assert self._process is not None, "it was started by whoever lost it"
        code = self._process.wait()
        self.stop()
        if code == -9:
            return "its process was killed (signal 9), as the system does where memory is short"
        return f"its process died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill a process and those it has started: it leads a session of its own."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def memory_left() -> int | None:
    """Return the bytes this machine, or the container, has left; None where it does not say."""
    found = [_number(Path("/proc/meminfo"), "MemAvailable:", 1024)]
    groups = Path("/sys/fs/cgroup")
    most, used = _number(groups / "memory.max"), _number(groups / "memory.current")
    cached = _number(groups / "memory.stat", "inactive_file") or 0  # given back when it is needed
    found.append(None if most is None or used is None else most - max(used - cached, 0))
    return min((each for each in found if each is not None), default=None)


def _number(file: Path, after: str = "", unit: int = 1) -> int | None:
    try:
        text = file.read_text()
        return int(text[text.index(after) + len(after) :].split()[0]) * unit
    except (OSError, ValueError, IndexError):
        return None
