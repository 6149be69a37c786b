"""What a batch score has done so far, on disk beside its output: it may be killed at any instant.

A part, the answers for some rows in a row of a file, gets its name when it is whole; a file is done
when all of its parts are. The output gets its name last, when there is all of it. Whoever scores
the same again finds the parts that are there; another model, other features or other files begin
anew.

It knows nothing of how rows are read or scored.
"""

import contextlib
import fcntl
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import polars as pl

from octavo.errors import DataError, ResourceError
from octavo.stores.staged import sync, write_shared

ANSWERS, REJECTED, RECORDS = "answers", "rejected", "records"
"""What a part consists of: answers come last."""
_SINKS = {
    ".parquet": pl.LazyFrame.sink_parquet,
    ".csv": pl.LazyFrame.sink_csv,
    ".ndjson": pl.LazyFrame.sink_ndjson,
    ".arrow": pl.LazyFrame.sink_ipc,
}


class Part(NamedTuple):
    """Some rows in a row of a file."""

    file: int
    """Its number in the job."""
    reading: int
    """The how many-eth time that the file is read, since it turned out to be otherwise typed."""
    first: int
    """Number of its first row in the file."""
    rows: int
    """Those that could not be scored among them."""

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.file:06}-{self.first:012}-{self.rows:09}"


class Done(NamedTuple):
    """What became of a file."""

    parts: list[Part]
    scored: int
    rejected: int


class Job:
    """A folder beside the output. See `opened`.

    Attributes
    ----------
    name
        Names its rows in the prediction log.
    goes_on
        Whether something was done before.
    """

    def __init__(self, folder: Path, output: Path, name: str, *, goes_on: bool) -> None:
        self.folder, self.output = folder, output
        self.name, self.goes_on = name, goes_on

    def has(self, part: Part) -> bool:
        """Return whether a part is whole."""
        return self._path(part, ANSWERS).exists()

    def keep(self, part: Part, frames: Mapping[str, pl.DataFrame]) -> None:
        """Write a part: rows by `ANSWERS`, and by `REJECTED` and `RECORDS` where there are any."""
        for what in (REJECTED, RECORDS, ANSWERS):
            if what == ANSWERS or frames[what].height:
                path = self._path(part, what)
                path.parent.mkdir(exist_ok=True)
                with _whole(path) as new:
                    self._write(what, new, frames[what])

    def _write(self, what: str, path: Path, frame: pl.DataFrame) -> None:
        if what == RECORDS:
            write_shared(path, frame)
        else:
            # What is read again in a moment is packed quickly, not small.
            frame.write_parquet(path, compression="lz4" if self.output.suffix else "zstd")

    def done(self, file: int) -> Done | None:
        """Return what became of a file; None: it is not done."""
        try:
            parts, *counts = json.loads(self._mark(file).read_text())
        except FileNotFoundError:
            return None
        return Done([Part(*each) for each in parts], *counts)

    def end(self, file: int, done: Done) -> None:
        """Keep that a file is done."""
        with _whole(self._mark(file)) as new:
            new.write_text(json.dumps(done))

    def rows(self, what: str, parts: Sequence[Part]) -> pl.LazyFrame | None:
        """Return what some parts have, in their order; None: nothing."""
        paths = self.paths(what, parts)
        return pl.scan_parquet(paths, glob=False) if paths else None

    def paths(self, what: str, parts: Sequence[Part]) -> list[Path]:
        """Return the files of some parts, in their order: those that have any rows."""
        return [path for part in parts if (path := self._path(part, what)).exists()]

    def publish(self, parts: Sequence[Part]) -> Path | None:
        """Give the output its name, and return where the rejected rows are; None: there are none.

        Files of these names are replaced. If it is killed, it is done again.
        """
        self._publishing.touch()
        rejected = rejected_of(self.output)
        found = self.rows(REJECTED, parts)
        if found is not None:
            self._place(rejected, REJECTED, parts, found)
        elif rejected.is_file():
            rejected.unlink()  # of another time
        answers = self.rows(ANSWERS, parts)
        assert answers is not None, "each part has some"
        self._place(self.output, ANSWERS, parts, answers)
        _clear(self.folder)
        self.folder.rmdir()
        return None if found is None else rejected

    @property
    def is_publishing(self) -> bool:
        """Whether all was done before, and only the names were missing."""
        return self._publishing.exists()

    @property
    def _publishing(self) -> Path:
        return self.folder / "publishing"

    def _place(self, output: Path, what: str, parts: Sequence[Part], rows: pl.LazyFrame) -> None:
        if self.output.suffix:
            with _whole(output, beside=self.folder) as new:
                _SINKS[output.suffix](rows, new, maintain_order=True)
        else:
            _place_folder(output, self.folder / f"{what}.whole", self._named(what, parts))

    def _named(self, what: str, parts: Sequence[Part]) -> Iterator[tuple[Path, str]]:
        for part in parts:
            if (path := self._path(part, what)).exists():
                yield path, f"part-{part.file:06}-{part.first:012}.parquet"

    def _path(self, part: Part, what: str) -> Path:
        return self.folder / f"reading-{part.reading}" / f"{part.name}.{what}.parquet"

    def _mark(self, file: int) -> Path:
        return self.folder / f"{file:06}.done"


def rejected_of(output: Path) -> Path:
    """Return where the rows are that could not be scored."""
    return output.with_name(f"{output.stem}.rejected{output.suffix}")


def _check(output: Path) -> None:
    """Refuse to take the place of a folder with something in it, or of a file by a folder."""
    if output.is_file() or (output.is_dir() and any(output.iterdir())):
        raise DataError(
            "it is there already.", where=str(output), fix="Remove it, or name another."
        )


@contextlib.contextmanager
def opened(output: Path, identity: Mapping[str, Any]) -> Iterator[Job]:
    """Give the job of an output, which nobody else works on.

    Parameters
    ----------
    output
        A file by its ending, or a folder of Parquet files.
    identity
        All that the output depends on, as JSON: if it is not what it was, what was done is void.

    Raises
    ------
    DataError
        If the output is a folder that is not empty, or a file where a folder is to be.
    ResourceError
        If another process works on it, or the disk is full.
    """
    folder = output.with_name(f".{output.name}.scoring")
    wanted = json.loads(json.dumps(identity))
    try:
        with _alone(folder, output):
            before = _read(folder / "job.json")
            same = before is not None and before["identity"] == wanted
            name = before["name"] if before is not None and same else uuid.uuid4().hex[:16]
            job = Job(folder, output, name, goes_on=same)
            if not output.suffix and not (same and job.is_publishing):
                _check(output)
                _check(rejected_of(output))
            if not same:
                _clear(folder)
                with _whole(folder / "job.json") as new:
                    new.write_text(json.dumps({"name": name, "identity": wanted}))
            yield job
    except OSError as error:
        raise ResourceError.refused(error, where=str(output)) from error


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


@contextlib.contextmanager
def _alone(folder: Path, output: Path) -> Iterator[None]:
    """Make a folder, and hold a lock on it that goes with the process."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if not os.fstat(held).st_nlink:  # who had it has just removed it
                continue
            yield
            return
        except BlockingIOError as error:
            what, fix = "another process scores into it.", "Wait for it."
            raise ResourceError(what, where=str(output), fix=fix) from error
        finally:
            os.close(held)


def _clear(folder: Path) -> None:
    """Delete all there is, first what says what was done: some of it would be taken for all."""
    (folder / "job.json").unlink(missing_ok=True)
    for each in folder.iterdir():
        shutil.rmtree(each) if each.is_dir() else each.unlink()


@contextlib.contextmanager
def _whole(path: Path, beside: Path | None = None) -> Iterator[Path]:
    """Give where to write a file; it gets its name when it is whole and on disk."""
    new = (beside or path.parent) / f"{path.name}.new"
    yield new
    sync(new)
    new.replace(path)
    sync(path.parent)


def _place_folder(output: Path, new: Path, files: Iterator[tuple[Path, str]]) -> None:
    """Make a folder of some files, all at once."""
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    for path, name in files:
        os.link(path, new / name)
    sync(new)
    shutil.rmtree(output, ignore_errors=True)
    new.rename(output)
    sync(output.parent)
