"""The raw store: every accepted row of a dataset under its batch, and every rejected one.

Rows are the source's own columns, the stamps of `octavo.definition.events` and ``_batch_id``.
Append-only; what counts is what the catalog calls committed. A row that restates an event is kept
beside the raw rows, typed as they are: `RawStore.events` gives the versions that came first,
`RawStore.history` all of them.

A column that batches lack is null in them. Numbers that come where whole numbers came before are
kept beside these, under a name of their own (`physical`); readers get one column of numbers. So the
whole numbers stay what they were.
"""

import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import polars as pl

from octavo.definition import Dataset
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    KNOWN_AT,
    POSITION,
    TIMESTAMP,
    computed,
)
from octavo.stores.catalog import Row
from octavo.stores.delta import DeltaLog
from octavo.stores.history import versions
from octavo.stores.home import Home
from octavo.stores.schemas import WIDENED
from octavo.stores.staged import Staged

ROWS_PER_BATCH = 1 << 32
"""Positions reserved for one batch: position = sequence × 2³² + row of the file."""

BLOCK = 500_000
"""Rows of a batch in a block, at the most; they bound memory and change no result."""

STAMPS = (EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, "_batch_id")

WIDE = "|number"
"""Ends the names of columns that hold numbers where whole numbers came before; no name of a source
ends so."""

REJECTED_SCHEMA = {
    "_batch_id": pl.String,
    "_row": pl.Int64,
    "text": pl.String,
    "column": pl.String,
    "rule": pl.String,
    "reason": pl.String,
}


class RawStore:
    """Raw and rejected tables of all datasets of one home.

    It knows a table that it has met, so that what is new there is all that is read of its log.
    """

    def __init__(self, home: Home) -> None:
        self.home = home
        self._logs: dict[Path, DeltaLog] = {}

    def _log(self, path: Path) -> DeltaLog:
        return self._logs.setdefault(path, DeltaLog(path))

    @contextmanager
    def receive(self, dataset: str, batch_id: str) -> Iterator["Incoming"]:
        """Take in a batch piece by piece; what was not committed at the end is gone."""
        folder = self.home.incoming(batch_id)
        shutil.rmtree(folder, ignore_errors=True)  # what a killed run left
        try:
            yield Incoming(self.home, dataset, batch_id, self._log)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def scan(self, dataset: str, batches: Sequence[Row]) -> pl.LazyFrame:
        """Return the raw rows of some committed batches, lazily, in no order.

        They have the columns that any batch ever had, and the stamps behind them.
        """
        return _of_batches(self._log(self.home.raw(dataset)), batches)

    def restated(self, dataset: str, batches: Sequence[Row]) -> pl.LazyFrame:
        """Return the rows of some batches that restate an event, as raw rows, in no order."""
        restating = [batch for batch in batches if batch["restated"]]
        none = self.scan(dataset, [])
        if not restating:
            return none
        found = _of_batches(self._log(self.home.restated(dataset)), restating)
        return pl.concat([none, found], how="diagonal_relaxed")

    def versions(self, dataset: str, batches: Sequence[Row]) -> list[pl.LazyFrame]:
        """Return the raw rows of some batches, and those that restate an event, as `scan` does.

        Of no batch there is nothing.
        """
        return [self.scan(dataset, batches), self.restated(dataset, batches)] if batches else []

    def of_event(self, dataset: str, event_id: str) -> pl.DataFrame:
        """Return where the rows of an event are: ``_batch_id``, ``_position``, ``_known_at``.

        In order of position; also rows that restate it, and those of batches that do not count.
        Of all others only the IDs are read.
        """
        types = {"_batch_id": pl.String, POSITION: pl.Int64, KNOWN_AT: TIMESTAMP}
        logs = [self._log(table(dataset)) for table in (self.home.raw, self.home.restated)]
        found = [log.matching(EVENT_ID, event_id, types) for log in logs if log.exists()]
        rows = [each.select(list(types)) for each in found]
        return pl.concat([pl.DataFrame(schema=types), *rows]).sort(POSITION)

    def parts(self, dataset: str, batch_id: str) -> "Parts":
        """Return what was written of a batch, whether it counts or not, in no order.

        It has the columns of the table, those that the batch lacks being null.
        """
        home, found = self.home, []
        for table in (home.raw, home.restated, home.rejected):
            log = self._log(table(dataset))
            mine = pl.col("_batch_id") == batch_id
            found.append(log.scan().filter(mine) if log.exists() else None)
        return Parts(*found)

    def rejected(self, dataset: str, batch_id: str | None = None) -> pl.DataFrame:
        """Return rejected rows: original text, row of the file, rule and reason."""
        log = self._log(self.home.rejected(dataset))
        if not log.exists():
            return pl.DataFrame(schema=REJECTED_SCHEMA)
        rows = log.scan()
        if batch_id is not None:
            rows = rows.filter(pl.col("_batch_id") == batch_id)
        return rows.sort("_batch_id", "_row").collect()

    def events(
        self, dataset: Dataset, batches: Sequence[Row], columns: Collection[str] | None = None
    ) -> pl.DataFrame:
        """Return the events of some batches in log order: ``(known_at, position)``.

        Of an event that was restated, the version that came first.

        Parameters
        ----------
        dataset
            Its ``where`` decides which raw rows are events; computed columns are added.
        batches
            Committed batches of a dataset that has been ingested.
        columns
            The columns wanted besides the stamps; None for all of them. What they are computed
            from may be there as well; what the dataset does not have is not.
        """
        scan = self.scan(dataset.name, batches)
        read = _needed(dataset, columns, scan)
        return _events(dataset, _only(scan, read).collect(), read)

    def events_of(self, dataset: Dataset, rows: pl.DataFrame) -> pl.DataFrame:
        """Return raw rows that were read otherwise as events, as `events` does."""
        return _events(dataset, rows, None)

    def sample(self, dataset: Dataset, batches: Sequence[Row], rows: int) -> pl.DataFrame:
        """Return a few events of some batches, whichever are found first."""
        frame = self.scan(dataset.name, batches).filter(pl.col(EVENT_TIME).is_not_null())
        return computed(dataset, frame.head(rows).collect())

    def history(
        self,
        dataset: Dataset,
        batches: Sequence[Row],
        through: int,
        columns: Collection[str] | None = None,
    ) -> pl.DataFrame:
        """Return the events of some batches with the restatements known up to a position.

        Parameters
        ----------
        through
            Restatements in batches of a later sequence are left out.
        columns
            As for `events`.

        Returns
        -------
        polars.DataFrame
            As from `events`, every version of an event a row, with the columns of
            `octavo.stores.history`.
        """
        scan = self.scan(dataset.name, batches)
        read = _needed(dataset, columns, scan)
        again = _only(self._restated_by(dataset, batches, through), read).collect()
        return _events(dataset, versions(_only(scan, read).collect(), again), read)

    def blocks(
        self, dataset: Dataset, batches: Sequence[Row], through: int | None
    ) -> Iterator[pl.DataFrame]:
        """Give the same events piece by piece, each with all its versions, in no order.

        Parameters
        ----------
        through
            As for `history`; None: the versions that came first alone, as `events` gives them.
        """
        if through is None:
            for batch in batches:
                for frame in self.received(dataset.name, batch):
                    yield _events(dataset, frame, None)
            return
        again = self._restated_by(dataset, batches, through).collect()
        for batch in batches:
            for frame in self.received(dataset.name, batch):
                here = again.join(frame, on=EVENT_ID, how="semi")
                again = again.join(frame, on=EVENT_ID, how="anti")
                yield _events(dataset, versions(frame, here), None)
        if again.height:  # what they restate was withdrawn
            yield _events(dataset, versions(again.clear(), again), None)

    def _restated_by(self, dataset: Dataset, batches: Sequence[Row], through: int) -> pl.LazyFrame:
        known = [b for b in batches if b["restated"] and b["sequence"] <= through]
        return self.restated(dataset.name, known)

    def received(self, dataset: str, batch: Row) -> Iterator[pl.DataFrame]:
        """Give the raw rows of a batch piece by piece, as they stood in the file; at least one."""
        scan = self.scan(dataset, [batch])
        first = batch["sequence"] * ROWS_PER_BATCH
        last = scan.select(pl.col(POSITION).max()).collect().item()
        for start in range(first, first + 1 if last is None else last + 1, BLOCK):
            here = pl.col(POSITION).is_between(start, start + BLOCK, closed="left")
            yield scan.filter(here).collect().sort(POSITION)


class Parts(NamedTuple):
    """All that is written of a batch, as it is in files; None: there is nothing of the kind."""

    rows: pl.LazyFrame | None
    restated: pl.LazyFrame | None
    rejected: pl.LazyFrame | None


class Incoming:
    """A batch on its way into the raw store: on disk as it comes, in no table until `commit`.

    Attributes
    ----------
    rows, restated
        Source columns and stamps.
    rejected
        Columns of `REJECTED_SCHEMA`.
    """

    def __init__(
        self, home: Home, dataset: str, batch_id: str, log: Callable[[Path], DeltaLog]
    ) -> None:
        self._log = log
        self.folder = home.incoming(batch_id)
        self.rows, self.restated, self.rejected = (
            Staged(self.folder / name) for name in ("rows", "restated", "rejected")
        )
        self._home, self._dataset, self._batch_id = home, dataset, batch_id

    def parts(self) -> Parts:
        """Return what has come so far."""
        staged = (self.rows, self.restated, self.rejected)
        return Parts(*(each.scan() if each.has_columns else None for each in staged))

    def commit(
        self,
        metadata: Mapping[str, str] | None = None,
        *,
        writer: tuple[str, int] | None = None,
    ) -> int | None:
        """Write the batch: all of it, once, however often it is tried.

        Rejected and restated rows go first, so that a batch that counts as written has lost
        nothing.

        Parameters
        ----------
        metadata
            Kept with the commit of the raw rows.
        writer
            Whose batch it is, and a number that grows with each batch of this writer: of these a
            table remembers the newest alone. None: it is one of few, and remembered by its ID.

        Returns
        -------
        int or None
            The version of the raw table; None if all rows were rejected before they had columns.
        """
        name, home = self._dataset, self._home
        app_id, version = writer or (self._batch_id, 1)
        for rows, table in ((self.rejected, home.rejected), (self.restated, home.restated)):
            if rows.rows:
                self._log(table(name)).append(rows, app_id=app_id, version=version, merge=True)
        if not self.rows.has_columns:
            return None
        log = self._log(home.raw(name))
        told = {"app_id": app_id, "version": version, "metadata": metadata}
        return log.append(self.rows, **told, merge=True) or log.version()


def physical(column: str, dtype: pl.DataType, known: Mapping[str, str]) -> str:
    """Return what a column is called in files of the raw store.

    Parameters
    ----------
    dtype
        What it is in a batch.
    known
        What columns were in earlier batches, as `octavo.stores.schemas` writes it.
    """
    was_whole = known.get(column) in ("integer", WIDENED)
    return column + WIDE if was_whole and dtype == pl.Float64() else column


def logical(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Put numbers and the whole numbers of earlier batches into one column."""
    names = rows.collect_schema().names()
    wide = [name for name in names if name.endswith(WIDE)]
    for name in wide:
        column = name.removesuffix(WIDE)
        parts = [pl.col(part).cast(pl.Float64) for part in (name, column) if part in names]
        rows = rows.with_columns(pl.coalesce(parts).alias(column))
    stamps = [name for name in STAMPS if name in names]
    return rows.select(pl.exclude(*wide, *stamps), *stamps)


def _events(dataset: Dataset, rows: pl.DataFrame, read: Collection[str] | None) -> pl.DataFrame:
    """Return raw rows that are events, as such and in log order."""
    rows = rows.filter(pl.col(EVENT_TIME).is_not_null())
    return computed(dataset, rows, read).sort(KNOWN_AT, POSITION)


def _needed(
    dataset: Dataset, columns: Collection[str] | None, rows: pl.LazyFrame
) -> set[str] | None:
    """Return what must be read for some columns; None for everything.

    An unknown column is refused by whoever evaluates it, and who names the nearest needs all.
    """
    known = {*rows.collect_schema(), *dataset.columns, *dataset.source.renamed.values()}
    return dataset.read_for(columns) if columns is not None and known >= {*columns} else None


def _only(rows: pl.LazyFrame, read: Collection[str] | None) -> pl.LazyFrame:
    """Return raw rows with the columns that are read, and what is stamped on events."""
    if read is None:
        return rows
    stamps = {EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION}
    return rows.select(c for c in rows.collect_schema() if c in read or c in stamps)


def _of_batches(table: DeltaLog, batches: Sequence[Row]) -> pl.LazyFrame:
    rows = table.scan()
    if not batches:
        return logical(rows.clear())
    return logical(rows.filter(pl.col("_batch_id").is_in([b["batch_id"] for b in batches])))


def batch_sequence(position: pl.Expr) -> pl.Expr:
    """Return the sequence of the batch that a position lies in."""
    return position // ROWS_PER_BATCH
