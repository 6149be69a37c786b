"""NDJSON: one JSON object per line, types as JSON gives them.

A column whose values are all whole numbers is Int64, all numbers Float64 (whole numbers beyond 64
bits alone: String), all true or false Boolean; text stays text, however it looks. Anything mixed,
and objects and arrays, become String: text as it is, the rest as it is written in the file. A
missing key is null. It knows nothing of delimited text.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import msgspec
import polars as pl

from octavo.stages.ingestion import types
from octavo.stages.ingestion.delimited import not_utf8, text_of
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, blocks, split
from octavo.stages.ingestion.types import Column, Typed


@dataclass(frozen=True, slots=True)
class JsonLines(Format):
    """A file of JSON lines. Columns are in the order in which keys first appear."""

    source: Source
    wanted: Wanted
    head: bytes

    def blocks(self) -> Iterator[Any]:
        """Cut the text where lines end."""
        return blocks(self.head, self.source.read, None, lambda: self.source.done)

    def read(self, block: Any) -> Part:
        """Take the lines of a block apart."""
        return _read(block)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns wanted; a key may be met for the first time late in the file."""
        if whole:
            return self.wanted.choose(found, self.source.place, sparse=True)
        return self.wanted.begin(found)

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


def _read(block: Block) -> Part:
    """Take the lines of a block apart into columns of JSON as written."""
    records = split(block, None)
    foreign = not_utf8(block.data, records)
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    rows: list[dict[str, msgspec.Raw]] = []
    kept: list[int] = []
    faults: list[tuple[int, str, str]] = []
    for record, (start, end) in enumerate(zip(records.starts, records.ends, strict=True)):
        line = block.data[start:end]
        if foreign[record]:
            faults.append((record, "encoding", "it is not UTF-8 text"))
            continue
        try:
            row = decode(line)
        except msgspec.MsgspecError as error:
            faults.append((record, "json", f"it is not a JSON object: {error}"))
            continue
        rows.append(row)
        kept.append(record)
    frame = as_written(rows, kept)
    return Part(frame, faults, records.starts.size, partial(text_of, block, records), block.done)


def as_written(rows: Sequence[dict[str, msgspec.Raw]], numbers: Sequence[int]) -> pl.DataFrame:
    """Return objects as columns of JSON text, and their numbers as `ROW`."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [bytes(row[name]) if name in row else None for row in rows] for name in names}
    schema = dict.fromkeys(names, pl.Binary) | {ROW: pl.Int64}
    frame = pl.DataFrame(columns | {ROW: numbers}, schema=schema)
    return frame.cast({pl.Binary: pl.String})


def _without_null(tokens: pl.Series) -> pl.Series:
    return tokens.set(tokens == "null", None)
