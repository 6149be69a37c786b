"""Compaction: many small data files of a table become few, and what nobody reads goes.

*It changes files, not rows*: each merged file is read back, and holds the rows of those it
replaces, in their order, before it takes their place. Replaced files stay on disk as long as
someone may read an earlier version of the table. It knows nothing of what the rows mean, or of when
it is time.
"""

import contextlib
import os
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import xxhash

from octavo.errors import ResourceError
from octavo.stores.delta import DeltaLog, File
from octavo.stores.staged import Staged

LARGE = 1 << 25
"""Bytes of a data file, as it is on disk, that need no company."""
FEWEST = 8
"""Files that are worth a merge."""
_MERGED = "_merged-"  # begins the folders of files that are being made


def worth(files: Sequence[File]) -> list[list[File]]:
    """Return which files are to become one, of a table's, in the order of their rows.

    Counted from the newest on, a file is taken in where those after it are together at least half
    as large. So sizes grow from file to file, few are left however many come, and a row is written
    again only when its file grows by half, until that is `LARGE`.
    """
    found: list[list[File]] = []
    run: list[File] = []
    size = 0
    for file in reversed(files):
        if run and (file.bytes > 2 * size or file.bytes + size > LARGE):
            found.append(run)
            run, size = [], 0
        run.append(file)
        size += file.bytes
    found.append(run)
    return [each[::-1] for each in found[::-1] if len(each) >= FEWEST]


def compact(log: DeltaLog, folder: Path) -> list[File]:
    """Merge the files of a table that are worth it; return those that are replaced.

    Any number of processes may do so at once, beside those that append and read: what another has
    replaced meanwhile is left to it. Killed, it has changed nothing, or all of one merge.

    Parameters
    ----------
    folder
        The table's.

    Raises
    ------
    ResourceError
        If a file does not read as it was written, the disk is full or may not be written.
    """
    replaced: list[File] = []
    for group in worth(log.files()):
        with TemporaryDirectory(prefix=_MERGED, dir=folder) as merged:
            staged = Staged(Path(merged))
            before = _digest(_added(log.frames(group), staged))
            after = _digest(pl.read_parquet(Path(merged, each.path)) for each in staged.files())
            if before != after:
                raise ResourceError(
                    "merged rows do not read as they were written; nothing was replaced.",
                    where=log.url,
                    fix="Check the disk and the memory.",
                )
            if log.replace(group, staged):
                replaced += group
    return replaced


def _added(frames: Iterable[pl.DataFrame], staged: Staged) -> Iterator[pl.DataFrame]:
    for frame in frames:
        staged.add(frame)
        yield frame


def _digest(frames: Iterable[pl.DataFrame]) -> tuple[int, str]:
    """Return how many rows there are, and the hash of them in their order."""
    rows, digest = 0, xxhash.xxh3_128()
    for frame in frames:
        rows += frame.height
        digest.update(frame.hash_rows().to_numpy().tobytes())
    return rows, digest.hexdigest()


def unread(log: DeltaLog, folder: Path, older: float) -> list[Path]:
    """Return the files and folders of a table that no version of it needs, or no reader any more.

    Parameters
    ----------
    older
        Seconds since they were replaced, or left by who was killed. Longer than any read takes, and
        than any writer may be stopped between a file and its commit.
    """
    until = time.time() - older
    # What is there is looked at first: what is committed afterwards is then named.
    there = [*folder.glob("*.parquet"), *folder.glob(f"{_MERGED}*")]
    there += (folder / "_delta_log").glob("*.tmp")
    named = {file.path for file in log.files()}
    return [path for path in there if path.name not in named and changed(path) < until]


def changed(path: Path) -> float:
    """Return when a file was last written, seconds since the epoch; if it has just gone: now."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return time.time()


def within(path: Path) -> Iterator[Path]:
    """Give a file or folder and all that is in it, but what goes meanwhile."""
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def delete(paths: Iterable[Path], *, dry_run: bool = False) -> int:
    """Delete files and folders; return how many bytes they had.

    Parameters
    ----------
    dry_run
        Only count.
    """
    freed = 0
    for path in paths:
        for file in within(path):
            with contextlib.suppress(FileNotFoundError):
                freed += file.stat().st_size
        if not dry_run and path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not dry_run:
            path.unlink(missing_ok=True)
    return freed
