"""Commands on the rows that are trained on: data, leaks."""

import json
from pathlib import Path

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, OUTPUT
from octavo.errors import ExitCode


@click.command
@FOLDER
@click.option(
    "--split",
    metavar="PART",
    default="all",
    show_default=True,
    help="train, validation, test or all.",
)
@click.option(
    "--labels", metavar="WHICH", default="with", show_default=True, help="with, without or both."
)
@click.option("--columns", metavar="A,B", default="", help="Features wanted; all by default.")
@click.option(
    "--filter",
    "filters",
    metavar="CONDITION",
    multiple=True,
    help='Such as "amount >= 10"; may be repeated: all must hold.',
)
@click.option("--fold", metavar="N", type=int, help="Of which fold; the last by default.")
@click.option("--limit", metavar="N", type=int, help="The first so many rows.")
@OUTPUT
@HOME
@JSON
def data(
    folder: Path,
    split: str,
    labels: str,
    columns: str,
    filters: tuple[str, ...],
    fold: int | None,
    limit: int | None,
    output: Path | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Give the rows of one part of the newest data version."""
    from octavo.cli.tables import check_format, write_table
    from octavo.project import Project

    check_format(output)
    wanted = [c.strip() for c in columns.split(",")] if columns else None
    frame = Project(folder, home).data(
        split, labels, wanted, fold=fold, filters=filters, limit=limit
    )
    if output is not None:
        write_table(frame, output)
    if as_json:
        shape = {"rows": frame.height, "columns": frame.columns}
        click.echo(json.dumps(shape | {"output": str(output) if output else None}))
    elif output is not None:
        click.echo(f"{frame.height:,} rows × {frame.width} columns in {output}")
    else:
        click.echo(str(frame))
    return ExitCode.DONE


@click.command
@FOLDER
@HOME
@JSON
def leaks(folder: Path, home: Path | None, as_json: bool) -> int:
    """Show what looks like a leak in the newest data version.

    Each is a suspicion: what was seen, and what to do.
    """
    from octavo.project import Project

    found = Project(folder, home).rows().leaks
    if as_json:
        click.echo(json.dumps(found))
        return ExitCode.DONE
    for leak in found:
        columns = ", ".join(leak["columns"][:5]) + (", …" if len(leak["columns"]) > 5 else "")
        click.echo(f"{leak['kind']}{': ' * bool(columns)}{columns}")
        click.echo(f"  {leak['what']}\n  {leak['fix']}")
    if not found:
        click.echo("No leak is suspected.")
    return ExitCode.DONE


COMMANDS = (data, leaks)
