"""Typed frames from formats that know types: widened to those a dataset has.

Every kind of integer is Int64, every float and decimal Float64, categories String, every time
microseconds in UTC (one without a zone is taken as UTC, finer digits are cut off); NaN is null, as
in text files. Integers are taken where numbers are expected. Any other type than that of earlier
batches, or that is declared, is read from the text of the values: those that do not fit reject
their rows. It knows nothing of files.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field

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
    given: Mapping[str, pl.DataType | None] = field(default_factory=dict)
    """What the texts of some columns are; None: their values decide."""
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
        """Return the type of the schema, or what is known of a column's texts."""
        return self.given.get(name, types.storable(self.schema[name]))

    def examine(self, values: pl.Series) -> Evidence:
        """Look at the text of values, for a type that is not theirs."""
        if values.dtype.is_integer() or isinstance(values.dtype, pl.Null):
            return Evidence(values.count(), numbers=values.count())
        return types.examine(_text(values), nulls=())

    def take(self, values: pl.Series, column: Column, *, look: bool) -> tuple[Typed, Evidence]:
        """Widen values, or read another type from their text."""
        if _fits(values.dtype, column.dtype):
            return _widened(values, column.dtype), Evidence()
        return types.take(_text(values), column, nulls=())


def opened(
    table: pl.LazyFrame,
    wanted: Wanted,
    place: str,
    size: int,
    reading: AbstractContextManager[None] | None = None,
    given: Mapping[str, pl.DataType | None] | None = None,
) -> Frames:
    """Begin to read the columns wanted of a table.

    Parameters
    ----------
    size
        Of the file, bytes.
    reading
        Explains what goes wrong while the table is read.
    given
        As in `Frames`.

    Raises
    ------
    DataError
        If it has no rows, or columns of types that a dataset cannot hold.
    """
    table = flat_table(table, wanted.nested, place)
    table = table.select(wanted.choose(table.collect_schema(), place))
    schema, rows = table.collect_schema(), table.select(pl.len()).collect().item()
    if not rows:
        raise DataError(Frames.empty, where=place, fix="Deliver it with rows, or not at all.")
    _check_types(schema, place)
    return Frames(table, schema, rows, size, reading or nullcontext(), given or {})


def _check_types(schema: pl.Schema, place: str) -> None:
    """Refuse columns that a dataset cannot hold."""
    foreign = [
        f"{name!r} is {dtype}" for name, dtype in schema.items() if not types.storable(dtype)
    ]
    if foreign:
        raise DataError(
            f"a dataset cannot hold these columns: {'; '.join(foreign)}.",
            where=place,
            fix="Write them as numbers, text or times (nested ones as JSON text), or leave them "
            "out with columns=[…].",
        )


def _fits(dtype: pl.DataType, expected: pl.DataType) -> bool:
    if isinstance(dtype, pl.Null) or types.storable(dtype) == expected:
        return True
    return dtype.is_integer() and isinstance(expected, pl.Float64)


def _text(values: pl.Series) -> pl.Series:
    """Return values as text; NaN, which is null, as none."""
    return (values.fill_nan(None) if values.dtype.is_float() else values).cast(pl.String)


def _widened(values: pl.Series, dtype: pl.DataType) -> Typed:
    if isinstance(values.dtype, pl.Datetime):
        zoned = values if values.dtype.time_zone else values.dt.replace_time_zone("UTC")
        wide = zoned.dt.convert_time_zone("UTC").cast(TIME)
    else:
        wide = values.cast(dtype, strict=False)
    bad = wide.is_null() & values.is_not_null()
    return Typed(wide.fill_nan(None) if dtype.is_float() else wide, bad)
