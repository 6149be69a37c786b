"""Tensors as bytes: the binary-data extension, and gRPC's raw contents. Little endian, row-major.

A text is its length, 4 bytes, and its UTF-8. It cannot be missing in this form.
"""

import struct
from collections.abc import Iterable

import numpy as np

from octavo.errors import DataError
from octavo.server.v2.datatypes import BYTES, NUMPY
from octavo.server.v2.tensors import Expected, Tensor

_LENGTH = struct.Struct("<I")


def decode(expected: Expected, raw: memoryview) -> Tensor:
    """Read a tensor; numbers are not copied.

    Raises
    ------
    DataError
        If there are not as many bytes as its shape and datatype need, or a text is no UTF-8.
    """
    count, shape = expected.elements(), expected.shape
    if expected.datatype == BYTES:
        return Tensor(expected.name, BYTES, shape, _texts(expected, raw, count))
    dtype = NUMPY[expected.datatype]
    if len(raw) != count * dtype.itemsize:
        raise _length(expected, f"needs {count * dtype.itemsize} bytes", len(raw))
    if expected.datatype == "BOOL":  # any byte but 0 is true; NumPy must not see another
        values = np.frombuffer(raw, np.uint8) != 0
    else:
        values = np.frombuffer(raw, dtype)
    return Tensor(expected.name, expected.datatype, shape, values)


def _texts(expected: Expected, raw: memoryview, count: int) -> np.ndarray:
    if count > len(raw) // _LENGTH.size:  # before anything is made for them
        raise _length(expected, f"needs a length, 4 bytes, for each of {count} texts", len(raw))
    found = np.empty(count, object)
    at = number = 0
    try:
        for number in range(count):
            (size,) = _LENGTH.unpack_from(raw, at)
            at += _LENGTH.size
            if at + size > len(raw):
                raise struct.error
            found[number] = str(raw[at : at + size], "utf-8")
            at += size
    except struct.error as error:
        raise _length(expected, f"ends in text {number}", len(raw)) from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"text {number} is no UTF-8.", where=expected.where, fix="Encode it."
        ) from error
    if at != len(raw):
        raise _length(expected, f"needs {at} bytes", len(raw))
    return found


def _length(expected: Expected, says: str, given: int) -> DataError:
    return DataError(
        f"{expected.datatype} {list(expected.shape)} {says}; there are {given}.",
        where=expected.where,
        fix="Send shape, datatype and bytes that fit each other.",
    )


def encode(values: np.ndarray) -> bytes:
    """Write an array."""
    if values.dtype != object:
        return values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes()
    return b"".join(_prefixed(values.ravel().tolist()))


def _prefixed(texts: Iterable[str]) -> Iterable[bytes]:
    for text in texts:
        data = text.encode()
        yield _LENGTH.pack(len(data))
        yield data
