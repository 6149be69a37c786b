"""`octavo up` in process trees of their own, whose services are killed or held up one by one."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class Tree:
    """The services of one `octavo up`; of all that there are, unless some are named.

    Their output is kept, in ``NAME.txt`` beside the project. A context, at whose
    end it has stopped.
    """

    def __init__(self, folder: Path, *services: str, name: str = "up") -> None:
        place = [str(folder), "--port", "0"]
        command = [sys.executable, "-m", "octavo", "up", *services, *place]
        self.services, self.output = services, folder.parent / f"{name}.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(command, stdout=output, stderr=output)
        self._held: dict[int, threading.Timer] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()

    def address(self, within: float) -> str:
        """Return where events are sent to, once it says so."""
        until = time.monotonic() + within
        while not (found := re.search(r"POST (http://[^/]+)", self.output.read_text())):
            assert self.process.poll() is None, self.output.read_text()
            assert time.monotonic() < until, self.output.read_text()
            time.sleep(0.1)
        return found[1]

    def pid(self, service: str) -> int | None:
        """Return the process of a service, the first of its workers, if it runs."""
        return next(iter(self.pids(service)), None)

    def pids(self, service: str) -> list[int]:
        """Return the processes of a service."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        found = []
        for child in map(int, children.split()):
            with contextlib.suppress(FileNotFoundError):  # it has just ended
                if service in Path(f"/proc/{child}/cmdline").read_text().split("\0"):
                    found.append(child)
        return found

    def kill(self, service: str) -> bool:
        """Kill a service; return whether it ran."""
        found = self.pid(service)
        if found is not None:
            os.kill(found, signal.SIGKILL)
        return found is not None

    def hold_up(self, service: str, seconds: float) -> bool:
        """Stop a service for some seconds, as if its machine stood still; return whether it ran."""
        found = self.pid(service)
        if found is None:
            return False
        os.kill(found, signal.SIGSTOP)
        timer = threading.Timer(seconds, self._go_on, [found])
        self._held[found] = timer
        timer.start()
        return True

    def release(self) -> None:
        """Let all go on that is held up."""
        for pid, timer in list(self._held.items()):
            timer.cancel()
            timer.join()
            self._go_on(pid)

    def _go_on(self, pid: int) -> None:
        if self._held.pop(pid, None) is not None:
            with contextlib.suppress(ProcessLookupError):  # killed meanwhile
                os.kill(pid, signal.SIGCONT)

    def stop(self) -> int:
        """Tell it to stop, and return its exit code."""
        self.release()
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(90)
