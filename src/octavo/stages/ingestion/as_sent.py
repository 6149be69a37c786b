"""Records of a file that grows, as rows that are sent: lines of JSON, their values as text.

A record that is broken is no row: it becomes a line that says where it stands and what is wrong,
and then itself; the ingestion service keeps that aside, as it does all that is no JSON object. It
knows nothing of streams, or of how far a file was read.
"""

import io
import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from octavo.definition import Dataset, Files
from octavo.errors import DataError
from octavo.stages.ingestion import delimited, lines
from octavo.stages.ingestion.encodings import UTF8, told_encoding, without_mark
from octavo.stages.ingestion.growing import WINDOW, Followed
from octavo.stages.ingestion.loaded import ROW, Part, Wanted
from octavo.stages.ingestion.opening import Source, kind_of
from octavo.stages.ingestion.records import (
    Block,
    Quotes,
    end_of_records,
    find_quotes,
    split,
)
from octavo.stages.ingestion.types import NULL_TOKENS

SAMPLE = 1 << 16
"""Bytes of a file that tell how it is written."""
GROWING = ("csv", "ndjson", "lines")
"""Kinds of files that grow by whole records."""


class Form(NamedTuple):
    """How a file is written."""

    encoding: str
    begin: int
    """Where its records begin, bytes: behind the header."""
    reader: delimited.Delimited | lines.Lines | None
    """Takes records apart; None for lines of JSON, which are sent as they are."""

    @property
    def delimiter(self) -> str | None:
        """What separates fields; None where quotes mean nothing."""
        if isinstance(self.reader, delimited.Delimited):
            return self.reader.header.dialect.delimiter
        return None

    def quotes(self, data: bytes, *, last: bool) -> Quotes:
        """Tell the quotes of some records."""
        if not isinstance(self.reader, delimited.Delimited):
            return Quotes()
        dialect = self.reader.header.dialect
        return find_quotes(data, dialect.delimiter, last=last, quote=dialect.quote)

    def end(self, data: bytes, *, last: bool = False) -> int:
        """Return where the last whole record ends; 0: there is none.

        Parameters
        ----------
        last
            A quote that is open has waited long enough: its record ends with its line.
        """
        whole = data[: data.rfind(b"\n") + 1]
        if not whole or not last:
            return end_of_records(whole, self.quotes(whole, last=False).marks)
        return len(whole)


def form_of(
    dataset: Dataset, file: Followed, head: bytes, columns: Collection[str] = ()
) -> Form | None:
    """Tell how a file is written; None as long as it has no record. The file keeps what told it.

    Parameters
    ----------
    head
        The first bytes of the file, `SAMPLE` or all there are.
    columns
        Those of the dataset, if they are known: without names in the first load, a file has no
        header.

    Raises
    ------
    DataError
        If it is of a kind that does not grow by records, or cannot be read.
    """
    told, path = dataset.offline, Path(file.path)
    assert isinstance(told, Files), "only files grow"
    place = f"dataset {dataset.name!r}, file {path}"
    kind = file.kind or ("lines" if told.lines else kind_of(path.name, place=place))
    if kind not in GROWING or path.suffix in (".gz", ".zip"):
        fix = "Follow text with a record a line: .csv, .ndjson, .log and their kin, unpacked."
        raise DataError("it does not grow by whole records.", where=place, fix=fix)
    head = head[: file.told or SAMPLE]
    head = head[: head.rfind(b"\n") + 1]
    if head.strip().count(b"\n") < (kind == "csv") or not head.strip():
        return None
    file.kind, file.told = kind, len(head)
    if not file.end:  # it is recognized by them, should it be renamed before that is stored
        file.head = head[:WINDOW]
    encoding = told_encoding(head, told.encoding)
    if "\n".encode(encoding) not in (b"\n", b"\xef\xbb\xbf\n"):
        fix = "Write it as UTF-8."
        raise DataError(f"a file in {encoding} cannot be followed.", where=place, fix=fix)
    mark = len(head) - len(without_mark(head))
    if kind == "ndjson":
        return Form(encoding, mark, None)
    text = io.BytesIO(head)
    source = Source(kind, path.name, place, len(head), text, text, told.encoding)
    csv = told.csv
    if csv.header is None and columns:
        csv = replace(csv, header=not all(re.fullmatch(r"column_[0-9]+", each) for each in columns))
    wanted = Wanted(csv=csv, lines=told.lines)
    if kind == "lines":
        return Form(encoding, mark, lines.load(source, wanted))
    reader = delimited.load(source, wanted, csv)
    # By lines: bytes that are no letters of an encoding have become longer in what follows.
    above = head.count(b"\n") - reader.body.count(b"\n")
    return Form(encoding, max(mark, len(head) - len(head.split(b"\n", above)[above])), reader)


class Rows(NamedTuple):
    """Rows as they are sent."""

    data: bytes
    rows: int


def rows_of(
    form: Form, data: bytes, *, place: str, line: int, types: Mapping[str, pl.DataType]
) -> Rows:
    """Return whole records as lines of JSON, one for each record.

    Parameters
    ----------
    place
        The file, for what is said of broken records.
    line
        The number of the first line.
    types
        What the columns of the dataset are.
    """
    if form.encoding != UTF8:
        data = data.decode(form.encoding, errors="backslashreplace").encode()
    block = Block(data, form.quotes(data, last=True), len(data))
    records = split(block, form.delimiter)
    if not records.starts.size:
        return Rows(b"", 0)
    found: list[bytes]
    if form.reader is None:
        part = None
        found = [data[a:b] for a, b in zip(records.starts, records.ends, strict=True)]
        faults = [(at, "", why) for at, text in enumerate(found) if (why := _no_object(text))]
    else:
        part = form.reader.read(block)
        found = [b""] * part.records
        good = _valued(part, form, types).write_ndjson().encode().splitlines()
        for at, text in zip(part.frame[ROW].to_list(), good, strict=True):
            found[at] = text
        faults = part.faults
    for at, _, why in faults:
        begin, end = int(records.starts[at]), int(records.ends[at])
        number = line + data[:begin].count(b"\n")
        text = data[begin:end].decode(errors="backslashreplace")
        told = f"{place}, line {number}: {why}: {text}"
        found[at] = re.sub(r"[\r\n]+", r"\\n", told).encode()
    return Rows(b"\n".join(found) + b"\n", len(found))


def _no_object(text: bytes) -> str:
    """Say why a line is no JSON object; nothing if it is one."""
    try:
        text.decode()
        msgspec.json.decode(text, type=dict[str, msgspec.Raw])
    except UnicodeDecodeError:
        return "it is not UTF-8 text"
    except (msgspec.MsgspecError, RecursionError) as error:
        return f"it is not a JSON object: {error}"
    return ""


def _valued(part: Part, form: Form, types: Mapping[str, pl.DataType]) -> pl.DataFrame:
    """Return texts as the rules of text files read them: what means no value is null."""
    frame = part.frame.drop(ROW)
    comma = isinstance(form.reader, delimited.Delimited) and form.reader.header.dialect.comma
    columns = []
    for name in frame.columns:
        column, dtype = pl.col(name), types.get(name, pl.String())
        if dtype != pl.String():
            column = column.str.strip_chars()
        if comma and dtype.is_numeric():
            column = column.str.replace(",", ".", literal=True)
        columns.append(pl.when(~column.is_in(NULL_TOKENS)).then(column).alias(name))
    return frame.select(columns)
