"""Parquet files and Delta folders; types as they give them, see `frames`.

Of a Delta folder its newest version is read. It knows nothing of text files.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError
from polars.exceptions import PolarsError

from octavo.errors import DataError
from octavo.stages.ingestion.frames import Frames, opened
from octavo.stages.ingestion.loaded import Wanted
from octavo.stages.ingestion.opening import Source


def load(path: Path, source: Source, wanted: Wanted) -> Frames:
    """Begin to read a Parquet file.

    Raises
    ------
    DataError
        If the file is damaged, has no rows, or lacks a column that is needed.
    """
    place = source.place
    with explained_file(place):
        table = pl.scan_parquet(path, glob=False)
        return opened(table, wanted, place, source.total, explained_file(place))


def load_delta(path: Path, wanted: Wanted, place: str, size: int) -> Frames:
    """Begin to read a Delta folder; as `load`."""
    with _explained_folder(place):
        return opened(pl.scan_delta(str(path)), wanted, place, size, _explained_folder(place))


@contextmanager
def explained_file(place: str) -> Iterator[None]:
    """Say what it means that a Parquet file cannot be read."""
    try:
        yield
    except (PolarsError, OSError) as error:
        raise DataError(
            f"the Parquet file cannot be read: {str(error).splitlines()[0]}.",
            where=place,
            fix="It may be cut off or still being written: wait, or deliver it again.",
        ) from error


@contextmanager
def _explained_folder(place: str) -> Iterator[None]:
    try:
        yield
    except (PolarsError, DeltaError, OSError) as error:
        raise DataError(
            f"the Delta table cannot be read: {str(error).splitlines()[0]}.",
            where=place,
            fix="Check that the folder is complete.",
        ) from error
