"""The heads of an Arrow IPC stream's messages, looked at before the stream is read.

A few bytes can stand for very many: packed buffers, columns of nothing but nulls, or a length that
is not true, for which Polars ends the process. Heads are flatbuffers, of which this reads the few
fields that it needs; pyarrow would do, and is no part of Octavo.
"""

import struct
from collections.abc import Iterator

from octavo.streams import MOST_ROWS

LARGEST = 256 * 1024 * 1024
"""Bytes of all buffers of a stream when they are unpacked."""

_CONTINUED = 0xFFFFFFFF
_KIND, _HEADER, _LENGTH = 1, 2, 3
"""Fields of a message."""
_DICTIONARY, _BATCH = 2, 3
"""Kinds of messages."""
_DATA = 1
"""Field of a dictionary: its batch."""
_NODES, _BUFFERS, _PACKING = 1, 2, 3
"""Fields of a batch."""


def check(data: bytes) -> None:
    """Refuse a stream that speaks of what is not there, or is too large unpacked.

    Raises
    ------
    ValueError
        Saying why.
    """
    view, at, unpacked = memoryview(data), 0, 0
    try:
        while at < len(view):
            marker, size = struct.unpack_from("<II", view, at)
            if marker != _CONTINUED:
                raise ValueError("a message has no beginning")
            if size == 0:
                return
            head = view[at + 8 : at + 8 + size]
            message = _Table(head, struct.unpack_from("<I", head)[0])
            begin, length = at + 8 + size, message.value(_LENGTH, "<q", 0)
            at = begin + length
            if length < 0 or at > len(view):
                raise ValueError("it ends within a message")
            unpacked += _unpacked(message, view[begin:at])
            if unpacked > LARGEST:
                raise ValueError(f"it has more than {LARGEST:,} bytes when it is unpacked")
    except struct.error as error:
        raise ValueError("it ends within a message") from error


def _unpacked(message: "_Table", buffers: memoryview) -> int:
    """Return the bytes of a message's buffers when they are unpacked."""
    kind = message.value(_KIND, "<B", 0)
    if kind not in (_DICTIONARY, _BATCH):
        return 0
    batch = message.table(_HEADER)
    batch = batch.table(_DATA) if kind == _DICTIONARY else batch
    found = 0
    for offset, size in batch.pairs(_BUFFERS):
        if offset < 0 or size < 0 or offset + size > len(buffers):
            raise ValueError("a buffer is not in its message")
        told = struct.unpack_from("<q", buffers, offset)[0] if size and batch.has(_PACKING) else -1
        if told < -1:
            raise ValueError("a buffer has a negative length")
        found += size if told == -1 else told
    for values, _ in batch.pairs(_NODES):
        if not 0 <= values <= max(8 * found, MOST_ROWS):  # a value is a bit at least, or null
            raise ValueError("a column is longer than its buffers")
    return found


class _Table:
    """A table of a flatbuffer, by the places of its fields in the schema."""

    def __init__(self, buffer: memoryview, at: int) -> None:
        self._buffer, self._at = buffer, at
        self._fields = at - struct.unpack_from("<i", buffer, at)[0]
        self._size = struct.unpack_from("<H", buffer, self._fields)[0]

    def has(self, field: int) -> bool:
        """Return whether it has a field."""
        return self._offset(field) != 0

    def value(self, field: int, form: str, default: int) -> int:
        """Return a number."""
        offset = self._offset(field)
        return struct.unpack_from(form, self._buffer, self._at + offset)[0] if offset else default

    def table(self, field: int) -> "_Table":
        """Return a table within it."""
        at = self._at + self._offset(field)
        return _Table(self._buffer, at + struct.unpack_from("<I", self._buffer, at)[0])

    def pairs(self, field: int) -> Iterator[tuple[int, int]]:
        """Give the elements of a vector of pairs of 64-bit numbers."""
        offset = self._offset(field)
        if not offset:
            return iter(())
        at = self._at + offset
        at += struct.unpack_from("<I", self._buffer, at)[0]
        count = struct.unpack_from("<I", self._buffer, at)[0]
        return struct.iter_unpack("<qq", self._buffer[at + 4 : at + 4 + 16 * count])

    def _offset(self, field: int) -> int:
        place = 4 + 2 * field
        if place >= self._size:
            return 0
        return struct.unpack_from("<H", self._buffer, self._fields + place)[0]
