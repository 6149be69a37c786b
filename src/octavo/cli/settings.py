"""The config service on the command line."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, HOME, JSON, PROFILE, Group
from octavo.errors import ExitCode

config = Group("config", help="Training settings, in versions.")

COMMENT = click.option("--comment", metavar="TEXT", default="", help="Why.")
IF_VERSION = click.option(
    "--if-version", metavar="N", type=int, help="Only if N is the newest version."
)


@config.command
@click.argument("name", default="", help="A setting; all of them if left out.")
@DIR
@PROFILE
@HOME
@JSON
def get(name: str, folder: Path, profile: str | None, home: Path | None, as_json: bool) -> int:
    """Show the settings that hold, and where each comes from."""
    from octavo.definition.settings import flat
    from octavo.services.config import shown

    held = _project(folder, home, profile).config.held()
    chosen = [key for key in held.values if key == name or key.startswith(f"{name}.") or not name]
    if not chosen:
        flat(name, {})  # refuses what is no setting
    if as_json:
        told = {key: {"value": held.values[key], "from": held.origins[key]} for key in chosen}
        click.echo(json.dumps(told))
        return ExitCode.DONE
    rows = [(key, shown(held.values[key]), held.origins[key]) for key in chosen]
    name_width, value_width = (max((len(row[n]) for row in rows), default=0) for n in (0, 1))
    for key, value, origin in rows:
        click.echo(f"{key:<{name_width}}  {value:<{value_width}}  {origin}")
    if not rows:
        click.echo(f"Nothing is given below {name}.")
    return ExitCode.DONE


@config.command("set")
@click.argument("name", help="The setting, e.g. training.trials.")
@click.argument("value", help="Its new value.")
@COMMENT
@IF_VERSION
@DIR
@PROFILE
@HOME
@JSON
def set_(
    name: str,
    value: str,
    comment: str,
    if_version: int | None,
    folder: Path,
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Change a setting: a new version, which the next training reads."""
    service = _project(folder, home, profile).config
    return _made(service.set(name, value, comment, if_version), as_json)


@config.command
@click.argument("name", nargs=-1, required=True, metavar="NAME...", help="The settings.")
@COMMENT
@IF_VERSION
@DIR
@PROFILE
@HOME
@JSON
def unset(
    name: Sequence[str],
    comment: str,
    if_version: int | None,
    folder: Path,
    profile: str | None,
    home: Path | None,
    as_json: bool,
) -> int:
    """Let what lies below hold again: the shared setting, or that of pipeline.py."""
    service = _project(folder, home, profile).config
    gone = dict.fromkeys(name)
    return _made(service.change(gone, comment=comment, if_version=if_version), as_json)


@config.command
@click.argument("version", type=int, help="The version whose content holds again.")
@COMMENT
@IF_VERSION
@DIR
@HOME
@JSON
def rollback(
    version: int,
    comment: str,
    if_version: int | None,
    folder: Path,
    home: Path | None,
    as_json: bool,
) -> int:
    """Make a new version with the content of an old one; 0 sets nothing."""
    service = _project(folder, home).config
    return _made(service.rollback(version, comment=comment, if_version=if_version), as_json)


@config.command
@click.argument("old", type=int, help="A version.")
@click.argument("new", type=int, required=False, help="Another; the newest if left out.")
@DIR
@HOME
@JSON
def diff(old: int, new: int | None, folder: Path, home: Path | None, as_json: bool) -> int:
    """Show what differs between two versions."""
    from octavo.services.config import told

    service = _project(folder, home).config
    changes = service.diff(old, service.version if new is None else new)
    if as_json:
        click.echo(json.dumps(changes))
        return ExitCode.DONE
    for line in told(changes) or ["Nothing differs."]:
        click.echo(line)
    return ExitCode.DONE


@config.command
@DIR
@HOME
@JSON
def history(folder: Path, home: Path | None, as_json: bool) -> int:
    """List all versions, newest first."""
    from octavo.services.config import told

    rows = _project(folder, home).config.history()
    if as_json:
        click.echo(json.dumps(rows))
        return ExitCode.DONE
    for row in rows:
        at = datetime.fromtimestamp(row["at"] / 1e6, UTC)
        click.echo(f"{row['version']:>4}  {at:%Y-%m-%d %H:%M:%S}  {row['by']}  {row['comment']}")
        for line in told(row["changes"]):
            click.echo(f"        {line}")
    if not rows:
        click.echo("Nothing was set; the values of pipeline.py hold.")
    return ExitCode.DONE


COMMANDS = (config,)


def _project(folder: Path, home: Path | None, profile: str | None = None) -> Any:
    from octavo.project import Project

    return Project(folder, home, profile)


def _made(version: int, as_json: bool) -> int:
    click.echo(json.dumps({"version": version}) if as_json else f"config version {version}")
    return ExitCode.DONE
