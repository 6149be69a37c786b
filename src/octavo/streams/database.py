"""A SQLite file of the embedded log: made whole, opened safely, and its errors in words.

Write-ahead log with full synchronization: a commit is on disk when it returns. The library brings
its own SQLite, since those up to 3.51.2, which systems have, may corrupt a file that several
connections use. It knows nothing of what is in the tables.
"""

import contextlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apsw

from octavo.errors import ResourceError

PATIENCE = 30.0
"""Seconds to wait for another process that writes."""
WAL_BYTES = 64 << 20
"""Size to which the write-ahead log is cut back after it was larger."""


def create(path: Path, fill: Callable[[apsw.Connection], None]) -> None:
    """Make a file whole and on disk, or not at all; if there is one meanwhile, it stays.

    Parameters
    ----------
    fill
        Makes the tables.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with explained(path), tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        connection = apsw.Connection(str(new))
        connection.pragma("page_size", 8192)
        connection.pragma("journal_mode", "wal")
        with connection:
            fill(connection)
        connection.close()
        with contextlib.suppress(FileExistsError):
            os.link(new, path)
    for parent in path.parents[:3]:
        _sync(parent)


def connect(path: Path) -> apsw.Connection:
    """Open a file that exists."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_handler(_waited())
    connection.pragma("synchronous", "full")
    connection.pragma("journal_size_limit", WAL_BYTES)
    return connection


@contextlib.contextmanager
def transaction(connection: apsw.Connection, *, writes: bool) -> Iterator[apsw.Connection]:
    """Hold one state of the file; what is written is committed together or not at all."""
    connection.execute("begin immediate" if writes else "begin")
    try:
        yield connection
        connection.execute("commit")
    finally:
        if connection.in_transaction:
            connection.execute("rollback")


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Say what the machine, not the caller, did wrong."""
    try:
        yield
    except apsw.FullError as error:
        raise ResourceError.disk_full(where=str(path)) from error
    except apsw.BusyError as error:
        fix = "See which process writes to it, or stop it."
        what = f"another process has held it for {PATIENCE:.0f} s."
        raise ResourceError(what, where=str(path), fix=fix) from error
    except OSError as error:
        raise ResourceError.refused(error, where=str(path)) from error
    except (
        apsw.CantOpenError,
        apsw.CorruptError,
        apsw.IOError,
        apsw.NotADBError,
        apsw.PermissionsError,
        apsw.ReadOnlyError,
    ) as error:
        fix = "Check the disk and the file's permissions."
        raise ResourceError(
            f"the log cannot be used: {error}.", where=str(path), fix=fix
        ) from error


def _waited() -> Callable[[int], bool]:
    """Return a handler that tries again each millisecond: SQLite's own waits up to a tenth."""
    started = 0.0

    def wait(tried: int) -> bool:
        nonlocal started
        if tried == 0:
            started = time.monotonic()
        time.sleep(0.001)
        return time.monotonic() - started < PATIENCE

    return wait


def _sync(folder: Path) -> None:
    """Force the entries of a folder to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
