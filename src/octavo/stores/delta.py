"""Append-only Delta tables: each append happens once, whole, and is on disk when it returns.

What is promised:

- An append of ``(app_id, version)`` is applied at most once, in however many tries, threads or
  processes: the transaction is committed with the rows, and a table that has it, or a later one
  of the same writer, ignores the append.
- Appends of different writers never wait for or undo each other.
- Rows reach a local disk before the commit that names them, and the commit before the call
  returns. After a crash a table holds whole appends only.
- Types are exactly those of the table: nothing is cast.
- Files that are replaced by others with the same rows (`octavo.stores.compaction`) are replaced
  once, whatever is appended meanwhile, and stay on disk for who reads an earlier version.

What is not: an order of rows between files; that data files of failed or killed appends are
removed (compaction does it); what no other tool may do to a table, rewrite or delete its files:
that is not noticed; unsigned integers, categories, durations and nested types (Delta has
none, or reads them back as others: store UInt64 reinterpreted as Int64). A power failure within
the few milliseconds in which a checkpoint is written, one commit in `CHECKPOINT`, can leave a
damaged one to be deleted by hand, with ``_last_checkpoint``; no row is lost by that.

The module knows nothing of what the rows mean.
"""

import contextlib
import fcntl
import os
import threading
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import polars as pl
from arro3.core import RecordBatch, RecordBatchReader, Table
from deltalake import (
    CommitProperties,
    DeltaTable,
    PostCommitHookProperties,
    Schema,
    Transaction,
    write_deltalake,
)
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError
from deltalake.transaction import AddAction, RemoveAction

from octavo.errors import DataError, ResourceError
from octavo.stores.columns import conforming, field
from octavo.stores.faults import explained
from octavo.stores.staged import Shared, Staged, sync, written

CHECKPOINT = 20
"""Commits between two checkpoints, and after which a handle is opened anew: it slows down."""

_RECENT = 60.0
"""Seconds for which a handle may append without a look at what has come since: what stands in the
way makes the commit fail. Far below `_KEPT`, or a commit could take the number of one that has gone
from the log."""
_TRIES = 10  # commits that lose a race against the same writer or a change of columns
_LOOKS = 3  # at a log that another cleans up meanwhile
_REPLACER = "octavo.replace"
"""The writer that all who replace files commit as, so that none replaces what another has."""
_KEPT = "interval 1 hours"
"""How long the log keeps what the newest checkpoint holds too, and which files were replaced.

Whoever reads or writes knows a newer commit after that time: a handle is brought up to date before
it is used. Longer, and each checkpoint costs the hot path more."""
_CONFIGURATION: Mapping[str, str | None] = {
    "delta.checkpointInterval": str(CHECKPOINT),
    "delta.logRetentionDuration": _KEPT,
    "delta.deletedFileRetentionDuration": _KEPT,
}
_FILE = "_file"
_NO_HOOKS = PostCommitHookProperties(create_checkpoint=False, cleanup_expired_logs=False)


class File(NamedTuple):
    """A data file of a table."""

    path: str
    """Its name in the table's folder."""
    bytes: int
    rows: int
    modified: int
    """When its newest rows came, milliseconds."""


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
        self._looked = 0.0
        """When the handle was brought up to date, as `_since_boot` tells it."""

    def exists(self) -> bool:
        """Return whether the table has been created."""
        with self._lock, explained(self.url):
            return self._found() is not None

    def version(self) -> int:
        """Return the number of the newest commit.

        Raises
        ------
        DataError
            If nothing has been written.
        """
        with self._lock, explained(self.url):
            return self._existing().version()

    def transaction_version(self, app_id: str) -> int | None:
        """Return the newest version a writer has committed; None if there is none."""
        with self._lock, explained(self.url):
            for tried in range(_LOOKS):
                with self._again(tried):
                    table = self._found()
                    return None if table is None else table.transaction_version(app_id)
            return None

    def scan(self) -> pl.LazyFrame:
        """Return all rows, lazily, in no order; files are skipped by their statistics.

        Raises
        ------
        DataError
            If nothing has been written.
        """
        with self._lock, explained(self.url):
            return pl.scan_delta(self._existing())

    def files(self) -> list[File]:
        """Return the data files, those with the oldest rows first.

        Raises
        ------
        DataError
            If nothing has been written.
        """
        with self._lock, explained(self.url):
            return _files(self._existing())

    def frames(self, files: Sequence[File]) -> Iterator[pl.DataFrame]:
        """Give the rows of some files, one by one, each in its order, as the table's columns."""
        folder = self._local()
        with self._lock, explained(self.url):
            schema = pl.Schema(self._existing().schema())
        for file in files:
            with explained(self.url):
                frame = pl.read_parquet(folder / file.path)
            yield _as_table(frame, schema)

    def matching(self, column: str, value: str, columns: Collection[str]) -> pl.DataFrame:
        """Return some columns of the rows in which a text column is a value.

        That column alone is read of all files; the others of those that have the value in it. A
        column that the table does not have is left out.

        Raises
        ------
        DataError
            If nothing has been written.
        """
        folder = self._local()
        with self._lock, explained(self.url):
            every = pl.Schema(self._existing().schema())
            files = [file for file in _files(self._existing()) if file.rows]
        schema = pl.Schema({name: every[name] for name in every if name in columns})
        is_it, found = pl.col(column) == value, [pl.DataFrame(schema=schema)]
        if files:
            with explained(self.url):
                scan = pl.scan_parquet(
                    [folder / file.path for file in files],
                    glob=False,
                    include_file_paths=_FILE,
                    schema={column: pl.String()},
                    extra_columns="ignore",
                )
                having = scan.filter(is_it).select(pl.col(_FILE).unique()).collect()[_FILE]
                for path in having.sort():
                    rows = pl.scan_parquet(path, glob=False).filter(is_it)
                    held = [name for name in rows.collect_schema() if name in schema]
                    found.append(_as_table(rows.select(held).collect(), schema))
        return pl.concat(found)

    def replace(self, files: Sequence[File], rows: Staged) -> bool:
        """Let the files of staged rows take the place of some that hold the same rows.

        They are on disk before the commit that names them. The others stay, for who reads an
        earlier version; they are as old as if they were written now.

        Returns
        -------
        bool
            False, and nothing is changed, if some of the files were replaced meanwhile.

        Raises
        ------
        ResourceError
            If the disk is full, may not be written, or the table stays out of reach.
        """
        folder, at = self._local(), time.time_ns() // 1_000_000
        with self._lock, explained(self.url):
            added = [
                replace(each, data_change=False, modification_time=files[-1].modified)
                for each in self._placed(folder, rows)
            ]
            removed = [RemoveAction(each.path, False, at, each.bytes, {}) for each in files]
            for file in files:
                os.utime(folder / file.path)
            try:
                for tried in range(_TRIES):
                    with self._again(tried):
                        table = self._existing()
                        if not {*files} <= {*_files(table)}:
                            break
                        last = table.transaction_version(_REPLACER) or 0
                        mark = CommitProperties(app_transactions=[Transaction(_REPLACER, last + 1)])
                        self._commit(table, [*added, *removed], mark)
                        self._checkpoint(table)  # who opens it need not read of each file
                        return True
            except (OSError, DeltaError):
                self._discard(folder, added, rows)
                raise
            return self._discard(folder, added, rows)

    def append(
        self,
        rows: pl.DataFrame | Staged | Shared,
        *,
        app_id: str,
        version: int,
        after: int | None = None,
        metadata: Mapping[str, str] | None = None,
        merge: bool = False,
    ) -> int | None:
        """Write rows once.

        Parameters
        ----------
        rows
            With the first append they fix the table's columns. A frame's column of type Null is
            written as nulls of the table's type. The files of staged rows become the table's;
            those of shared ones are linked or copied.
        app_id
            The writer: one at a time uses a name.
        version
            Grows with each append of the writer.
        after
            The version that the rows begin after: if the writer's newest is a later one, somebody
            else, under the same name, has written some of them. None: it is not asked.
        metadata
            Kept with the commit.
        merge
            The rows may have new columns, null in earlier ones, and lack others.

        Returns
        -------
        int or None
            A version of the table that holds the rows; None if they, or later ones of the writer
            (any after ``after``), were there before.

        Raises
        ------
        DataError
            If columns or types differ from the table's. Nothing is written.
        ResourceError
            If the disk is full, may not be written, or the table stays out of reach.
        """
        with self._lock, explained(self.url):
            properties = CommitProperties(
                custom_metadata=dict(metadata or {}),
                app_transactions=[Transaction(app_id, version)],
            )
            frame = rows if isinstance(rows, pl.DataFrame) else rows.empty
            for tried in range(_TRIES):
                with self._again(tried):
                    table = self._recent() or self._found() or self._created(frame)
                    done = table.transaction_version(app_id)
                    if done is not None and done >= (version if after is None else after + 1):
                        # Its writer may have died between the commit and the disk.
                        newest = table.version()
                        self._sync_log(max(0, newest - 2 * CHECKPOINT), newest)
                        return None
                    ready, new = conforming(frame, table.schema(), merge=merge, url=self.url)
                    if new:  # after which the handle knows of more than was looked at
                        table.alter.add_columns(new, post_commithook_properties=_NO_HOOKS)
                        continue
                    ready = ready if isinstance(rows, pl.DataFrame) else rows
                    return self._committed(table, ready, properties)
        raise ResourceError(
            f"the append lost {_TRIES} races against writers called {app_id!r}.",
            where=self.url,
            fix="Give each writer a name of its own.",
        )

    def _recent(self) -> DeltaTable | None:
        """Return a handle that knew the newest commit just now; None if there is none."""
        if _since_boot() - self._looked > _RECENT or self._uses >= CHECKPOINT:
            return None
        self._uses += 1
        return self._table

    def _found(self) -> DeltaTable | None:
        """Return a handle that knows the newest commit."""
        if self._table is not None and self._uses < CHECKPOINT:
            with contextlib.suppress(DeltaError):
                self._update(self._table)
                self._uses += 1
                return self._table
        self._table, self._uses, self._looked = None, 0, _since_boot()
        with contextlib.suppress(TableNotFoundError):
            self._table = self._opened()
        return self._table

    def _update(self, table: DeltaTable) -> None:
        now = _since_boot()
        table.update_incremental()
        self._looked = now

    @contextlib.contextmanager
    def _again(self, tried: int) -> Iterator[None]:
        """Let what lost a race be tried again, with a handle that is opened anew.

        So too what a handle cannot read: it reads late, and what it knows of the log may have been
        cleaned up since, or a checkpoint been replaced by one that is longer or shorter.
        """
        try:
            yield
        except DeltaError as error:
            if tried + 1 >= _LOOKS and not isinstance(error, CommitFailedError):
                raise
            self._table = None

    def _opened(self) -> DeltaTable:
        with contextlib.suppress(DeltaError):
            return DeltaTable(self.url, storage_options=self._options)
        # There is no table; or the checkpoint it was read from has gone, and there is a newer one.
        return DeltaTable(self.url, storage_options=self._options)

    def _local(self) -> Path:
        if self._folder is None:
            raise ValueError(f"{self.url} is no folder: only files of this machine are replaced")
        return self._folder

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
        schema = Schema([field(n, t, self.url) for n, t in frame.schema.items()])
        new = [] if self._folder is None else _missing(self._folder / "_delta_log")
        try:
            DeltaTable.create(
                self.url,
                schema,
                mode="ignore",
                configuration=_CONFIGURATION,
                storage_options=self._options,
            )
        except DeltaError:
            if not DeltaTable.is_deltatable(self.url, storage_options=self._options):
                raise
        self._table = DeltaTable(self.url, storage_options=self._options)
        self._sync_log(0, self._table.version())
        for folder in new:
            sync(folder.parent)
        return self._table

    def _committed(
        self,
        table: DeltaTable,
        rows: pl.DataFrame | Staged | Shared,
        properties: CommitProperties,
    ) -> int:
        """Write rows and commit them; return the table's version after that."""
        if self._folder is None:
            before = table.version()
            write_deltalake(
                table,
                rows if isinstance(rows, pl.DataFrame) else _stream(rows),
                mode="append",
                commit_properties=properties,
                post_commithook_properties=_NO_HOOKS,
            )
            return self._settled(table, before)
        added = self._placed(self._folder, rows)
        try:
            return self._commit(table, added, properties)
        except (OSError, DeltaError):
            self._discard(self._folder, added, rows)
            raise

    def _commit(
        self,
        table: DeltaTable,
        actions: Sequence[AddAction | RemoveAction],
        properties: CommitProperties,
    ) -> int:
        """Commit what happens to files that are on disk; return the table's version after that."""
        before = table.version()
        table.create_write_transaction(
            [*actions],
            "append",
            table.schema(),
            commit_properties=properties,
            post_commithook_properties=_NO_HOOKS,
        )
        return self._settled(table, before)

    def _settled(self, table: DeltaTable, before: int) -> int:
        """Bring all commits after one to disk, and now and then a checkpoint of the table."""
        self._update(table)
        after = table.version()
        self._sync_log(before + 1, after)
        if after // CHECKPOINT > before // CHECKPOINT:
            self._checkpoint(table)
        return after

    def _checkpoint(self, table: DeltaTable) -> None:
        """Write a checkpoint; once it is on disk, what it makes superfluous may go.

        Whoever finds another at it leaves it to that one: two of the same version are different
        files, and a reader of the first would go on in the second.
        """
        with self._checkpointing() as is_alone:
            if not is_alone:
                return
            table.create_checkpoint()  # if there is one of its version, that stays
            name = f"_delta_log/{table.version():020}.checkpoint.parquet"
            self._sync("_delta_log/_last_checkpoint", name)
            # A reader or another machine may be in the way; the commit stands.
            with contextlib.suppress(FileNotFoundError, DeltaError):
                table.cleanup_metadata()

    @contextlib.contextmanager
    def _checkpointing(self) -> Iterator[bool]:
        """Be the only one on this machine who writes checkpoints; False: another is."""
        if self._folder is None:
            yield True
            return
        with (self._folder / "_delta_log" / "_checkpointing").open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True

    def _placed(self, folder: Path, rows: pl.DataFrame | Staged | Shared) -> list[AddAction]:
        """Bring the data files to disk, in the table's folder; no reader knows of them yet."""
        is_frame = isinstance(rows, pl.DataFrame)
        added = [written(folder, rows)] if is_frame else rows.place(folder)
        for file in added:
            sync(folder / file.path)
        sync(folder)
        return added

    def _discard(
        self, folder: Path, added: list[AddAction], rows: pl.DataFrame | Staged | Shared
    ) -> bool:
        """Take back data files whose commit failed; True: the commit stands in spite of that."""
        known = {uri.rsplit("/", 1)[-1] for uri in self._opened().file_uris()}
        unknown = [file for file in added if file.path not in known]
        if isinstance(rows, pl.DataFrame):
            for file in unknown:
                (folder / file.path).unlink(missing_ok=True)
        else:
            rows.take_back(folder, unknown)
        return known.issuperset(file.path for file in added)

    def _sync_log(self, first: int, last: int) -> None:
        """Bring commits to disk."""
        self._sync(*(f"_delta_log/{version:020}.json" for version in range(first, last + 1)))

    def _sync(self, *names: str) -> None:
        """Bring files of the log to disk; what has gone is in a checkpoint that is there."""
        if self._folder is not None:
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    sync(self._folder / name)
            sync(self._folder / "_delta_log")


def _since_boot() -> float:
    """Return seconds since the machine began, those in which it slept as well."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _files(table: DeltaTable) -> list[File]:
    found = pl.DataFrame(table.get_add_actions())
    rows = found.select("path", "size_bytes", "num_records", "modification_time").iter_rows()
    return sorted((File(*row) for row in rows), key=lambda file: (file.modified, file.path))


def _as_table(rows: pl.DataFrame, schema: pl.Schema) -> pl.DataFrame:
    """Return rows of a file with all columns of the table."""
    held = [n for n, t in rows.schema.items() if not isinstance(t, pl.Null)]
    return rows.select(held).match_to_schema(schema, missing_columns="insert")


def _stream(rows: Staged | Shared) -> RecordBatchReader:
    """Return staged rows as an Arrow stream."""
    batches = (batch for frame in rows.scan().collect_batches() for batch in _batches(frame))
    return RecordBatchReader.from_batches(Table.from_arrow(rows.empty).schema, batches)


def _batches(frame: pl.DataFrame) -> list[RecordBatch]:
    return Table.from_arrow(frame).to_batches()


def _missing(folder: Path) -> list[Path]:
    """Return the folders that creating one will make, innermost first."""
    return [path for path in (folder, *folder.parents) if not path.exists()]
