"""What a database gave, on disk before it is ingested: read once, then a source like a file.

A folder of Parquet files with the columns as they came, and beside them what their texts are:
``open`` are numbers of any kind, whose type all of them decide; ``datetime`` and ``date`` are times
as the database writes them, also those that no dataset can hold. It knows nothing of databases.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import polars.selectors as cs
import xxhash

from octavo.stages.ingestion.frames import Frames, opened
from octavo.stages.ingestion.loaded import Wanted
from octavo.stages.ingestion.parquet import explained_file
from octavo.stages.ingestion.types import TIME
from octavo.stores.staged import sync

_COLUMNS = "columns.json"
_KINDS: dict[str, pl.DataType | None] = {"open": None, "datetime": TIME, "date": pl.Date()}


@dataclass(frozen=True)
class Written:
    """What a piece of an extract holds.

    Attributes
    ----------
    rows
        Number of rows.
    content
        Sum of the hashes of the rows: the same in whatever order they come.
    """

    rows: int = 0
    content: int = 0

    def __add__(self, other: "Written") -> "Written":
        return Written(self.rows + other.rows, (self.content + other.content) % (1 << 128))


def write(folder: Path, number: int, frames: Iterable[pl.DataFrame]) -> Written:
    """Write a piece; pieces are read in the order of their numbers."""
    written = Written()
    for count, frame in enumerate(frame for frame in frames if frame.height):
        file = folder / f"{number:05}-{count:06}.parquet"
        frame.write_parquet(file)
        sync(file)
        written += Written(frame.height, _content(frame))
    return written


def finish(folder: Path, written: Written, kinds: Mapping[str, str]) -> Path:
    """Make an extract whole, and return its place: beside ``folder``, called by its content.

    An extract of the same content that is there stays: its rows may be in the raw store already,
    in its order.
    """
    (folder / _COLUMNS).write_text(json.dumps(kinds))
    content = json.dumps([written.rows, f"{written.content:032x}", sorted(kinds.items())])
    place = folder.with_name(xxhash.xxh3_128_hexdigest(content.encode()))
    if place.exists():
        shutil.rmtree(folder)
    else:
        sync(folder / _COLUMNS)
        sync(folder)
        folder.rename(place)
    return place


def load(folder: Path, wanted: Wanted, place: str, size: int) -> Frames:
    """Begin to read an extract; as `octavo.stages.ingestion.parquet.load`."""
    kinds = json.loads((folder / _COLUMNS).read_text())
    given = {name: _KINDS[kind] for name, kind in kinds.items()}
    with explained_file(place):
        table = pl.scan_parquet(sorted(folder.glob("*.parquet")), glob=False)
        return opened(table, wanted, place, size, explained_file(place), given)


def _content(frame: pl.DataFrame) -> int:
    """Return the sum of the hashes of rows, as JSON; there NaN and infinity would be null."""
    lines = frame.with_columns(cs.float().cast(pl.String)).write_ndjson().encode().splitlines()
    return sum(map(xxhash.xxh3_128_intdigest, lines))
