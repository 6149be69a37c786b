"""Commands by which a person decides on a candidate: octavo approve, octavo decline."""

import json
from pathlib import Path

import click

from octavo.cli.arguments import DIR, HOME, JSON
from octavo.errors import ExitCode

CANDIDATE = click.argument(
    "candidate",
    metavar="[CANDIDATE]",
    default="",
    help="Its ID; by default the one that waits for approval.",
)
REASON = click.option("--reason", metavar="TEXT", default="", help="Why; kept with the event.")


@click.command
@CANDIDATE
@REASON
@DIR
@HOME
@JSON
def approve(candidate: str, reason: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Deploy the candidate that waits for approval.

    It is loaded and asked once first. A server follows within a second.
    """
    from octavo.project import Project

    row = Project(folder, home).approve(candidate, reason)
    if as_json:
        click.echo(json.dumps(row))
    else:
        click.echo(f"{row['deployment_id']} is live: {row['candidate_id']}.")
    return ExitCode.DONE


@click.command
@CANDIDATE
@REASON
@DIR
@HOME
@JSON
def decline(candidate: str, reason: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Refuse the candidate that waits for approval: what answers goes on to."""
    from octavo.project import Project

    request = Project(folder, home).decline(candidate, reason)
    name = request["candidate_id"]
    if as_json:
        click.echo(json.dumps({"candidate_id": name, "state": "declined"}))
    else:
        click.echo(f"{name} is declined; what was live before goes on to answer.")
    return ExitCode.DONE


COMMANDS = (approve, decline)
