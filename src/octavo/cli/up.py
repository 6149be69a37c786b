"""The command that keeps services up: octavo up."""

import os
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import HOME, PATH, PROFILE
from octavo.cli.services import ALONE, listener, serve, stopping
from octavo.errors import DefinitionError

SERVICES = ("server", *ALONE)


@click.command
@click.argument(
    "words",
    metavar="[SERVICE…] [DIR]",
    nargs=-1,
    help="server, ingestion, prep, tail, maintenance; all there is to do by default. Then the "
    "folder of pipeline.py.",
)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option(
    "--port", metavar="N", default=8080, show_default=True, help="Its port; 0 takes a free one."
)
@PROFILE
@HOME
def up(words: Sequence[str], host: str, port: int, profile: str | None, home: Path | None) -> int:
    """Serve over HTTP, ingest and prep what is sent, and keep tables small, until stopped."""
    services = list(dict.fromkeys(word for word in words if word in SERVICES))
    if services == ["maintenance"]:  # out of the way of all others; Polars looks when it is loaded
        os.environ["POLARS_MAX_THREADS"] = "1"
        os.nice(10)

    from octavo.project import Project

    folders = [word for word in words if word not in SERVICES]
    if len(folders) > 1:
        raise DefinitionError.unknown("service", folders[0], SERVICES)
    project = Project(PATH.convert(folders[0] if folders else ".", None, None), home, profile)
    services = _checked(project, services)
    with project.home.kept():
        if services == ["server"]:
            return serve(project, host, port)
        if len(services) == 1:
            return ALONE[services[0]](project)
        return _supervise(project, services, host, port, profile)


def _checked(project: Any, asked: Sequence[str]) -> Sequence[str]:
    """Return the services asked for; of none, all that have something to do.

    Raises
    ------
    DefinitionError
        If one has nothing to do as the pipeline is defined.
    """
    datasets = project.definition.datasets
    online = any(each.online is not None for each in datasets)
    followed = any(each.is_followed for each in datasets)
    if online and project.profile.stream.startswith("memory:"):
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
    useful = {"server": True, "tail": followed}
    return asked or [service for service in SERVICES if useful.get(service, online)]


def _supervise(
    project: Any, services: Sequence[str], host: str, port: int, profile: str | None
) -> int:
    """Run each service in a process of its own."""
    from octavo.services.supervisor import supervise

    command = [sys.executable, "-m", "octavo", "up"]
    options = [str(project.folder), "--home", str(project.home.path)]
    options += ["--profile", profile] if profile else []
    commands = {name: [*command, name, *options] for name in services}
    if "server" in commands:
        with listener(host, port) as found:  # a server that is started anew has the same address
            port = found.getsockname()[1]
        commands["server"] += ["--host", host, "--port", str(port)]
    return supervise(commands, stopping(), _telling(max(map(len, services))))


def _telling(width: int) -> Callable[..., None]:
    """Return what writes each line of a service with its time and the service's name."""
    lock = threading.Lock()

    def tell(service: str, line: str, *, err: bool) -> None:
        moment = datetime.now(UTC).astimezone()
        with lock:
            click.echo(f"{moment:%Y-%m-%d %H:%M:%S} {service:<{width}}  {line}", err=err)

    return tell


COMMANDS = (up,)
