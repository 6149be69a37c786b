"""Training a candidate once more, on the command line."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from octavo.cli.arguments import DIR, HOME, JSON
from octavo.errors import ExitCode


@click.command
@click.argument("candidate", help="Its ID; `octavo candidates` lists them.")
@DIR
@HOME
@JSON
def reproduce(candidate: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Train a candidate once more, and say whether it is the same to the last bit.

    Exit code 0 if it is, 1 if not.
    """
    from octavo.project import Project

    found = Project(folder, home).reproduce(candidate)
    if as_json:
        click.echo(json.dumps(asdict(found) | {"same": found.same}))
        return ExitCode.DONE if found.same else ExitCode.FAILED
    settings = found.settings
    click.echo(
        f"{found.candidate_id}  {found.algorithm} on {found.data_version}, "
        f"config version {found.config_version}, seed {settings['seed']}, "
        f"{settings['threads']} threads"
    )
    if found.same:
        click.echo(f"The same to the last bit: model and {found.rows:,} predictions.")
    elif found.same_predictions:
        click.echo(f"Another model, and the same {found.rows:,} predictions.")
    else:
        click.echo(
            f"Not the same: {found.differing_rows:,} of {found.rows:,} predictions differ, "
            f"by {found.largest_difference:.3g} at the most."
        )
    if found.differs:
        click.echo(f"  not the same: {', '.join(found.differs)}")
    for name, (then, now) in found.since.items():
        click.echo(f"  since then: {name} {then or 'absent'} → {now or 'absent'}")
    return ExitCode.DONE if found.same else ExitCode.FAILED


COMMANDS = (reproduce,)
