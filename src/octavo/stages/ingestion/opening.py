"""Opening a file: what its name says it is, unpacking, and what can be wrong before any record.

It knows nothing of records, columns or types.
"""

import codecs
import gzip
import re
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import IO, cast

from octavo.errors import DataError, ResourceError
from octavo.stages.ingestion.encodings import UTF8, told_encoding, without_mark

_KINDS = {
    ".csv": "csv",
    ".tsv": "csv",
    ".txt": "csv",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".json": "json",
    ".arff": "arff",
    ".log": "lines",
    ".parquet": "parquet",
    ".xlsx": "excel",
    ".xls": "excel",
    ".ods": "excel",
}
_ROTATED = re.compile(r"\.log\.[0-9]+$")
_BINARY = {"parquet": "a Parquet", "excel": "an Excel"}
_NOT_TEXT = {
    b"\x1f\x8b": ("is gzip-compressed", "Give it the ending .gz, or unpack it."),
    b"PK\x03\x04": ("is a zip archive", "Give it the ending .zip, or unpack it."),
    b"PAR1": ("is a Parquet file", "Give it the ending .parquet."),
}
_CONTROL = frozenset(range(32)) - frozenset(b"\t\n\r\x0b\x0c")


@dataclass(slots=True)
class Source:
    """A file being read, unpacked on the way.

    Attributes
    ----------
    kind
        ``csv``, ``ndjson``, ``json``, ``arff``, ``lines``, ``parquet`` or ``excel``.
    name
        Name of the data file; inside a zip archive, its name there.
    place
        Dataset and path, for messages.
    total
        Size on disk, bytes.
    encoding
        Of a text, as declared; None: it is told from its first bytes.
    """

    kind: str
    name: str
    place: str
    total: int
    _stream: IO[bytes]
    _file: IO[bytes]
    encoding: str | None = None
    _decoder: codecs.IncrementalDecoder | None = field(default=None, init=False)

    @property
    def done(self) -> int:
        """Bytes of the file on disk which have been read."""
        return min(self._file.tell(), self.total)

    def read(self, size: int = -1) -> bytes:
        """Return the next ``size`` unpacked bytes, fewer only at the end.

        Of a text that is not UTF-8, as many are read and their UTF-8 is returned, see `recode`.

        Raises
        ------
        DataError
            If the packed file is cut off or damaged.
        ResourceError
            If the disk fails.
        """
        data = self._unpacked(size)
        if self._decoder is None:
            return data
        return self._decoder.decode(data, final=not data).encode()

    def recode(self, encoding: str, head: bytes) -> bytes:
        r"""Return what has been read of a text as UTF-8, and read the rest so from now on.

        Bytes that are no letters of the encoding become ``\x81``.
        """
        if encoding == UTF8:
            return head
        self._decoder = codecs.getincrementaldecoder(encoding)(errors="backslashreplace")
        return self._decoder.decode(head).encode()

    def _unpacked(self, size: int) -> bytes:
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


def told_kind(name: str) -> str | None:
    """Return what kind of data a file name promises, packed or not; None if it promises nothing."""
    path = PurePath(name.lower())
    plain = PurePath(path.stem if path.suffix == ".gz" else path.name)
    kind = "lines" if _ROTATED.search(plain.name) else _KINDS.get(plain.suffix)
    return None if kind in _BINARY and path.suffix == ".gz" else kind


def kind_of(name: str, *, place: str) -> str:
    """Return what kind of data a file name promises.

    Raises
    ------
    DataError
        If it promises nothing that can be read.
    """
    kind = told_kind(name)
    if kind is None:
        raise DataError(
            f"{PurePath(name).name!r} is of no kind that can be read.",
            where=place,
            fix="Name it .csv, .tsv, .txt, .ndjson, .jsonl, .json, .arff or .log (also with .gz, "
            "or alone in a .zip), .parquet, .xlsx, .xls or .ods.",
        )
    return kind


def is_delta(path: Path) -> bool:
    """Return whether a path is the folder of a Delta table."""
    return (path / "_delta_log").is_dir()


def inside(folder: Path) -> list[Path]:
    """Return all files in a folder, sorted."""
    return sorted(path for path in folder.rglob("*") if path.is_file())


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
def opened(
    path: Path, where: str, encoding: str | None = None, kind: str | None = None
) -> Iterator[Source]:
    """Open a data file for reading.

    Parameters
    ----------
    path
        File, named by its kind.
    where
        The dataset, for messages.
    encoding
        Of a text; None: it is told from the file.
    kind
        What it is, whatever it is called; None: what its name says.

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
            name, stream = _member(file, place, kind)
        elif path.suffix.lower() == ".gz":
            stream = cast("IO[bytes]", gzip.GzipFile(fileobj=file))
        with stream:
            kind = kind or kind_of(name, place=place)
            yield Source(kind, name, place, total, stream, file, encoding)


def text_begun(source: Source, size: int) -> bytes:
    """Return the first bytes of a text file as UTF-8, without its byte order mark.

    Raises
    ------
    DataError
        If there are none, or if they are no text.
    """
    head = source.read(size)
    for signature, (what, fix) in _NOT_TEXT.items():
        if head.startswith(signature):
            raise DataError(f"the file {what}.", where=source.place, fix=fix)
    head = source.recode(told_encoding(head, source.encoding), without_mark(head))
    head = head.lstrip(b"\r\n")
    if not head.strip():
        raise DataError("the file is empty.", where=source.place, fix="Deliver it again.")
    first = head.split(b"\n", 1)[0]
    try:
        first.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"its first line is not UTF-8 text (byte 0x{first[error.start]:02x}).",
            where=source.place,
            fix='Is this a text? If so, declare its encoding: ov.Files(…, encoding="latin-1").',
        ) from error
    if _CONTROL.intersection(first):
        raise DataError(
            "its first line holds control characters: this is not a text file.",
            where=source.place,
            fix="Check what was delivered.",
        )
    return head


def _member(file: IO[bytes], place: str, kind: str | None) -> tuple[str, IO[bytes]]:
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
    kind = kind or kind_of(names[0], place=place)
    if kind in _BINARY:
        raise DataError(
            f"the archive holds {_BINARY[kind]} file.", where=place, fix="Deliver it unpacked."
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
