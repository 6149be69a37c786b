"""Several services as processes: started anew when they end, stopped together, heard by name.

It knows nothing of what they do. There are libraries for this; those that are kept are servers of
their own, with files of settings, and this is one loop.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Protocol

from octavo.errors import ExitCode

GRACE = 30.0
"""Seconds that services have to finish what they do when they are told to stop."""
SHORTEST, LONGEST = 0.5, 30.0
"""Seconds before a service that has ended is started anew: they double while it ends early."""
HEALTHY = 5.0
"""Seconds after which a service has started well: the pauses begin with the shortest again."""
LOOK = 0.1
"""Seconds between two looks."""
LAST_WORDS = 1.0
"""Seconds to wait for the last lines of a service that has ended."""
_PARENT = "OCTAVO_SUPERVISED_BY"


class Tell(Protocol):
    """Takes each line of each service, as it comes; from several threads."""

    def __call__(self, service: str, line: str, *, err: bool) -> None:
        """Take a line, without its end, of standard output or of standard error."""
        ...


@dataclass
class _Service:
    name: str
    command: Sequence[str]
    tell: Tell
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = 0.0
    listening: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        environment = {**os.environ, _PARENT: str(os.getpid()), "PYTHONUNBUFFERED": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "errors": "replace"}
        self.process = subprocess.Popen(self.command, env=environment, text=True, **pipes)
        self.started = time.monotonic()
        sources = ((self.process.stdout, False), (self.process.stderr, True))
        self.listening = [
            threading.Thread(target=self._listen, args=each, daemon=True) for each in sources
        ]
        for thread in self.listening:
            thread.start()

    def _listen(self, source: IO[str], err: bool) -> None:
        with source:
            for line in source:
                self.tell(self.name, line.rstrip(), err=err)

    def hear_out(self) -> None:
        """Wait for what it said last."""
        for thread in self.listening:
            thread.join(LAST_WORDS)

    def ended(self) -> int | None:
        """Return the exit code of a process that has ended, once."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return None
        self.process = None
        self.hear_out()
        lived = time.monotonic() - self.started
        doubled = 0.0 if lived >= HEALTHY else 2 * self.pause
        self.pause = min(max(SHORTEST, doubled), LONGEST)
        self.due = time.monotonic() + self.pause
        return code


def supervise(commands: Mapping[str, Sequence[str]], stop: threading.Event, tell: Tell) -> ExitCode:
    """Keep services up until told to stop, or one of them says that it never can be.

    Parameters
    ----------
    commands
        Name of each service to the command that runs it.
    tell
        Is told what services say, and of their ends.

    Returns
    -------
    ExitCode
        `ExitCode.DONE` if all stopped when they were told to; of a service that ended as misused
        (a wrong definition), that.
    """
    services = [_Service(name, command, tell) for name, command in commands.items()]
    try:
        while not stop.is_set():
            for service in services:
                code = service.ended()
                if code == ExitCode.USAGE:
                    tell(service.name, "cannot run as defined; all services stop", err=True)
                    return ExitCode.USAGE
                if code is not None:
                    again = f"{_how(code)}; starts again in {service.pause:g} s"
                    tell(service.name, again, err=True)
                if service.process is None and time.monotonic() >= service.due:
                    service.start()
            stop.wait(LOOK)
        return ExitCode.DONE
    finally:
        _stop(services, tell)


def _how(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"


def _stop(services: Sequence[_Service], tell: Tell) -> None:
    """Tell all to stop; kill what does not within `GRACE` seconds."""
    running = [(each, each.process) for each in services if each.process is not None]
    for _, process in running:
        process.terminate()
    until = time.monotonic() + GRACE
    for service, process in running:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            tell(service.name, f"did not stop within {GRACE:g} s, and is killed", err=True)
            process.kill()
            process.wait()
        service.hear_out()


def watch_parent() -> None:
    """Stop this process, as if told to, when who supervises it has ended, however that was."""
    parent = os.environ.get(_PARENT)
    if parent is not None:
        threading.Thread(target=_stop_with, args=(int(parent),), daemon=True).start()


def _stop_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
