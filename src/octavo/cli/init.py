"""The command that drafts a ``pipeline.py`` from data."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from octavo.cli.arguments import JSON, PATH
from octavo.errors import DefinitionError, ExitCode


class _Several(click.Command):
    """A command some of whose options take every argument up to the next option."""

    several = ("--data", "--entity")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Write ``--data a b`` as ``--data a --data b``."""
        return super().parse_args(ctx, list(self._spread(args)))

    def _spread(self, args: Sequence[str]) -> Iterator[str]:
        current, first = "", False
        for arg in args:
            if arg.startswith("--"):
                name = arg.split("=", 1)[0]
                current, first = (name if name in self.several else ""), "=" not in arg
            elif current and not first:
                yield current
            else:
                first = False
            yield arg


@click.command(cls=_Several)
@click.argument("folder", metavar="DIR", type=PATH, help="Folder to write pipeline.py to.")
@click.option(
    "--data",
    "files",
    metavar="FILE…",
    type=PATH,
    multiple=True,
    required=True,
    help="Files to learn from; those with the same columns are one dataset.",
)
@click.option(
    "--target",
    metavar="COLUMN",
    help="What to predict: a column, or a condition such as 'delay > 15'; without it, unusual "
    "readings of series are looked for.",
)
@click.option("--time", metavar="COLUMN", help="When a row happened; found if there is one.")
@click.option(
    "--entity",
    "entities",
    metavar="COLUMN…",
    multiple=True,
    help="Who or what a row is about: its rows stay together, and its past is looked at.",
)
@click.option("--force", is_flag=True, help="Overwrite a pipeline.py that is there.")
@JSON
def init(
    folder: Path,
    files: tuple[Path, ...],
    target: str | None,
    time: str | None,
    entities: tuple[str, ...],
    force: bool,
    as_json: bool,
) -> int:
    """Draft a pipeline.py from data, and say what was found in them."""
    from octavo.project import SCRIPT, load_definition
    from octavo.services import drafting

    place = folder / SCRIPT
    if place.exists() and not force:
        raise DefinitionError(
            "there is a pipeline.py already.",
            where=str(place),
            fix="Name another folder, or add --force to overwrite it.",
        )
    tables = drafting.read_tables([path.resolve() for path in files])
    tables = drafting.repaired(tables, drafting.column_of(target or ""))
    home = folder.resolve()
    if target is None:
        watch = drafting.make_watch(tables, time, entities)
        source = drafting.series_script(watch, home)
        document, words = drafting.series_document(watch), drafting.series_words(watch)
    else:
        draft = drafting.make_draft(tables, target, time, entities)
        source = drafting.script(draft, home)
        document, words = drafting.document(draft), drafting.words(draft)
    folder.mkdir(parents=True, exist_ok=True)
    place.write_text(source, encoding="utf-8")
    load_definition(home)  # it must at least be a definition
    if as_json:
        found = {"pipeline": str(place), **document}
        click.echo(json.dumps(found, indent=1, ensure_ascii=False, default=str))
    else:
        _say(words, folder, place)
    return ExitCode.DONE


def _say(words: Sequence[tuple[str, str]], folder: Path, place: Path) -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    table.add_column(no_wrap=True, style="bold")
    table.add_column()
    for heading, text in words:
        table.add_row(heading, escape(text))
    console = Console(highlight=False)
    console.print(table)
    said = f"\nWrote {place}: read it, it says why. Next: `octavo run {folder}`."
    console.print(escape(said), soft_wrap=True)


COMMANDS = (init,)
