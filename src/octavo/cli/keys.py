"""API keys on the command line."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from octavo.cli.arguments import DIR, HOME, JSON, Group
from octavo.errors import ExitCode

keys = Group("keys", help="API keys: who may ask the server, and for what.")


@keys.command
@click.argument("name", help="Who will use it; it stands beside what is done with it.")
@click.option(
    "--role",
    "roles",
    metavar="ROLE",
    multiple=True,
    required=True,
    help="read, ingest, predict, operate or admin; may be repeated.",
)
@click.option("--expires", metavar="DURATION", default="", help="After how long; never by default.")
@click.option("--rate", metavar="RATE", default="", help="Such as 100/s; the profile's by default.")
@DIR
@HOME
@JSON
def create(
    name: str,
    roles: Sequence[str],
    expires: str,
    rate: str,
    folder: Path,
    home: Path | None,
    as_json: bool,
) -> int:
    """Make a key and show it, this once."""
    from octavo.services.keys import create

    made = create(_catalog(folder, home), name, roles, expires=expires, rate=rate)
    if as_json:
        click.echo(json.dumps(made.row | {"key": made.key}))
        return ExitCode.DONE
    click.echo(
        f"Key of {name} for {', '.join(made.row['roles'])}; it is not shown again:", err=True
    )
    click.echo(made.key)  # alone on standard output, so that a script can take it from there
    return ExitCode.DONE


@keys.command("list")
@DIR
@HOME
@JSON
def list_(folder: Path, home: Path | None, as_json: bool) -> int:
    """List all keys there ever were, oldest first."""
    from octavo.services.keys import listed

    rows = listed(_catalog(folder, home))
    if as_json:
        click.echo(json.dumps(rows))
        return ExitCode.DONE
    now = datetime.now(UTC)
    table = [
        (row["key_id"], row["name"], ", ".join(row["roles"]), row["rate"] or "", _state(row, now))
        for row in rows
    ]
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    for row in table:
        shown = (f"{value:<{width}}" for value, width in zip(row, widths, strict=True))
        click.echo("  ".join(shown).rstrip())
    if not rows:
        click.echo("There are no keys. Make one: octavo keys create NAME --role predict")
    return ExitCode.DONE


@keys.command
@click.argument("name", help="The key's name, or its ID.")
@DIR
@HOME
@JSON
def revoke(name: str, folder: Path, home: Path | None, as_json: bool) -> int:
    """Revoke a key; servers refuse it within a second."""
    from octavo.services.keys import revoke

    row = revoke(_catalog(folder, home), name)
    click.echo(json.dumps(row) if as_json else f"Revoked {row['name']} ({row['key_id']}).")
    return ExitCode.DONE


COMMANDS = (keys,)


def _catalog(folder: Path, home: Path | None) -> Any:
    from octavo.project import Project

    return Project(folder, home).catalog


def _state(row: dict[str, Any], now: datetime) -> str:
    """Return what has become of a key, or will."""
    if row["revoked_at"] is not None:
        return f"revoked {_moment(row['revoked_at']):%Y-%m-%d %H:%M}"
    if row["expires_at"] is None:
        return f"since {_moment(row['made_at']):%Y-%m-%d %H:%M}"
    expires = _moment(row["expires_at"])
    return f"{'expires' if expires > now else 'expired'} {expires:%Y-%m-%d %H:%M}"


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1e6, UTC)
