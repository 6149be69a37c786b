"""Several services as processes: started anew when they end, stopped together, heard by name.

It knows nothing of what they do. There are libraries for this; those that are kept are servers of
their own, with files of settings, and this is one loop.
"""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import IO, Protocol

from octavo.errors import ExitCode

GRACE = 30.0
"""Seconds that services have to finish what they do when they are told to stop."""
READY = 120.0
"""Seconds that a successor has until it says that it is ready."""
SHORTEST, LONGEST = 0.5, 30.0
"""Seconds before a service that has ended is started anew: they double while it ends early."""
HEALTHY = 5.0
"""Seconds after which a service has started well: the pauses begin with the shortest again."""
LOOK = 0.1
"""Seconds between two looks."""
SUCCEEDED = signal.SIGUSR1
"""Tells a service to stop since a successor is there: it leaves behind what that one finds."""
LAST_WORDS = 1.0
"""Seconds to wait for the last lines of a service that has ended."""
_PARENT = "OCTAVO_SUPERVISED_BY"
_LINE = "OCTAVO_SUPERVISOR_LINE"


@dataclass(frozen=True)
class Command:
    """How a service is started."""

    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables besides those of this process."""
    files: Sequence[int] = ()
    """File descriptors that it inherits."""


class Tell(Protocol):
    """Takes each line of each service, as it comes; from several threads."""

    def __call__(self, service: str, line: str, *, err: bool) -> None:
        """Take a line, without its end, of standard output or of standard error."""
        ...


@dataclass
class _Service:
    name: str
    command: Command
    tell: Tell
    process: subprocess.Popen[str] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = 0.0
    listening: list[threading.Thread] = field(default_factory=list)
    line: socket.socket | None = None
    """To a successor that waits until its predecessor has ended."""

    def start(self, line: socket.socket | None = None) -> None:
        more = as_parent() | {"PYTHONUNBUFFERED": "1"}
        files = [*self.command.files]
        if line is not None:
            more[_LINE] = str(line.fileno())
            files.append(line.fileno())
        environment = {**os.environ, **self.command.environment, **more}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "errors": "replace"}
        self.process = subprocess.Popen(
            self.command.words, env=environment, text=True, pass_fds=files, **pipes
        )
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

    def comes_up(self, stop: threading.Event, meanwhile: Callable[[], object]) -> bool:
        """Start it; return whether it has said that it is ready, and end it otherwise.

        Parameters
        ----------
        meanwhile
            Is called again and again until then.
        """
        self.line, other = socket.socketpair()
        with other:
            self.start(other)
        self.line.settimeout(LOOK)
        until = time.monotonic() + READY
        while not stop.is_set() and time.monotonic() < until:
            try:
                if self.line.recv(1):
                    return True
                break  # it has ended
            except TimeoutError:
                meanwhile()
        assert self.process is not None, "it was started"
        self.process.kill()
        self.process.wait()
        self.hear_out()
        self.begin()
        return False

    def begin(self) -> None:
        """Let it begin its work."""
        if self.line is not None:
            self.line.close()


class Supervisor:
    """Keeps services up.

    Parameters
    ----------
    commands
        Name of each service to how it is started.
    tell
        Is told what services say, and of their ends.
    """

    def __init__(self, commands: Mapping[str, Command], tell: Tell) -> None:
        self._services = {name: _Service(name, command, tell) for name, command in commands.items()}
        self._tell = tell

    def run(self, stop: threading.Event, look: Callable[[], None] = lambda: None) -> ExitCode:
        """Keep services up until told to stop, or one of them says that it never can be.

        Parameters
        ----------
        look
            Is called again and again; it may hand over.

        Returns
        -------
        ExitCode
            `ExitCode.DONE` if all stopped when they were told to; of a service that ended as
            misused (a wrong definition), that.
        """
        try:
            while not stop.is_set():
                if misused := self._keep_up():
                    self._tell(misused, "cannot run as defined; all services stop", err=True)
                    return ExitCode.USAGE
                look()
                stop.wait(LOOK)
            return ExitCode.DONE
        finally:
            self._end(self._services.values(), signal.SIGTERM)

    def _keep_up(self) -> str:
        """Start anew what has ended and is due; return a service that never can be up, or ""."""
        misused = ""
        for service in self._services.values():
            code = service.ended()
            if code == ExitCode.USAGE:
                misused = service.name
            elif code is not None:
                again = f"{_how(code)}; starts again in {service.pause:g} s"
                self._tell(service.name, again, err=True)
            if service.process is None and not misused and time.monotonic() >= service.due:
                service.start()
        return misused

    def hand_over(self, commands: Mapping[str, Command], stop: threading.Event) -> str:
        """Replace services by successors one after the other, each when its successor is ready.

        Most begin their work when their predecessor has ended; a server has begun by then.

        One that has no successor is stopped at the end. If a successor does not come up, those that
        were replaced are in their turn by what was there before.

        Returns
        -------
        str
            The service whose successor did not come up; "" if all did.
        """
        before, replaced = dict(self._services), []
        for name, command in commands.items():
            successor = _Service(name, command, self._tell)
            if not successor.comes_up(stop, self._keep_up):
                self._hand_back(before, replaced, stop)
                return name
            self._replace(name, successor)
            replaced.append(name)
        for name in self._services.keys() - commands.keys():
            self._end([self._services.pop(name)], SUCCEEDED)
        return ""

    def _hand_back(
        self, before: Mapping[str, _Service], replaced: Iterable[str], stop: threading.Event
    ) -> None:
        for name in replaced:
            if name not in before:
                self._end([self._services.pop(name)], signal.SIGTERM)
                continue
            again = _Service(name, before[name].command, self._tell)
            if not again.comes_up(stop, self._keep_up):
                again.process = None  # then it is started as any that has ended
            self._replace(name, again)

    def _replace(self, name: str, successor: _Service) -> None:
        predecessor = self._services.get(name)
        self._services[name] = successor
        if predecessor is not None:
            self._end([predecessor], SUCCEEDED)
        successor.begin()

    def _end(self, services: Iterable[_Service], how: signal.Signals) -> None:
        """Tell some to stop; kill what does not within `GRACE` seconds."""
        running = [(each, each.process) for each in services if each.process is not None]
        for _, process in running:
            process.send_signal(how)
        until = time.monotonic() + GRACE
        for service, process in running:
            try:
                process.wait(max(0.0, until - time.monotonic()))
            except subprocess.TimeoutExpired:
                late = f"did not stop within {GRACE:g} s, and is killed"
                self._tell(service.name, late, err=True)
                process.kill()
                process.wait()
            service.hear_out()


def _how(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"ended by {signal.Signals(-code).name}"


def ready(*, waits: bool = True) -> None:
    """Say, in a service, that it is about to begin its work: all is loaded and checked.

    Parameters
    ----------
    waits
        Until its predecessor, if it has one, has ended.
    """
    line = os.environ.pop(_LINE, None)
    if line is not None:
        with socket.socket(fileno=int(line)) as to, suppress(OSError):  # who asked may be gone
            to.sendall(b"1")
            if waits:
                to.recv(1)


def as_parent() -> dict[str, str]:
    """Return the variables of a process that is to end with this one, if it watches its parent."""
    return {_PARENT: str(os.getpid())}


def watch_parent() -> None:
    """Stop this process, as if told to, when who supervises it has ended, however that was."""
    parent = os.environ.get(_PARENT)
    if parent is not None:
        threading.Thread(target=_stop_with, args=(int(parent),), daemon=True).start()


def _stop_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
