"""Rows that were sent, as something to read: the rows of some blocks, told by their offsets.

Those of JSON are read as a file of JSON lines is, those of Arrow as a Parquet file. What a file
decides by all of its rows, the rows of one batch decide here; a column of which they say nothing,
and that nothing asks for, is left to a later batch. It knows nothing of batches, checks or stores.
"""

import io
import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import msgspec
import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.definition import Nested
from octavo.errors import DataError
from octavo.stages.ingestion import alike, frames, types
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.json_document import JsonDocument
from octavo.stages.ingestion.json_lines import Rows
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.nesting import records
from octavo.stages.ingestion.opening import Source
from octavo.stages.ingestion.reading import Piece
from octavo.stages.ingestion.received import ARROW, JSON, NDJSON, rows_in
from octavo.stages.ingestion.types import Column, Typed
from octavo.streams import Record


class Refused(NamedTuple):
    """A row that is kept aside before it is read."""

    row: int
    """Its offset, counted from the batch's first."""
    text: str
    reason: str


@dataclass(frozen=True)
class Sent:
    """Rows of one family, see `family`.

    Attributes
    ----------
    rows
        Of JSON each as it is written, of Arrow a table.
    numbers
        The offset of each, counted from the batch's first.
    used
        Columns that the definition asks for.
    """

    rows: list[bytes] | pl.DataFrame
    numbers: list[int]
    used: Collection[str] = ()

    def __len__(self) -> int:
        return len(self.numbers)

    def some(self, places: Sequence[int]) -> "Sent":
        """Return the rows at some places."""
        chosen = self.rows[places] if isinstance(self.rows, pl.DataFrame) else None
        rows = [self.rows[at] for at in places] if chosen is None else chosen
        return replace(self, rows=rows, numbers=[self.numbers[at] for at in places])  # type: ignore[arg-type]

    def kinds(self) -> list[list[int]]:
        """Return the places of rows with the same columns and kinds of value; of a table each."""
        found: dict[Any, list[int]] = {}
        for place, row in enumerate(self.rows if isinstance(self.rows, list) else ()):
            found.setdefault(_kind(row), []).append(place)
        return list(found.values()) or [[place] for place in range(len(self))]

    def columns(self, place: int, nested: Nested) -> list[str]:
        """Return the columns of one of the rows; none if it is no object."""
        if isinstance(self.rows, pl.DataFrame):
            return self.rows.columns
        try:
            return list(dict.fromkeys(n for row in records(self.rows[place], nested) for n in row))
        except (msgspec.MsgspecError, DataError, UnicodeDecodeError):
            return []

    def opens(self, where: str) -> Any:
        """Return what opens them, as `octavo.stages.ingestion.reading.Reading` asks for it."""
        return lambda wanted: self._opened(where, wanted)

    def refused(self, place: int, reason: str) -> Refused:
        """Return one of the rows as kept aside."""
        return Refused(self.numbers[place], self._text(place), reason)

    def placed(self, piece: Piece) -> Piece:
        """Give the records of a piece their offsets, counted from the batch's first, as numbers."""
        numbers = pl.Series(ROW, self.numbers, dtype=pl.Int64)
        frame, rejected = (
            each.with_columns(numbers.gather(each[ROW])) for each in (piece.frame, piece.rejected)
        )
        return Piece(frame, rejected, lambda number: self._text(self._places[number]), piece.first)

    @cached_property
    def _places(self) -> dict[int, int]:
        return {number: place for place, number in enumerate(self.numbers)}

    def _text(self, place: int) -> str:
        if not isinstance(self.rows, pl.DataFrame):
            return self.rows[place].decode(errors="backslashreplace")
        row = self.rows.slice(place, 1)
        try:
            return row.write_ndjson().rstrip("\n")
        except (PolarsError, PanicException):  # what JSON cannot hold
            return repr(row.row(0, named=True))

    def _opened(
        self, where: str, wanted: Wanted
    ) -> AbstractContextManager[tuple[Format, str, int]]:
        return (
            _table(self.rows, where, wanted)
            if isinstance(self.rows, pl.DataFrame)
            else _lines(self.rows, self.used, where, wanted)
        )


@dataclass(frozen=True, slots=True)
class _Lines(JsonDocument):
    """Objects that were sent, each by itself."""

    used: Collection[str] = field(default=(), kw_only=True)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Leave out columns of which no value has come, unless they are asked for."""
        known = {*self.valued, *self.used, *(self.wanted.schema or ())}
        kept = [name for name in found if name in known]
        typed = [name for name in self.wanted.declared if name not in kept]
        return super(_Lines, self).names([*kept, *typed], whole=whole)

    def read(self, block: Any) -> Part:
        """Take objects apart; each by itself may be no text."""
        rows = Rows(self)
        found = alike.objects(block, self.wanted.nested)
        if found is not None:
            rows.take_all(found)
        for number, text in enumerate(block if found is None else ()):
            try:
                text.decode()
            except UnicodeDecodeError:
                rows.refuse(number, "encoding", "it is not UTF-8 text")
            else:
                rows.take(number, text)
        return rows.part(lambda at: block[at].decode(errors="backslashreplace"), self.source.total)

    def examine(self, values: pl.Series) -> Evidence:
        """Tell texts and whole numbers, where there is nothing else, at a glance."""
        for dtype, kind in ((pl.String, "texts"), (pl.Int64, "numbers")):
            if (found := alike.values(values, dtype)) is not None:
                return Evidence(found.count(), **{kind: found.count()})
        return super(_Lines, self).examine(values)

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Read a part of a column, at once where all of its values are alike."""
        is_time = column.dtype.is_temporal()
        if column.is_open or (
            (found := alike.values(values, pl.String() if is_time else column.dtype)) is None
        ):
            return super(_Lines, self).take(values, column, look=look)
        if is_time:
            return types.take(found, column, nulls=())
        return Typed(found, pl.repeat(False, len(found), eager=True)), Evidence()


def _kind(row: bytes) -> Any:
    """Return which columns a JSON object has, and what kinds of value; None if it is none."""

    def of(value: Any) -> Any:
        if isinstance(value, dict):
            return tuple(sorted((name, of(each)) for name, each in value.items()))
        return float if type(value) is int else type(value)

    try:
        return of(json.loads(row))
    except (ValueError, RecursionError):
        return None


@contextmanager
def _lines(
    rows: list[bytes], used: Collection[str], where: str, wanted: Wanted
) -> Iterator[tuple[Format, str, int]]:
    size = sum(map(len, rows))
    nothing = io.BytesIO()
    source = Source("ndjson", where, where, size, nothing, nothing)
    yield _Lines(source, wanted, b"", rows, used=used), where, size  # type: ignore[arg-type]


@contextmanager
def _table(rows: pl.DataFrame, where: str, wanted: Wanted) -> Iterator[tuple[Format, str, int]]:
    size = int(rows.estimated_size())
    yield frames.opened(rows.lazy(), wanted, where, size), where, size


def family(metadata: Mapping[str, Any]) -> str:
    """Return what the blocks of one batch have in common: JSON, or the schema of an Arrow table."""
    form = metadata.get("format")
    return JSON if form in (JSON, NDJSON) else f"{form} {metadata.get('schema')}"


def rows_of(
    records: Iterable[Record], begin: int, used: Collection[str]
) -> tuple[Sent, list[Refused]]:
    """Take blocks of one family apart; keep those aside that are not what they are said to be."""
    found: list[bytes] = []
    tables: list[pl.DataFrame] = []
    numbers: list[int] = []
    refused: list[Refused] = []
    for record in records:
        first = record.offset - begin
        try:
            rows = _taken(record)
        except DataError as error:
            text = record.data.decode(errors="backslashreplace")
            refused.append(Refused(first, text, str(error)))
            continue
        if isinstance(rows, pl.DataFrame):
            tables.append(rows)
        else:
            found += rows
        numbers += range(first, first + record.rows)
    return Sent(pl.concat(tables) if tables else found, numbers, used), refused


def _taken(record: Record) -> pl.DataFrame | list[bytes]:
    """Return the rows of a block, as many as it is said to have.

    Raises
    ------
    DataError
        If it has others: then its offsets name none of them.
    """
    form = record.metadata.get("format")
    if form not in (JSON, NDJSON, ARROW):
        raise DataError(f"a block of the form {form!r}, which is none.")
    rows = rows_in(form, record.data)
    if len(rows) != record.rows:
        raise DataError(f"a block of {len(rows)} rows that is said to have {record.rows}.")
    return rows
