"""Streams: logs of blocks of rows, by URL. The contract first, its implementations beside it."""

from octavo.streams.contract import (
    MOST_BYTES,
    MOST_ROWS,
    BacklogError,
    Block,
    Extent,
    Lease,
    LeaseLostError,
    Member,
    Place,
    Record,
    Retention,
    Stream,
    Topic,
)
from octavo.streams.opening import open_stream

__all__ = [
    "MOST_BYTES",
    "MOST_ROWS",
    "BacklogError",
    "Block",
    "Extent",
    "Lease",
    "LeaseLostError",
    "Member",
    "Place",
    "Record",
    "Retention",
    "Stream",
    "Topic",
    "open_stream",
]
