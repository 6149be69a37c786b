"""Append-only Delta tables: each append happens once, whole, and is on disk when it returns.

What is promised:

- An append of ``(app_id, version)`` is applied at most once, in however many tries, threads or
  processes: the transaction is committed with the rows, and a table that has it, or a later one
  of the same writer, ignores the append.
- Appends of different writers never wait for or undo each other.
- Rows reach a local disk before the commit that names them, and the commit before the call
  returns. After a crash a table holds whole appends only.
- Types are exactly those of the table: nothing is cast.

What is not: an order of rows between files; that data files of failed or killed appends are
removed (vacuum does it); unsigned integers, categories, durations and nested types (Delta has
none, or reads them back as others: store UInt64 reinterpreted as Int64). A power failure within
the few milliseconds in which a checkpoint is written, one commit in `CHECKPOINT`, can leave a
damaged one to be deleted by hand, with ``_last_checkpoint``; no row is lost by that.

The module knows nothing of what the rows mean.
"""

import contextlib
import errno
import json
import os
import re
import threading
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import polars.selectors as cs
from deltalake import (
    CommitProperties,
    DeltaTable,
    Field,
    PostCommitHookProperties,
    Schema,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.schema import PrimitiveType
from deltalake.transaction import AddAction
from polars.exceptions import PolarsError

from octavo.errors import DataError, ResourceError

CHECKPOINT = 20
"""Commits between two checkpoints, and after which a handle is opened anew: it slows down."""

_TRIES = 10  # commits that lose a race against the same writer or a change of columns
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)
_LONGEST = 32  # characters of a text kept as the least or greatest of a file

_TYPES: dict[pl.DataType, str] = {
    pl.Int64(): "long",
    pl.Int32(): "integer",
    pl.Int16(): "short",
    pl.Int8(): "byte",
    pl.Float64(): "double",
    pl.Float32(): "float",
    pl.Boolean(): "boolean",
    pl.String(): "string",
    pl.Binary(): "binary",
    pl.Date(): "date",
    pl.Datetime("us", "UTC"): "timestamp",
}


class DeltaLog:
    """One append-only Delta table.

    Safe to share between threads; any number of processes may hold their own.

    Parameters
    ----------
    url
        A local folder, or an address such as ``s3://bucket/folder``.
    storage_options
        Credentials and settings of the object store.
    """

    def __init__(
        self, url: str | Path, *, storage_options: Mapping[str, str] | None = None
    ) -> None:
        self.url = str(url)
        self._options = dict(storage_options or {})
        self._folder = None if "://" in self.url else Path(self.url)
        self._lock = threading.Lock()
        self._table: DeltaTable | None = None
        self._uses = 0

    def exists(self) -> bool:
        """Return whether the table has been created."""
        with self._lock, _explained(self.url):
            return self._found() is not None

    def version(self) -> int:
        """Return the number of the newest commit.

        Raises
        ------
        DataError
            If nothing has been written.
        """
        with self._lock, _explained(self.url):
            return self._existing().version()

    def transaction_version(self, app_id: str) -> int | None:
        """Return the newest version a writer has committed; None if there is none."""
        with self._lock, _explained(self.url):
            table = self._found()
            return None if table is None else table.transaction_version(app_id)

    def scan(self) -> pl.LazyFrame:
        """Return all rows, lazily, in no order; files are skipped by their statistics.

        Raises
        ------
        DataError
            If nothing has been written.
        """
        with self._lock, _explained(self.url):
            return pl.scan_delta(self._existing())

    def append(
        self,
        frame: pl.DataFrame,
        *,
        app_id: str,
        version: int,
        metadata: Mapping[str, str] | None = None,
        merge: bool = False,
    ) -> int | None:
        """Write rows once.

        Parameters
        ----------
        frame
            The rows; with the first append they fix the table's columns. A column of type Null is
            written as nulls of the table's type.
        app_id
            The writer: one at a time uses a name.
        version
            Grows with each append of the writer.
        metadata
            Kept with the commit.
        merge
            The frame may have new columns, null in earlier rows, and lack others.

        Returns
        -------
        int or None
            A version of the table that holds the rows; None if they, or later ones of the writer,
            were there before.

        Raises
        ------
        DataError
            If columns or types differ from the table's. Nothing is written.
        ResourceError
            If the disk is full, may not be written, or the table stays out of reach.
        """
        with self._lock, _explained(self.url):
            properties = CommitProperties(
                custom_metadata=dict(metadata or {}),
                app_transactions=[Transaction(app_id, version)],
            )
            for _ in range(_TRIES):
                table = self._found() or self._created(frame)
                done = table.transaction_version(app_id)
                if done is not None and done >= version:
                    # Its writer may have died between the commit and the disk.
                    newest = table.version()
                    self._sync_log(max(0, newest - 2 * CHECKPOINT), newest)
                    return None
                with contextlib.suppress(CommitFailedError):
                    ready = self._conforming(table, frame, merge=merge)
                    return self._committed(table, ready, properties)
                self._table = None
        raise ResourceError(
            f"the append lost {_TRIES} races against writers called {app_id!r}.",
            where=self.url,
            fix="Give each writer a name of its own.",
        )

    def _found(self) -> DeltaTable | None:
        """Return a handle that knows the newest commit."""
        if self._table is not None and self._uses < CHECKPOINT:
            self._uses += 1
            self._table.update_incremental()
            return self._table
        try:
            self._table = DeltaTable(self.url, storage_options=self._options)
        except TableNotFoundError:
            self._table = None
        self._uses = 0
        return self._table

    def _existing(self) -> DeltaTable:
        table = self._found()
        if table is None:
            raise DataError(
                "nothing has been written to this table.",
                where=self.url,
                fix="Run the stage that writes it first.",
            )
        return table

    def _created(self, frame: pl.DataFrame) -> DeltaTable:
        """Create the table, or open the one that another writer has just created."""
        schema = Schema([_field(n, t, self.url) for n, t in frame.schema.items()])
        new = [] if self._folder is None else _missing(self._folder / "_delta_log")
        try:
            DeltaTable.create(
                self.url,
                schema,
                mode="ignore",
                configuration={"delta.checkpointInterval": str(CHECKPOINT)},
                storage_options=self._options,
            )
        except DeltaError:
            if not DeltaTable.is_deltatable(self.url, storage_options=self._options):
                raise
        self._table = DeltaTable(self.url, storage_options=self._options)
        self._sync_log(0, self._table.version())
        for folder in new:
            _sync(folder.parent)
        return self._table

    def _conforming(self, table: DeltaTable, frame: pl.DataFrame, *, merge: bool) -> pl.DataFrame:
        """Return the frame as the table wants it, after adding its new columns to the table."""
        known = {field.name: field.type.type for field in table.schema().fields}
        dtypes = {name: dtype for dtype, name in _TYPES.items()}
        nulls = [n for n, t in frame.schema.items() if isinstance(t, pl.Null) and n in known]
        frame = frame.with_columns(pl.col(n).cast(dtypes[known[n]]) for n in nulls)
        fields = {n: _field(n, t, self.url) for n, t in frame.schema.items()}
        wrong = [
            f"{name!r} is {frame.schema[name]}, in the table {dtypes[known[name]]}"
            for name, field in fields.items()
            if name in known and field.type.type != known[name]
        ]
        new = [name for name in fields if name not in known]
        if not merge:
            wrong += [f"{name!r} is new" for name in new]
            wrong += [f"{name!r} is missing" for name in known if name not in fields]
        if wrong:
            raise DataError(
                f"the rows have other columns than the table: {'; '.join(wrong)}.",
                where=self.url,
                fix="Cast the columns to the table's types, or write to a new table.",
            )
        if new:
            table.alter.add_columns(
                [fields[name] for name in new], post_commithook_properties=_NO_HOOKS
            )
        return frame

    def _committed(
        self, table: DeltaTable, frame: pl.DataFrame, properties: CommitProperties
    ) -> int:
        """Write rows and commit them; return the table's version after that."""
        before = table.version()
        if self._folder is None:
            write_deltalake(
                table,
                frame,
                mode="append",
                commit_properties=properties,
                post_commithook_properties=_NO_HOOKS,
            )
        else:
            added = _written(self._folder, frame)
            try:
                table.create_write_transaction(
                    [added],
                    "append",
                    table.schema(),
                    commit_properties=properties,
                    post_commithook_properties=_NO_HOOKS,
                )
            except (OSError, DeltaError):
                self._discard(self._folder / added.path)
                raise
        table.update_incremental()
        after = table.version()
        self._sync_log(before + 1, after)
        if after // CHECKPOINT > before // CHECKPOINT:
            table.create_checkpoint()
            table.cleanup_metadata()
            self._sync("_delta_log/_last_checkpoint", f"_delta_log/{after:020}.checkpoint.parquet")
        return after

    def _discard(self, path: Path) -> None:
        """Remove a data file whose commit failed, unless the commit stands in spite of that."""
        if not any(uri.endswith(path.name) for uri in DeltaTable(self.url).file_uris()):
            path.unlink(missing_ok=True)

    def _sync_log(self, first: int, last: int) -> None:
        """Bring commits to disk; those long in a checkpoint may be gone."""
        if self._folder is not None:
            entries = (f"_delta_log/{version:020}.json" for version in range(first, last + 1))
            self._sync(*(entry for entry in entries if (self._folder / entry).exists()))

    def _sync(self, *names: str) -> None:
        if self._folder is not None:
            for name in (*names, "_delta_log"):
                _sync(self._folder / name)


def _field(name: str, dtype: pl.DataType, url: str) -> Field:
    if dtype not in _TYPES:
        raise DataError(
            f"column {name!r} is {dtype}, which a Delta table does not hold unchanged.",
            where=url,
            fix=f"Cast it to one of {', '.join(map(str, _TYPES))}.",
        )
    return Field(name, PrimitiveType(_TYPES[dtype]))


def _written(folder: Path, frame: pl.DataFrame) -> AddAction:
    """Write a data file and bring it to disk; no reader knows of it yet."""
    path = folder / f"part-{uuid.uuid4()}.parquet"
    try:
        frame.write_parquet(path)
        _sync(path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    _sync(folder)
    written = path.stat()
    return AddAction(
        path.name,
        written.st_size,
        {},
        written.st_mtime_ns // 1_000_000,
        True,
        json.dumps(_statistics(frame)),
    )


def _statistics(frame: pl.DataFrame) -> dict[str, Any]:
    """Return what lets a reader skip the file: least and greatest of the columns that order it.

    Numbers that may be NaN are left out: readers disagree whether it is great or nothing.
    """
    ordered = frame.select(cs.integer() | cs.string() | cs.date() | cs.datetime())
    times = cs.datetime().dt.strftime("%Y-%m-%dT%H:%M:%S%.6fZ"), cs.date().dt.strftime("%Y-%m-%d")
    bounds = [
        found.with_columns(*times).row(0, named=True) for found in (ordered.min(), ordered.max())
    ]
    short = [
        {name: value for name, value in bound.items() if not _too_long(value)} for bound in bounds
    ]
    return {
        "numRecords": frame.height,
        "minValues": short[0],
        "maxValues": short[1],
        "nullCount": ordered.null_count().row(0, named=True) if ordered.width else {},
    }


def _too_long(value: object) -> bool:
    return value is None or (isinstance(value, str) and len(value) > _LONGEST)


def _missing(folder: Path) -> list[Path]:
    """Return the folders that creating one will make, innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


_ON_DISK = {
    errno.ENOSPC: ("the disk is full.", "Free some space and run again: nothing was half-written."),
    errno.EDQUOT: ("the disk quota is used up.", "Free some space and run again."),
    errno.EACCES: ("it may not be written.", "Give this user permission to write there."),
    errno.EPERM: ("it may not be written.", "Give this user permission to write there."),
    errno.EROFS: ("the disk is read-only.", "Choose another home."),
}


@contextlib.contextmanager
def _explained(url: str) -> Iterator[None]:
    """Say what the machine, not the caller, did wrong."""
    try:
        yield
    except (OSError, DeltaError, PolarsError) as error:
        number = getattr(error, "errno", None) or _errno_in(str(error))
        what, fix = _ON_DISK.get(
            number, (f"the table cannot be read or written: {_plain(error)}.", "Check the storage.")
        )
        raise ResourceError(what, where=url, fix=fix) from error


def _plain(error: Exception) -> str:
    """Return a message of several coloured lines as one plain line."""
    return " ".join(re.sub(r"\x1b\[[0-9;]*m|↳", "", str(error)).split()).rstrip(".")


def _errno_in(message: str) -> int:
    """Return the error number that Rust libraries write into their messages; 0: there is none."""
    found = re.search(r"(?:os error|code:) (\d+)", message)
    return int(found[1]) if found else 0
