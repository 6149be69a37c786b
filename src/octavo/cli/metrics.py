"""Metrics without a server: octavo metrics."""

import json
import os
from math import isfinite
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, PATH
from octavo.errors import DefinitionError, ExitCode, ResourceError


@click.command
@FOLDER
@click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PATH,
    help="Write them there, whole or not at all: .prom.",
)
@HOME
@JSON
def metrics(folder: Path, output: Path | None, home: Path | None, as_json: bool) -> int:
    """Print what Prometheus would read of all stages, for node_exporter's textfile collector."""
    from octavo.project import Project
    from octavo.services.stage_metrics import Watched, text

    if output is not None and output.suffix != ".prom":
        raise DefinitionError.unknown("format", output.suffix, [".prom"], where=str(output))
    project = Project(folder, home)
    watched = Watched(project.definition, project.name, project.home.catalog)
    told = text(watched)
    if not (found := watched.samples()):
        raise ResourceError(
            "the catalog is busy, or cannot be read.",
            where=str(project.home.catalog),
            fix="Try again.",
        )
    if output is not None:
        draft = output.with_name(f".{output.name}.{os.getpid()}")
        draft.write_text(told)
        draft.replace(output)
    if as_json:
        click.echo(json.dumps([_told(sample) for sample in found]))
    elif output is None:
        click.echo(told, nl=False)
    return ExitCode.DONE


COMMANDS = (metrics,)


def _told(sample: Any) -> dict[str, Any]:
    """Return a sample as JSON can hold it: what is no number is written as Prometheus writes it."""
    from prometheus_client.utils import floatToGoString

    value = float(sample.value)
    return sample._asdict() | {"value": value if isfinite(value) else floatToGoString(value)}
