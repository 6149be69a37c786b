"""ARFF, the format of Weka and OpenML: declared attributes, then rows of comma-separated values.

Remarks begin with ``%``; values may be in single or double quotes; ``?`` is null. What is declared
numeric is a number, what is declared ``date`` is read as any date; nominal and string attributes
are text, except that the nominal ``{true, false}`` is Boolean. Rows in the sparse form
(``{0 1, 3 x}``) are rejected. Source of the format: Witten and Frank, Data Mining (2005),
chapter 2. It knows nothing of other text files.
"""

import csv
import re
from collections.abc import Callable, Sequence
from functools import partial

import polars as pl

from octavo.errors import DataError
from octavo.stages.ingestion import types
from octavo.stages.ingestion.loaded import ROW, Loaded, Rejection, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK
from octavo.stages.ingestion.types import Declared, Typed

_ATTRIBUTE = re.compile(
    r"@attribute\s+(?:'(?P<single>(?:[^'\\]|\\.)*)'|\"(?P<double>[^\"]*)\"|(?P<plain>[^\s{]+))"
    r"\s*(?P<type>\{.*\}|\S+)",
    re.IGNORECASE | re.DOTALL,
)


def load(source: Source, wanted: Wanted, progress: Callable[[int, int], None]) -> Loaded:
    """Read an ARFF file.

    Raises
    ------
    DataError
        If its header cannot be read, or it has no rows or other columns than before.
    """
    text = text_begun(source, BLOCK)
    while piece := source.read(BLOCK):
        text += piece
        progress(source.done, source.total)
    lines = text.decode(errors="backslashreplace").splitlines()
    declared, body = _header(lines, source.place)
    names = wanted.choose(declared, source.place)
    kept = [line for line in body if line.strip() and not line.lstrip().startswith("%")]
    if not kept:
        raise DataError(
            "the file declares attributes but has no rows.",
            where=source.place,
            fix="Deliver it with rows, or not at all.",
        )
    rows: list[list[str | None]] = []
    numbers: list[int] = []
    rejected: list[Rejection] = []
    for number, line in enumerate(kept):
        found = _values(line)
        if line.lstrip().startswith("{"):
            why = "it is in the sparse form, which is not read"
        elif len(found) != len(declared):
            why = f"has {len(found)} values, {len(declared)} attributes are declared"
        else:
            rows.append(found)
            numbers.append(number)
            continue
        rejected.append(Rejection(number, line, None, "fields", why))
    frame = pl.DataFrame(rows, schema=dict.fromkeys(declared, pl.String), orient="row")
    frame = frame.select(names).with_columns(pl.Series(ROW, numbers, dtype=pl.Int64))
    infer = partial(_infer, declared)
    return Loaded(frame, rejected, len(kept), kept.__getitem__, infer, _cast)


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


def _infer(declared: dict[str, str], text: pl.Series) -> Typed:
    kind = declared[text.name]
    if kind in ("numeric", "real", "integer", "date"):
        return types.infer(text)
    if kind.startswith("{") and {v.strip() for v in kind.strip("{}").split(",")} <= {
        "true",
        "false",
    }:
        return types.infer(text)
    return types.cast(text, pl.String(), nulls=())


def _cast(text: pl.Series, dtype: pl.DataType, given: Declared | None) -> Typed:
    pattern = given.pattern if given else None
    return types.cast(text, dtype, pattern=pattern, codes=given is not None)
