"""The file format of state: a described header, raw arrays, a checksum.

Layout, little-endian: magic (8 bytes) · format version (uint32) · length of the header (uint32) ·
header (UTF-8 JSON, padded with spaces to a multiple of 8) · arrays, 8 bytes an element, in the
header's order · xxh3-64 of everything before (uint64). The header names for each array its group,
field, dtype and length, so that a file can be read without this module. Nothing in it is code.
This module knows nothing of what the arrays mean.
"""

import json
import os
import struct
import sys
import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import xxhash

from octavo.errors import DataError, ResourceError

MAGIC = b"OCTAVOST"
VERSION = 1
PREFIX = struct.Struct("<8sII")
CHECKSUM = struct.Struct("<Q")

Arrays = Mapping[str, Mapping[str, np.ndarray]]


def write(path: Path, about: dict[str, object], arrays: Arrays) -> None:
    """Write a file atomically: temporary file, fsync, rename, fsync of the folder.

    Parameters
    ----------
    path
        Where; replaced if it exists.
    about
        Anything JSON can hold.
    arrays
        One-dimensional arrays of 8-byte elements by group and field.
    """
    listed = [
        {
            "group": group,
            "field": name,
            "dtype": array.dtype.newbyteorder("<").str,
            "size": array.size,
        }
        for group, fields in arrays.items()
        for name, array in fields.items()
    ]
    header = json.dumps({"about": about, "arrays": listed}, ensure_ascii=False).encode()
    header += b" " * (-len(header) % 8)
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    digest = xxhash.xxh3_64()
    try:
        with temporary.open("wb") as file:
            for block in _blocks(header, arrays):
                digest.update(block)
                file.write(block)
            file.write(CHECKSUM.pack(digest.intdigest()))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise ResourceError(
            f"state could not be written: {error.strerror}.",
            where=str(path),
            fix="Free space or grant write access to the folder, then run again.",
        ) from error


def read(path: Path) -> tuple[dict, dict[str, dict[str, np.ndarray]]]:
    """Read a file back: what ``write`` was given as ``about`` and ``arrays``.

    Raises
    ------
    DataError
        The file is missing, damaged, of another format version, or of another kind.
    """
    try:
        raw = np.fromfile(path, np.uint8)
    except OSError as error:
        raise _unreadable(path, f"state could not be read: {error.strerror}.") from error
    if raw.size < PREFIX.size + CHECKSUM.size:
        raise _unreadable(path, f"a file of {raw.size} bytes is no state; it was cut short.")
    magic, version, length = PREFIX.unpack_from(raw.data)
    if magic != MAGIC:
        raise _unreadable(path, "the file is no Octavo state.")
    if version != VERSION:
        raise _unreadable(
            path, f"state of format version {version}; this Octavo reads version {VERSION}."
        )
    body = raw[: -CHECKSUM.size]
    (expected,) = CHECKSUM.unpack_from(raw.data, body.size)
    if xxhash.xxh3_64_intdigest(body.data) != expected:
        raise _unreadable(path, "the file is damaged: its checksum does not match.")
    start = PREFIX.size + length
    header = json.loads(body[PREFIX.size : start].tobytes())
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for each in header["arrays"]:
        end = start + 8 * each["size"]
        column = body[start:end].view(each["dtype"])
        native = column.astype(column.dtype.newbyteorder("="), copy=False)
        arrays.setdefault(each["group"], {})[each["field"]] = native
        start = end
    return header["about"], arrays


def _blocks(header: bytes, arrays: Arrays):
    yield PREFIX.pack(MAGIC, VERSION, len(header)) + header
    for fields in arrays.values():
        for array in fields.values():
            yield array.astype(array.dtype.newbyteorder("<"), copy=False).data


def _sync_folder(folder: Path) -> None:
    if sys.platform == "win32":  # a folder cannot be opened there, and renames are journaled
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unreadable(path: Path, what: str) -> DataError:
    return DataError(
        what,
        where=str(path),
        fix="Restore it from a backup, or delete it and prep again: state is rebuilt from the "
        "raw store.",
    )
