"""The home folder: where everything embedded lives. Deleting it starts over."""

import contextlib
import fcntl
import os
import shutil
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO

from octavo.errors import ResourceError

_LOOK = 0.02  # seconds between two looks whether a lock is free
_LOOKS = 5  # of who does not wait


@dataclass(frozen=True)
class Home:
    """Paths below one home folder."""

    path: Path

    @property
    def catalog(self) -> Path:
        """The catalog's SQLite file."""
        return self.path / "catalog.db"

    def raw(self, dataset: str) -> Path:
        """Delta table of a dataset's accepted rows."""
        return self.path / "raw" / dataset

    def rejected(self, dataset: str) -> Path:
        """Delta table of a dataset's rejected rows, with their reasons."""
        return self.path / "rejected" / dataset

    def restated(self, dataset: str) -> Path:
        """Delta table of a dataset's rows that restate an earlier one."""
        return self.path / "restated" / dataset

    def incoming(self, name: str) -> Path:
        """Rows on their way in, before they are in any table: of a batch by its ID, or of prep."""
        return self.path / "incoming" / name

    def extracts(self, dataset: str) -> Path:
        """Rows that a database gave for a dataset, until they are ingested."""
        return self.path / "extracts" / dataset

    def features(self, name: str, group_id: str) -> Path:
        """Delta table of one group of a view's features (or of the rows')."""
        return self.path / "features" / name / group_id

    @property
    def tables(self) -> list[Path]:
        """Folders of all Delta tables there are, sorted; not of one that is only being created."""
        places = ("raw/*", "rejected/*", "restated/*", "features/*/*", "predictions")
        logs = (log for place in places for log in self.path.glob(f"{place}/_delta_log"))
        return sorted(log.parent for log in logs if any(log.glob("*.json")))

    def state(self, view: str, group_id: str) -> Path:
        """State of a group: an environment of its own."""
        return self.path / "state" / view / group_id

    def forget_states(self, live: Collection[str]) -> None:
        """Delete the states of all groups but some; who has one open can read on in it.

        What cannot be deleted is left for the next time; so are all, while features are back-filled
        whose groups are not live yet.
        """
        with self.locked("prep.backfill", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:
            for folder in (self.path / "state").glob("*/*") if is_alone else ():
                if folder.name not in live:
                    shutil.rmtree(folder, ignore_errors=True)

    def release(self, release_id: str) -> Path:
        """Folder of a release's own copy of ``pipeline.py`` and of what it imports beside it."""
        return self.path / "releases" / release_id

    def candidate(self, candidate_id: str) -> Path:
        """Folder of a candidate's bundle, profile and timings."""
        return self.candidates / candidate_id

    @property
    def candidates(self) -> Path:
        """Folder of all candidates."""
        return self.path / "candidates"

    def scratch(self, study: str) -> Path:
        """Folder of what the trials of a study share, until it is finished."""
        return self.path / "scratch" / study

    @property
    def predictions(self) -> Path:
        """Delta table of all predictions."""
        return self.path / "predictions"

    @property
    def journal(self) -> Path:
        """Folder of predictions that were answered, on their way into the stream."""
        return self.path / "journal"

    @property
    def unread(self) -> Path:
        """Folder of blocks of predictions that could not be read."""
        return self.path / "unread"

    @property
    def streams(self) -> Path:
        """Folder of the embedded log, one file for each topic."""
        return self.path / "streams"

    def followed(self, dataset: str) -> Path:
        """File that keeps how far the growing files of a dataset were read."""
        return self.path / "followed" / f"{dataset}.json"

    def mirror(self, server: str) -> Path:
        """File that keeps what a server that is mirrored to has."""
        return self.path / "mirror" / f"{server}.json"

    @property
    def log(self) -> Path:
        """The log file."""
        return self.path / "octavo.log"

    @contextlib.contextmanager
    def receiving(self, dataset: str, *, wait: bool = True) -> Iterator[bool]:
        """Take in a batch of a dataset alone: what came before is known then, of files and streams.

        The lock goes with the process, however that ends.

        Parameters
        ----------
        wait
            Until nobody else takes one in; if not, False is given in that case.
        """
        how = fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB)
        with self.locked(f"receiving.{dataset}", how) as is_held:
            yield is_held

    @contextlib.contextmanager
    def prepping(self, is_over: Callable[[], bool] = lambda: False) -> Iterator[bool]:
        """Prep alone: who folds live lets go at its next turn, and goes on after it.

        Parameters
        ----------
        is_over
            Ends the waiting for others; then False is given.
        """
        with (
            self._awaited("prep.next", fcntl.LOCK_EX, is_over) as is_next,
            self._awaited("prep", fcntl.LOCK_EX, lambda: is_over() or not is_next) as is_alone,
        ):
            yield is_alone

    @contextlib.contextmanager
    def folding(self, is_over: Callable[[], bool]) -> Iterator[Callable[[], bool] | None]:
        """Fold live, beside others that do; waits for who preps alone.

        Gives what tells whether somebody waits to prep alone.

        Parameters
        ----------
        is_over
            Ends the waiting; then None is given.
        """

        def is_awaited() -> bool:
            with self.locked("prep.next", fcntl.LOCK_SH | fcntl.LOCK_NB) as is_free:
                return not is_free

        with contextlib.ExitStack() as held:
            with self._awaited("prep.next", fcntl.LOCK_SH, is_over) as is_free:
                if is_free:  # nobody holds the other one alone, or is about to
                    held.enter_context(self.locked("prep", fcntl.LOCK_SH))
            yield is_awaited if is_free else None

    @contextlib.contextmanager
    def _awaited(self, name: str, how: int, is_over: Callable[[], bool]) -> Iterator[bool]:
        """Hold a lock as soon as it is free; a process that is told to stop waits no longer."""
        while not is_over():
            with self.locked(name, how | fcntl.LOCK_NB) as is_held:
                if is_held:
                    yield True
                    return
            time.sleep(_LOOK)
        yield False

    @contextlib.contextmanager
    def backfilling(self) -> Iterator[None]:
        """Fold new features beside who folds live; waits for who does so already."""
        with self.locked("prep.backfill", fcntl.LOCK_EX):
            yield

    @contextlib.contextmanager
    def supervising(self) -> Iterator[bool]:
        """Supervise the services of this home alone; False: another process does."""
        with self.locked("supervising", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:
            yield is_alone

    @contextlib.contextmanager
    def releasing(self) -> Iterator[bool]:
        """Release a definition alone; False: another is being released."""
        with self.locked("releasing", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:
            yield is_alone

    @property
    def is_supervised(self) -> bool:
        """Whether a process supervises services in it."""
        with self.locked("supervising", fcntl.LOCK_SH | fcntl.LOCK_NB) as is_free:
            return not is_free

    @contextlib.contextmanager
    def maintaining(self) -> Iterator[bool]:
        """Maintain the tables alone, so that nothing is done twice; False: another does."""
        with self.locked("maintaining", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:
            yield is_alone

    @contextlib.contextmanager
    def locked(self, name: str, how: int) -> Iterator[bool]:
        """Hold one of the home's locks; it goes with the process, however that ends.

        Parameters
        ----------
        how
            As `fcntl.flock` takes it. With ``LOCK_NB`` False is given if another holds it.
        """
        with self._lock_file(name) as file:
            try:
                fcntl.flock(file, how)
            except BlockingIOError:
                yield False
                return
            yield True

    @contextlib.contextmanager
    def following(self) -> Iterator[bool]:
        """Follow the growing files of all datasets alone; False is given if another process does.

        The lock goes with the process, however that ends.
        """
        with self.locked("following", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:
            yield is_alone

    @contextlib.contextmanager
    def kept(self) -> Iterator[None]:
        """See to it that the home is not started over, as long as services work in it.

        To be held before any of its files is opened.
        """
        with self.locked("services", fcntl.LOCK_SH):
            yield

    def start_over(self) -> None:
        """Delete all that is in it, but for its locks: whoever waits for one holds it then.

        Raises
        ------
        ResourceError
            If a run is under way, or services work in it: what is sent to these would be lost.
        """
        with self.lock(), self._unserved():
            for entry in self.path.iterdir():
                if entry.name not in ("lock", "locks"):
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    @contextlib.contextmanager
    def _unserved(self) -> Iterator[None]:
        with self.locked("services", fcntl.LOCK_EX | fcntl.LOCK_NB) as is_alone:
            if not is_alone:
                raise ResourceError(
                    "services work in it, and take in what is sent.",
                    where=str(self.path),
                    fix="Stop `octavo up` first.",
                )
            yield

    def _lock_file(self, name: str) -> IO[str]:
        (self.path / "locks").mkdir(parents=True, exist_ok=True)
        return (self.path / "locks" / name).open("a+")

    @property
    def is_running(self) -> bool:
        """Whether a process runs the pipeline."""
        with (self.path / "lock").open("a+") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    @contextlib.contextmanager
    def lock(self, *, wait: bool = False) -> Iterator[None]:
        """Hold the home for one run; the lock goes with the process, however that ends.

        Parameters
        ----------
        wait
            Until no other process runs the pipeline.

        Raises
        ------
        ResourceError
            If another process is running the pipeline.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with (self.path / "lock").open("a+") as file:
            try:
                _take(file, wait)
            except OSError as error:
                file.seek(0)
                owner = file.read().strip() or "unknown"
                raise ResourceError(
                    f"another run is under way (process {owner}).",
                    where=str(self.path),
                    fix="Wait for it, or stop it; `octavo status` shows how far it is.",
                ) from error
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield


def _take(file: IO[str], wait: bool) -> None:
    """Lock a file; wakes now and then, so that Ctrl-C ends the waiting.

    Who only looks whether a run is under way holds it for a moment too: that refuses nothing.
    """
    for look in count():
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not wait and look == _LOOKS:
                raise
            time.sleep(_LOOK)
        else:
            return
