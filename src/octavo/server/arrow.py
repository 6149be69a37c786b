"""Tables as Arrow IPC streams: what a request brings, and what an answer is."""

import io

import polars as pl

from octavo.errors import DataError
from octavo.server.answers import JSON
from octavo.server.rows import ARROW
from octavo.stages.ingestion.received import table
from octavo.streams import MOST_ROWS

LARGEST_TABLE = 64 * 1024 * 1024
"""Bytes of a body that is one."""


def is_arrow(kinds: bytes | None) -> bool:
    """Return whether a Content-Type is an Arrow IPC stream's, or an Accept asks for one."""
    if kinds is None or kinds == JSON:
        return False
    return any(kind.split(b";")[0].strip().lower() == ARROW for kind in kinds.split(b","))


def read(body: bytes) -> pl.DataFrame:
    """Read a table.

    Raises
    ------
    DataError
        If it is none, has no row, or more than a block of rows may have.
    """
    found = table(body)
    if not 0 < found.height <= MOST_ROWS:
        raise DataError(
            f"it has {found.height:,} rows.", where="request body", fix=f"Send 1 to {MOST_ROWS:,}."
        )
    return found


def write(frame: pl.DataFrame) -> bytes:
    """Write a table."""
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer, compat_level=pl.CompatLevel.oldest())
    return buffer.getvalue()
