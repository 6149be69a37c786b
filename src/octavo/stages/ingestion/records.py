"""Records of a text file: where each begins and ends, found without reading its values.

A file is cut into blocks at record boundaries; blocks are independent of each other and can be
read at the same time. Rules (RFC 4180, and what to do where a file does not keep to it):

- A record ends at a line end (LF or CRLF) outside quotes. Empty lines are no records.
- A quote at the beginning of a field opens it; it closes at a quote before a delimiter or line
  end. A doubled quote inside stands for one.
- A quote elsewhere in an unquoted field is an ordinary character.
- A field that never closes, closes only after `LONGEST_FIELD` bytes, or goes on after its closing
  quote, breaks its record: that is then taken to end with the line it begins in, and reading goes
  on at the next line. So one forgotten quote costs one record, unless a later quote happens to
  close the field properly; then the lines between are one record, and, having the wrong number of
  fields, are most likely rejected together, with their text.

It knows nothing of columns, types or what a record means.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

BLOCK = 1 << 23
"""Bytes of text in a block, more or less."""

LONGEST_FIELD = 1 << 24
"""A quoted field longer than this, in bytes, is taken for one that was never closed."""

_LF, _CR = 0x0A, 0x0D
_NONE = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Quotes:
    """What the quotes of a text are; all positions ascending.

    Attributes
    ----------
    marks
        Positions of those that open or close: opening ones at even places, closing at odd ones.
        A doubled quote counts as closing and opening.
    literal
        Positions of those that are ordinary characters.
    broken
        The beginnings of records whose quotes are broken.
    """

    marks: np.ndarray = field(default_factory=lambda: _NONE)
    literal: np.ndarray = field(default_factory=lambda: _NONE)
    broken: np.ndarray = field(default_factory=lambda: _NONE)

    def before(self, end: int) -> "Quotes":
        """Return those before a position."""
        kinds = (self.marks, self.literal, self.broken)
        return Quotes(*(at[: np.searchsorted(at, end)] for at in kinds))


@dataclass(frozen=True, slots=True)
class Block:
    """Whole records, ending with a line end.

    Attributes
    ----------
    data
        The text as bytes.
    quotes
        Its quotes; empty where quotes mean nothing.
    done
        Bytes of the file on disk read so far.
    """

    data: bytes
    quotes: Quotes
    done: int


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a block. Arrays of int64, one element per record; empty lines are left out.

    Attributes
    ----------
    starts, ends
        Bytes of the record in the block; the line end is not part of it.
    fields
        Number of fields.
    """

    starts: np.ndarray
    ends: np.ndarray
    fields: np.ndarray

    def holding(self, positions: np.ndarray) -> np.ndarray:
        """Return which records hold these positions, as a Boolean array."""
        found = np.zeros(self.starts.size, bool)
        found[np.searchsorted(self.starts, positions, side="right") - 1] = True
        return found


def blocks(
    head: bytes,
    read: Callable[[int], bytes],
    delimiter: str | None,
    done: Callable[[], int],
    quote: str = '"',
) -> Iterator[Block]:
    """Cut a text into blocks of whole records.

    Parameters
    ----------
    head
        What has been read of it.
    read
        Gives the next bytes, and none at the end.
    delimiter
        Separates fields, one ASCII character; None: quotes have no meaning.
    done
        Gives the number of bytes read on disk.
    quote
        Opens and closes fields that hold delimiters, one ASCII character.
    """
    rest, last = head, False
    while not last:
        piece = read(BLOCK)
        last = not piece
        rest += piece
        if last and rest and not rest.endswith(b"\n"):
            rest += b"\n"
        quotes = find_quotes(rest, delimiter, last=last, quote=quote) if delimiter else Quotes()
        cut = end_of_records(rest, quotes.marks)
        if cut:
            yield Block(rest[:cut], quotes.before(cut), done())
        rest = rest[cut:]


def split(block: Block, delimiter: str | None) -> Records:
    """Find the records of a block and count their fields."""
    from octavo.stages.ingestion import kernels  # loads numba

    found = np.empty((3, block.data.count(b"\n")), np.int64)
    text = np.frombuffer(block.data, np.uint8)
    mark = ord(delimiter) if delimiter else -1
    count = kernels.split(text, mark, block.quotes.marks, found)
    return Records(*found[:, :count])


def find_quotes(data: bytes, delimiter: str, *, last: bool, quote: str = '"') -> Quotes:
    """Tell what each quote of a text is. The text begins with a record.

    Parameters
    ----------
    data
        The text. If it is the last, it ends with a line end; else its last record may be a part.
    delimiter
        Separates fields, one ASCII character.
    last
        Nothing comes after.
    quote
        One ASCII character.
    """
    if quote.encode() not in data:
        return Quotes()
    text = np.frombuffer(data, np.uint8)
    at = np.flatnonzero(text == ord(quote))
    opening, closing = at[0::2], at[1::2]
    neighbours = np.zeros(256, bool)
    neighbours[[ord(delimiter), _LF, ord(quote)]] = True
    before = neighbours[text[opening - 1]] | (opening == 0)
    neighbours[_CR] = True
    after = neighbours[text[np.minimum(closing + 1, text.size - 1)]] | (closing + 1 == text.size)
    is_open = at.size % 2 == 1
    overdue = is_open and (last or text.size - at[-1] > LONGEST_FIELD)
    if before.all() and after.all() and not overdue:
        return Quotes(at)
    return _trace(data, at.tolist(), delimiter, last=last)


def _trace(data: bytes, at: list[int], delimiter: str, *, last: bool) -> Quotes:
    """Go from quote to quote: for texts that do not keep to the rules everywhere."""
    opens_after = (ord(delimiter), _LF)
    closes_before = (*opens_after, _CR)
    marks: list[int] = []
    literal: list[int] = []
    broken: list[int] = []
    record = floor = place = 0  # begin of the record, end of what is settled, index of the quote
    while place < len(at):
        opening = at[place]
        record = max(record, data.rfind(b"\n", floor, opening) + 1)
        if opening > 0 and data[opening - 1] not in opens_after:
            literal.append(opening)
            place += 1
            continue
        end = _closing(data, at, place, closes_before)
        if end is not None and end < len(at):
            marks += at[place : end + 1]
            floor, place = at[end] + 1, end + 1
            continue
        if end is None and not last and len(data) - opening <= LONGEST_FIELD:
            marks.append(opening)  # the field may close in what comes next
            break
        line = data.find(b"\n", record)
        if line < 0:
            break
        broken.append(record)
        del marks[bisect_left(marks, record) :]
        del literal[bisect_left(literal, record) :]
        record = floor = line + 1
        place = bisect_left(at, floor)
    return Quotes(*(np.asarray(found, np.int64) for found in (marks, literal, broken)))


def _closing(data: bytes, at: list[int], place: int, closes_before: tuple[int, ...]) -> int | None:
    """Return the index of the quote that closes a field; past the end: none rightly can.

    None if the text ends before one does.
    """
    index = place + 1
    while index < len(at):
        after = at[index] + 1
        if after == len(data):
            return None
        if data[after] != data[at[place]]:
            return index if data[after] in closes_before else len(at)
        index += 2
    return None


def end_of_records(data: bytes, marks: np.ndarray) -> int:
    """Return where the last whole record ends (0: there is none)."""
    end = data.rfind(b"\n")
    while end >= 0:
        inside = int(np.searchsorted(marks, end))
        if inside % 2 == 0:
            return end + 1
        end = data.rfind(b"\n", 0, int(marks[inside - 1]))
    return 0
