"""The MLflow mirror on the command line."""

import json
from pathlib import Path

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, PROFILE
from octavo.errors import DefinitionError, ExitCode


@click.command
@FOLDER
@PROFILE
@HOME
@JSON
def mirror(folder: Path, profile: str | None, home: Path | None, as_json: bool) -> int:
    """Send to the MLflow server what it does not have yet, and wait for it."""
    from octavo.project import Project

    target = Project(folder, home, profile).mirror
    if target is None:
        raise DefinitionError(
            "no MLflow server is named.",
            where="mlflow",
            fix='Write mlflow = "http://…" below [profile.default] in octavo.toml, '
            "or set OCTAVO_MLFLOW.",
        )
    target.require()
    sent = target.send()
    if as_json:
        click.echo(json.dumps({"events": sent}))
    else:
        click.echo(f"{sent} events mirrored." if sent else "Nothing new: MLflow has all of it.")
    return ExitCode.DONE


COMMANDS = (mirror,)
