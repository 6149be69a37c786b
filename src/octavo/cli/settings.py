"""The config service on the command line."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from octavo.cli.run import Home, Json
from octavo.errors import DefinitionError, ExitCode

Dir = Annotated[Path, typer.Option("--dir", help="Folder of pipeline.py.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    config = typer.Typer(help="Training settings, in versions.", no_args_is_help=True)
    config.command("get")(get)
    config.command("set")(set_)
    config.command("history")(history)
    app.add_typer(config, name="config")


def get(
    name: Annotated[str, typer.Argument(help="A setting; all of them if left out.")] = "",
    folder: Dir = Path(),
    home: Home = None,
    as_json: Json = False,
) -> int:
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
        typer.echo(json.dumps(chosen))
    for key, entry in chosen.items() if not as_json else ():
        typer.echo(f"{key:<20} {entry['value']}   ({entry['from']})")
    return ExitCode.DONE


def set_(
    name: Annotated[str, typer.Argument(help="The setting, e.g. training.trials.")],
    value: Annotated[str, typer.Argument(help="Its new value.")],
    comment: Annotated[str, typer.Option(help="Why.")] = "",
    folder: Dir = Path(),
    home: Home = None,
    as_json: Json = False,
) -> int:
    """Change a setting: a new version, which the next training reads."""
    from octavo.project import Project

    version = Project(folder, home).config.set(name, value, comment)
    typer.echo(json.dumps({"version": version}) if as_json else f"config version {version}")
    return ExitCode.DONE


def history(folder: Dir = Path(), home: Home = None, as_json: Json = False) -> int:
    """List all versions, newest first."""
    from octavo.project import Project

    rows = Project(folder, home).config.history()
    if as_json:
        typer.echo(json.dumps(rows))
    for row in rows if not as_json else []:
        at = datetime.fromtimestamp(row["at"] / 1e6, UTC)
        typer.echo(f"{row['version']:>4}  {at:%Y-%m-%d %H:%M:%S}  {row['comment']}")
    if not rows and not as_json:
        typer.echo("Nothing was set; the values of pipeline.py hold.")
    return ExitCode.DONE
