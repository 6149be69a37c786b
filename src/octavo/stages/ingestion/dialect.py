"""How a delimited text is written: delimiter, quotes, what stands before the header, decimal mark.

What is not declared is told from the beginning of the file:

- *delimiter*: the one of ``,``, ``;``, tab and ``|`` under which most records have as many fields
  as the header (a file named .tsv is separated by tabs);
- *quote*: ``"``, or ``'`` where fields begin and end with it and none with ``"``, unless by that
  fewer records have as many fields as the header;
- *what stands before the header*: lines that begin with ``#``, ``%`` or ``//``, and lines without
  any delimiter before a table that has them;
- *header*: missing if its names are numbers wherever the records below have numbers;
- *decimal mark*: the comma, if it occurs in columns that are numbers with it, and not only before
  three digits, which may be thousands.

It knows nothing of what the columns are.
"""

import csv
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np

from octavo.definition import Csv
from octavo.stages.ingestion.records import Block, find_quotes, split

DELIMITERS = ",;\t|"
SAMPLE = 1 << 20
"""Bytes that a dialect is told from."""

_LOOKED_AT = 100  # records that header and decimal mark are told from
_REMARK = (b"#", b"%", b"//")
_TITLES = 20  # lines without a delimiter before the table, at the most
_NUMBER = re.compile(r"[+-]?([0-9]+([.,][0-9]*)?|[.,][0-9]+)([eE][+-]?[0-9]+)?")
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+")
_POINT = re.compile(r"[+-]?[0-9]*\.[0-9]+")
_PLAIN = re.compile(r"[+-]?[0-9]+")
_THOUSANDS = re.compile(r"[+-]?[0-9]{1,3}(,[0-9]{3})+")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one file is written.

    Attributes
    ----------
    delimiter, quote
        One ASCII character each.
    comma
        Whether the mark before the fraction of a number is a comma.
    header
        Whether the first record names the columns.
    begin
        Where the table begins, bytes.
    """

    delimiter: str
    quote: str
    comma: bool
    header: bool
    begin: int


def told(head: bytes, name: str, declared: Csv) -> Dialect:
    """Tell how a text is written.

    Parameters
    ----------
    head
        Its first bytes, UTF-8; the file's last record may be cut off.
    name
        The file's name.
    declared
        What the user said, which is right.
    """
    sample = _sample(head)
    begin = _remarks(sample) if declared.skip is None else _skipped(sample, declared.skip)
    quote = declared.quote or _quote(sample[begin:])
    given = declared.delimiter or ("\t" if name.lower().endswith((".tsv", ".tsv.gz")) else None)
    delimiter, titles = _delimiter(sample[begin:], given or DELIMITERS, quote)
    begin += titles if declared.skip is None else 0
    rows = fields(sample[begin:], delimiter, quote, _LOOKED_AT)
    header = declared.header if declared.header is not None else _has_header(rows)
    comma = declared.decimal == ","
    if declared.decimal is None and delimiter != ".":
        comma = _has_comma(rows[1:] if header else rows)
    return Dialect(delimiter, quote, comma, header, begin)


def fields(text: bytes, delimiter: str, quote: str, most: int) -> list[list[str]]:
    """Return the fields of the first records."""
    block = _block(text, delimiter, quote)
    records = split(block, delimiter)
    end = int(records.ends[:most][-1]) if records.ends.size else 0
    return taken_apart(text[:end], delimiter, quote)


def taken_apart(text: bytes, delimiter: str, quote: str) -> list[list[str]]:
    """Return the fields of whole records, empty lines left out."""
    source = io.StringIO(text.decode(errors="backslashreplace"), newline="")
    return [row for row in csv.reader(source, delimiter=delimiter, quotechar=quote) if row]


def _sample(head: bytes) -> bytes:
    cut = head.rfind(b"\n", 0, SAMPLE) + 1 or head.find(b"\n") + 1
    return head[:cut] if cut and len(head) > SAMPLE else head.rstrip(b"\n") + b"\n"


def _block(text: bytes, delimiter: str, quote: str) -> Block:
    return Block(text, find_quotes(text, delimiter, last=True, quote=quote), len(text))


def _skipped(sample: bytes, lines: int) -> int:
    at = 0
    for _ in range(lines):
        at = sample.find(b"\n", at) + 1 or len(sample)
    return at


def _remarks(sample: bytes) -> int:
    """Return where lines that begin as remarks do end."""
    at = 0
    while sample.startswith(_REMARK, at) or sample[at : at + 1] in (b"\n", b"\r"):
        end = sample.find(b"\n", at) + 1
        if not end or end >= len(sample):
            return at
        at = end
    return at


def _quote(sample: bytes) -> str:
    single = len(re.findall(rb"(?:^|[,;\t|])'[^'\n]*'(?=[,;\t|\r\n])", sample, re.MULTILINE))
    double = re.search(rb'(?:^|[,;\t|])"', sample, re.MULTILINE)
    if double or not single:
        return '"'
    agreed = {q: max(_agreement(sample, q, each) for each in DELIMITERS) for q in ("'", '"')}
    return "'" if agreed["'"] >= agreed['"'] else '"'


def _delimiter(sample: bytes, choices: str, quote: str) -> tuple[str, int]:
    """Return the delimiter, and where the table begins under it."""
    delimiter = max(choices, key=partial(_agreement, sample, quote))
    titles = _titles(sample, delimiter, quote)
    if titles:
        return delimiter, titles
    if _agreement(sample, quote, delimiter)[0]:
        return delimiter, 0
    for other in choices:  # no delimiter in the first line: a title, or one column
        if titles := _titles(sample, other, quote):
            return other, titles
    return delimiter, 0


def _agreement(sample: bytes, quote: str, delimiter: str) -> tuple[float, int]:
    """Return how well a delimiter divides records like the header."""
    found = split(_block(sample, delimiter, quote), delimiter).fields[:1000]
    width = int(found[0]) if found.size else 0
    return (float((found == width).mean()), width) if width > 1 else (0.0, 0)


def _titles(sample: bytes, delimiter: str, quote: str) -> int:
    """Return where a table begins before which lines stand that have no delimiter."""
    records = split(_block(sample, delimiter, quote), delimiter)
    found = records.fields[:1000]
    wide = np.flatnonzero(found > 1)
    if not wide.size or wide[0] == 0 or wide[0] > _TITLES:
        return 0
    first = int(wide[0])
    alike = (found[first:] == found[first]).mean()
    return int(records.starts[first]) if found.size - first >= 2 and alike >= 0.9 else 0


def _has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether the first record names the columns, rather than being one of them."""
    if len(rows) < 3:
        return True
    first, *below = rows
    numbers = [
        place
        for place in range(len(first))
        if all(len(row) > place and _is_number(row[place]) for row in below)
    ]
    named = [first[place].strip() for place in numbers]
    if not named or not all(map(_is_number, named)):
        return True
    return _counts_up(named)


def _is_number(text: str) -> bool:
    return bool(_NUMBER.fullmatch(text.strip()))


def _counts_up(names: Sequence[str]) -> bool:
    """Return whether names are numbers one after the other, such as years."""
    if len(names) < 2 or not all(map(_PLAIN.fullmatch, names)):
        return False
    values = [int(name) for name in names]
    return all(b - a == values[1] - values[0] != 0 for a, b in pairwise(values))


def _has_comma(rows: Sequence[Sequence[str]]) -> bool:
    """Return whether some column's numbers have a comma before the fraction, and none a point."""
    found = False
    for column in zip(*rows, strict=False):
        values = [value.strip() for value in column if value.strip()]
        with_comma = [value for value in values if _COMMA.fullmatch(value)]
        if not with_comma:
            continue
        plain = sum(bool(_PLAIN.fullmatch(value)) for value in values)
        with_point = any(_POINT.fullmatch(value) for value in values)
        if with_point or len(with_comma) + plain < 0.5 * len(values):
            continue
        found |= not all(_THOUSANDS.fullmatch(value) for value in with_comma)
    return found
