r"""SQLite: rows of one read transaction, each value as its own type says.

In SQLite values have types, not columns. A column whose values are all numbers is one of numbers,
as all of them decide; any other one is text: blobs as ``\x`` and hexadecimal digits. The library
is Python's own.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from octavo.definition.durations import microseconds
from octavo.errors import DataError, DefinitionError, ResourceError
from octavo.stages.ingestion import selects
from octavo.stages.ingestion.frames import ROWS
from octavo.stages.ingestion.selects import ADDRESS, quoted


class Snapshot:
    """A database as it was at one moment; made by `opened`. Methods as those of PostgreSQL's."""

    parallel = False

    def __init__(self, connection: sqlite3.Connection, query: str, place: str) -> None:
        self._connection, self._query, self._place = connection, query, place
        found = self._run(selects.of(query, where=["false"]))
        self.names: list[str] = [column[0] for column in found.description]
        self._texts: set[str] = set()

    @property
    def kinds(self) -> dict[str, str]:
        """What the columns are; known when all was read."""
        return {name: "open" for name in self.names if name not in self._texts}

    def beyond(
        self, cursor: str, after: str | int | None, overlap: str | int | None, *, again: bool
    ) -> str:
        """Return the condition for the rows that a load reads; those without a value too."""
        if after is None:
            return "true"
        bound = str(after) if isinstance(after, int) else selects.text(after)
        if overlap is not None and isinstance(overlap, int) != isinstance(after, int):
            raise DefinitionError(
                f"the cursor {cursor!r} has values such as {after!r}, and the overlap is "
                f"{overlap!r}.",
                where=self._place,
                fix='Give a number for a cursor of numbers, a duration such as "1h" for times.',
            )
        if isinstance(overlap, str):
            bound = selects.text(self._earlier(cursor, str(after), overlap))
        elif overlap:
            bound = str(int(after) - overlap)
        mark = ">=" if again else ">"
        return f"{quoted(cursor)} {mark} {bound} or {quoted(cursor)} is null"

    def _earlier(self, cursor: str, value: str, overlap: str) -> str:
        """Return the text of a time before another; blank and ``T`` sort it before its day."""
        seconds = microseconds(overlap, where=self._place) / 1_000_000
        text = "select strftime('%Y-%m-%d %H:%M:%f', ?, ?)"
        ((found,),) = self._run(text, (value, f"-{seconds:.6f} seconds"))
        if found is None:
            raise DataError(
                f"the cursor {cursor!r} has {value!r}, which is no time that SQLite reads.",
                where=self._place,
                fix="Write times as 2024-01-31 12:00:00, or leave overlap out.",
            )
        return found

    def greatest(
        self, cursor: str, after: str | int | None, condition: str
    ) -> tuple[str | int | None, int, int]:
        """Return the greatest value of all loads, and how many rows there are, and without one."""
        name = quoted(cursor)
        counts = f"max({name}), typeof(min({name})), count(*), count(*) - count({name})"
        ((value, least, rows, empty),) = self._run(selects.of(self._query, counts, [condition]))
        if value is None:
            return after, rows, empty
        kind = {int: "integer", str: "text"}.get(type(value))
        if kind != least or (after is not None and type(after) is not type(value)):
            raise DataError(
                f"the cursor {cursor!r} has values of other types than one of whole numbers or "
                f"of text: the greatest is {value!r}, the least {least}.",
                where=self._place,
                fix="Choose a column of whole numbers, or of times as text.",
            )
        return value if after is None else max(value, after), rows, empty

    def ranges(self, column: str, condition: str) -> list[str]:
        """Leave the rows together: one transaction reads them one after another."""
        return ["true"]

    def read(self, where: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Give the rows for which all conditions hold."""
        cursor = self._run(selects.of(self._query, where=where))
        while rows := self._fetched(cursor):
            columns = zip(self.names, zip(*rows, strict=True), strict=True)
            yield pl.DataFrame([self._as_text(name, values) for name, values in columns])

    def _as_text(self, name: str, values: Sequence[Any]) -> pl.Series:
        kinds = set(map(type, values)) - {type(None)}
        if kinds & {str, bytes}:
            self._texts.add(name)
        if len(kinds) == 1 and bytes not in kinds:
            return pl.Series(name, values).cast(pl.String)
        return pl.Series(name, [_written(value) for value in values], dtype=pl.String)

    def _run(self, query: str, values: Sequence[Any] = ()) -> sqlite3.Cursor:
        with _explained(self._place):
            return self._connection.execute(query, values)

    def _fetched(self, cursor: sqlite3.Cursor) -> list[Any]:
        with _explained(self._place):
            return cursor.fetchmany(ROWS)


@contextmanager
def opened(path: Path, query: str, place: str) -> Iterator[Snapshot]:
    """Open a file, and hold it at this moment.

    Raises
    ------
    ResourceError
        If there is no such file, or it cannot be read.
    DefinitionError
        If the query cannot be understood.
    """
    if not path.is_file():
        raise ResourceError(f"there is no file {path}.", where=place, fix=f"Check {ADDRESS}.")
    with _explained(place):
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
        connection.isolation_level = None
        connection.text_factory = lambda text: text.decode("utf-8", "backslashreplace")
        connection.execute("begin")
    try:
        yield Snapshot(connection, query, place)
    finally:
        connection.close()


def _written(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return "\\x" + value.hex() if isinstance(value, bytes) else repr(value)


_UNKNOWN = ("no such ", "syntax error", "ambiguous", "incomplete input", "unrecognized token")


@contextmanager
def _explained(place: str) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        if any(words in str(error) for words in _UNKNOWN):
            raise DefinitionError(
                f"the database says: {error}.",
                where=place,
                fix="Correct the query, the table or the columns in pipeline.py.",
            ) from error
        raise ResourceError(
            f"the database says: {error}.",
            where=place,
            fix=f"Check {ADDRESS}, and that this user may read that file.",
        ) from error
