"""Several services as processes: started anew when they end, and stopped together.

It knows nothing of what they do. There are libraries for this; those that are kept are servers of
their own, with files of settings, and this is one loop.
"""

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from octavo.errors import ExitCode

GRACE = 30.0
"""Seconds that services have to finish what they do when they are told to stop."""
SHORTEST, LONGEST = 0.5, 30.0
"""Seconds before a service that has ended is started anew: they double while it ends early."""
HEALTHY = 5.0
"""Seconds after which a service has started well: the pauses begin with the shortest again."""
LOOK = 0.1
"""Seconds between two looks."""
_PARENT = "OCTAVO_SUPERVISED_BY"


@dataclass
class _Service:
    name: str
    command: Sequence[str]
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = 0.0

    def start(self) -> None:
        environment = {**os.environ, _PARENT: str(os.getpid())}
        self.process = subprocess.Popen(self.command, env=environment)
        self.started = time.monotonic()

    def ended(self) -> int | None:
        """Return the exit code of a process that has ended, once."""
        code = None if self.process is None else self.process.poll()
        if code is None:
            return None
        self.process = None
        lived = time.monotonic() - self.started
        doubled = 0.0 if lived >= HEALTHY else 2 * self.pause
        self.pause = min(max(SHORTEST, doubled), LONGEST)
        self.due = time.monotonic() + self.pause
        return code


def supervise(
    commands: Mapping[str, Sequence[str]], stop: threading.Event, tell: Callable[[str], None]
) -> ExitCode:
    """Keep services up until told to stop, or one of them says that it never can be.

    Parameters
    ----------
    commands
        Name of each service to the command that runs it.
    tell
        Is told of each end and start.

    Returns
    -------
    ExitCode
        `ExitCode.DONE` if all stopped when they were told to; of a service that ended as misused
        (a wrong definition), that.
    """
    services = [_Service(name, command) for name, command in commands.items()]
    try:
        while not stop.is_set():
            for service in services:
                code = service.ended()
                if code == ExitCode.USAGE:
                    tell(f"{service.name} cannot run as it is defined; all services stop.")
                    return ExitCode.USAGE
                if code is not None:
                    tell(f"{service.name} ended ({code}); again in {service.pause:g} s.")
                if service.process is None and time.monotonic() >= service.due:
                    service.start()
            stop.wait(LOOK)
        return ExitCode.DONE
    finally:
        _stop(services, tell)


def _stop(services: Sequence[_Service], tell: Callable[[str], None]) -> None:
    """Tell all to stop; kill what does not within `GRACE` seconds."""
    running = [(each.name, each.process) for each in services if each.process is not None]
    for _, process in running:
        process.terminate()
    until = time.monotonic() + GRACE
    for name, process in running:
        try:
            process.wait(max(0.0, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            tell(f"{name} did not stop within {GRACE:g} s, and was killed.")
            process.kill()
            process.wait()


def watch_parent() -> None:
    """Stop this process, as if told to, when who supervises it has ended, however that was."""
    parent = os.environ.get(_PARENT)
    if parent is not None:
        threading.Thread(target=_stop_with, args=(int(parent),), daemon=True).start()


def _stop_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os.kill(os.getpid(), signal.SIGTERM)
