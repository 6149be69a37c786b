"""NDJSON: one JSON object per line, types as JSON gives them.

Objects within objects are columns called by their paths, see `nesting`. A column whose values are
all whole numbers is Int64, all numbers Float64 (whole numbers beyond 64 bits alone: String), all
true or false Boolean; text stays text, however it looks. Anything mixed, and lists, become String:
text as it is, the rest as it is written in the file. A missing key is null. It knows nothing of
delimited text.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import msgspec
import polars as pl

from octavo.errors import DataError
from octavo.stages.ingestion import types
from octavo.stages.ingestion.delimited import not_utf8, text_of
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted, reserved
from octavo.stages.ingestion.nesting import Record, check_keys, check_rows, columns_of, records
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, blocks, split
from octavo.stages.ingestion.types import Column, Typed


@dataclass(frozen=True, slots=True)
class JsonLines(Format):
    """A file of JSON lines. Columns are in the order in which keys first appear."""

    source: Source
    wanted: Wanted
    head: bytes
    valued: set[str] = field(default_factory=set, kw_only=True)
    """Columns that were met with a value; blocks are read at the same time, and only add to it."""

    def blocks(self) -> Iterator[Any]:
        """Cut the text where lines end."""
        return blocks(self.head, self.source.read, None, lambda: self.source.done)

    def read(self, block: Any) -> Part:
        """Take the lines of a block apart."""
        return _read(block, self)

    @property
    def may_grow(self) -> bool:
        """Unless the columns are given: any key may come late."""
        return self.wanted.columns is None or bool(self.wanted.renamed)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns wanted."""
        wanted, place = self.wanted, self.source.place
        found = columns_of(found, self.valued, wanted.schema, wanted.nested)
        if not whole:
            return wanted.begin(found)
        check_keys(found, wanted.nested, place)
        if wanted.schema is None:
            check_rows(found, wanted.nested, place)
        return wanted.choose(found, place, sparse=True)

    def examine(self, values: pl.Series) -> Evidence:
        """Tell quoted and nested values, which are text, from the others."""
        tokens = _without_null(values)
        texts = tokens.str.slice(0, 1).is_in(('"', "{", "["))
        found = types.examine(tokens.filter(~texts), nulls=())
        return found + Evidence(int(texts.sum()), texts=int(texts.sum()))

    def decide(self, found: Evidence) -> pl.DataType | None:
        """Decide on a type; true and false beside numbers are text."""
        mixed = 0 < found.booleans < found.present
        return pl.String() if mixed else found.dtype()

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Read a part of a column, without its quotes."""
        tokens = _without_null(values)
        quoted = tokens.str.starts_with('"').arg_true()
        text = tokens.scatter(quoted, tokens.gather(quoted).str.json_decode(pl.String))
        typed, _ = types.take(text, replace(column, is_open=False), nulls=())
        return typed, self.examine(values) if column.is_open else Evidence()

    def shown(self, value: str) -> str:
        """Return a text without its quotes, anything else as it is written."""
        return msgspec.json.decode(value) if value.startswith('"') else value


def load(source: Source, wanted: Wanted) -> JsonLines:
    """Begin to read a file of JSON lines.

    Raises
    ------
    DataError
        If the file is no such text.
    """
    return JsonLines(source, wanted, text_begun(source, BLOCK))


def _read(block: Block, form: JsonLines) -> Part:
    """Take the lines of a block apart into columns of JSON as written."""
    lines = split(block, None)
    foreign = not_utf8(block.data, lines)
    rows = Rows(form)
    for line, (start, end) in enumerate(zip(lines.starts, lines.ends, strict=True)):
        if foreign[line]:
            rows.refuse(line, "encoding", "it is not UTF-8 text")
        else:
            rows.take(line, block.data[start:end])
    return rows.part(lambda line: text_of(block, lines, line), block.done)


class Rows:
    """Rows of objects while these are read, and the objects that cannot be rows."""

    def __init__(self, form: JsonLines) -> None:
        self._form = form
        self._rows: list[Record] = []
        self._numbers: list[int] = []
        self._faults: list[tuple[int, str, str]] = []
        self._of: list[int] = []

    def take(self, number: int, text: bytes) -> None:
        """Take an object apart; ``number`` is its place among the objects."""
        try:
            found = records(text, self._form.wanted.nested)
        except msgspec.MsgspecError as error:
            self.refuse(number, "json", f"it is not a JSON object: {error}")
        except DataError as error:
            self.refuse(number, "json", error.what.rstrip("."))
        else:
            first = len(self._of)
            self._numbers += range(first, first + len(found))
            self._of += [number] * len(found)
            self._rows += found

    def take_all(self, found: list[Record]) -> None:
        """Take all objects, each of which is one row."""
        self._numbers = self._of = list(range(len(found)))
        self._rows = found

    def refuse(self, number: int, rule: str, why: str) -> None:
        """Keep an object aside."""
        self._faults.append((len(self._of), rule, why))
        self._of.append(number)

    def part(self, text: Callable[[int], str], done: int) -> Part:
        """Return all rows; ``text`` gives that of an object."""
        frame = _as_written(self._rows, self._numbers, self._form)
        return Part(frame, self._faults, len(self._of), lambda row: text(self._of[row]), done)


def _as_written(rows: Sequence[Record], numbers: Sequence[int], form: JsonLines) -> pl.DataFrame:
    """Return objects as columns of JSON text, and their numbers as `ROW`."""
    names = dict.fromkeys(name for row in rows for name in row)
    check_keys(names, form.wanted.nested, form.source.place)
    if names.pop(ROW, True) is None and form.wanted.columns is None:
        raise reserved([ROW], form.source.place)
    columns = {name: [bytes(row[name]) if name in row else None for row in rows] for name in names}
    schema = dict.fromkeys(names, pl.Binary) | {ROW: pl.Int64}
    frame = pl.DataFrame(columns | {ROW: numbers}, schema=schema).cast({pl.Binary: pl.String})
    for name in names:
        if name not in form.valued and _without_null(frame[name]).count():
            form.valued.add(name)
    return frame


def _without_null(tokens: pl.Series) -> pl.Series:
    return tokens.set(tokens == "null", None)
