"""Delimited text: CSV and its cousins, every value as text.

Blanks around the names of columns are dropped; a column without a name is called after its place
(``column_3``), and one whose name an earlier one has with its place behind it (``amount_7``). How
the text is written is told by `octavo.stages.ingestion.dialect`. It knows nothing of types.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise

import numpy as np
import polars as pl

from octavo.definition import Csv
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.stages.ingestion.dialect import SAMPLE, Dialect, taken_apart, told
from octavo.stages.ingestion.loaded import ROW, Loaded, Rejection, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, Records, blocks, find_quotes, split
from octavo.stages.ingestion.types import Declared, Typed, cast, infer


@dataclass(frozen=True, slots=True)
class _Header:
    names: tuple[str, ...]
    dialect: Dialect
    chosen: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Part:
    """The records of one block: those that can be read, and those that cannot.

    Attributes
    ----------
    frame
        Columns of text and `ROW`, counted from the block's first record.
    faults
        Record, rule and reason.
    data, records
        The block, to quote from.
    done
        Bytes of the file on disk read so far.
    """

    frame: pl.DataFrame
    faults: list[tuple[int, str, str]]
    data: bytes
    records: Records
    done: int

    def text(self, record: int) -> str:
        """Return the original text of a record of this block."""
        text = self.data[self.records.starts[record] : self.records.ends[record]]
        return text.decode(errors="backslashreplace")


def load(
    source: Source,
    wanted: Wanted,
    engine: Engine,
    progress: Callable[[int, int], None],
    written: Csv,
) -> Loaded:
    """Read a delimited text file.

    Raises
    ------
    DataError
        If the file is no such text, has no rows or other columns than before.
    """
    head = text_begun(source, BLOCK)
    header, body = _header(head, source, written)
    names = wanted.choose(header.names, source.place)
    chosen = tuple(header.names.index(name) for name in names)
    header = replace(header, chosen=chosen)
    dialect = header.dialect
    todo = blocks(body, source.read, dialect.delimiter, lambda: source.done, dialect.quote)
    parts: list[Part] = []
    for part in engine.map(partial(_read, header), todo):
        parts.append(part)
        progress(part.done, source.total)
    if not any(part.records.starts.size for part in parts):
        raise DataError(
            "the file has a header but no rows.",
            where=source.place,
            fix="Deliver it with rows, or not at all.",
        )
    if dialect.comma:
        return joined(parts, names, _infer_with_comma, _cast_with_comma)
    return joined(parts, names, infer, _cast)


def joined(
    parts: list[Part],
    names: list[str],
    infer: Callable[[pl.Series], Typed],
    cast: Callable[[pl.Series, pl.DataType, Declared | None], Typed],
) -> Loaded:
    """Put the parts of a file together, numbering records through it."""
    before = np.cumsum([0, *(part.records.starts.size for part in parts)])
    frames, rejected = [], []
    for first, part in zip(before.tolist(), parts, strict=False):
        frames.append(part.frame.with_columns(pl.col(ROW) + first))
        for record, rule, why in part.faults:
            rejected.append(Rejection(first + record, part.text(record), None, rule, why))

    def text(row: int) -> str:
        place = int(np.searchsorted(before, row, side="right")) - 1
        return parts[place].text(row - int(before[place]))

    frame = pl.concat(frames, how="diagonal")
    absent = [pl.lit(None, pl.String).alias(name) for name in names if name not in frame.columns]
    frame = frame.with_columns(absent).select(*names, ROW)
    return Loaded(frame, rejected, int(before[-1]), text, infer, cast)


def _cast(text: pl.Series, dtype: pl.DataType, given: Declared | None) -> Typed:
    pattern = given.pattern if given else None
    return cast(text, dtype, pattern=pattern, codes=given is not None)


def _infer_with_comma(text: pl.Series) -> Typed:
    """Decide a type where numbers have a comma before the fraction; what is no number is text."""
    found = infer(_with_point(text))
    return found if found.values.dtype.is_numeric() else infer(text)


def _cast_with_comma(text: pl.Series, dtype: pl.DataType, given: Declared | None) -> Typed:
    return _cast(_with_point(text) if dtype.is_numeric() else text, dtype, given)


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
    text = _text_of(block, records, kept, literal[kept], header.dialect)
    frame = _columns(text, header)
    if frame.height != kept.size:
        raise RuntimeError(f"{kept.size} records were found, but {frame.height} were read")
    return Part(frame.with_columns(pl.Series(ROW, kept)), faults, block.data, records, block.done)


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


def _text_of(
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
