"""A file in front of a topic: what is appended outlives its process at once, and is sent soon.

To append to a stream costs a wait for the disk. To write to a file costs a microsecond, and what a
process has written stays when it is killed: it is in the system's memory, not in its own. So a
*frame* is written to a file first, a *segment*, and a thread sends each segment as one block, a few
times a second. What a killed process has left is sent by whoever looks next (`recover`).

What is promised
----------------
- **Outlives its process.** When `Journal.append` has returned, no kill of the process loses the
  frame. Its future is done when the block is on disk: no loss of power loses it then.
- **Once.** A segment is a block under its own name as key, so a topic that deduplicates has it
  once, whoever sends it how often, for as long as the topic retains the key.
- **Whole.** A frame that was half written is no part of the block.
- **Bounded.** It refuses frames while more than `MOST` bytes wait, since the stream takes none.

What is not: an order between journals; that what was appended within `EVERY` seconds outlives the
machine, unless one waits for the future.

It knows nothing of what frames hold. *A head* is what their reader must know first; it is written
once in each segment, before the first frame that names it.
"""

import contextlib
import fcntl
import os
import shutil
import struct
import threading
import uuid
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import NamedTuple

from octavo.errors import ResourceError
from octavo.streams.contract import Block, Stream

EVERY = 0.1
"""Seconds between two times that segments are sent."""
LARGEST = 4 << 20
"""Bytes from which on a segment is followed by another."""
MOST = 256 << 20
"""Bytes that may wait to be sent."""
_ROWS = 100_000  # of a segment; a block has few more
_BEGIN = struct.Struct("<III")  # bytes and rows of what follows, and its checksum
_LOCK = "lock"


class Frame(NamedTuple):
    """What was appended together, or a head."""

    rows: int
    """How many; of a head none."""
    data: memoryview


def frames(data: bytes) -> Iterator[Frame]:
    """Give the frames of a block, or of a segment, up to the first that is not whole."""
    view, at = memoryview(data), 0
    while at + _BEGIN.size <= len(view):
        size, rows, checksum = _BEGIN.unpack_from(view, at)
        at += _BEGIN.size
        found = view[at : at + size]
        if len(found) < size or zlib.crc32(found) != checksum:
            return
        at += size
        yield Frame(rows, found)


class _Segment:
    """A file that grows; its name among those of its writer says its place."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows = self.size = 0
        self.heads: set[bytes] = set()
        self.sent: Future[None] = Future()
        self._file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_APPEND, 0o600)

    def write(self, data: bytes, rows: int) -> None:
        """Append all of it, or nothing."""
        try:
            written = 0
            while written < len(data):  # where the disk is almost full, the next says that it is
                written += os.write(self._file, data[written:] if written else data)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(data)
        self.rows += rows

    def close(self) -> None:
        os.close(self._file)


class Journal:
    """Appends frames to a topic by way of files. Threads may share it; each process has its own.

    Parameters
    ----------
    folder
        Holds the files of all writers of this topic.
    tell
        Is told why segments cannot be sent; they are tried again.
    waits
        Whether whoever appends waits for the future: segments are then sent at once.
    """

    def __init__(
        self,
        folder: Path,
        stream: Stream,
        topic: str,
        *,
        tell: Callable[[str], None],
        waits: bool = False,
    ) -> None:
        self.writer = uuid.uuid4().hex[:16]
        self._folder = folder / self.writer
        self._stream, self._topic = stream, topic
        self._tell, self._waits = tell, waits
        self._lock = threading.Lock()
        self._segment: _Segment | None = None
        self._full: list[_Segment] = []
        self._unsent = self._number = 0
        self._held = _held(self._folder)
        self._wake, self._stop = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="journal", daemon=True)
        self._thread.start()

    def append(self, rows: int, data: bytes, head: bytes) -> Future[None]:
        """Write a frame, and return what is done when it is on disk, in the stream.

        Parameters
        ----------
        rows
            How many, at least one.
        head
            What a reader of the frame must know; the same object for many frames.

        Raises
        ------
        ResourceError
            If the disk is full or cannot be written, or too much waits. Nothing was written.
        """
        framed = _framed(rows, data)
        with self._lock:
            if self._unsent > MOST:
                raise ResourceError(
                    f"{self._unsent:,} bytes wait to be sent to the stream.",
                    where=str(self._folder),
                    fix="See why the stream takes nothing.",
                )
            try:
                segment = self._segment or self._begin()
                if head not in segment.heads:
                    framed = _framed(0, head) + framed
                segment.write(framed, rows)
            except OSError as error:
                raise ResourceError.refused(error, where=str(self._folder)) from error
            segment.heads.add(head)
            self._unsent += len(framed)
            if segment.size >= LARGEST or segment.rows >= _ROWS:
                self._end()
        if self._waits:
            self._wake.set()
        return segment.sent

    def close(self) -> None:
        """Send what is there; what cannot be sent now is left for `recover`."""
        self._stop.set()
        self._wake.set()
        self._thread.join()
        with self._lock, contextlib.suppress(OSError):
            self._end()  # what has come since the last look
            self._segment = None
            if not self._full:
                shutil.rmtree(self._folder)
        os.close(self._held)

    def _begin(self) -> _Segment:
        self._number += 1
        self._segment = _Segment(self._folder / f"{self._number:010}")
        return self._segment

    def _end(self) -> None:
        if self._segment is not None and self._segment.rows:
            self._segment.close()
            self._full.append(self._segment)
            self._segment = None

    def _work(self) -> None:
        is_last = False
        while not is_last:
            self._wake.wait(EVERY)
            is_last = self._stop.is_set()
            self._wake.clear()
            try:
                self._send()
            except Exception as error:  # noqa: BLE001  whoever waits must be told, whatever it is
                self._refuse(error)
                self._stop.wait(EVERY)

    def _send(self) -> None:
        with self._lock:
            self._end()
            full = list(self._full)
        for segment in full:
            _send(self._stream, self._topic, segment.path, segment.rows)
            with self._lock:
                self._full.remove(segment)
                self._unsent -= segment.size
            if not segment.sent.done():
                segment.sent.set_result(None)

    def _refuse(self, error: Exception) -> None:
        """Tell whoever waits that it is not on disk; it is tried again all the same."""
        self._tell(str(error))
        with self._lock:
            full = list(self._full)
        for segment in full:
            if not segment.sent.done():
                segment.sent.set_exception(error)


def recover(folder: Path, stream: Stream, topic: str) -> int:
    """Send what killed processes have left, and return how many of them.

    Raises
    ------
    ResourceError
        If the stream takes none of it now, or a file is out of reach.
    """
    found = 0
    try:
        for writer in sorted(folder.iterdir()) if folder.exists() else ():
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                held = _lock(writer / _LOCK, os.O_RDWR)
                try:
                    for segment in sorted(set(writer.iterdir()) - {writer / _LOCK}):
                        _send(stream, topic, segment, None)
                    shutil.rmtree(writer)
                finally:
                    os.close(held)
                found += 1
    except OSError as error:
        raise ResourceError.refused(error, where=str(folder)) from error
    return found


def _held(folder: Path) -> int:
    """Make the folder of a writer, held by a lock that goes with the process."""
    try:
        while True:
            folder.mkdir(parents=True, exist_ok=True)
            with contextlib.suppress(BlockingIOError, FileNotFoundError):
                held = _lock(folder / _LOCK, os.O_RDWR | os.O_CREAT)
                if os.fstat(held).st_nlink:  # or else it was taken for a killed one's
                    return held
                os.close(held)
    except OSError as error:
        raise ResourceError.refused(error, where=str(folder)) from error


def _lock(path: Path, flags: int) -> int:
    held = os.open(path, flags, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def _framed(rows: int, data: bytes) -> bytes:
    return _BEGIN.pack(len(data), rows, zlib.crc32(data)) + data


def _send(stream: Stream, topic: str, segment: Path, rows: int | None) -> None:
    """Append a segment to the stream, which has it once, and delete it.

    Parameters
    ----------
    rows
        How many it has; None: its writer was killed, and its last frame may not be whole.
    """
    try:
        data = segment.read_bytes()
        if rows is None:
            found = list(frames(data))
            rows = sum(frame.rows for frame in found)
            data = data[: sum(_BEGIN.size + len(frame.data) for frame in found)]
        if rows:
            key = f"{segment.parent.name}/{segment.name}"
            stream.append(topic, [Block(rows=rows, data=data, key=key)])
        segment.unlink()
    except OSError as error:
        raise ResourceError.refused(error, where=str(segment)) from error
