"""Typed frames from formats that know types: widened to those a dataset has.

Every kind of integer is Int64, every float and decimal Float64, categories String, every time
microseconds in UTC (one without a zone is taken as UTC, finer digits are cut off); NaN is null, as
in text files. A declared type is read from the text of the values. Apart from that a file whose
types differ from the dataset's is refused as a whole, except that integers are taken where numbers
are expected. It knows nothing of files.
"""

import polars as pl

from octavo.errors import DataError
from octavo.stages.ingestion import types
from octavo.stages.ingestion.loaded import ROW, Loaded, Wanted
from octavo.stages.ingestion.types import TIME, Declared, Typed


def loaded(frame: pl.DataFrame, wanted: Wanted, place: str) -> Loaded:
    """Return a frame with the columns wanted as what was read of a file.

    Raises
    ------
    DataError
        If it has no rows, or columns of other types than before or than a dataset can hold.
    """
    if frame.is_empty():
        raise DataError(
            "the file has columns but no rows.",
            where=place,
            fix="Deliver it with rows, or not at all.",
        )
    _check_types(frame.schema, wanted, place)
    numbered = frame.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias(ROW))
    return Loaded(
        numbered,
        [],
        frame.height,
        lambda row: frame.slice(row, 1).write_ndjson().rstrip("\n"),
        _infer,
        _cast,
    )


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


def _infer(values: pl.Series) -> Typed:
    return _widened(values, types.storable(values.dtype) or values.dtype)


def _cast(values: pl.Series, dtype: pl.DataType, given: Declared | None) -> Typed:
    if given is None or types.storable(values.dtype) == dtype:
        return _widened(values, dtype)
    text = values.cast(pl.String)
    return types.cast(text, dtype, pattern=given.pattern, codes=True, nulls=())


def _widened(values: pl.Series, dtype: pl.DataType) -> Typed:
    if isinstance(values.dtype, pl.Datetime):
        zoned = values if values.dtype.time_zone else values.dt.replace_time_zone("UTC")
        wide = zoned.dt.convert_time_zone("UTC").cast(TIME)
    else:
        wide = values.cast(dtype, strict=False)
    bad = wide.is_null() & values.is_not_null()
    return Typed(wide.fill_nan(None) if dtype.is_float() else wide, bad)
