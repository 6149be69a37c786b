"""JSON values and objects that are alike, as most are: read all at once, or not at all.

A micro-batch is small, so what it costs is the number of steps, not of values. What is read here is
what the readers of single values and objects read; where one stands out, nothing is, and they do.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import polars as pl

from octavo.definition import Nested
from octavo.stages.ingestion.nesting import Record, object_of

_LISTS: dict[Any, Callable[[str], list[Any]]] = {
    dtype: msgspec.json.Decoder(list[kind | None]).decode
    for dtype, kind in ((pl.Int64, int), (pl.Float64, float), (pl.Boolean, bool), (pl.String, str))
}


def objects(texts: Sequence[bytes], nested: Nested) -> list[Record] | None:
    """Return objects without others in them: column to JSON as it is written.

    None if one of the texts is none, or is to be flattened.
    """
    whole = b"".join(texts)
    if whole.count(b"{") != len(texts) or b"[" in whole or nested.names:
        return None
    try:
        whole.decode()
        return [object_of(text) for text in texts]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def values(tokens: pl.Series, dtype: Any) -> pl.Series | None:
    """Return JSON values of one type; None if one is of another.

    Parameters
    ----------
    tokens
        As they are written.
    dtype
        Int64, Float64, Boolean or String.
    """
    written = tokens.to_list() if not tokens.null_count() else tokens.fill_null("null").to_list()
    text = f"[{','.join(written)}]"
    if dtype == pl.Float64 and ("-0," in text or "-0]" in text):
        return None  # as a whole number it would lose its sign
    try:
        return pl.Series(tokens.name, _LISTS[dtype](text), dtype)
    except (msgspec.MsgspecError, OverflowError, TypeError):
        return None
