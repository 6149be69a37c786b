"""A load of a database: its rows of one moment, written to disk as an extract.

An extract is to ingestion what a file is: it has a content by which it is recognized, it does not
change, and how far the cursor came with it is part of its batch. So a load that is killed, at
whatever instant, is done again from where the last batch that counts ended. It knows nothing of
batches, checks or the raw store.
"""

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import polars as pl

from octavo.definition import Sql
from octavo.engines import Engine
from octavo.errors import DataError, DefinitionError
from octavo.stages.ingestion import extract, postgres, selects, sqlite
from octavo.stages.ingestion.extract import Written
from octavo.stages.ingestion.offered import Offered

Mark = str | int
"""A value of a cursor: a number, or a date or time as the database writes it."""


class Snapshot(Protocol):
    """A database as it was at one moment, and a query to it."""

    parallel: bool
    """Whether pieces can be read side by side."""
    names: list[str]
    """The columns of the query."""

    @property
    def kinds(self) -> Mapping[str, str]:
        """What the texts of some columns are, see `extract`; certain when all was read."""
        ...

    def beyond(
        self, cursor: str, after: Mark | None, overlap: str | int | None, *, again: bool
    ) -> str:
        """Return the condition for the rows that a load reads, those without a value too.

        ``again``: also those of the value at which it begins.
        """
        ...

    def greatest(
        self, cursor: str, after: Mark | None, condition: str
    ) -> tuple[Mark | None, int, int]:
        """Return the greatest value of all loads, and how many rows there are, and without one."""
        ...

    def ranges(self, column: str, condition: str) -> list[str]:
        """Divide the rows by the range of a column into conditions."""
        ...

    def read(self, where: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Give the rows for which all conditions hold."""
        ...


def called(source: Sql) -> str:
    """Return what a source is called in the catalog and in messages: never with an address."""
    return f"{source.connection}: {source.table or 'query'}"


def offered(
    source: Sql,
    databases: Mapping[str, str],
    folder: Path,
    extracts: Path,
    engine: Engine,
    where: str,
    *,
    after: Mark | None,
    identified: bool,
    progress: Callable[[int, int], None],
) -> Offered | None:
    """Read what is new in a database; None if nothing can be.

    Parameters
    ----------
    databases
        Connection name to URL.
    folder
        Where relative paths begin.
    extracts
        Folder for the extracts of this dataset; those that no batch needs are removed.
    where
        The dataset, for messages.
    after
        The greatest value of the cursor in the batches before, None if there are none.
    identified
        Events have an ID: rows that come again are told.
    progress
        Called with the rows read so far and in all, 0 where that is not known.

    Raises
    ------
    DefinitionError
        If the connection is not known, or the query cannot be understood.
    DataError
        If there are no rows at all, or some have no value of the cursor.
    ResourceError
        If the database cannot be reached, or a library is missing.
    """
    place = f"{where}, {called(source)}"
    with _opened(source, databases, folder, place) as snapshot:
        _check_names(source, snapshot.names, place)
        condition, through, rows = "true", None, 0
        if source.cursor is not None:
            overlap: Any = source.overlap
            condition = snapshot.beyond(source.cursor, after, overlap, again=identified)
            value, rows, empty = snapshot.greatest(source.cursor, after, condition)
            if empty:
                raise _without_value(source.cursor, empty, place)
            if not rows and after is not None:
                return None
            through = {"cursor": source.cursor, "value": value}
        tally = _Tally(rows, progress)
        return _extracted(source, snapshot, condition, extracts, engine, place, through, tally)


def _extracted(
    source: Sql,
    snapshot: Snapshot,
    condition: str,
    extracts: Path,
    engine: Engine,
    place: str,
    through: dict[str, Any] | None,
    tally: "_Tally",
) -> Offered:
    draft = extracts / f"draft-{uuid.uuid4().hex}"
    draft.mkdir(parents=True)
    try:
        pieces = enumerate(_pieces(source, snapshot, condition))
        read = partial(_piece, snapshot, condition, draft, tally)
        parts = engine.map(read, pieces) if snapshot.parallel else map(read, pieces)
        written = sum(parts, Written())
        if not written.rows:
            fix = "Check the query; a table that is empty for now is no source yet."
            raise DataError("it gives no rows.", where=place, fix=fix)
        path = extract.finish(draft, written, snapshot.kinds)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    for other in extracts.iterdir():
        if other != path:
            shutil.rmtree(other, ignore_errors=True)  # of loads that were killed, or refused
    name = called(source)
    if through is not None:
        name = f"{name}, {through['cursor']} to {through['value']}"
    return Offered(path, name, path.name, through)


class _Tally:
    """Counts rows over all pieces, and tells of them."""

    def __init__(self, total: int, progress: Callable[[int, int], None]) -> None:
        self._rows, self._total, self._progress = 0, total, progress
        self._lock = threading.Lock()

    def passing(self, frames: Iterator[pl.DataFrame]) -> Iterator[pl.DataFrame]:
        """Give the same frames."""
        for frame in frames:
            with self._lock:
                self._rows += frame.height
                self._progress(self._rows, self._total)
            yield frame


def _piece(
    snapshot: Snapshot, condition: str, folder: Path, tally: _Tally, numbered: tuple[int, str]
) -> Written:
    number, piece = numbered
    return extract.write(folder, number, tally.passing(snapshot.read([condition, piece])))


def _pieces(source: Sql, snapshot: Snapshot, condition: str) -> list[str]:
    """Return conditions for the pieces: exactly one of them holds for each row."""
    if source.partition is None:
        return ["true"]
    if isinstance(source.partition, str):
        return snapshot.ranges(source.partition, condition)
    return selects.exclusive(source.partition)


def _opened(
    source: Sql, databases: Mapping[str, str], folder: Path, place: str
) -> AbstractContextManager[Snapshot]:
    url, query = databases.get(source.connection.lower()), selects.base(source)
    variable = f"OCTAVO_DATABASE_{source.connection.upper()}"
    if url is None:
        raise DefinitionError(
            f"there is no database {source.connection!r}.",
            where=place,
            fix=f'Write {source.connection} = "postgresql://…" or "sqlite:FILE" below '
            f"[profile.default.databases] in octavo.toml, or set {variable}.",
        )
    if url.startswith(("postgresql://", "postgres://")):
        return postgres.opened(url, query, place)
    if url.startswith("sqlite:"):
        path = unquote(url.removeprefix("sqlite:").removeprefix("//"))
        return sqlite.opened(folder / path, query, place)
    raise DefinitionError(
        f"the address of {source.connection!r} begins neither with postgresql:// nor with sqlite:.",
        where=place,
        fix=f"Correct it in octavo.toml, or in {variable}.",
    )


def _check_names(source: Sql, names: Sequence[str], place: str) -> None:
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise DefinitionError(
            f"the query gives two columns {twice[0]!r}.",
            where=place,
            fix=f'Call one otherwise: select …, b."{twice[0]}" as other.',
        )
    by = source.partition if isinstance(source.partition, str) else None
    for name in (source.cursor, by):
        if name is not None and name not in names:
            raise DefinitionError.unknown("column", name, names, where=place)


def _without_value(cursor: str, count: int, place: str) -> DataError:
    return DataError(
        f"{count:,} rows have no value of the cursor {cursor!r}: no load could tell whether they "
        "came before.",
        where=place,
        fix=f"Give them one in a query, coalesce({cursor}, …), or leave them out there.",
    )
