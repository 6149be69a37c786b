"""The command that keeps tables quick and small."""

import dataclasses
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, PROFILE
from octavo.errors import ExitCode


@click.command
@FOLDER
@click.option("--dry-run", is_flag=True, help="Only tell what there is to do.")
@PROFILE
@HOME
@JSON
def maintain(
    folder: Path, dry_run: bool, profile: str | None, home: Path | None, as_json: bool
) -> int:
    """Merge small data files, and delete those that nobody reads any more; rows stay."""
    from octavo.cli.tables import print_rows
    from octavo.project import Project

    project = Project(folder, home, profile)
    with project.home.kept():
        stream = project.stream()
        found = [*project.maintenance(stream).turn(dry_run=dry_run)]
        stream.close()
    columns = ["folder", "files", "MB", "merged", "deleted", "MB freed"]
    rows = [dataclasses.asdict(each) for each in found]
    print_rows(rows if as_json else [_shown(row) for row in rows], columns, as_json)
    if dry_run and not as_json:
        click.echo("Nothing was changed.")
    for each in found:
        if each.error:
            click.echo(f"octavo: {each.folder}: {each.error}", err=True)
    return ExitCode.FAILED if any(each.error for each in found) else ExitCode.DONE


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    return row | {
        "files": _change(f"{row['files_before']:,}", f"{row['files']:,}"),
        "MB": _change(f"{row['bytes_before'] / 1e6:,.1f}", f"{row['bytes'] / 1e6:,.1f}"),
        "MB freed": round(row["freed"] / 1e6, 1),
    }


def _change(before: str, after: str) -> str:
    return after if after == before else f"{before} → {after}"


COMMANDS = (maintain,)
