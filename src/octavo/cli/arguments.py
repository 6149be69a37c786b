"""Arguments and options that several commands take, and groups of commands."""

from pathlib import Path

import click

from octavo.errors import DefinitionError

_FOLDER = "Folder of pipeline.py; the current one by default."

PATH = click.Path(path_type=Path)

RELEASE = "OCTAVO_RELEASE"
"""Variable with the ID of the release that a service, or a run it begins, is of."""

FOLDER = click.argument("folder", metavar="[DIR]", type=PATH, default=Path(), help=_FOLDER)
DIR = click.option("--dir", "folder", metavar="DIR", type=PATH, default=Path(), help=_FOLDER)
HOME = click.option(
    "--home", metavar="DIR", type=PATH, help="Home folder; .octavo beside pipeline.py by default."
)
PROFILE = click.option(
    "--profile", metavar="NAME", help="One of those in octavo.toml; else OCTAVO_PROFILE says it."
)
JSON = click.option("--json", "as_json", is_flag=True, help="One JSON document on standard output.")

OUTPUT = click.option(
    "-o",
    "--output",
    metavar="FILE",
    type=PATH,
    help="Write the rows there: .parquet, .csv, .ndjson or .arrow.",
)


class Group(click.Group):
    """Commands listed in the order in which they were added; without one, the help is shown."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in order."""
        return list(self.commands)


def moment(text: str, option: str) -> int | None:
    """Return ISO 8601 as microseconds since the epoch; None for no text.

    Raises
    ------
    DefinitionError
        If it is no time.
    """
    from datetime import UTC, datetime

    if not text:
        return None
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise DefinitionError(
            f"{text!r} is not a time.", where=option, fix="Write 2013-12-24T15:00."
        ) from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return round(found.timestamp() * 1_000_000)
