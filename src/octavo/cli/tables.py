"""Rows on the terminal, as JSON, or in a file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import polars as pl
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from octavo.errors import DefinitionError

_LEAST = 20  # characters that the last column has in a line


def print_rows(rows: list[dict[str, Any]], columns: list[str], as_json: bool) -> None:
    """Print some columns of rows as a table, or all of them as JSON.

    Only the last column is broken into lines: what identifies a row can be copied as it stands.
    """
    if as_json:
        click.echo(json.dumps(rows, default=str))
        return
    cells = [[_shown(row[column]) for column in columns] for row in rows]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for place, column in enumerate(columns):
        is_number = any(isinstance(row[column], int | float) for row in rows)
        justify = "right" if is_number else "left"
        is_last = place + 1 == len(columns)
        table.add_column(column, justify=justify, no_wrap=not is_last, overflow="fold")
    for row in cells:
        table.add_row(*row)
    fixed = sum(2 + max(map(len, column)) for column in zip(columns, *cells, strict=True))
    fixed -= 2 + max(len(row[-1]) for row in [columns, *cells])
    console = Console(highlight=False)
    console.width = max(console.width, fixed + _LEAST)
    console.print(table if rows else "None yet.")


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, int):
        return f"{value:,}"
    return escape(str(value))


_WRITERS: dict[str, Callable[[pl.DataFrame, Path], Any]] = {
    ".parquet": pl.DataFrame.write_parquet,
    ".csv": pl.DataFrame.write_csv,
    ".ndjson": pl.DataFrame.write_ndjson,
    ".arrow": pl.DataFrame.write_ipc,
}


def check_format(path: Path | None) -> None:
    """Refuse a name that asks for no known format, before anything is computed.

    Raises
    ------
    DefinitionError
        If the ending is not known.
    """
    if path is not None and path.suffix not in _WRITERS:
        raise DefinitionError.unknown("format", path.suffix, _WRITERS, where=str(path))


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a frame in the format its name asks for; see `check_format`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    _WRITERS[path.suffix](frame, path)
