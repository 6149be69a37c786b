"""The config service on the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path

import click

from octavo.cli.arguments import DIR, HOME, JSON, Group
from octavo.errors import DefinitionError, ExitCode

config = Group("config", help="Training settings, in versions.")


@config.command
@click.argument("name", default="", help="A setting; all of them if left out.")
@DIR
@HOME
@JSON
def get(name: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Show the settings that hold, and where each comes from."""
    from octavo.project import Project

    found = {
        f"training.{key}": {"value": value, "from": source}
        for key, (value, source) in Project(folder, home).config.explained().items()
    }
    if name and name not in found:
        raise DefinitionError.unknown("setting", name, found)
    chosen = {name: found[name]} if name else found
    if as_json:
        click.echo(json.dumps(chosen))
    for key, entry in chosen.items() if not as_json else ():
        click.echo(f"{key:<20} {entry['value']}   ({entry['from']})")
    return ExitCode.DONE


@config.command("set")
@click.argument("name", help="The setting, e.g. training.trials.")
@click.argument("value", help="Its new value.")
@click.option("--comment", metavar="TEXT", default="", help="Why.")
@DIR
@HOME
@JSON
def set_(
    name: str, value: str, comment: str, folder: Path, home: Path | None, as_json: bool
) -> int:
    """Change a setting: a new version, which the next training reads."""
    from octavo.project import Project

    version = Project(folder, home).config.set(name, value, comment)
    click.echo(json.dumps({"version": version}) if as_json else f"config version {version}")
    return ExitCode.DONE


@config.command
@DIR
@HOME
@JSON
def history(folder: Path, home: Path | None, as_json: bool) -> int:
    """List all versions, newest first."""
    from octavo.project import Project

    rows = Project(folder, home).config.history()
    if as_json:
        click.echo(json.dumps(rows))
    for row in rows if not as_json else []:
        at = datetime.fromtimestamp(row["at"] / 1e6, UTC)
        click.echo(f"{row['version']:>4}  {at:%Y-%m-%d %H:%M:%S}  {row['comment']}")
    if not rows and not as_json:
        click.echo("Nothing was set; the values of pipeline.py hold.")
    return ExitCode.DONE


COMMANDS = (config,)
