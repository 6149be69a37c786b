"""Parquet files and Delta folders; types as they give them, see `frames`.

Of a Delta folder its newest version is read. It knows nothing of text files.
"""

from pathlib import Path

import polars as pl
from deltalake.exceptions import DeltaError
from polars.exceptions import PolarsError

from octavo.errors import DataError
from octavo.stages.ingestion.frames import loaded
from octavo.stages.ingestion.loaded import Loaded, Wanted
from octavo.stages.ingestion.opening import Source


def load(path: Path, source: Source, wanted: Wanted) -> Loaded:
    """Read a Parquet file.

    Raises
    ------
    DataError
        If the file is damaged, has no rows, other columns, or other types than before.
    """
    try:
        return _collected(pl.scan_parquet(path, glob=False), wanted, source.place)
    except (PolarsError, OSError) as error:
        raise DataError(
            f"the Parquet file cannot be read: {str(error).splitlines()[0]}.",
            where=source.place,
            fix="It may be cut off or still being written: wait, or deliver it again.",
        ) from error


def load_delta(path: Path, wanted: Wanted, place: str) -> Loaded:
    """Read a Delta folder; as `load`."""
    try:
        return _collected(pl.scan_delta(str(path)), wanted, place)
    except (PolarsError, DeltaError, OSError) as error:
        raise DataError(
            f"the Delta table cannot be read: {str(error).splitlines()[0]}.",
            where=place,
            fix="Check that the folder is complete.",
        ) from error


def _collected(table: pl.LazyFrame, wanted: Wanted, place: str) -> Loaded:
    names = wanted.choose(table.collect_schema(), place)
    return loaded(table.select(names).collect(), wanted, place)
