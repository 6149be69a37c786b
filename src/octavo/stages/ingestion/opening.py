"""Opening a file: what its name says it is, unpacking, and what can be wrong before any record.

It knows nothing of records, columns or types.
"""

import gzip
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import IO, cast

from octavo.errors import DataError, ResourceError

_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".parquet": "parquet",
}
_NOT_TEXT = {
    b"\x1f\x8b": ("is gzip-compressed", "Give it the ending .gz, or unpack it."),
    b"PK\x03\x04": ("is a zip archive", "Give it the ending .zip, or unpack it."),
    b"PAR1": ("is a Parquet file", "Give it the ending .parquet."),
    b"\xff\xfe": ("is UTF-16 text", "Save it as UTF-8."),
    b"\xfe\xff": ("is UTF-16 text", "Save it as UTF-8."),
}
_BOM = b"\xef\xbb\xbf"
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\x0b\x0c")


@dataclass(frozen=True, slots=True)
class Source:
    """A file being read, unpacked on the way.

    Attributes
    ----------
    kind
        ``csv``, ``ndjson`` or ``parquet``.
    name
        Name of the data file; inside a zip archive, its name there.
    place
        Dataset and path, for messages.
    total
        Size on disk, bytes.
    """

    kind: str
    name: str
    place: str
    total: int
    _stream: IO[bytes]
    _file: IO[bytes]

    @property
    def done(self) -> int:
        """Bytes of the file on disk which have been read."""
        return min(self._file.tell(), self.total)

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` unpacked bytes, fewer only at the end.

        Raises
        ------
        DataError
            If the packed file is cut off or damaged.
        ResourceError
            If the disk fails.
        """
        try:
            return self._stream.read(size)
        except EOFError as error:
            raise _cut_off(self.place) from error
        except (gzip.BadGzipFile, zipfile.BadZipFile, zlib.error) as error:
            raise _damaged(self.place, error) from error
        except OSError as error:
            raise ResourceError(
                f"the file cannot be read: {error.strerror}.",
                where=self.place,
                fix="Check the disk.",
            ) from error


def kind_of(name: str, *, place: str) -> str:
    """Return what kind of data a file name promises, packed or not."""
    path = PurePath(name.lower())
    kind = _KINDS.get(PurePath(path.stem).suffix if path.suffix == ".gz" else path.suffix)
    if kind is None or (kind == "parquet" and path.suffix == ".gz"):
        raise DataError(
            f"{PurePath(name).name!r} is of no kind that can be read.",
            where=place,
            fix="Name it .csv, .tsv, .txt, .ndjson or .jsonl (also with .gz, or alone in a .zip), "
            "or .parquet.",
        )
    return kind


def file_of(path: Path, place: str) -> IO[bytes]:
    """Open a file as it is.

    Raises
    ------
    DataError
        If there is no such file or it may not be read.
    """
    try:
        return path.open("rb")
    except OSError as error:
        what, fix = f"the file cannot be opened: {error.strerror}.", "Check the disk."
        if path.is_dir():
            what, fix = "this is a folder.", "Name the files in it, for example with /*.csv."
        elif isinstance(error, FileNotFoundError):
            what, fix = "there is no such file.", "Check the name."
        elif isinstance(error, PermissionError):
            what, fix = "the file may not be read.", "Give this user permission to read it."
        raise DataError(what, where=place, fix=fix) from error


@contextmanager
def opened(path: Path, where: str) -> Iterator[Source]:
    """Open a data file for reading.

    Parameters
    ----------
    path
        File, named by its kind.
    where
        The dataset, for messages.

    Raises
    ------
    DataError
        If there is no such file, it may not be read, or it is not what its name says.
    """
    place = f"{where}, file {path}"
    with file_of(path, place) as file:
        total = path.stat().st_size
        if total == 0:
            raise DataError("the file is empty.", where=place, fix="Deliver it again.")
        name, stream = path.name, file
        if path.suffix.lower() == ".zip":
            name, stream = _member(file, place)
        elif path.suffix.lower() == ".gz":
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        with stream:
            yield Source(kind_of(name, place=place), name, place, total, stream, file)


def text_begun(source: Source, size: int) -> bytes:
    """Return the first bytes of a text file, without its byte order mark.

    Raises
    ------
    DataError
        If there are none, or if they are no UTF-8 text.
    """
    head = source.read(size)
    for signature, (what, fix) in _NOT_TEXT.items():
        if head.startswith(signature):
            raise DataError(f"the file {what}.", where=source.place, fix=fix)
    head = head.removeprefix(_BOM).lstrip(b"\r\n")
    if not head.strip():
        raise DataError("the file is empty.", where=source.place, fix="Deliver it again.")
    first = head.split(b"\n", 1)[0]
    try:
        first.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"its first line is not UTF-8 text (byte 0x{first[error.start]:02x}).",
            where=source.place,
            fix="Is this a text file? If so, save it as UTF-8.",
        ) from error
    if _CONTROL.intersection(first):
        raise DataError(
            "its first line holds control characters: this is not a text file.",
            where=source.place,
            fix="Check what was delivered.",
        )
    return head


def _member(file: IO[bytes], place: str) -> tuple[str, IO[bytes]]:
    try:
        archive = zipfile.ZipFile(file)
    except zipfile.BadZipFile as error:
        raise DataError(
            "the file is not a zip archive, or only the beginning of one.",
            where=place,
            fix="Deliver it again; if it is still being written, wait.",
        ) from error
    names = [
        info.filename
        for info in archive.infolist()
        if not info.is_dir() and not info.filename.startswith("__MACOSX/")
    ]
    if len(names) != 1:
        listed = f": {', '.join(names[:5])}" + (", …" if len(names) > 5 else "") if names else ""
        raise DataError(
            f"the archive holds {len(names)} files{listed}.",
            where=place,
            fix="Put exactly one data file into each archive.",
        )
    if kind_of(names[0], place=place) == "parquet":
        raise DataError(
            "the archive holds a Parquet file.", where=place, fix="Deliver it unpacked."
        )
    try:
        return names[0], archive.open(names[0])
    except (RuntimeError, NotImplementedError, zipfile.BadZipFile) as error:
        raise _damaged(place, error) from error


def _cut_off(place: str) -> DataError:
    return DataError(
        "the file ends in the middle: it was cut off or is still being written.",
        where=place,
        fix="Wait until it is complete, or deliver it again.",
    )


def _damaged(place: str, error: Exception) -> DataError:
    return DataError(
        f"the packed file cannot be unpacked: {error}.", where=place, fix="Deliver it again."
    )
