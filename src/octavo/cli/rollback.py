"""The command that goes back to a model that answered before: octavo rollback."""

import json
from pathlib import Path

import click

from octavo.cli.arguments import FOLDER, HOME, JSON
from octavo.errors import ExitCode


@click.command
@FOLDER
@click.option(
    "--to",
    metavar="ID",
    default="",
    help="A deployment, its number, or a candidate; by default the candidate before this one.",
)
@click.option("--reason", metavar="TEXT", default="", help="Why; it is kept with the event.")
@HOME
@JSON
def rollback(folder: Path, to: str, reason: str, home: Path | None, as_json: bool) -> int:
    """Let a model answer again that was deployed before.

    It is loaded and asked once first. A server follows within a second.
    """
    from octavo.project import Project

    row, replaced = Project(folder, home).rollback(to, reason)
    told = {**row, "replaced": replaced["deployment_id"]}
    if as_json:
        click.echo(json.dumps(told))
    else:
        click.echo(
            f"{row['deployment_id']} is live: {row['candidate_id']}, in the place of "
            f"{replaced['candidate_id']}."
        )
    return ExitCode.DONE


COMMANDS = (rollback,)
