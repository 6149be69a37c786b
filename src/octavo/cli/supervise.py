"""Supervising the services of a home: as pipeline.py is when they start, then as it is released.

What a service runs is the release's own copy of the script: one that is started anew after it has
ended must not take up what somebody is writing at that moment.
"""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from octavo.cli.arguments import RELEASE
from octavo.cli.services import LISTENING, listener, stopping
from octavo.errors import DefinitionError, OctavoError
from octavo.logs import JSON, relayed

COUNTS = "PROMETHEUS_MULTIPROC_DIR"
"""Variable with the folder where workers count together; prometheus_client reads it."""
LOOK = 0.5
"""Seconds between two looks for a release, and for a script that was changed."""


def checked(project: Any, asked: Sequence[str]) -> Sequence[str]:
    """Return the services asked for; of none, all that have something to do.

    Raises
    ------
    DefinitionError
        If one has nothing to do as the pipeline is defined.
    ResourceError
        If people cannot be told, for want of a library or a variable.
    """
    from octavo.services.addresses import check
    from octavo.services.releasing import services_of

    datasets = project.definition.datasets
    online = any(each.online is not None for each in datasets)
    followed = any(each.is_followed for each in datasets)
    serves = not asked or "server" in asked
    if (online or serves) and project.profile.stream.startswith("memory:"):
        raise DefinitionError(
            "a stream in memory is seen by one process alone, and ends with it.",
            where=f"profile {project.profile.name!r}, stream",
            fix='Leave it out, or write "sqlite:".',
        )
    if {"ingestion", "prep"} & {*asked} and not online:
        raise DefinitionError(
            "no dataset comes by a stream: there is nothing to ingest or to prep all the time.",
            where=project.name,
            fix="Declare online=ov.Stream() for one.",
        )
    if "tail" in asked and not followed:
        raise DefinitionError(
            "no dataset has files that grow: there is nothing to follow.",
            where=project.name,
            fix="Declare ov.Files(…, follow=True) for one.",
        )
    if "scheduler" in asked and not project.definition.schedules:
        raise DefinitionError(
            "nothing has a schedule: there is nothing to begin.",
            where=project.name,
            fix='Declare schedule=ov.Schedule(every="1h") for a dataset, a view or a stage.',
        )
    if "notifications" in asked and not project.definition.notify:
        raise DefinitionError(
            "nobody is to be told of anything.",
            where=project.name,
            fix="Declare notify=[…] in ov.Pipeline.",
        )
    found = asked or services_of(project.definition)
    if "notifications" in found:
        check(project.definition.notify, os.environ)
    return found


def supervise(
    project: Any,
    asked: Sequence[str],
    address: tuple[str, int],
    profile: str | None,
    *,
    workers: int,
    reload: bool,
) -> int:
    """Run each service in a process of its own.

    Parameters
    ----------
    asked
        The services; none: all that have something to do, also in later releases.
    workers
        How many processes the server is: they accept from one socket.

    Notes
    -----
    One process hands releases over, and they are live when its services run them. Others that
    supervise services in the same home follow what is live.
    """
    with project.home.supervising() as leads, ExitStack() as stack:
        first = _first(project, profile) if leads else _followed(project, profile)
        socket = stack.enter_context(listener(*address)) if not asked or "server" in asked else None
        counts = stack.enter_context(TemporaryDirectory()) if workers > 1 else ""
        told = first, asked, _Listening(address[0], socket, workers, counts), profile
        return _Supervised(*told, leads=leads, reload=reload and leads).run()


def supervise_servers(
    folders: Mapping[str, str],
    address: tuple[str, int],
    workers: int,
    profile: str | None,
    form: str,
) -> int:
    """Run one server for several pipelines, each as its script is when it starts.

    What it answers is collected beside it, since nobody else may do so. Of each pipeline the other
    services, and its releases, are another supervisor's.

    Parameters
    ----------
    folders
        Of each pipeline, by its name.
    workers
        How many processes the server is.
    form
        In which lines are written, see `octavo.logs`.
    """
    from octavo.services.supervisor import Command, Supervisor

    begin = [sys.executable, "-m", "octavo", "up"]
    options = ["--profile", profile] if profile else []
    with ExitStack() as stack:
        socket = stack.enter_context(listener(*address))
        counts = stack.enter_context(TemporaryDirectory())
        listening = _Listening(address[0], socket, workers, counts)
        server = Command([*begin, "server", *folders.values(), *options])
        commands = {
            **listening.commands(server),
            **{
                f"predictions-{name}": Command([*begin, "predictions", folder, *options])
                for name, folder in folders.items()
            },
        }
        telling = _telling(max(map(len, commands)), form)
        return Supervisor(commands, telling).run(stopping())


def _first(project: Any, profile: str | None) -> Any:
    """Return a project as it is now, which services are to run."""
    from octavo.stores import releases

    first = project.kept_for_release(profile)
    first.begin_release()
    releases.go_live(project.catalog, first.release)
    return first


def _followed(project: Any, profile: str | None) -> Any:
    """Return a project as the services run it that another process supervises."""
    from octavo.stores import releases

    while (live := releases.live(project.catalog)) is None:
        time.sleep(LOOK)  # it has only just begun
    return project.of_release(live["release_id"], profile)


@dataclass(frozen=True)
class _Listening:
    """How the server is reached, whose processes are started with it."""

    host: str
    socket: Any
    """Bound already; None where no server is supervised."""
    workers: int
    counts: str
    """Folder of what several workers count together; empty: there is one."""

    def commands(self, command: Any) -> Mapping[str, Any]:
        """Return how each worker is started, by the name it is told by."""
        words = [*command.words, "--host", self.host, "--port", str(self.socket.getsockname()[1])]
        more = {LISTENING: str(self.socket.fileno())}
        if self.counts:
            more[COUNTS] = self.counts
        found = replace(
            command,
            words=words,
            environment=command.environment | more,
            files=[self.socket.fileno()],
        )
        if self.workers == 1:
            return {"server": found}
        return {f"server-{number}": found for number in range(1, self.workers + 1)}


class _Supervised:
    """The services of a project, and the release they run."""

    def __init__(
        self,
        project: Any,
        asked: Sequence[str],
        listening: _Listening,
        profile: str | None,
        *,
        leads: bool,
        reload: bool,
    ) -> None:
        from octavo.services.releasing import services_of
        from octavo.services.supervisor import Supervisor

        self._project, self._asked, self._listening = project, asked, listening
        self._leads, self._runs = leads, project.release
        self._refused = self._why = ""
        options = [str(project.folder), "--home", str(project.home.path)]
        self._options = [*options, *(["--profile", profile] if profile else [])]
        self._stop, self._next = stopping(), 0.0
        services = asked or services_of(project.definition)
        width = max(map(len, self._commands(project.release, services)))
        self._tell = _telling(width, project.profile.log_format, project.name)
        self._reload = _Reload(project, self._options, self._say) if reload else None
        self._supervisor = Supervisor(self._commands(project.release, services), self._tell)

    def run(self) -> int:
        return self._supervisor.run(self._stop, self._look)

    def _commands(self, release: str, services: Sequence[str]) -> Mapping[str, Any]:
        """Return how each service is started, in the order in which releases reach them."""
        from octavo.services.supervisor import Command

        found = {}
        for name in services:
            words = [sys.executable, "-m", "octavo", "up", name, *self._options]
            command = Command(words, {RELEASE: release})
            found |= self._listening.commands(command) if name == "server" else {name: command}
        return found

    def _look(self) -> None:
        if time.monotonic() < self._next:
            return
        try:
            self._follow()
        except OctavoError as error:  # services go on; the next look tries again
            self._say(f"error: {error}")
        self._next = time.monotonic() + LOOK

    def _follow(self) -> None:
        """Hand over to the release that was asked for, or that another supervisor let go live."""
        from octavo.stores import releases

        catalog = self._project.catalog
        row = releases.asked(catalog) if self._leads else releases.live(catalog)
        if row is not None and row["release_id"] not in (self._runs, self._refused):
            self._hand_over(row)
        if row is None or not self._leads:
            if self._reload is not None:
                self._reload.look()
        elif row["release_id"] == self._runs:
            releases.go_live(catalog, self._runs)
        else:
            releases.refuse(catalog, row["release_id"], self._why)

    def _hand_over(self, row: Mapping[str, Any]) -> None:
        release = row["release_id"]
        services = self._asked or row["declared"]["services"]
        failed = self._supervisor.hand_over(self._commands(release, services), self._stop)
        if failed:
            self._refused = release
            self._why = f"{failed} does not come up with it; `octavo up` shows what it says"
            self._say(f"{release} is refused: {self._why}.")
        else:
            self._runs = release
            self._say(f"All services run {release}.")

    def _say(self, text: str) -> None:
        self._tell("release", text, err=True)


class _Reload:
    """Releases a script when it was changed, and is left alone for a moment."""

    def __init__(self, project: Any, options: Sequence[str], say: Callable[[str], None]) -> None:
        self._project, self._options, self._say = project, options, say
        self._released = self._seen = self._state()
        self._releasing = threading.Thread()

    def look(self) -> None:
        state = self._state()
        if self._releasing.is_alive():
            return
        if state == self._seen and state != self._released:  # it was the same a look ago
            self._released = state
            self._releasing = threading.Thread(target=self._release, daemon=True)
            self._releasing.start()
        self._seen = state

    def _release(self) -> None:
        command = [sys.executable, "-m", "octavo", "release", *self._options]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "errors": "replace"}
        with subprocess.Popen(command, text=True, **pipes) as process:
            assert process.stdout is not None, "it is a pipe"
            for line in process.stdout:
                self._say(line.rstrip())

    def _state(self) -> Mapping[Path, tuple[int, int]]:
        """Return when the script and the modules beside it were changed, and their sizes."""
        kept = self._project.home.release(self._project.release)
        found = {}
        for copy in kept.rglob("*.py"):
            file = self._project.folder / copy.relative_to(kept)
            if file.exists():
                found[file] = file.stat().st_mtime_ns, file.stat().st_size
        return found


def _telling(width: int, form: str, pipeline: str = "") -> Callable[..., None]:
    """Return what writes each line of a service with its time and the service's name."""
    lock = threading.Lock()

    def tell(service: str, line: str, *, err: bool) -> None:
        if form == JSON:
            told = relayed(line, service=service, pipeline=pipeline, is_error=err)
        else:
            moment = datetime.now(UTC).astimezone()
            told = f"{moment:%Y-%m-%d %H:%M:%S} {service:<{width}}  {line}"
        with lock:
            click.echo(told, err=err)

    return tell
