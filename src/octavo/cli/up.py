"""The command that keeps services up: octavo up."""

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import click

from octavo.cli.arguments import HOME, PATH, PROFILE, RELEASE
from octavo.cli.services import ALONE, GRPC, LISTENING, serve
from octavo.cli.supervise import checked, supervise, supervise_servers
from octavo.errors import DefinitionError
from octavo.logs import JSON, TEXT, begin

SERVICES = ("server", *ALONE)


@click.command
@click.argument(
    "words",
    metavar="[SERVICE…] [DIR]",
    nargs=-1,
    help="server, predictions, ingestion, prep, tail, scheduler, maintenance, notifications; all "
    "there is to do by default. Then the folder of pipeline.py; a server alone takes several.",
)
@click.option(
    "--host", metavar="ADDRESS", default="127.0.0.1", show_default=True, help="Where to listen."
)
@click.option(
    "--port", metavar="N", default=8080, show_default=True, help="Its port; 0 takes a free one."
)
@click.option(
    "--access",
    metavar="WORD",
    default="",
    help="keys: whoever asks needs one; open, by default: whoever is on this machine may.",
)
@click.option("--tls-certificate", metavar="FILE", type=PATH, help="PEM; it then speaks HTTPS.")
@click.option("--tls-key", metavar="FILE", type=PATH, help="The certificate's private key, PEM.")
@click.option(
    "--grpc-port",
    metavar="N",
    type=click.IntRange(1, 65535),
    help="Speak the Open Inference Protocol over gRPC too, on this port; needs octavo[grpc].",
)
@click.option(
    "--workers",
    metavar="N",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="How many processes answer on the port.",
)
@click.option(
    "--log",
    "log_format",
    type=click.Choice((TEXT, JSON)),
    help="How lines are written: text, to be read, by default; json, an object each.",
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
    access: str,
    tls_certificate: Path | None,
    tls_key: Path | None,
    grpc_port: int | None,
    workers: int,
    log_format: str | None,
    reload: bool,
    profile: str | None,
    home: Path | None,
) -> int:
    """Serve over HTTP, ingest and prep what is sent, and keep tables small, until stopped."""
    services = list(dict.fromkeys(word for word in words if word in SERVICES))
    if services == ["maintenance"]:  # out of the way of all others; Polars looks when it is loaded
        os.environ["POLARS_MAX_THREADS"] = "1"
        os.nice(10)
    if services == ["scheduler"]:  # and all that it runs: who asks the server is not to wait for it
        os.nice(5)

    if grpc_port is not None:
        os.environ[GRPC] = str(grpc_port)  # for whichever process is a server
    told = {"tls_certificate": tls_certificate, "tls_key": tls_key, "log_format": log_format}
    _tell_services(access=access, **told)

    from octavo.project import Project
    from octavo.services.terms import terms

    folders = [word for word in words if word not in SERVICES]
    if len(folders) > 1:
        if services != ["server"]:
            raise DefinitionError.unknown("service", folders[0], SERVICES)
        if home or reload:
            raise DefinitionError(
                "several pipelines have a home each, and their releases are handed over apart.",
                fix="Leave --home and --reload out.",
            )
        return _serve_several(folders, (host, port), workers, profile)
    folder = PATH.convert(folders[0] if folders else ".", None, None)
    project = Project(folder, home, profile, os.environ.get(RELEASE))
    chosen = checked(project, services)
    begin(project.profile.log_format, chosen[0], project.name)
    if "server" in chosen:
        terms(project.profile, project.folder).check(host)
    with project.home.kept():
        if len(chosen) > 1 or reload or workers > 1:
            told = project, services, (host, port), profile
            return supervise(*told, workers=workers, reload=reload)
        if chosen == ["server"]:
            return serve([project], host, port)
        return ALONE[chosen[0]](project)


def _tell_services(**options: str | Path | None) -> None:
    """Put options into the environment, where services find them, each a process of its own."""
    for name, value in options.items():
        if value:
            text = value if isinstance(value, str) else str(value.resolve())
            os.environ[f"OCTAVO_{name}".upper()] = text


def _serve_several(
    folders: Sequence[str], address: tuple[str, int], workers: int, profile: str | None
) -> int:
    """Serve several pipelines, each from its own home."""
    from octavo.project import Project
    from octavo.services.terms import terms

    projects = [Project(folder, None, profile) for folder in folders]
    terms(projects[0].profile, projects[0].folder).check(address[0])
    begin(projects[0].profile.log_format, "server")
    names = [project.name for project in projects]
    for name in names:
        if names.count(name) > 1:
            raise DefinitionError(
                "two pipelines are called so: their addresses would be the same.",
                where=name,
                fix="Rename one of the folders, or serve them apart.",
            )
    if LISTENING not in os.environ:  # or else it is one of those that are supervised
        named = dict(zip(names, folders, strict=True))
        return supervise_servers(named, address, workers, profile, projects[0].profile.log_format)
    with ExitStack() as kept:
        for project in projects:
            kept.enter_context(project.home.kept())
        return serve(projects, *address)


COMMANDS = (up,)
