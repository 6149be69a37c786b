"""The command that predicts for a file: score."""

import json
from pathlib import Path

import click

from octavo.cli.arguments import DIR, HOME, JSON, PATH
from octavo.errors import ExitCode


@click.command
@click.argument("source", metavar="IN", type=PATH, help="A file of raw events.")
@click.argument("output", metavar="OUT", type=PATH, help=".parquet, .csv, .ndjson or .arrow")
@DIR
@HOME
@JSON
def score(source: Path, output: Path, folder: Path, home: Path | None, as_json: bool) -> int:
    """Predict for every event of a file.

    Rows that cannot be used are written beside the answers, each with the reason.
    """
    from octavo.cli.tables import check_format, write_table
    from octavo.project import Project
    from octavo.services.scoring import score_file

    check_format(output)
    project = Project(folder, home)
    found = score_file(project.scorer(), project.home, source)
    write_table(found.answers, output)
    rejected = output.with_name(f"{output.stem}.rejected{output.suffix}")
    if found.rejected.height:
        write_table(found.rejected, rejected)
    counts = {
        "rows": found.answers.height,
        "rejected": found.rejected.height,
        "output": str(output),
    }
    if as_json:
        click.echo(json.dumps(counts))
    else:
        click.echo(f"{counts['rows']:,} predictions in {output}")
        if counts["rejected"]:
            click.echo(f"{counts['rejected']:,} rows could not be scored: {rejected}")
    return ExitCode.DONE


COMMANDS = (score,)
