"""The command that predicts for files: score."""

import gc
import json
from pathlib import Path

import click

from octavo.cli.arguments import DIR, HOME, JSON, PATH, PROFILE
from octavo.errors import ExitCode

YOUNG = 100_000
"""Objects made between two looks for garbage: a fifth of the time of loading modules was that."""


@click.command
@click.argument(
    "source",
    metavar="IN",
    type=PATH,
    help="A file of raw events, a folder, a glob, a Delta table.",
)
@click.argument(
    "output",
    metavar="OUT",
    type=PATH,
    help=".parquet, .csv, .ndjson or .arrow; without an ending a folder of Parquet files.",
)
@DIR
@PROFILE
@HOME
@JSON
def score(
    source: Path, output: Path, folder: Path, profile: str | None, home: Path | None, as_json: bool
) -> int:
    """Predict for every event of files of any size.

    Rows that cannot be used are written beside the answers, each with the reason. If it is stopped
    or killed, the same command goes on where it was.
    """
    gc.set_threshold(YOUNG)
    from octavo.cli.tables import check_format
    from octavo.project import Project
    from octavo.services.scoring import score as score_files

    check_format(output if output.suffix else None)
    project = Project(folder, home, profile)
    found = score_files(project.scorer(), project.home, source, output, project.profile.log)
    counts = {"rows": found.rows, "rejected": found.rejected, "output": str(output)}
    if as_json:
        click.echo(json.dumps(counts | {"found": found.found}))
        return ExitCode.DONE
    if found.found:
        click.echo(f"{found.found:,} rows were dealt with before.")
    click.echo(f"{found.rows:,} predictions in {output}")
    if found.rejected_to:
        click.echo(f"{found.rejected:,} rows could not be scored: {found.rejected_to}")
    return ExitCode.DONE


COMMANDS = (score,)
