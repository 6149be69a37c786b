"""What people were told, on the command line: octavo notifications."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import FOLDER, HOME, JSON, Group
from octavo.errors import ExitCode

notifications = Group("notifications", help="What people were told of, where, and what was not.")


@notifications.command("list")
@FOLDER
@click.option(
    "--failed", is_flag=True, help="Only what did not arrive: tried in vain, or given up."
)
@HOME
@JSON
def list_(folder: Path, failed: bool, home: Path | None, as_json: bool) -> int:
    """List deliveries, oldest first."""
    from octavo.project import Project
    from octavo.services.deliveries import listed

    rows = listed(Project(folder, home).catalog, failed=failed)
    if as_json:
        click.echo(json.dumps(rows))
        return ExitCode.DONE
    for row in rows:
        click.echo(_line(row))
    if not rows:
        click.echo("All was delivered." if failed else "Nobody was to be told of anything.")
    return ExitCode.DONE


@notifications.command
@FOLDER
@HOME
@JSON
def test(folder: Path, home: Path | None, as_json: bool) -> int:
    """Send a message to each target now, and say what came of it."""
    from octavo.project import Project

    project = Project(folder, home)
    found = project.deliveries().test()
    if as_json:
        click.echo(json.dumps([{"target": name, "error": why or None} for name, why in found]))
    else:
        for name, why in found:
            click.echo(f"{name}: {why or 'taken'}")
        if not found:
            click.echo("No target is declared: notify=[…] in ov.Pipeline.")
    return ExitCode.FAILED if any(why for _, why in found) else ExitCode.DONE


COMMANDS = (notifications,)


def _line(row: dict[str, Any]) -> str:
    moment = row["ended_at"] if row["state"] != "waiting" else row["next_at"]
    state = "waiting until" if row["state"] == "waiting" else row["state"]
    why = f" — {row['error']} ({row['attempts']} attempts)" if row["error"] else ""
    told = f"{row['target']}  {row['kind']}: {row['subject']}"
    return f"{state:<13} {datetime.fromtimestamp(moment / 1e6, UTC):%Y-%m-%d %H:%M:%S}  {told}{why}"
