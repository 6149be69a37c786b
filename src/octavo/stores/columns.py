"""Columns of Delta tables: which types a table holds unchanged, and what fits into one.

It knows nothing of files and commits.
"""

import polars as pl
from deltalake import Field, Schema
from deltalake.schema import PrimitiveType

from octavo.errors import DataError

TYPES: dict[pl.DataType, str] = {
    pl.Int64(): "long",
    pl.Int32(): "integer",
    pl.Int16(): "short",
    pl.Int8(): "byte",
    pl.Float64(): "double",
    pl.Float32(): "float",
    pl.Boolean(): "boolean",
    pl.String(): "string",
    pl.Binary(): "binary",
    pl.Date(): "date",
    pl.Datetime("us", "UTC"): "timestamp",
}
"""What a table holds unchanged, and what it calls it."""


def field(name: str, dtype: pl.DataType, url: str) -> Field:
    """Return a column of a table.

    Raises
    ------
    DataError
        If a table does not hold the type unchanged.
    """
    if dtype not in TYPES:
        raise DataError(
            f"column {name!r} is {dtype}, which a Delta table does not hold unchanged.",
            where=url,
            fix=f"Cast it to one of {', '.join(map(str, TYPES))}.",
        )
    return Field(name, PrimitiveType(TYPES[dtype]))


def conforming(
    frame: pl.DataFrame, schema: Schema, *, merge: bool, url: str
) -> tuple[pl.DataFrame, list[Field]]:
    """Return a frame as a table wants it, and the columns that are new to the table.

    Parameters
    ----------
    merge
        There may be new columns, and others may be missing.

    Raises
    ------
    DataError
        If it does not fit: nothing is cast but columns of type Null.
    """
    known = {each.name: each.type.type for each in schema.fields}  # type: ignore[union-attr]
    dtypes = {name: dtype for dtype, name in TYPES.items()}
    nulls = [n for n, t in frame.schema.items() if isinstance(t, pl.Null) and n in known]
    frame = frame.with_columns(pl.col(n).cast(dtypes[known[n]]) for n in nulls)
    fields = {n: field(n, t, url) for n, t in frame.schema.items()}
    wrong = [
        f"{name!r} is {frame.schema[name]}, in the table {dtypes[known[name]]}"
        for name, each in fields.items()
        if name in known and each.type.type != known[name]  # type: ignore[union-attr]
    ]
    new = [name for name in fields if name not in known]
    if not merge:
        wrong += [f"{name!r} is new" for name in new]
        wrong += [f"{name!r} is missing" for name in known if name not in fields]
    if wrong:
        raise DataError(
            f"the rows have other columns than the table: {'; '.join(wrong)}.",
            where=url,
            fix="Cast the columns to the table's types, or write to a new table.",
        )
    return frame, [fields[name] for name in new]
