"""The command that keeps services up: octavo up."""

import os
from collections.abc import Sequence
from pathlib import Path

import click

from octavo.cli.arguments import HOME, PATH, PROFILE
from octavo.cli.services import ALONE, serve
from octavo.cli.supervise import RELEASE, checked, supervise
from octavo.errors import DefinitionError

SERVICES = ("server", *ALONE)


@click.command
@click.argument(
    "words",
    metavar="[SERVICE…] [DIR]",
    nargs=-1,
    help="server, predictions, ingestion, prep, tail, maintenance; all there is to do by default. "
    "Then the folder of pipeline.py.",
)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option(
    "--port", metavar="N", default=8080, show_default=True, help="Its port; 0 takes a free one."
)
@click.option(
    "--reload", is_flag=True, help="Release pipeline.py whenever it was changed: octavo release."
)
@PROFILE
@HOME
def up(
    words: Sequence[str],
    host: str,
    port: int,
    reload: bool,
    profile: str | None,
    home: Path | None,
) -> int:
    """Serve over HTTP, ingest and prep what is sent, and keep tables small, until stopped."""
    services = list(dict.fromkeys(word for word in words if word in SERVICES))
    if services == ["maintenance"]:  # out of the way of all others; Polars looks when it is loaded
        os.environ["POLARS_MAX_THREADS"] = "1"
        os.nice(10)

    from octavo.project import Project

    folders = [word for word in words if word not in SERVICES]
    if len(folders) > 1:
        raise DefinitionError.unknown("service", folders[0], SERVICES)
    folder = PATH.convert(folders[0] if folders else ".", None, None)
    project = Project(folder, home, profile, os.environ.get(RELEASE))
    chosen = checked(project, services)
    with project.home.kept():
        if len(chosen) > 1 or reload:
            return supervise(project, services, (host, port), profile, reload=reload)
        if chosen == ["server"]:
            return serve(project, host, port)
        return ALONE[chosen[0]](project)


COMMANDS = (up,)
