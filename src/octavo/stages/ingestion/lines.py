"""Logs: lines that fit a pattern, every group of it a column of text.

A line that does not fit is kept aside. Where no pattern is declared, the first lines tell which of
the known ones they fit. Times that a known pattern writes in its own way are rewritten as ISO 8601
in UTC; what is no such time stays as it is. It knows nothing of types.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import polars as pl

from octavo.definition.lines import LINES, LinePattern, line_pattern
from octavo.errors import DataError
from octavo.stages.ingestion.delimited import not_utf8, text_of
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, Records, blocks, split

LOOKED_AT = 1 << 16
"""Bytes of the first lines that tell the pattern."""
ENOUGH = 0.8
"""Share of them that must fit it."""

_ISO = "%Y-%m-%dT%H:%M:%S%.6fZ"


@dataclass(frozen=True, slots=True)
class Lines(Format):
    """A file of lines."""

    source: Source
    head: bytes
    name: str
    """Of the pattern, for messages."""
    pattern: LinePattern
    chosen: list[str]
    rewritten: tuple[str, ...]
    """Columns of times that are brought into ISO 8601."""
    empty = "the file has no lines."

    def blocks(self) -> Iterator[Block]:
        """Cut the text where lines end."""
        return blocks(self.head, self.source.read, None, lambda: self.source.done)

    def read(self, block: Block) -> Part:
        """Take the lines of a block apart."""
        lines = split(block, None)
        foreign = not_utf8(block.data, lines)
        text = _texts(block, lines, foreign)
        fits = text.str.contains(self.pattern.whole).fill_null(False)
        frame = text.filter(fits).str.extract_groups(self.pattern.whole).struct.unnest()
        why = f"it does not fit the pattern {self.name}"
        faults = [
            (line, "encoding", "it is not UTF-8 text") if foreign[line] else (line, "lines", why)
            for line in np.flatnonzero(~fits.to_numpy()).tolist()
        ]
        frame = frame.select(self.chosen).with_columns(
            *(_as_iso(pl.col(name), self.pattern.times[name]) for name in self.rewritten),
            pl.Series(ROW, np.flatnonzero(fits.to_numpy()), dtype=pl.Int64),
        )
        return Part(frame, faults, lines.starts.size, partial(text_of, block, lines), block.done)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns chosen among the groups."""
        return self.chosen


def load(source: Source, wanted: Wanted) -> Lines:
    """Begin to read a file of lines.

    Raises
    ------
    DataError
        If the file is no such text, fits no known pattern, or lacks a column that is needed.
    """
    head = text_begun(source, BLOCK)
    name = wanted.lines or told_lines(head, source.place)
    pattern = line_pattern(name, where=f"{source.place}, lines")
    chosen = wanted.choose(pattern.columns, source.place)
    times = (c for c in pattern.times if c in chosen and c not in wanted.declared)
    shown = name if name in LINES else "that is declared"
    return Lines(source, head, shown, pattern, chosen, tuple(times))


def told_lines(head: bytes, place: str) -> str:
    """Return the name of the known pattern that the first lines fit.

    Raises
    ------
    DataError
        If they fit none.
    """
    begun = head[: head.find(b"\n", LOOKED_AT) + 1 or len(head)]
    lines = pl.Series(begun.decode(errors="backslashreplace").splitlines(), dtype=pl.String)
    lines = lines.filter(lines.str.strip_chars() != "")
    for name, pattern in LINES.items():
        if (lines.str.contains(pattern.whole).mean() or 0) >= ENOUGH:  # type: ignore[operator]
            return name
    raise DataError(
        f"its lines fit none of the known patterns ({', '.join(LINES)}); the first: "
        f"{lines[0][:80]!r}.",
        where=place,
        fix=r"Declare a regular expression: ov.Files(…, lines=r'(?P<time>\S+) (?P<message>.*)').",
    )


def _texts(block: Block, lines: Records, foreign: np.ndarray) -> pl.Series:
    """Return lines as texts; null where they are none."""
    data = block.data
    found = [data[start:end] for start, end in zip(lines.starts, lines.ends, strict=True)]
    for line in np.flatnonzero(foreign).tolist():
        found[line] = None  # type: ignore[call-overload]
    return pl.Series("line", found, dtype=pl.Binary).cast(pl.String)


def _as_iso(text: pl.Expr, form: str) -> pl.Expr:
    zone = None if "%z" in form else "UTC"
    moment = text.str.to_datetime(form, time_unit="us", time_zone=zone, strict=False)
    return moment.dt.strftime(_ISO).fill_null(text)
