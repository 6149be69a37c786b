"""PostgreSQL: rows as Arrow batches, of one moment, over several connections.

All that is asked for one load is seen in one snapshot: a REPEATABLE READ, READ ONLY transaction
exports it, and those of the pieces take it over. Types that Arrow holds as they are come as such;
all others as the text that the server writes: times, which Arrow would turn into others if they are
infinite, numbers of any length, and what has no counterpart. The libraries are an extra.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

import polars as pl

from octavo.definition.durations import microseconds
from octavo.errors import DataError, DefinitionError, OctavoError, ResourceError
from octavo.stages.ingestion import selects
from octavo.stages.ingestion.selects import ADDRESS, quoted

PIECES = 8
"""Pieces that the range of a column is divided into."""

_WHOLE = frozenset(("int2", "int4", "int8"))
_PLAIN = _WHOLE | frozenset(("float4", "float8", "bool", "text", "varchar", "name"))
_KINDS = {"numeric": "open", "timestamp": "datetime", "timestamptz": "datetime", "date": "date"}
_SETTINGS = (
    "datestyle = 'ISO, YMD'",
    "timezone = 'UTC'",
    "intervalstyle = 'iso_8601'",
    "bytea_output = 'hex'",
    "client_encoding = 'UTF8'",
    "standard_conforming_strings = on",
    "synchronize_seqscans = off",
)


class Snapshot:
    """A database as it was at one moment; made by `opened`.

    Parameters
    ----------
    connection
        In the transaction whose snapshot is shared.
    url
        Where the other connections go.
    query
        What is read.
    place
        Dataset and query, for messages.
    """

    parallel = True

    def __init__(self, connection: Any, url: str, query: str, place: str) -> None:
        self._url, self._query, self._place = url, query, place
        self._connection = connection
        ((self._exported,),) = self._ask("select pg_export_snapshot()")
        with explained(place, url), connection.cursor() as cursor:
            fields = list(cursor.adbc_execute_schema(query))
        self._types = {f.name: (f.metadata or {})[b"POSTGRESQL:type"].decode() for f in fields}
        self.names: list[str] = [field.name for field in fields]

    @property
    def kinds(self) -> dict[str, str]:
        """What the texts of some columns are, as `octavo.stages.ingestion.extract` says it."""
        return {name: _KINDS[given] for name, given in self._types.items() if given in _KINDS}

    def beyond(
        self, cursor: str, after: str | int | None, overlap: str | int | None, *, again: bool
    ) -> str:
        """Return the condition for the rows that a load reads; those without a value too.

        Parameters
        ----------
        after
            The greatest value of the loads before, as text; None: there are none.
        overlap
            How far behind it to begin.
        again
            Read the rows of the value at which it begins too.
        """
        self._check_cursor(cursor, overlap)
        if after is None:
            return "true"
        bound = f"{selects.text(str(after))}::{self._types[cursor]}"
        if isinstance(overlap, str):
            bound += f" - interval '{microseconds(overlap, where=self._place)} microseconds'"
        elif overlap:
            bound = str(int(after) - overlap)
        mark = ">=" if again else ">"
        return f"{quoted(cursor)} {mark} {bound} or {quoted(cursor)} is null"

    def _check_cursor(self, cursor: str, overlap: str | int | None) -> None:
        given = self._types[cursor]
        if given not in _WHOLE and given not in ("timestamp", "timestamptz", "date"):
            raise DefinitionError(
                f"the cursor {cursor!r} is of the type {given}.",
                where=self._place,
                fix="Choose a column of whole numbers, dates or times.",
            )
        if overlap is not None and isinstance(overlap, int) != (given in _WHOLE):
            raise DefinitionError(
                f"the cursor {cursor!r} is of the type {given}, and the overlap is {overlap!r}.",
                where=self._place,
                fix='Give a number for a cursor of numbers, a duration such as "1h" for times.',
            )

    def greatest(
        self, cursor: str, after: str | int | None, condition: str
    ) -> tuple[str | int | None, int, int]:
        """Return the greatest value of all loads, and how many rows there are, and without one."""
        of = f"max({quoted(cursor)})"
        if after is not None:
            of = f"greatest({of}, {selects.text(str(after))}::{self._types[cursor]})"
        counts = f"{of}::text, count(*), count(*) - count({quoted(cursor)})"
        ((value, rows, empty),) = self._ask(selects.of(self._query, counts, [condition]))
        if value is None:
            return None, rows, empty
        if self._types[cursor] in _WHOLE:
            return int(value), rows, empty
        self._check_finite(cursor, value)
        return value, rows, empty

    def _check_finite(self, cursor: str, value: str) -> None:
        try:
            datetime.fromisoformat(value)
        except ValueError as error:
            raise DataError(
                f"the greatest value of the cursor {cursor!r} is {value}: nothing would ever be "
                "beyond it.",
                where=self._place,
                fix="Correct that row, or leave it out with a query.",
            ) from error

    def ranges(self, column: str, condition: str) -> list[str]:
        """Divide the rows by the range of a column."""
        name, given = quoted(column), self._types[column]
        where, ends = [condition], f"min({name}), max({name})"
        if given in _KINDS and given != "numeric":
            where.append(f"isfinite({name})")
            ends = ", ".join(
                f"(extract(epoch from {end}({name})) * 1000000)::int8" for end in ("min", "max")
            )
        elif given not in _WHOLE:
            raise DefinitionError(
                f"{column!r} is of the type {given}, and has no range.",
                where=f"{self._place}, partition",
                fix="Choose a column of whole numbers, dates or times, or give conditions.",
            )
        ((low, high),) = self._ask(selects.of(self._query, ends, where))
        if low is None:
            return ["true"]
        cuts = sorted({low + (high - low) * n // PIECES for n in range(1, PIECES)} - {low})
        kind = "timestamptz" if given == "timestamptz" else "timestamp"
        moment = f"{kind} 'epoch' + interval '1 microsecond' * "
        return selects.ranges(column, [f"{'' if given in _WHOLE else moment}{cut}" for cut in cuts])

    def read(self, where: Sequence[str]) -> Iterator[pl.DataFrame]:
        """Give the rows for which all conditions hold, over a connection of its own."""
        columns = ", ".join(_selected(name, given) for name, given in self._types.items())
        with (
            _connected(self._url, self._place) as connection,
            explained(self._place, self._url),
            connection.cursor() as cursor,
        ):
            _begin(cursor, f"set transaction snapshot {selects.text(self._exported)}")
            cursor.execute(selects.of(self._query, columns, where))
            for batch in cursor.fetch_record_batch():
                yield pl.DataFrame(pl.from_arrow(batch))

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        with explained(self._place, self._url), self._connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall()


@contextmanager
def opened(url: str, query: str, place: str) -> Iterator[Snapshot]:
    """Connect, and hold the database at this moment.

    Raises
    ------
    ResourceError
        If the libraries are not installed, or the server is not reached, or refuses.
    DefinitionError
        If the query cannot be understood.
    """
    for library in ("adbc_driver_postgresql", "pyarrow"):
        if find_spec(library) is None:
            raise ResourceError.not_installed(library, extra="postgres", where=place)
    with _connected(url, place) as connection:
        with explained(place, url), connection.cursor() as cursor:
            _begin(cursor)
        yield Snapshot(connection, url, query, place)


@contextmanager
def _connected(url: str, place: str) -> Iterator[Any]:
    import adbc_driver_postgresql.dbapi as driver  # an extra

    with explained(place, url):
        connection = driver.connect(url)
    try:
        yield connection
    finally:
        connection.close()


def _begin(cursor: Any, *more: str) -> None:
    level = "set transaction isolation level repeatable read read only"
    for statement in (level, *more, *(f"set local {each}" for each in _SETTINGS)):
        cursor.execute(statement)


def _selected(name: str, given: str) -> str:
    """Return a column as it is, or as text; arrays and records as JSON text."""
    if given in _PLAIN:
        return quoted(name)
    value = quoted(name)
    if given.startswith("_") or given == "record":
        value = f"to_json({value})"
    return f"{value}::text as {quoted(name)}"


@contextmanager
def explained(place: str, url: str) -> Iterator[None]:
    """Say what it means that the server, or the library, refuses; never with the password."""
    import adbc_driver_manager.dbapi as adbc  # extras
    import pyarrow as pa

    try:
        yield
    except (adbc.Error, pa.ArrowException, OSError) as error:
        # Not "from error": a traceback would show an address with its password.
        raise _meant(error, place, url) from None


_FIXES: Mapping[str, tuple[type[OctavoError], str]] = {
    "28": (
        ResourceError,
        f"Check user and password in {ADDRESS}; a password may stand in ~/.pgpass.",
    ),
    "3D": (ResourceError, f"Check the name at the end of {ADDRESS}."),
    "42501": (ResourceError, "Let that user read it: grant select on … to …"),
    "42": (DefinitionError, "Correct the query, the table or the columns in pipeline.py."),
    "22": (DataError, "Correct the row, or let the query leave it out or cast it otherwise."),
}
_TOLD = {
    "FATAL:  password authentication failed": "28",
    "FATAL:  role ": "28",
    "no password supplied": "28",
    "FATAL:  database ": "3D",
    "FATAL: ": "57",
    "ERROR:  canceling ": "57",
    "ERROR: ": "22",
}
"""States where none is told: as a connection is made, and while rows come."""
_GONE = f"Check {ADDRESS}, and that the server runs; then run again: nothing was half-written."


def _meant(error: Exception, place: str, url: str) -> OctavoError:
    message = _without_password(str(error), url)
    found = re.search(r"(?:ERROR|FATAL):\s+(.*)", message)
    said = found[1] if found else re.sub(r"^.*?\[libpq\] ", "", message).splitlines()[0]
    state = getattr(error, "sqlstate", None)
    if not state:
        state = next((code for words, code in _TOLD.items() if words in message), "")
    meant = (meaning for code, meaning in _FIXES.items() if state.startswith(code))
    kind, fix = next(meant, (ResourceError, _GONE))
    return kind(f"the database says: {said}.", where=place, fix=fix)


def _without_password(message: str, url: str) -> str:
    """Return a message without a password that stands in an address, however it is written."""
    try:
        password = urlsplit(url).password or ""
    except ValueError:
        password = ""
    query = re.findall(r"[?&](?:ssl)?password=([^&]*)", url)
    secrets = {password, unquote(password), url, *query, *map(unquote, query)}
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            message = message.replace(secret, "…")
    return message
