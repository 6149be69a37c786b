"""Excel and OpenDocument sheets; types as their cells have them, see `frames`.

The workbook has one sheet with data, whose first row names the columns. A column whose cells are of
several types is text. It needs the library fastexcel, an extra. It knows nothing of text files.
"""

from importlib.util import find_spec
from pathlib import Path

import polars as pl

from octavo.errors import DataError, ResourceError
from octavo.stages.ingestion.frames import Frames, opened
from octavo.stages.ingestion.loaded import Wanted
from octavo.stages.ingestion.opening import Source


def load(path: Path, source: Source, wanted: Wanted) -> Frames:
    """Read a workbook.

    Raises
    ------
    DataError
        If the file is damaged, has several sheets with data or none, or lacks a column that is
        needed.
    ResourceError
        If fastexcel is not installed.
    """
    if find_spec("fastexcel") is None:
        raise ResourceError.not_installed("fastexcel", extra="excel", where=source.place)
    import fastexcel  # an extra

    try:
        book = fastexcel.read_excel(path)
        sheets = {name: book.load_sheet(name).to_polars() for name in book.sheet_names}
    except (fastexcel.FastExcelError, pl.exceptions.PolarsError, OSError) as error:
        raise DataError(
            f"the workbook cannot be read: {str(error).splitlines()[0]}.",
            where=source.place,
            fix="Open it in a spreadsheet program and save it again, or save it as CSV.",
        ) from error
    filled = {name: sheet for name, sheet in sheets.items() if sheet.height}
    if len(filled) != 1:
        listed = f": {', '.join(map(repr, filled))}" if filled else ""
        raise DataError(
            f"the workbook has {len(filled)} sheets with data{listed}.",
            where=source.place,
            fix="Save the one sheet that is meant as a file of its own.",
        )
    frame = next(iter(filled.values()))
    return opened(frame.lazy(), wanted, source.place, source.total)
