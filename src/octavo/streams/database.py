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
_OF_THE_MACHINE = (
    apsw.CantOpenError,
    apsw.CorruptError,
    apsw.FullError,
    apsw.IOError,
    apsw.NotADBError,
    apsw.PermissionsError,
    apsw.ReadOnlyError,
)
PAGE = 8192
"""Bytes of a page."""
WAL, LONG_WAL = 1_000, 4_000
"""Pages of the write-ahead log from which it is moved into the file, and from which that waits for
readers to let go of it: readers without a gap between them would let it grow for ever."""


def create(path: Path, fill: Callable[[apsw.Connection], None]) -> None:
    """Make a file whole and on disk, or not at all; if there is one meanwhile, it stays.

    Parameters
    ----------
    fill
        Makes the tables.
    """
    with explained(path):
        made = [parent for parent in path.parents if not parent.exists()]
        path.parent.mkdir(parents=True, exist_ok=True)
        _link(path, fill)
        for folder in (path, *made):
            _sync(folder.parent)


def _link(path: Path, fill: Callable[[apsw.Connection], None]) -> None:
    """Fill a file beside, and give it its name, which it gets whole."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        new = Path(folder) / path.name
        with contextlib.closing(apsw.Connection(str(new))) as connection:
            connection.pragma("page_size", PAGE)
            connection.pragma("journal_mode", "wal")
            with transaction(connection, writes=True):
                fill(connection)
        with contextlib.suppress(FileExistsError):
            os.link(new, path)


def connect(path: Path) -> apsw.Connection:
    """Open a file that exists."""
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
    connection.set_busy_handler(_waited())
    connection.pragma("synchronous", "full")
    connection.pragma("journal_size_limit", PAGE * LONG_WAL)
    connection.set_wal_hook(_checkpointed)
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
    except OSError as error:
        raise ResourceError.refused(error, where=str(path)) from error
    except apsw.BusyError as error:
        what = f"another process has held it for {PATIENCE:.0f} s."
        fix = "See which process writes to it, or stop it."
        raise ResourceError(what, where=str(path), fix=fix) from error
    except _OF_THE_MACHINE as error:
        if isinstance(error, apsw.FullError) or _is_index_full(error):
            raise ResourceError.disk_full(where=str(path)) from error
        what, fix = (
            f"the log cannot be used: {error}.",
            "Check the disk and the file's permissions.",
        )
        raise ResourceError(what, where=str(path), fix=fix) from error


def _checkpointed(connection: apsw.Connection, name: str, pages: int) -> int:
    """Move the write-ahead log into the file after a commit, which is durable whatever happens."""
    if pages >= WAL:
        wait = apsw.SQLITE_CHECKPOINT_RESTART
        with contextlib.suppress(apsw.Error):  # tried again after the next commit
            connection.wal_checkpoint(
                name, mode=wait if pages >= LONG_WAL else apsw.SQLITE_CHECKPOINT_PASSIVE
            )
    return apsw.SQLITE_OK


def _is_index_full(error: apsw.Error) -> bool:
    """Say whether the index of the write-ahead log found no room: it does not say more."""
    return getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_SHMSIZE


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
