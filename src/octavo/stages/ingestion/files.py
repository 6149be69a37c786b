"""Reading a file: typed rows, and the records that cannot be rows with the reason.

This is the door to the formats: delimited text, NDJSON, JSON, ARFF, logs (all also packed),
Parquet, Delta folders and Excel. Types are decided over the whole file, never a sample, or are
those of the dataset's earlier batches. It knows nothing of batches, checks or stores.
"""

import glob
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import xxhash

from octavo.definition import Csv, Dataset, Files, Nested, Sql
from octavo.engines import Engine
from octavo.errors import DataError
from octavo.quality import Finding
from octavo.stages.ingestion import types
from octavo.stages.ingestion.loaded import Wanted
from octavo.stages.ingestion.opening import file_of, inside, is_delta
from octavo.stages.ingestion.reading import Opens, Reading, open_file

_CHUNK = 1 << 20


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
        ``quotes``, ``encoding``, ``json``, ``lines`` or ``type``) and ``reason``. Of several
        faults, the first.
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


def begin(
    source: str | Path | Opens,
    *,
    where_label: str,
    engine: Engine,
    columns: Sequence[str] | None = None,
    schema: Mapping[str, Any] | None = None,
    overrides: Mapping[str, Any] | None = None,
    encoding: str | None = None,
    csv: Csv | None = None,
    nested: Nested | None = None,
    lines: str | None = None,
    renamed: Mapping[str, str] | None = None,
    needed: Mapping[str, str] | None = None,
    naming: Collection[str] | None = None,
    called: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Begin to read a file, piece by piece or `whole`.

    Parameters
    ----------
    source
        ``.csv``, ``.tsv``, ``.txt``, ``.ndjson``, ``.jsonl``, ``.json``, ``.arff``, ``.log``
        (plain, with ``.gz``, or alone in a ``.zip``), ``.parquet``, ``.xlsx``, ``.xls``, ``.ods``
        or a folder with a Delta table; or what opens rows that are in no file.
    where_label
        The dataset, named in errors.
    engine
        Reads blocks of the file and decides types of columns at the same time.
    columns
        The columns to take; None for all of them.
    schema
        The types of the dataset's earlier batches: a value that does not fit its type rejects its
        record. None: types are inferred, as are those of new columns.
    overrides
        Column to a Polars type, or to the format of its dates or times (``"%d/%m/%Y"``), given by
        the user; they win over ``schema`` and inference, and take ``007`` for a number.
    encoding, csv
        Of texts, as the user declared them; None: as the file tells.
    nested
        How objects and lists become columns; None: by their paths.
    lines
        The pattern that its lines fit, by name or as a regular expression; None: what the file is
        is told by its name, and the pattern of a ``.log`` by its lines.
    renamed, needed, naming, called
        As in `octavo.stages.ingestion.loaded.Wanted`.
    progress
        Called with the bytes of the file read so far and in all.

    Raises
    ------
    DefinitionError
        If ``overrides`` gives an impossible type.
    """
    known = {c: types.storable(_instance(t)) or _instance(t) for c, t in (schema or {}).items()}
    wanted = Wanted(
        None if columns is None else tuple(columns),
        None if schema is None else known,
        types.declared(overrides or {}, where=where_label),
        encoding,
        csv or Csv(),
        nested or Nested(),
        lines,
        renamed or {},
        needed,
        naming,
        called,
    )
    opens = source if callable(source) else partial(open_file, Path(source), where_label)
    return Reading(opens, wanted, engine, progress or _silent)


def begin_of(
    dataset: Dataset,
    source: Path | Opens,
    *,
    engine: Engine,
    where_label: str,
    schema: Mapping[str, Any] | None,
    needed: Mapping[str, str] | None,
    columns: Sequence[str] | None = None,
    lines: str | None = None,
    naming: Collection[str] | None = None,
    called: str = "",
    progress: Callable[[int, int], None] | None = None,
) -> Reading:
    """Begin to read a file as a dataset declares its own; parameters as for `begin`.

    Parameters
    ----------
    columns
        The columns to take, if not those declared; types of others do not matter then.
    """
    told = dataset.source
    overrides = {**dict.fromkeys(dataset.kept_as_text, pl.String), **told.types}
    if columns is not None:
        overrides = {name: dtype for name, dtype in overrides.items() if name in columns}
    texts = {}
    if isinstance(told, Files):
        texts = {"encoding": told.encoding, "csv": told.csv}
    if columns is None and not isinstance(told, Sql):
        columns = told.columns
    return begin(
        source,
        where_label=where_label,
        engine=engine,
        columns=columns,
        schema=schema,
        overrides=overrides,
        nested=told.nested,
        lines=lines,
        renamed=told.renamed,
        needed=needed,
        naming=naming,
        called=called,
        progress=progress,
        **texts,
    )


def whole(reading: Reading) -> Parsed:
    """Read a file that fits into memory into typed rows.

    Raises
    ------
    DataError
        If the file cannot be read as what it is named, has no rows or lacks a column that is
        needed, or if not one record of a dataset's first file can be used.
    DefinitionError
        If an override names an unknown column.
    """
    pieces = list(reading.pieces())
    while not reading.settled:
        pieces = list(reading.pieces())
    firsts = [piece.first for piece in pieces]

    def text(row: int) -> str:
        return pieces[bisect_right(firsts, row) - 1].text(row)

    return Parsed(
        pl.concat([piece.frame for piece in pieces]),
        pl.concat([piece.rejected for piece in pieces]),
        reading.schema,
        reading.bytes,
        reading.records,
        text,
        reading.noticed,
    )


def changing(path: Path) -> Path:
    """Return what changes when a file or a Delta table does: the file, or the folder of its log."""
    return path / "_delta_log" if is_delta(path) else path


def content_hash(path: str | Path) -> str:
    """Return the XXH3-128 of a file's bytes, 32 hexadecimal digits; of a Delta table, of its log.

    Raises
    ------
    DataError
        If there is no such file or it may not be read.
    """
    state, path = xxhash.xxh3_128(), Path(path)
    for each in inside(path / "_delta_log") if is_delta(path) else [path]:
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
