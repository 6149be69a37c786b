"""The command that keeps services up: octavo up."""

import os
import signal
import socket
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import HOME, PATH, PROFILE
from octavo.errors import DataError, DefinitionError, ExitCode, ResourceError

SERVICES = ("server", "ingestion", "maintenance")


@click.command
@click.argument(
    "words",
    metavar="[SERVICE…] [DIR]",
    nargs=-1,
    help="server, ingestion, maintenance; with a stream all of them by default, without one the "
    "server. Then the folder of pipeline.py.",
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
    """Serve over HTTP, ingest what is sent, and keep tables small, until stopped."""
    from octavo.project import Project

    services = list(dict.fromkeys(word for word in words if word in SERVICES))
    folders = [word for word in words if word not in SERVICES]
    if len(folders) > 1:
        raise DefinitionError.unknown("service", folders[0], SERVICES)
    project = Project(PATH.convert(folders[0] if folders else ".", None, None), home, profile)
    online = [each.name for each in project.definition.datasets if each.online is not None]
    if "ingestion" in services and not online:
        raise DefinitionError(
            "no dataset comes by a stream: there is nothing to ingest.",
            where=project.name,
            fix="Declare online=ov.Stream() for one.",
        )
    if online and project.profile.stream.startswith("memory:"):
        raise DefinitionError(
            "a stream in memory is seen by one process alone, and ends with it.",
            where=f"profile {project.profile.name!r}, stream",
            fix='Leave it out, or write "sqlite:".',
        )
    services = services or list(SERVICES if online else SERVICES[:1])
    with project.home.kept():
        if services == ["server"]:
            return _serve(project, host, port)
        if services == ["ingestion"]:
            return _ingest(project)
        if services == ["maintenance"]:
            return _maintain(project)
        return _supervise(project, services, host, port, profile)


def _supervise(
    project: Any, services: Sequence[str], host: str, port: int, profile: str | None
) -> int:
    """Run each service in a process of its own."""
    from octavo.services.supervisor import supervise

    with _listener(host, port) as listener:  # a server that is started anew has the same address
        port = listener.getsockname()[1]
    command = [sys.executable, "-m", "octavo", "up"]
    options = [str(project.folder), "--home", str(project.home.path)]
    options += ["--profile", profile] if profile else []
    address = ["--host", host, "--port", str(port)]
    commands = {name: [*command, name, *options] for name in services}
    if "server" in commands:
        commands["server"] += address
    return supervise(commands, _stopping(), lambda text: click.echo(text, err=True))


def _ingest(project: Any) -> int:
    from octavo.services.notifications import NotificationService
    from octavo.stages.ingestion.online import OnlineIngestion

    stop, stream = _stopping(), project.stream()
    notifications = NotificationService(
        project.catalog,
        project.home.log,
        lambda severity, text: click.echo(f"{severity}: {text}", err=True),
        urls=project.definition.notify,
        name=project.name,
        online=True,
    )
    service = OnlineIngestion(
        project.definition,
        project.home,
        project.catalog,
        stream,
        tell=lambda text: click.echo(f"error: {text}", err=True),
        notify=notifications.tell,
    )
    click.echo(f"Ingesting {', '.join(each.name for each in service.datasets)}")
    service.run(stop)
    stream.close()
    return ExitCode.DONE


def _maintain(project: Any) -> int:
    """Maintain the tables, out of the way of all others: on one core, and after them."""
    os.environ["POLARS_MAX_THREADS"] = "1"  # Polars looks when it first works
    os.nice(10)

    from octavo.definition.durations import microseconds

    stop, stream = _stopping(), project.stream()
    every = project.profile.maintain_every
    click.echo(f"Maintaining {project.home.path}, every {every}")
    project.maintenance(stream).run(
        stop,
        every=microseconds(every, where="maintain_every") / 1e6,
        tell=lambda text: click.echo(f"error: {text}", err=True),
    )
    stream.close()
    return ExitCode.DONE


def _serve(project: Any, host: str, port: int) -> int:
    import uvicorn

    from octavo.server import App
    from octavo.server.events import Events
    from octavo.services.receiving import Receiver
    from octavo.services.serving import PredictionLog
    from octavo.status import streams, tables_of
    from octavo.stores.predictions import PredictionStore

    stream = project.stream()
    receiver = Receiver(project.definition, stream)
    scorer = _scorer(project, bool(receiver.datasets))
    with _listener(host, port) as listener:
        address = f"http://{host}:{listener.getsockname()[1]}"
        log = PredictionLog(PredictionStore(project.home))
        app = App(
            project.name,
            scorer,
            log,
            project.row_service(),
            project.config,
            Events(receiver),
            lambda: streams(project.definition, project.catalog, stream),
            lambda: tables_of(project.home),
        )
        if scorer is not None:
            served = f"{scorer.candidate_id} ({scorer.bundle.algorithm}), {scorer.deployment_id}"
            click.echo(f"Serving {served}")
            click.echo(f"  POST {address}/v1/pipelines/{project.name}/predict")
        for dataset in receiver.datasets:
            click.echo(f"  POST {address}/v1/datasets/{dataset}/events")
        click.echo(f"  GET  {address}/v1/pipelines/{project.name}/data")
        click.echo(f"  GET  {address}/v1/pipelines/{project.name}/settings")
        click.echo(f"  GET  {address}/health   {address}/metrics")
        # uvicorn drains, then raises the signal again for whoever was there before: stopping a
        # server is no failure.
        _stopping()
        config = uvicorn.Config(app, log_level="warning", access_log=False, lifespan="on")
        uvicorn.Server(config).run(sockets=[listener])
    stream.close()
    return ExitCode.DONE


def _scorer(project: Any, takes_rows: bool) -> Any:
    """Return what answers; None, and say why, if nothing does, and rows are taken all the same.

    Raises
    ------
    DataError
        If there is nothing to do at all.
    """
    try:
        scorer = project.scorer()
    except DataError as error:
        if not takes_rows:
            raise
        click.echo(f"No predictions: {error}", err=True)
        return None
    rows = project.catalog.committed(scorer.pipeline.rows.name)
    scorer.warm_up(rows[-1:], project.home)
    return scorer


def _listener(host: str, port: int) -> socket.socket:
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise ResourceError(
            f"the port is not free ({error.strerror}).",
            where=f"{host}:{port}",
            fix="Choose another with --port.",
        ) from error
    return listener


def _stopping() -> threading.Event:
    """Return what is set when the process is told to stop, or loses who supervises it."""
    from octavo.services.supervisor import watch_parent

    stop = threading.Event()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, lambda *_: stop.set())
    watch_parent()
    return stop


COMMANDS = (up,)
