"""Arguments and options that several commands take, and groups of commands."""

from pathlib import Path

import click

_FOLDER = "Folder of pipeline.py; the current one by default."

PATH = click.Path(path_type=Path)

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
