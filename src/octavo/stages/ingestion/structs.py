"""Structs and lists of typed tables as the columns that `nesting` makes of JSON.

It knows nothing of files.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace

import polars as pl

from octavo.definition import Nested
from octavo.errors import DefinitionError
from octavo.stages.ingestion.nesting import length_of, twice


def flat_table(table: pl.LazyFrame, nested: Nested, place: str) -> pl.LazyFrame:
    """Return a table with structs as columns called by their paths, and lists as text or rows.

    Raises
    ------
    DataError
        If two columns would have the same name.
    DefinitionError
        If there is no list at the path whose elements are to be rows.
    """
    if nested.rows is not None:
        table = _selected(table, replace(nested, names={}), place)
        schema = table.collect_schema()
        if not isinstance(schema.get(nested.rows), pl.List):
            lists = [name for name in schema if length_of(name, nested) in schema]
            raise DefinitionError.unknown("list", nested.rows, lists, where=f"{place}, Nested.rows")
        table = table.explode(nested.rows, empty_as_null=True, keep_nulls=True)
    return _selected(table, replace(nested, rows=None), place)


def _selected(table: pl.LazyFrame, nested: Nested, place: str) -> pl.LazyFrame:
    chosen: dict[str, pl.Expr] = {}
    for path, value in _columns(table.collect_schema(), nested):
        name = nested.names.get(path, path)
        if name in chosen:
            raise twice(name, place)
        chosen[name] = value.alias(name)
    return table.select(chosen.values())


def _columns(schema: Mapping[str, pl.DataType], nested: Nested) -> Iterator[tuple[str, pl.Expr]]:
    for name, dtype in schema.items():
        yield from _of(name, pl.col(name), dtype, nested)


def _of(
    path: str, value: pl.Expr, dtype: pl.DataType, nested: Nested
) -> Iterator[tuple[str, pl.Expr]]:
    """Give the columns that a value becomes, by their paths; what JSON cannot hold stays."""
    if isinstance(dtype, pl.List | pl.Array | pl.Struct) and _has_bytes(dtype):
        yield path, value
    elif isinstance(dtype, pl.Struct) and path not in nested.whole:
        for field in dtype.fields:
            inner = value.struct.field(field.name)
            yield from _of(path + nested.separator + field.name, inner, field.dtype, nested)  # type: ignore[arg-type]
    elif isinstance(dtype, pl.Struct):
        yield path, value.struct.json_encode()
    elif isinstance(dtype, pl.List | pl.Array):
        listed = value.arr.to_list() if isinstance(dtype, pl.Array) else value
        if path == nested.rows:
            yield path, listed
            return
        yield path, _as_json(listed)
        yield length_of(path, nested), listed.list.len().cast(pl.Int64)
    else:
        yield path, value


def _has_bytes(dtype: pl.DataType) -> bool:
    if isinstance(dtype, pl.Struct):
        return any(_has_bytes(field.dtype) for field in dtype.fields)  # type: ignore[arg-type]
    if isinstance(dtype, pl.List | pl.Array):
        return _has_bytes(dtype.inner)  # type: ignore[arg-type]
    return isinstance(dtype, pl.Binary)


def _as_json(listed: pl.Expr) -> pl.Expr:
    packed = pl.struct(listed.alias("v")).struct.json_encode()
    text = packed.str.strip_prefix('{"v":').str.strip_suffix("}")
    return pl.when(listed.is_not_null()).then(text)
