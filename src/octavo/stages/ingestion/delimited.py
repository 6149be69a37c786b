"""Delimited text: CSV and its cousins, every value as text.

Blanks around the names of columns are dropped; a column without a name is called after its place
(``column_3``), and one whose name an earlier one has with its place behind it (``amount_7``). How
the text is written is told by `octavo.stages.ingestion.dialect`. It knows nothing of types.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl

from octavo.definition import Csv
from octavo.errors import DataError
from octavo.stages.ingestion.dialect import SAMPLE, Dialect, taken_apart, told
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, Records, blocks, find_quotes, split
from octavo.stages.ingestion.types import Column, Typed


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    dialect: Dialect
    chosen: tuple[int, ...] = ()


@dataclass(frozen=True)  # with slots, super() would not find itself
class Delimited(Format):
    """A delimited text file."""

    source: Source
    header: _Header
    chosen: list[str]
    body: bytes
    """What follows the header of what has been read."""
    empty = "the file has a header but no rows."

    def blocks(self) -> Iterator[Block]:
        """Cut the text where records end."""
        dialect = self.header.dialect
        source = self.source
        return blocks(self.body, source.read, dialect.delimiter, lambda: source.done, dialect.quote)

    def read(self, block: Block) -> Part:
        """Take the records of a block apart."""
        return _read(self.header, block)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns chosen by the header."""
        return self.chosen

    def examine(self, values: pl.Series) -> Evidence:
        """Look at numbers with a point before the fraction, and at the rest as it is written."""
        found = super().examine(values)
        if not self.header.dialect.comma:
            return found
        pointed = super().examine(_with_point(values))
        numbers = ("numbers", "beyond", "fractions", "codes")
        return replace(found, **{name: getattr(pointed, name) for name in numbers})

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Read numbers with a point before the fraction."""
        if not self.header.dialect.comma:
            return super().take(values, column, look=look)
        is_number = column.dtype.is_numeric()
        read, said = super().take(_with_point(values) if is_number else values, column, look=look)
        if column.is_open and not is_number and (look or column.dtype != pl.String()):
            said = self.examine(values)
        return read, said


def load(source: Source, wanted: Wanted, written: Csv) -> Delimited:
    """Begin to read a delimited text file.

    Raises
    ------
    DataError
        If the file is no such text, or lacks a column that is needed.
    """
    header, body = _header(text_begun(source, BLOCK), source, written)
    names = wanted.choose(header.names, source.place)
    chosen = tuple(header.names.index(name) for name in names)
    return Delimited(source, replace(header, chosen=chosen), names, body)


def _with_point(text: pl.Series) -> pl.Series:
    return text.str.replace(",", ".", literal=True)


def _header(head: bytes, source: Source, written: Csv) -> tuple[_Header, bytes]:
    """Read the column names; return them and what follows."""
    dialect = told(head, source.name, written)
    head = head[dialect.begin :].lstrip(b"\r\n")
    delimiter, quote = dialect.delimiter, dialect.quote
    sample = head[: head.find(b"\n", SAMPLE) + 1 or len(head)].rstrip(b"\n") + b"\n"
    block = Block(sample, find_quotes(sample, delimiter, last=True, quote=quote), len(sample))
    records = split(block, delimiter)
    if not records.starts.size:
        raise DataError("the file has no table.", where=source.place, fix="Deliver it again.")
    begin, end = int(records.starts[0]), int(records.ends[0])
    if block.quotes.broken.size and block.quotes.broken[0] == begin:
        raise DataError(
            "the quotes of the header are broken.", where=source.place, fix="Correct the header."
        )
    found = taken_apart(sample[begin:end], delimiter, quote)[0]
    if not dialect.header:
        return _Header(_names([""] * len(found)), dialect), head
    return _Header(_names(found), dialect), head[end:].lstrip(b"\r\n")


def _names(found: Sequence[str]) -> tuple[str, ...]:
    """Return names for columns, each once."""
    names: list[str] = []
    for place, given in enumerate(found, 1):
        name = given.strip() or f"column_{place}"
        names.append(f"{name}_{place}" if name in names else name)
    return tuple(names)


def _read(header: _Header, block: Block) -> Part:
    """Read one block: tell faulty records from good ones, and let Polars take these apart."""
    records = split(block, header.dialect.delimiter)
    width = len(header.names)
    broken = records.holding(block.quotes.broken)
    foreign = not_utf8(block.data, records)
    good = (records.fields == width) & ~broken & ~foreign
    faults: list[tuple[int, str, str]] = []
    for record in np.flatnonzero(~good).tolist():
        if broken[record]:
            faults.append((record, "quotes", "a quoted field does not end where it should"))
        elif foreign[record]:
            faults.append((record, "encoding", "it is not UTF-8 text"))
        else:
            count = int(records.fields[record])
            fields = "1 field" if count == 1 else f"{count} fields"
            faults.append((record, "fields", f"has {fields}, the header has {width}"))
    literal = records.holding(block.quotes.literal)
    kept = np.flatnonzero(good)
    text = _joined(block, records, kept, literal[kept], header.dialect)
    frame = _columns(text, header)
    if frame.height != kept.size:
        raise RuntimeError(f"{kept.size} records were found, but {frame.height} were read")
    frame = frame.with_columns(pl.Series(ROW, kept))
    return Part(frame, faults, records.starts.size, partial(text_of, block, records), block.done)


def _columns(text: bytes, header: _Header) -> pl.DataFrame:
    names = [header.names[place] for place in header.chosen]
    if not text:
        return pl.DataFrame(schema=dict.fromkeys(names, pl.String))
    frame = pl.read_csv(
        text,
        has_header=False,
        separator=header.dialect.delimiter,
        quote_char=header.dialect.quote,
        schema={str(place): pl.String for place in range(len(header.names))},
        columns=header.chosen,
        infer_schema=False,
    )
    return frame.select(pl.col(str(p)).alias(header.names[p]) for p in header.chosen)


def _joined(
    block: Block, records: Records, kept: np.ndarray, literal: np.ndarray, dialect: Dialect
) -> bytes:
    """Return the text of some records alone, with ordinary quotes written as RFC 4180 wants."""
    if not kept.size:
        return b""
    text = np.frombuffer(block.data, np.uint8)
    starts, ends = records.starts[kept], records.ends[kept]
    after = ends + 1 + (text[ends] == ord("\r"))
    cuts = (starts[1:] != after[:-1]) | literal[1:] | literal[:-1]
    firsts = np.concatenate(([0], np.flatnonzero(cuts) + 1))
    lasts = np.append(firsts[1:], kept.size) - 1
    pieces = [block.data[a:b] for a, b in zip(starts[firsts], after[lasts], strict=True)]
    for place in np.flatnonzero(literal[firsts]).tolist():
        alone = firsts[place]
        pieces[place] = _requoted(block.data[starts[alone] : ends[alone]], dialect)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _requoted(record: bytes, dialect: Dialect) -> bytes:
    delimiter, quote = dialect.delimiter, dialect.quote.encode()
    parts = record.split(delimiter.encode())
    if quote in (part[:1] for part in parts):
        marks = find_quotes(record + b"\n", delimiter, last=True, quote=dialect.quote).marks
        text = np.frombuffer(record, np.uint8)
        at = np.flatnonzero(text == ord(delimiter))
        at = at[np.searchsorted(marks, at) % 2 == 0].tolist()
        parts = [record[a + 1 : b] for a, b in pairwise((-1, *at, len(record)))]
    quoted = [p if p[:1] == quote else quote + p.replace(quote, 2 * quote) + quote for p in parts]
    return delimiter.encode().join(quoted) + b"\n"


def text_of(block: Block, records: Records, record: int) -> str:
    """Return the original text of a record of a block."""
    text = block.data[records.starts[record] : records.ends[record]]
    return text.decode(errors="backslashreplace")


def not_utf8(data: bytes, records: Records) -> np.ndarray:
    """Return which records are no UTF-8 text, as a Boolean array."""
    foreign = np.zeros(records.starts.size, bool)
    try:
        data.decode()
    except UnicodeDecodeError:
        for record, (start, end) in enumerate(zip(records.starts, records.ends, strict=True)):
            try:
                data[start:end].decode()
            except UnicodeDecodeError:
                foreign[record] = True
    return foreign
