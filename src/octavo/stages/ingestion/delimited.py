"""Delimited text: CSV and its cousins, every value as text.

The first record names the columns. Blanks around names are dropped; a column without a name is
called after its place (``column_3``); a name given twice is an error. The delimiter is the one of
``,``, ``;``, tab and ``|`` under which most records have as many fields as the header (a file
named .tsv is separated by tabs). It knows nothing of types.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl

from octavo.errors import DataError
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, Records, blocks, find_quotes, split

_DELIMITERS = ",;\t|"
_SAMPLE = 1 << 20  # bytes the delimiter is told from


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    delimiter: str
    chosen: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
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
        source = self.source
        return blocks(self.body, source.read, self.header.delimiter, lambda: source.done)

    def read(self, block: Block) -> Part:
        """Take the records of a block apart."""
        return _read(self.header, block)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns chosen by the header."""
        return self.chosen


def load(source: Source, wanted: Wanted) -> Delimited:
    """Begin to read a delimited text file.

    Raises
    ------
    DataError
        If the file is no such text, or has other columns than before.
    """
    header, body = _header(text_begun(source, BLOCK), source)
    names = wanted.choose(header.names, source.place)
    chosen = tuple(header.names.index(name) for name in names)
    return Delimited(source, _Header(header.names, header.delimiter, chosen), names, body)


def _header(head: bytes, source: Source) -> tuple[_Header, bytes]:
    """Read the column names; return them and what follows."""
    cut = head.rfind(b"\n", 0, _SAMPLE) + 1 or head.find(b"\n") + 1
    sample = head[:cut] if cut and len(head) > _SAMPLE else head.rstrip(b"\n") + b"\n"
    delimiters = "\t" if source.name.lower().endswith((".tsv", ".tsv.gz")) else _DELIMITERS
    delimiter = max(delimiters, key=partial(_agreement, sample))
    block = _block(sample, delimiter)
    records = split(block, delimiter)
    begin, end = int(records.starts[0]), int(records.ends[0])
    if block.quotes.broken.size and block.quotes.broken[0] == begin:
        raise DataError(
            "the quotes of the header are broken.", where=source.place, fix="Correct the header."
        )
    text = io.StringIO(head[begin:end].decode(errors="backslashreplace"), newline="")
    found = next(csv.reader(text, delimiter=delimiter))
    names = [name.strip() or f"column_{place}" for place, name in enumerate(found, 1)]
    twice = [name for name, times in Counter(names).items() if times > 1]
    if twice:
        raise DataError(
            f"the header names {', '.join(map(repr, twice))} more than once.",
            where=source.place,
            fix="Rename the columns so that each name is used once.",
        )
    return _Header(tuple(names), delimiter), head[end:].lstrip(b"\r\n")


def _agreement(sample: bytes, delimiter: str) -> tuple[float, int]:
    """Return how well a delimiter divides records like the header."""
    fields = split(_block(sample, delimiter), delimiter).fields[:1000]
    width = int(fields[0])
    return (float((fields == width).mean()), width) if width > 1 else (0.0, 0)


def _block(text: bytes, delimiter: str) -> Block:
    return Block(text, find_quotes(text, delimiter, last=True), len(text))


def _read(header: _Header, block: Block) -> Part:
    """Read one block: tell faulty records from good ones, and let Polars take these apart."""
    records = split(block, header.delimiter)
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
    text = _joined(block, records, kept, literal[kept], header.delimiter)
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
        separator=header.delimiter,
        schema={str(place): pl.String for place in range(len(header.names))},
        columns=header.chosen,
        infer_schema=False,
    )
    return frame.select(pl.col(str(p)).alias(header.names[p]) for p in header.chosen)


def _joined(
    block: Block, records: Records, kept: np.ndarray, literal: np.ndarray, delimiter: str
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
        pieces[place] = _requoted(block.data[starts[alone] : ends[alone]], delimiter)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _requoted(record: bytes, delimiter: str) -> bytes:
    fields = record.split(delimiter.encode())
    if b'"' in (field[:1] for field in fields):
        marks = find_quotes(record + b"\n", delimiter, last=True).marks
        text = np.frombuffer(record, np.uint8)
        at = np.flatnonzero(text == ord(delimiter))
        at = at[np.searchsorted(marks, at) % 2 == 0].tolist()
        fields = [record[a + 1 : b] for a, b in pairwise((-1, *at, len(record)))]
    quoted = [f if f[:1] == b'"' else b'"%b"' % f.replace(b'"', b'""') for f in fields]
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
