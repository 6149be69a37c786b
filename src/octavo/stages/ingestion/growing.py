"""Files that grow: how far each was read, and whether a file is still the one that was read.

A file is told by what was read of it: its first bytes, and those before the place up to which it
was read; the first are known before any of it is sent. So it is recognized under another name, a
new one under its name is not taken for it, and nothing depends on numbers that a network folder may
change. It knows nothing of records.
"""

import contextlib
import os
import uuid
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import IO, NamedTuple

import msgspec

WINDOW = 1024
"""Bytes at either end by which a file is recognized."""


class Followed(msgspec.Struct, kw_only=True):
    """A file, and how far it was read."""

    id: str
    """Unique; begins the idempotency keys of its blocks."""
    path: str
    """Where it was seen last."""
    end: int = 0
    """Bytes that were read: whole records."""
    line: int = 1
    """The number of the next line."""
    head: bytes = b""
    """Its first bytes, at most `WINDOW`: those that were read; before that, that told its form."""
    last: bytes = b""
    """The last of them."""
    kind: str = ""
    """What it is, however it is called later."""
    told: int = 0
    """Its first bytes that told how it is written; what comes later does not change that."""

    def read_on(self, data: bytes) -> None:
        """Take in that some more bytes were read."""
        self.head = (self.head[: self.end] + data[:WINDOW])[:WINDOW]
        self.last = (self.last + data[-WINDOW:])[-WINDOW:]
        self.end += len(data)
        self.line += data.count(b"\n")

    def is_at(self, path: Path) -> bool:
        """Return whether a file begins with all that was read, as far as that can be told."""
        try:
            with path.open("rb") as file:
                return self.is_in(file)
        except OSError:
            return False

    def is_in(self, file: IO[bytes]) -> bool:
        """Return the same of an open file."""
        file.seek(0)
        head = file.read(len(self.head))
        file.seek(self.end - len(self.last))
        return (head, file.read(len(self.last))) == (self.head, self.last)


def begun(path: Path) -> Followed:
    """Return a file of which nothing was read."""
    return Followed(id=uuid.uuid4().hex, path=str(path))


class Looked(NamedTuple):
    """What has become of files."""

    there: list[Followed]
    """Those that can be read on."""
    away: list[Followed]
    """Those that are nowhere; they may come back."""
    told: list[str]
    """What a person should know."""


def divided(known: Sequence[Followed]) -> tuple[list[Followed], list[Followed]]:
    """Return the files that are where they were seen last, and the others."""
    there: list[Followed] = []
    lost: list[Followed] = []
    for each in known:
        (there if each.is_at(Path(each.path)) else lost).append(each)
    return there, lost


def look(there: Sequence[Followed], lost: Sequence[Followed], paths: Sequence[Path]) -> Looked:
    """Find files again, and those that are new.

    A file that was renamed in its folder is found there, whatever it is called. One that is shorter
    than what was read of it, or begins otherwise, is another one: it is read from its beginning.

    Parameters
    ----------
    there, lost
        As from `divided`.
    paths
        What there is to be followed now.
    """
    there, told = [*there], []
    taken = {each.path for each in there}
    around = _Around(paths)
    away: list[Followed] = []
    for each in lost:
        was = each.path
        place = around.find(each, taken) if each.head else None
        if place is None:
            away.append(each)
            continue
        each.path = str(place)
        taken.add(each.path)
        there.append(each)
        told.append(f"{was} is called {place.name} now, and read on there.")
    for path in paths:
        if str(path) in taken:
            continue
        if former := [each for each in away if each.path == str(path)]:
            told.append(
                f"{path} was replaced or cut, after {former[-1].end:,} bytes: it is read from its "
                "beginning."
            )
            away = [each for each in away if each not in former]
        there.append(begun(path))
    return Looked(there, away, told)


class _Around:
    """Where files may be that are not where they were: each is opened once, however many are."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._beside: dict[Path, list[Path]] = {}
        self._heads: dict[Path, bytes] = {}

    def find(self, file: Followed, taken: Collection[str]) -> Path | None:
        """Return where a file is now: under one of the paths, or beside where it was."""
        folder = Path(file.path).parent
        if folder not in self._beside:
            self._beside[folder] = []
            with contextlib.suppress(OSError):
                self._beside[folder] = sorted(each for each in folder.iterdir() if each.is_file())
        for path in dict.fromkeys((*self._paths, *self._beside[folder])):
            if str(path) in taken or str(path) == file.path:
                continue
            if self._head(path).startswith(file.head) and file.is_at(path):
                return path
        return None

    def _head(self, path: Path) -> bytes:
        if path not in self._heads:
            self._heads[path] = b""
            with contextlib.suppress(OSError), path.open("rb") as file:
                self._heads[path] = file.read(WINDOW)
        return self._heads[path]


def load(path: Path) -> list[Followed] | None:
    """Return the files that were followed; None before the first."""
    if not path.exists():
        return None
    return msgspec.json.decode(path.read_bytes(), type=list[Followed])


def store(path: Path, files: Sequence[Followed]) -> None:
    """Keep how far files were read, durably."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        file.write(msgspec.json.encode(files))
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
