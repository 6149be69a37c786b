"""NDJSON: one JSON object per line, types as JSON gives them.

A column whose values are all whole numbers is Int64, all numbers Float64 (whole numbers beyond 64
bits alone: String), all true or false Boolean; text stays text, however it looks. Anything mixed,
and objects and arrays, become String: text as it is, the rest as it is written in the file. A
missing key is null. It knows nothing of delimited text.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import msgspec
import polars as pl

from octavo.engines import Engine
from octavo.stages.ingestion import types
from octavo.stages.ingestion.delimited import Part, joined, not_utf8
from octavo.stages.ingestion.loaded import ROW, Loaded, Wanted
from octavo.stages.ingestion.opening import Source, text_begun
from octavo.stages.ingestion.records import BLOCK, Block, blocks, split
from octavo.stages.ingestion.types import Declared, Typed


def load(
    source: Source, wanted: Wanted, engine: Engine, progress: Callable[[int, int], None]
) -> Loaded:
    """Read a file of JSON lines; columns are in the order in which keys first appear.

    Raises
    ------
    DataError
        If the file is no such text or has other columns than before.
    """
    return lines(text_begun(source, BLOCK), source, wanted, engine, progress)


def lines(
    head: bytes,
    source: Source,
    wanted: Wanted,
    engine: Engine,
    progress: Callable[[int, int], None],
) -> Loaded:
    """Read JSON lines, of which the first have been read."""
    parts: list[Part] = []
    for part in engine.map(_read, blocks(head, source.read, None, lambda: source.done)):
        parts.append(part)
        progress(part.done, source.total)
    found = dict.fromkeys(name for part in parts for name in part.frame.columns if name != ROW)
    names = wanted.choose(found, source.place, sparse=True)
    return replace(joined(parts, names, infer_tokens, cast_tokens), shown=shown)


def _read(block: Block) -> Part:
    """Take the lines of a block apart into columns of JSON as written."""
    records = split(block, None)
    foreign = not_utf8(block.data, records)
    decode = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
    rows: list[dict[str, msgspec.Raw]] = []
    kept: list[int] = []
    faults: list[tuple[int, str, str]] = []
    for record, (start, end) in enumerate(zip(records.starts, records.ends, strict=True)):
        line = block.data[start:end]
        if foreign[record]:
            faults.append((record, "encoding", "it is not UTF-8 text"))
            continue
        try:
            row = decode(line)
        except msgspec.MsgspecError as error:
            faults.append((record, "json", f"it is not a JSON object: {error}"))
            continue
        rows.append(row)
        kept.append(record)
    return Part(as_written(rows, kept), faults, block.data, records, block.done)


def as_written(rows: Sequence[dict[str, msgspec.Raw]], numbers: Sequence[int]) -> pl.DataFrame:
    """Return objects as columns of JSON text, and their numbers as `ROW`."""
    names = dict.fromkeys(name for row in rows for name in row)
    columns = {name: [bytes(row[name]) if name in row else None for row in rows] for name in names}
    frame = pl.DataFrame(columns, schema=dict.fromkeys(names, pl.Binary))
    frame = frame.with_columns(pl.Series(ROW, numbers, dtype=pl.Int64))
    return frame.cast({pl.Binary: pl.String})


def infer_tokens(tokens: pl.Series) -> Typed:
    """Decide the type of a column of JSON texts."""
    tokens = _without_null(tokens)
    first = tokens.str.slice(0, 1)
    for plain in (first.is_in(("t", "f")), ~first.is_in(('"', "{", "[", "t", "f"))):
        if plain.all() and plain.count():
            return types.infer(tokens)
    return cast_tokens(tokens, pl.String(), None)


def cast_tokens(tokens: pl.Series, dtype: pl.DataType, given: Declared | None) -> Typed:
    """Read a column of JSON texts as a known type."""
    tokens = _without_null(tokens)
    quoted = tokens.str.starts_with('"').arg_true()
    text = tokens.scatter(quoted, tokens.gather(quoted).str.json_decode(pl.String))
    pattern = given.pattern if given else None
    return types.cast(text, dtype, pattern=pattern, codes=given is not None, nulls=())


def shown(token: str) -> str:
    """Return a JSON text as a reader of messages knows it."""
    return msgspec.json.decode(token) if token.startswith('"') else token


def _without_null(tokens: pl.Series) -> pl.Series:
    return tokens.set(tokens == "null", None)
