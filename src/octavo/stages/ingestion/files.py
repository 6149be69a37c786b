"""Reading a file: typed rows, and the records that cannot be rows with the reason.

This is the door to the formats: delimited text, NDJSON, JSON, ARFF (all also packed), Parquet,
Delta folders and Excel. Types are decided over the whole file, never a sample, or are those of the
dataset's earlier batches. It knows nothing of batches, checks or stores.
"""

import glob
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import xxhash

from octavo.definition import Csv
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.quality import Finding
from octavo.quality.written import mixed_dates
from octavo.stages.ingestion import (
    arff,
    delimited,
    excel,
    json_document,
    json_lines,
    parquet,
    types,
)
from octavo.stages.ingestion.loaded import ROW, Loaded, Rejection, Wanted
from octavo.stages.ingestion.moments import open_order
from octavo.stages.ingestion.opening import Source, file_of, opened
from octavo.stages.ingestion.types import Typed

_CHUNK = 1 << 20
_REJECTED = {
    ROW: pl.Int64,
    "text": pl.String,
    "column": pl.String,
    "rule": pl.String,
    "reason": pl.String,
}


@dataclass(frozen=True)
class Parsed:
    """A file after reading. Every record is either in ``frame`` or in ``rejected``, once.

    Attributes
    ----------
    frame
        The source's columns with the types of ``schema``, and ``_row`` (Int64): the number of the
        record in the file, from 0; the header and empty lines are not counted, rejected records
        are.
    rejected
        ``_row``, ``text`` (the record as it stands in the file, without its line end; of Parquet,
        as JSON), ``column`` (null if the fault is not in one column), ``rule`` (``fields``,
        ``quotes``, ``encoding``, ``json`` or ``type``) and ``reason``. Of several faults, the
        first.
    schema
        Column to Polars type.
    bytes
        Size of the file on disk.
    records
        Number of records in the file.
    text
        Gives a record as it stands in the file, by its number.
    noticed
        What the typed columns no longer show: dates that were written in several ways.
    """

    frame: pl.DataFrame
    rejected: pl.DataFrame
    schema: dict[str, pl.DataType]
    bytes: int
    records: int
    text: Callable[[int], str]
    noticed: list[Finding] = field(default_factory=list)


def read_file(
    path: str | Path,
    *,
    where_label: str,
    engine: Engine,
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    encoding: str | None = None,
    csv: Csv | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Parsed:
    """Read a file into typed rows.

    Parameters
    ----------
    path
        ``.csv``, ``.tsv``, ``.txt``, ``.ndjson``, ``.jsonl``, ``.json``, ``.arff`` (plain, with
        ``.gz``, or alone in a ``.zip``), ``.parquet``, ``.xlsx``, ``.xls``, ``.ods`` or a folder
        with a Delta table.
    where_label
        The dataset, named in errors.
    engine
        Reads blocks of the file and decides types of columns at the same time.
    columns
        The columns to take; None for all of them.
    schema
        The types of the dataset's earlier batches: the file must have these columns, and a value
        that does not fit its type rejects its record. None: types are inferred.
    overrides
        Column to a Polars type, or to the format of its dates or times (``"%d/%m/%Y"``), given by
        the user; they win over ``schema`` and inference, and take ``007`` for a number.
    encoding, csv
        Of texts, as the user declared them; None: as the file tells.
    progress
        Called with the bytes of the file read so far and in all.

    Raises
    ------
    DataError
        If the file cannot be read as what it is named, has no rows or other columns than before,
        or if not one record of a dataset's first file can be used.
    DefinitionError
        If ``overrides`` names an unknown column or an impossible type.
    """
    known = {c: types.storable(_instance(t)) or _instance(t) for c, t in (schema or {}).items()}
    wanted = Wanted(
        None if columns is None else tuple(columns),
        None if schema is None else known,
        types.declared(overrides or {}, where=where_label),
    )
    path, progress = Path(path), progress or _silent
    if is_delta(path):
        place, size = f"{where_label}, folder {path}", sum(f.stat().st_size for f in _inside(path))
        loaded = parquet.load_delta(path, wanted, place)
    else:
        with opened(path, where_label, encoding) as source:
            loaded = _load(path, source, wanted, engine, progress, csv or Csv())
        place, size = source.place, source.total
    progress(size, size)
    names = [name for name in loaded.frame.columns if name != ROW]
    typed = list(engine.map(partial(_typed, wanted, loaded), names))
    parsed = _divided(loaded, typed, size, place, is_first=schema is None)
    return replace(parsed, noticed=_noticed(loaded, typed, wanted))


def is_delta(path: Path) -> bool:
    """Return whether a path is the folder of a Delta table."""
    return (path / "_delta_log").is_dir()


def changing(path: Path) -> Path:
    """Return what changes when a file or a Delta table does: the file, or the folder of its log."""
    return path / "_delta_log" if is_delta(path) else path


def _inside(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def content_hash(path: str | Path) -> str:
    """Return the XXH3-128 of a file's bytes, 32 hexadecimal digits; of a Delta table, of its log.

    Raises
    ------
    DataError
        If there is no such file or it may not be read.
    """
    state, path = xxhash.xxh3_128(), Path(path)
    for each in _inside(path / "_delta_log") if is_delta(path) else [path]:
        with file_of(each, f"file {each}") as file:
            while chunk := file.read(_CHUNK):
                state.update(chunk)
    return state.hexdigest()


def expand(patterns: Sequence[str | Path], base_dir: str | Path) -> list[Path]:
    """Return the files, and Delta folders, that some paths or globs name, sorted by path.

    Parameters
    ----------
    patterns
        Relative to ``base_dir``, or absolute; ``**`` goes through folders. A path that exists is
        taken as it is written.
    base_dir
        Where relative patterns begin.

    Raises
    ------
    DataError
        If a pattern names no file.
    """
    found: set[Path] = set()
    for pattern in map(str, patterns):
        whole, names = Path(base_dir, pattern), [pattern]
        if not whole.exists():
            names = glob.glob(pattern, root_dir=base_dir, recursive=True)
        paths = [Path(base_dir, name) for name in names]
        files = {path for path in paths if path.is_file() or is_delta(path)}
        if not files:
            raise _no_match(pattern, whole)
        found |= files
    return sorted(found)


def _no_match(pattern: str, whole: Path) -> DataError:
    if whole.is_dir():
        fix = f"Name the files in it: {pattern.rstrip('/')}/*.csv"
        return DataError(f"{pattern!r} is a folder.", where=str(whole), fix=fix)
    folder = next((p for p in whole.parents if p.is_dir()), Path("/"))
    held = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    listed = ", ".join(held[:8]) + (", …" if len(held) > 8 else "") if held else "nothing"
    return DataError(
        f"no file matches {pattern!r}.", where=str(folder), fix=f"The folder holds: {listed}."
    )


def _silent(done: int, total: int) -> None:
    """Show no progress."""


def _instance(dtype: Any) -> pl.DataType:
    return dtype() if isinstance(dtype, type) else dtype


def _load(
    path: Path,
    source: Source,
    wanted: Wanted,
    engine: Engine,
    progress: Callable[[int, int], None],
    csv: Csv,
) -> Loaded:
    match source.kind:
        case "parquet":
            return parquet.load(path, source, wanted)
        case "excel":
            return excel.load(path, source, wanted)
        case "arff":
            return arff.load(source, wanted, progress)
        case "json":
            return json_document.load(source, wanted, engine, progress)
        case "ndjson":
            return json_lines.load(source, wanted, engine, progress)
    return delimited.load(source, wanted, engine, progress, csv)


def _typed(wanted: Wanted, loaded: Loaded, name: str) -> Typed:
    dtype = wanted.dtype(name)
    if dtype is None:
        return loaded.infer(loaded.frame[name])
    return loaded.cast(loaded.frame[name], dtype, wanted.declared.get(name))


def _noticed(loaded: Loaded, typed: Sequence[Typed], wanted: Wanted) -> list[Finding]:
    """Return which columns of dates were read from several ways of writing them."""
    found = [
        mixed_dates(loaded.frame[name].filter(~column.bad), loaded.frame[ROW].filter(~column.bad))
        for column in typed
        if column.values.dtype.is_temporal()
        and loaded.frame[name := column.values.name].dtype == pl.String
        and name not in wanted.declared
    ]
    return [each for each in found if each is not None]


def _divided(
    loaded: Loaded, typed: Sequence[Typed], size: int, place: str, *, is_first: bool
) -> Parsed:
    """Set records aside that hold a value of another type than its column."""
    faulty: set[int] = set()
    rejected = list(loaded.rejected)
    rows = loaded.frame[ROW]
    for column in typed:
        bad = column.bad.arg_true().to_list()
        if len(bad) > (1 - types.ENOUGH) * rows.len():
            _check_order(loaded, column, bad[0], place)
        for at in bad:
            if at not in faulty:
                faulty.add(at)
                rejected.append(_misfit(loaded, column, at, rows[at]))
    frame = pl.DataFrame([*(column.values for column in typed), rows])
    if faulty:
        kept = pl.Series(sorted(faulty), dtype=pl.UInt32)
        frame = frame.filter(~pl.int_range(pl.len(), dtype=pl.UInt32).is_in(kept.implode()))
    rejected.sort()
    if is_first and frame.is_empty():
        raise DataError(
            f"none of its {loaded.records} records can be used; record {rejected[0].row}: "
            f"{rejected[0].reason}.",
            where=place,
            fix="Correct the file, or declare the types of its columns.",
        )
    return Parsed(
        frame,
        pl.DataFrame(rejected, schema=_REJECTED, orient="row"),
        {column.values.name: column.values.dtype for column in typed},
        size,
        loaded.records,
        loaded.text,
    )


def _check_order(loaded: Loaded, column: Typed, at: int, place: str) -> None:
    """Refuse a file, rather than most of its rows, if it does not tell day from month."""
    name = column.values.name
    value = loaded.shown(loaded.frame[name][at])
    if column.values.dtype.is_temporal() and open_order(value):
        raise DataError(
            f"in column {name!r}, {value!r} and others leave open which is the day and which the "
            "month.",
            where=place,
            fix=f"Declare the format, for example types={{{name!r}: '%d/%m/%Y'}}.",
        )


def _misfit(loaded: Loaded, column: Typed, at: int, row: int) -> Rejection:
    name = column.values.name
    why = types.reason(loaded.shown(loaded.frame[name][at]), column.values.dtype)
    return Rejection(row, loaded.text(row), name, "type", f"column {name!r}: {why}")
