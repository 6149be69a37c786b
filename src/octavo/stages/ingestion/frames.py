"""Typed frames from formats that know types: widened to those a dataset has.

Every kind of integer is Int64, every float and decimal Float64, categories String, every time
microseconds in UTC (one without a zone is taken as UTC, finer digits are cut off); NaN is null, as
in text files. A declared type is read from the text of the values. Apart from that a file whose
types differ from the dataset's is refused as a whole, except that integers are taken where numbers
are expected. It knows nothing of files.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import polars as pl

from octavo.errors import DataError
from octavo.stages.ingestion import types
from octavo.stages.ingestion.evidence import Evidence
from octavo.stages.ingestion.loaded import ROW, Format, Part, Wanted
from octavo.stages.ingestion.structs import flat_table
from octavo.stages.ingestion.types import TIME, Column, Typed

ROWS = 1 << 16
"""Rows read at once."""


@dataclass(frozen=True, slots=True)
class Frames(Format):
    """A table of known types, read some rows at a time."""

    table: pl.LazyFrame
    schema: pl.Schema
    rows: int
    size: int
    reading: AbstractContextManager[None]
    """Explains what goes wrong while the table is read."""
    empty = "the file has columns but no rows."

    def blocks(self) -> Iterator[tuple[pl.DataFrame, int]]:
        """Give some rows at a time, and the share of the file read so far in bytes."""
        with self.reading:
            read = 0
            for frame in self.table.collect_batches(chunk_size=ROWS, maintain_order=True):
                read += frame.height
                yield frame, self.size * read // max(self.rows, 1)

    def read(self, block: tuple[pl.DataFrame, int]) -> Part:
        """Give rows their numbers."""
        frame, done = block
        numbered = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))

        def text(row: int) -> str:
            return frame.slice(row, 1).write_ndjson().rstrip("\n")

        return Part(numbered, [], frame.height, text, done)

    def names(self, found: Sequence[str], *, whole: bool) -> list[str]:
        """Return the columns chosen by the schema."""
        return self.schema.names()

    def known(self, name: str) -> pl.DataType | None:
        """Return the type of the schema."""
        return types.storable(self.schema[name])

    def examine(self, values: pl.Series) -> Evidence:
        """Look at the text of values, for a type that was declared."""
        return types.examine(values.cast(pl.String), nulls=())

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Widen values, or read the declared type from their text."""
        if not column.codes or types.storable(values.dtype) == column.dtype:
            return _widened(values, column.dtype), Evidence()
        return types.take(values.cast(pl.String), column, nulls=())


def opened(
    table: pl.LazyFrame,
    wanted: Wanted,
    place: str,
    size: int,
    reading: AbstractContextManager[None] | None = None,
) -> Frames:
    """Begin to read the columns wanted of a table.

    Parameters
    ----------
    size
        Of the file, bytes.
    reading
        Explains what goes wrong while the table is read.

    Raises
    ------
    DataError
        If it has no rows, or columns of other types than before or than a dataset can hold.
    """
    table = flat_table(table, wanted.nested, place)
    table = table.select(wanted.choose(table.collect_schema(), place))
    schema, rows = table.collect_schema(), table.select(pl.len()).collect().item()
    if not rows:
        raise DataError(Frames.empty, where=place, fix="Deliver it with rows, or not at all.")
    _check_types(schema, wanted, place)
    return Frames(table, schema, rows, size, reading or nullcontext())


def _check_types(schema: pl.Schema, wanted: Wanted, place: str) -> None:
    """Refuse columns that a dataset cannot hold, or that are not what they were."""
    foreign, other = [], []
    for name, dtype in schema.items():
        kind, expected = types.storable(dtype), wanted.dtype(name)
        if kind is None:
            foreign.append(f"{name!r} is {dtype}")
        elif expected is not None and not _fits(dtype, expected, name in wanted.declared):
            other.append(f"{name!r} is {dtype}, not {expected}")
    if foreign:
        raise DataError(
            f"a dataset cannot hold these columns: {'; '.join(foreign)}.",
            where=place,
            fix="Write them as numbers, text or times (nested ones as JSON text), or leave them "
            "out with columns=[…].",
        )
    if other:
        raise DataError(
            f"these columns are of other types than before: {'; '.join(other)}.",
            where=place,
            fix="Deliver the types of earlier batches.",
        )


def _fits(dtype: pl.DataType, expected: pl.DataType, is_declared: bool) -> bool:
    if is_declared or isinstance(dtype, pl.Null) or types.storable(dtype) == expected:
        return True
    return dtype.is_integer() and isinstance(expected, pl.Float64)


def _widened(values: pl.Series, dtype: pl.DataType) -> Typed:
    if isinstance(values.dtype, pl.Datetime):
        zoned = values if values.dtype.time_zone else values.dt.replace_time_zone("UTC")
        wide = zoned.dt.convert_time_zone("UTC").cast(TIME)
    else:
        wide = values.cast(dtype, strict=False)
    bad = wide.is_null() & values.is_not_null()
    return Typed(wide.fill_nan(None) if dtype.is_float() else wide, bad)
