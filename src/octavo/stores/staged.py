"""Data files of a table before it knows of them.

Rows that do not fit into memory are written to files as they come, in a folder of their own; a
table takes all of them in at once (`octavo.stores.delta`), or the folder is removed. `Staged` are
given away; `Shared` stay where they are as well, for who may be killed and does it again. It knows
nothing of what the rows mean.
"""

import json
import os
import shutil
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from deltalake.transaction import AddAction

from octavo.stores.faults import explained

FILE = 1 << 27
"""Bytes of rows in memory that make a data file, more or less."""

_STATISTICS = "octavo.statistics"  # what a shared file calls them among its metadata
_LONGEST = 32  # characters of a text kept as the least or greatest of a file


class Staged:
    """Rows on their way into a table.

    Parameters
    ----------
    folder
        Where its files are; made if need be, on the disk of the table.
    size
        Bytes of rows to gather for a file.
    """

    def __init__(self, folder: Path, *, size: int = FILE) -> None:
        self.rows = self.bytes = 0
        """Those added; bytes as they are in memory."""
        self.folder = folder
        self._size = size
        self._held: list[pl.DataFrame] = []
        self._held_bytes = 0
        self._empty: pl.DataFrame | None = None
        self._files: list[AddAction] = []

    @property
    def has_columns(self) -> bool:
        """Whether a frame was added, be it without rows."""
        return self._empty is not None

    @property
    def empty(self) -> pl.DataFrame:
        """A frame of the columns, without rows; there must have been an `add`."""
        if self._empty is None:
            raise RuntimeError("no frame was added, so the columns are not known")
        return self._empty

    @property
    def held(self) -> pl.DataFrame:
        """The rows in memory, after an `add`: all of them, if they make no data file yet."""
        return pl.concat([self.empty, *self._held])

    def add(self, frame: pl.DataFrame) -> None:
        """Add rows; all frames have the same columns and types.

        Raises
        ------
        ResourceError
            If the disk is full or may not be written.
        """
        if self._empty is None:
            self._empty = frame.clear()
        if not frame.height:
            return
        self._held.append(frame)
        size = int(frame.estimated_size())
        self.rows, self.bytes = self.rows + frame.height, self.bytes + size
        self._held_bytes += size
        if self._held_bytes >= self._size:
            self._flush()

    def files(self) -> list[AddAction]:
        """Return all files, with what is in them; at least one."""
        if self._held or not self._files:
            self._flush()
        return self._files

    def scan(self) -> pl.LazyFrame:
        """Return all rows, lazily, in the order they were added; there must have been an `add`."""
        if not self._files:
            return self.held.lazy()
        return pl.scan_parquet([self.folder / file.path for file in self.files()], glob=False)

    def place(self, folder: Path) -> list[AddAction]:
        """Move the files to a table's folder, on the same disk."""
        for file in self.files():
            os.utime(self.folder / file.path)  # it may have waited long; now it is young
            (self.folder / file.path).rename(folder / file.path)
        return self._files

    def take_back(self, folder: Path, files: Iterable[AddAction]) -> None:
        """Undo `place` for some files."""
        for file in files:
            (folder / file.path).rename(self.folder / file.path)

    def _flush(self) -> None:
        with explained(str(self.folder)):
            self.folder.mkdir(parents=True, exist_ok=True)
            self._files.append(written(self.folder, pl.concat([self.empty, *self._held])))
        self._held, self._held_bytes = [], 0


class Shared:
    """Data files by `write_shared`, on any disk, that a table is to have as well.

    Parameters
    ----------
    paths
        At least one; all have the same columns and types.
    """

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths

    @property
    def empty(self) -> pl.DataFrame:
        """A frame of the columns, without rows."""
        return pl.DataFrame(schema=pl.read_parquet_schema(self._paths[0]))

    def scan(self) -> pl.LazyFrame:
        """Return all rows, lazily, in the order of the files."""
        return pl.scan_parquet(self._paths, glob=False)

    def place(self, folder: Path) -> list[AddAction]:
        """Link the files in a table's folder, or copy them if that is on another disk."""
        added, made = [], []
        try:
            for path in self._paths:
                made.append(new := _new_in(folder))
                os.utime(path)  # see `Staged.place`
                try:
                    os.link(path, new)
                except OSError:
                    shutil.copyfile(path, new)
                added.append(_added(new, pl.read_parquet_metadata(path)[_STATISTICS]))
        except BaseException:
            for new in made:
                new.unlink(missing_ok=True)
            raise
        return added

    def take_back(self, folder: Path, files: Iterable[AddAction]) -> None:
        """Undo `place` for some files."""
        for file in files:
            (folder / file.path).unlink(missing_ok=True)


def written(folder: Path, frame: pl.DataFrame) -> AddAction:
    """Write a data file; no reader knows of it yet, and it may not have reached the disk."""
    path = _new_in(folder)
    try:
        frame.write_parquet(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return _added(path, json.dumps(_statistics(frame)))


def write_shared(path: Path, frame: pl.DataFrame) -> None:
    """Write a data file that can become a table's, as a part of `Shared`.

    Packed quickly: there are many small ones, which are packed again when they are merged. A table
    keeps its own statistics of each.
    """
    options: dict[str, Any] = {"compression": "zstd", "compression_level": 1, "statistics": False}
    frame.write_parquet(path, **options, metadata={_STATISTICS: json.dumps(_statistics(frame))})


def _new_in(folder: Path) -> Path:
    return folder / f"part-{uuid.uuid4()}.parquet"


def _added(path: Path, statistics: str) -> AddAction:
    found = path.stat()
    return AddAction(path.name, found.st_size, {}, found.st_mtime_ns // 1_000_000, True, statistics)


def _statistics(frame: pl.DataFrame) -> dict[str, Any]:
    """Return what lets a reader skip the file: least and greatest of the columns that order it.

    Numbers that may be NaN are left out: readers disagree whether it is great or nothing.
    """
    ordered = frame.select(cs.integer() | cs.string() | cs.date() | cs.datetime())
    times = cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"), cs.date().dt.strftime("%Y-%m-%d")
    bounds = [
        found.with_columns(*times).row(0, named=True) for found in (ordered.min(), ordered.max())
    ]
    short = [
        {name: value for name, value in bound.items() if not _too_long(value)} for bound in bounds
    ]
    return {
        "numRecords": frame.height,
        "minValues": short[0],
        "maxValues": short[1],
        "nullCount": ordered.null_count().row(0, named=True) if ordered.width else {},
    }


def _too_long(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) > _LONGEST)


def sync(path: Path) -> None:
    """Bring a file or folder to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
