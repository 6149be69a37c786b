"""LMDB environments: opened once per process, growing as they fill, with errors in plain words.

What is promised:

- A transaction is applied whole or not at all, and is on disk when `write` returns: LMDB syncs the
  data before it writes the page that names them, and then that page as well (``metasync``: without
  it a power failure could undo the newest transaction, which a source that was acknowledged since
  would not offer again). The file is never written through the map, where a stray pointer could
  damage it.
- Readers see the state of one moment for as long as they read. They never wait for the writer, nor
  the writer for them, in this or other processes.
- A process killed at any moment leaves the last whole transaction, and no lock.

- A file that was cut off is refused when it is opened.

What is not: that a long read costs nothing (pages it may see are not used again, the file grows);
that two writers make sense (they take turns); that a process survives a file that is cut off while
it has it open.

This module knows nothing of what keys and values mean.
"""

import contextlib
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import lmdb

from octavo.errors import DataError, OctavoError, ResourceError

T = TypeVar("T")

ROOM = 1 << 28
"""Address space of a new environment, bytes; it doubles when it is full."""

READERS = 1024
"""Reads that may be under way at once, over all processes."""

PATIENCE = 60.0
"""Seconds for which growing waits until the reads of this process have ended."""

_READ_ALL = """
import sys, lmdb
with lmdb.open(sys.argv[1], readonly=True, max_dbs=99) as environment, environment.begin() as read:
    for name in list(read.cursor().iternext(values=False)):
        for _ in read.cursor(environment.open_db(name, read, create=False)):
            pass
"""


class Environment:
    """One environment of one process; `at` gives the same to all who ask for its folder."""

    _opened: ClassVar[weakref.WeakValueDictionary[tuple[int, int], "Environment"]] = (
        weakref.WeakValueDictionary()
    )
    _opening: ClassVar = threading.Lock()

    def __init__(self, path: Path, names: tuple[bytes, ...], *, readonly: bool) -> None:
        self.path = path
        self.tables: dict[bytes, Any] = {}
        self._names = names
        self._writing = threading.RLock()
        self._reads = 0
        self._changing = False
        self._changed = threading.Condition(threading.Lock())
        self._open(readonly=readonly)

    @classmethod
    def at(cls, path: Path, names: tuple[bytes, ...], *, readonly: bool) -> "Environment":
        """Open an environment, or share the one that this process has open.

        Parameters
        ----------
        path
            A folder; created if it may be written.
        names
            Its tables.
        readonly
            Nothing will be written. What was opened so is opened anew for who writes.

        Raises
        ------
        DataError
            There is none, or the files are no environment.
        ResourceError
            It cannot be opened.
        """
        with cls._opening:
            identity = _identity(path)
            found = cls._opened.get(identity) if identity else None
            if found is None:
                found = cls(path, names, readonly=readonly)
                identity = _identity(path)
                assert identity is not None, "it was just opened"
                cls._opened[identity] = found
            elif not readonly and found._lmdb.flags()["readonly"]:
                with found._alone():
                    found._lmdb.close()
                    found._open(readonly=False)
            return found

    def _open(self, *, readonly: bool) -> None:
        if readonly and not self._length():
            raise nothing_at(self.path)
        try:
            if not readonly:
                self.path.mkdir(parents=True, exist_ok=True)
            self._lmdb = lmdb.open(
                str(self.path),
                map_size=ROOM,
                max_dbs=len(self._names),
                max_readers=READERS,
                max_spare_txns=1,
                readonly=readonly,
            )
            with contextlib.ExitStack() as failing:
                failing.callback(self._lmdb.close)
                self._check_length()
                if not readonly:
                    self._lmdb.reader_check()  # forget readers that were killed
                self.tables = {
                    name: self._lmdb.open_db(name, create=not readonly) for name in self._names
                }
                failing.pop_all()
        except lmdb.NotFoundError as error:  # its owner has only just begun
            raise nothing_at(self.path) from error
        except (lmdb.Error, OSError) as error:
            raise explained(error, self.path) from error

    def _check_length(self) -> None:
        """Refuse a file that was cut off: reading a page that is not there ends the process.

        A whole file may be short as well, by pages that were given up before they were written.
        Whether one that is in use is missing is found out by a process of its own.
        """
        needed = (self._lmdb.info()["last_pgno"] + 1) * self._lmdb.stat()["psize"]
        if (found := self._length()) < needed:
            reading = [sys.executable, "-c", _READ_ALL, str(self.path)]
            if subprocess.run(reading, capture_output=True, check=False).returncode:
                raise lmdb.CorruptedError(f"data.mdb ends at byte {found:,} of {needed:,}")

    def _length(self) -> int:
        """Return how long the file is, bytes; 0 if there is none."""
        try:
            return (self.path / "data.mdb").stat().st_size
        except OSError:
            return 0

    def begin(self) -> lmdb.Transaction:
        """Begin to read; whoever does must `end` it, soon."""
        with self._changed:
            while self._changing:
                self._changed.wait()
            self._reads += 1
        try:
            return self._lmdb.begin()
        except lmdb.MapResizedError:  # another process has let it grow
            self._ended()
            self._resize(0)
            return self.begin()
        except lmdb.Error as error:
            self._ended()
            raise explained(error, self.path) from error

    def end(self, transaction: lmdb.Transaction) -> None:
        """End a read."""
        transaction.abort()
        self._ended()

    def _ended(self) -> None:
        with self._changed:
            self._reads -= 1
            if not self._reads:
                self._changed.notify_all()

    def write(self, work: Callable[[lmdb.Transaction], T], room: int = 0) -> T:
        """Do some work in one transaction, again if the map has to grow for it.

        Parameters
        ----------
        work
            What to do; it may be called several times, and only the last call counts.
        room
            Bytes that it will surely need.
        """
        with self._writing:
            self._reserve(room)
            while True:
                try:
                    with self._lmdb.begin(write=True) as transaction:
                        return work(transaction)
                except lmdb.MapFullError:
                    self._lmdb.reader_check()
                    self._resize(2 * self._lmdb.info()["map_size"])
                except lmdb.MapResizedError:
                    self._resize(0)
                except lmdb.Error as error:
                    raise explained(error, self.path) from error

    def _reserve(self, room: int) -> None:
        about, page = self._lmdb.info(), self._lmdb.stat()["psize"]
        size = about["map_size"]
        while size < (about["last_pgno"] + 1) * page + room:
            size *= 2
        if size != about["map_size"]:
            self._resize(size)

    def _resize(self, size: int) -> None:
        with self._alone():
            try:
                self._lmdb.set_mapsize(size)
            except lmdb.Error as error:
                raise explained(error, self.path) from error

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Wait until nothing in this process uses the map; it is about to move."""
        with self._writing, self._changed:
            self._changing = True
            try:
                if not self._changed.wait_for(lambda: not self._reads, PATIENCE):
                    raise ResourceError(
                        f"{self._reads} reads have been under way for {PATIENCE:.0f} seconds.",
                        where=str(self.path),
                        fix="Keep a snapshot for one request only.",
                    )
                yield
            finally:
                self._changing = False
                self._changed.notify_all()


def _identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file apart from one of the same name that replaced it."""
    try:
        status = (path / "data.mdb").stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def nothing_at(path: Path) -> DataError:
    """Make the error for a state that was never written."""
    return DataError("there is no state here.", where=str(path), fix="Run `octavo prep` first.")


def explained(error: Exception, path: Path) -> OctavoError:
    """Say in plain words what LMDB, or the machine under it, has met."""
    where = str(path)
    if isinstance(error, lmdb.ReadersFullError):
        return ResourceError(
            f"more than {READERS} reads are under way.",
            where=where,
            fix="Run fewer processes, or end the ones that hang.",
        )
    damage = (lmdb.CorruptedError, lmdb.InvalidError, lmdb.PageNotFoundError)
    if isinstance(error, (*damage, lmdb.VersionMismatchError)):
        return DataError(
            f"the state cannot be read: {error}.",
            where=where,
            fix="`octavo prep --rebuild --view VIEW` makes it again from the raw store.",
        )
    return ResourceError(
        f"the state cannot be read or written: {error}.",
        where=where,
        fix="Check the disk: its free space and the permissions of the folder.",
    )
