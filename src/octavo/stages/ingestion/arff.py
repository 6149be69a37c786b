"""ARFF, the format of Weka and OpenML: declared attributes, then rows of comma-separated values.

Remarks begin with ``%``; values may be in single or double quotes; ``?`` is null. What is declared
numeric is a number, what is declared ``date`` is read as any date; nominal and string attributes
are text, except that the nominal ``{true, false}`` is Boolean. Rows in the sparse form
(``{0 1, 3 x}``) are rejected. Source of the format: Witten and Frank, Data Mining (2005),
chapter 2. It knows nothing of other text files.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from octavo.errors import DataError
from octavo.stages.ingestion import types
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK
from octavo.stages.ingestion.types import Column, Typed

_ATTRIBUTE = re.compile(
    r"@attribute\s+(?:'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>[^\"]*)\"|(?P<plain>[^\s{]+))"
    r"\s*(?P<type>\{.*\}|\S+)",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Arff(Format):
    """An ARFF file, whole."""

    source: Source
    declared: dict[str, str]
    chosen: list[str]
    lines: list[str]
    empty = "the file declares attributes but has no rows."

    def blocks(self) -> Iterator[list[str]]:
        """Give all rows at once."""
        yield self.lines

    def read(self, block: list[str]) -> Part:
        """Take lines apart."""
        rows: list[list[str | None]] = []
        numbers: list[int] = []
        faults: list[tuple[int, str, str]] = []
        for number, line in enumerate(block):
            found = _values(line)
            if line.lstrip().startswith("{"):
                faults.append((number, "fields", "it is in the sparse form, which is not read"))
            elif len(found) != len(self.declared):
                why = f"has {len(found)} values, {len(self.declared)} attributes are declared"
                faults.append((number, "fields", why))
            else:
                rows.append(found)
                numbers.append(number)
        frame = pl.DataFrame(rows, schema=dict.fromkeys(self.declared, pl.String), orient="row")
        frame = frame.select(self.chosen).with_columns(pl.Series(ROW, numbers, dtype=pl.Int64))
        return Part(frame, faults, len(block), block.__getitem__, self.source.total)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the attributes chosen."""
        return self.chosen

    def known(self, name: str) -> pl.DataType | None:
        """Return that an attribute is text, if it is declared as that."""
        kind = self.declared[name]
        words = {word.strip() for word in kind.strip("{}").split(",")}
        is_open = kind in ("numeric", "real", "integer", "date") or (
            kind.startswith("{") and words <= {"true", "false"}
        )
        return None if is_open else pl.String()

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Read values; of what is declared as text only the question mark is null."""
        nulls = () if self.known(column.name) else types.NULL_TOKENS
        return types.take(values, column, nulls=nulls, look=look)


def load(source: Source, wanted: Wanted) -> Arff:
    """Read an ARFF file.

    Raises
    ------
    DataError
        If its header cannot be read, or it lacks a column that is needed.
    """
    text = text_begun(source, BLOCK)
    while piece := source.read(BLOCK):
        text += piece
    lines = text.decode(errors="backslashreplace").splitlines()
    declared, body = _header(lines, source.place)
    kept = [line for line in body if line.strip() and not line.lstrip().startswith("%")]
    return Arff(source, declared, wanted.choose(declared, source.place), kept)


def _header(lines: Sequence[str], place: str) -> tuple[dict[str, str], Sequence[str]]:
    """Return the attributes with their types, and the lines of data."""
    found: dict[str, str] = {}
    for number, line in enumerate(lines):
        word = line.strip().lower()
        if word.startswith("@data"):
            return found, lines[number + 1 :]
        if not word.startswith("@attribute"):
            continue
        match = _ATTRIBUTE.match(line.strip())
        if match is None:
            raise DataError(
                f"line {number + 1} declares no attribute: {line.strip()[:60]!r}.",
                where=place,
                fix="Write @attribute, a name and a type.",
            )
        name = match["single"] or match["double"] or match["plain"] or f"column_{len(found) + 1}"
        name = name.strip() if name not in found else f"{name.strip()}_{len(found) + 1}"
        found[name] = match["type"].lower()
    raise DataError(
        "there is no @data.", where=place, fix="Is this an ARFF file? Deliver it whole."
    )


def _values(line: str) -> list[str | None]:
    """Return the values of a line; unquoted question marks are null."""
    quote = '"' if re.search(r'(?:^|,)\s*"', line) else "'"
    given = next(csv.reader([line], quotechar=quote, escapechar="\\", skipinitialspace=True))
    return [None if value.strip() == "?" else value.strip() for value in given]
