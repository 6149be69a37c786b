"""The maintenance service: it keeps tables quick to open and read, and their folders small.

It merges small files, deletes what nobody reads any more, and has the stream remove what its topics
need not keep. *Rows are never deleted*: what a candidate was trained on stays. It works at any
time beside services and runs, and may be killed at any instant.
"""

import dataclasses
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from octavo.errors import OctavoError, ResourceError
from octavo.stores.compaction import changed, compact, delete, unread, within, worth
from octavo.stores.delta import DeltaLog
from octavo.stores.home import Home
from octavo.streams import Stream


@dataclasses.dataclass(frozen=True)
class Maintained:
    """What was done in a folder of the home, or would be.

    Files are data files; what is deleted are files that were replaced long ago, and what killed
    processes left.
    """

    folder: str
    files_before: int = 0
    files: int = 0
    """That it has now; where nothing was done, as before."""
    bytes_before: int = 0
    bytes: int = 0
    merged: int = 0
    """Files that were replaced by larger ones."""
    deleted: int = 0
    freed: int = 0
    """Bytes of what was deleted."""
    error: str | None = None
    """Why the rest was not done."""


class Maintenance:
    """Maintains all tables of a home.

    Parameters
    ----------
    keep
        Seconds for which a data file that was replaced is kept: longer than any read takes, and
        than a process may be stopped in the middle of a commit.
    """

    def __init__(self, home: Home, stream: Stream, *, keep: float) -> None:
        self._home, self._stream, self._keep = home, stream, keep

    def run(self, stop: threading.Event, *, every: float, tell: Callable[[str], None]) -> None:
        """Maintain again and again until told to stop.

        Parameters
        ----------
        every
            Seconds from one beginning to the next, at the least.
        tell
            Is told what went wrong; the next time it is tried again.
        """
        while not stop.is_set():
            began = time.monotonic()
            try:
                for done in self.turn():
                    if done.error:
                        tell(f"{done.folder}: {done.error}")
                    if stop.is_set():
                        return
            except OctavoError as error:
                tell(str(error))
            stop.wait(max(0.0, began + every - time.monotonic()))

    def turn(self, *, dry_run: bool = False) -> Iterator[Maintained]:
        """Maintain everything once, one folder after the other.

        Parameters
        ----------
        dry_run
            Only look.

        Raises
        ------
        ResourceError
            If another process maintains this home.
        """
        with self._home.maintaining() as is_alone:
            if not is_alone:
                raise ResourceError(
                    "another process maintains it.",
                    where=str(self._home.path),
                    fix="Wait for it: `octavo up` does so by itself.",
                )
            for folder in self._home.tables:
                yield self._table(folder, dry_run)
            yield self._incoming(dry_run)
            if not dry_run:
                for topic in self._stream.topics():
                    self._stream.trim(topic)

    def _table(self, folder: Path, dry_run: bool) -> Maintained:
        """Delete first: a full disk has room then for what is merged."""
        name, log = str(folder.relative_to(self._home.path)), DeltaLog(folder)
        done = Maintained(name)
        try:
            before = log.files()
            size = sum(file.bytes for file in before)
            done = Maintained(name, len(before), len(before), size, size)
            old = unread(log, folder, self._keep)
            done = dataclasses.replace(done, deleted=len(old), freed=delete(old, dry_run=dry_run))
            if dry_run:
                return dataclasses.replace(done, merged=sum(map(len, worth(before))))
            merged = len(compact(log, folder))
            after = log.files()
            size = sum(file.bytes for file in after)
            return dataclasses.replace(done, merged=merged, files=len(after), bytes=size)
        except OctavoError as error:
            return dataclasses.replace(done, error=str(error))

    def _incoming(self, dry_run: bool) -> Maintained:
        """Delete batches on their way in that nobody brings on: they were planned anew since."""
        until = time.time() - self._keep
        folder = self._home.incoming("")
        old = [
            batch
            for batch in (folder.iterdir() if folder.exists() else ())
            if max(map(changed, within(batch))) < until
        ]
        return Maintained("incoming", deleted=len(old), freed=delete(old, dry_run=dry_run))
