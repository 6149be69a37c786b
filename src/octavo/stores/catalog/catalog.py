"""The catalog: what exists and what is live. Data themselves are elsewhere.

Writes are short transactions; a commit is durable (SQLite, journal mode DELETE, synchronous FULL).
Several processes may read and write; SQLite serialises the writers, who wait up to 30 seconds.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.dialects.sqlite import insert as sqlite_insert

from octavo.bundle.ranking import ranked
from octavo.definition import Dataset
from octavo.errors import ResourceError
from octavo.stores.catalog import schema
from octavo.stores.catalog.chain import extend
from octavo.stores.schemas import widened
from octavo.stores.user import user

HEAD = "0013"
"""The newest migration; a test compares it with the folder."""

PATIENCE = 5_000_000
"""Microseconds for which prep waits for a planned batch before it passes it."""
PATIENCE_AGAIN = 60_000_000
"""Microseconds for which it waits for one that it has passed before, and whose rows are known."""
PATIENCE_PER_ROW = 6
"""Microseconds for each row of such a batch, if that is longer: writing it must come to an end."""

Row = dict[str, Any]


def now() -> int:
    """Return the wall clock in microseconds since the epoch."""
    return time.time_ns() // 1000


class Catalog:
    """The tables of one home.

    Parameters
    ----------
    path
        The SQLite file; created, and migrated to `HEAD`, when opened.
    patience
        Seconds to wait while others write.

    Raises
    ------
    ResourceError
        If the file cannot be opened or was written by a newer Octavo.
    """

    def __init__(self, path: Path, *, patience: float = 30.0) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": patience})
        event.listen(self.engine, "connect", _configure)
        try:
            self._migrate()
        except exc.DatabaseError as error:
            if _is_full(error):
                raise ResourceError.disk_full(where=str(path)) from error
            raise ResourceError(
                f"the catalog cannot be opened ({error.__cause__ or error}).",
                where=str(path),
                fix="Check the disk and the file's permissions, or delete the home to start over.",
            ) from error

    def _migrate(self) -> None:
        with self.engine.begin() as connection:
            if self._version(connection) == HEAD:
                return
            # One transaction for all of it: the driver itself begins none before "create table".
            connection.exec_driver_sql("begin immediate")
            at = self._version(connection)
            if at == HEAD:  # another process was quicker
                return
            if at > HEAD:
                raise ResourceError(
                    f"the catalog is at version {at}, this Octavo knows {HEAD}.",
                    where=str(self.path),
                    fix="Upgrade Octavo.",
                )
            from alembic import command  # only a new or old catalog pays for loading Alembic
            from alembic.config import Config

            config = Config()
            config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
            config.attributes["connection"] = connection
            command.upgrade(config, "head")

    @staticmethod
    def _version(connection: sa.Connection) -> str:
        """Return the newest migration that was done; "" for a new file."""
        known = sa.inspect(connection).has_table("alembic_version")
        version = sa.text("select version_num from alembic_version")
        return str(connection.scalar(version) or "") if known else ""

    @contextmanager
    def transaction(self, *, alone: bool = False) -> Iterator[sa.Connection]:
        """Give a connection; all that is done on it is committed together or not at all.

        Parameters
        ----------
        alone
            No other process writes from the beginning on: what is read in it still holds when it is
            committed.

        Raises
        ------
        ResourceError
            If the disk is full, or the file cannot be written.
        """
        with self._explained(), self.engine.begin() as connection:
            if alone:
                connection.exec_driver_sql("begin immediate")
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except exc.OperationalError as error:
            if _is_full(error):
                raise ResourceError.disk_full(where=str(self.path)) from error
            raise ResourceError(
                f"the catalog cannot be used: {error.orig}.",
                where=str(self.path),
                fix="Check the disk and the file's permissions; then the same command goes on.",
            ) from error

    def rows(self, query: sa.Select[Any]) -> list[Row]:
        """Return the rows of a query as dictionaries."""
        with self._explained(), self.engine.connect() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def one(self, query: sa.Select[Any]) -> Row | None:
        """Return the first row of a query, or None."""
        found = self.rows(query.limit(1))
        return found[0] if found else None

    def newest(self, table: sa.Table, column: str) -> Row | None:
        """Return the row that has the greatest value in a column, or None."""
        return self.one(sa.select(table).order_by(table.c[column].desc()))

    def insert(self, table: sa.Table, **values: Any) -> None:
        """Insert one row in a transaction of its own."""
        with self.transaction() as connection:
            connection.execute(table.insert().values(**values))

    def put(self, table: sa.Table, **values: Any) -> None:
        """Insert one row, or replace the one of the same primary key."""
        with self.transaction() as connection:
            put(connection, table, **values)

    def emit(self, kind: str, subject: str, *, severity: str = "info", **document: Any) -> None:
        """Write an event in a transaction of its own."""
        with self.transaction() as connection:
            emit(connection, kind, subject, severity=severity, **document)

    def live_deployment(self) -> Row | None:
        """Return the deployment that answers now, or None."""
        table = schema.deployments
        return self.one(sa.select(table).where(table.c.live_to.is_(None)))

    def candidate(self, candidate_id: str) -> Row | None:
        """Return a candidate's row, or None."""
        table = schema.candidates
        return self.one(sa.select(table).where(table.c.candidate_id == candidate_id))

    def ranking(self, study: str, *, more_is_better: bool) -> list[Row]:
        """Return a study's candidates, each with what its trial measured, best first.

        See `octavo.bundle.ranking`; of equal ones the oldest is the first.
        """
        trials, candidates = schema.trials, schema.candidates
        measured = ("number", "role", "figure", "folds", "log_loss", "standard_error")
        query = (
            sa.select(candidates, *(trials.c[name] for name in measured))
            .join(trials, trials.c.candidate_id == candidates.c.candidate_id)
            .where(trials.c.study == study)
            .order_by(trials.c.number)
        )
        found = {row["candidate_id"]: row for row in self.rows(query)}
        return ranked(found.values(), more_is_better=more_is_better)

    def data_version(self, data_version: str) -> Row | None:
        """Return a data version's document, or None."""
        table = schema.data_versions
        found = self.one(sa.select(table).where(table.c.data_version == data_version))
        return found["document"] if found else None

    def committed(self, dataset: str | None = None) -> list[Row]:
        """Return the committed batches in the order of their sequence; no withdrawn ones."""
        return [batch for batch in self.batches(dataset) if batch["state"] == "committed"]

    def schemas(self) -> dict[str, dict[str, str]]:
        """Return what columns every dataset has, as `octavo.stores.schemas` writes them."""
        return {row["dataset"]: row["schema"] for row in self.rows(sa.select(schema.datasets))}

    def loaded(self, datasets: Iterable[Dataset]) -> dict[str, list[str]]:
        """Return which datasets have batches, each with the columns that were widened."""
        names, known = {batch["dataset"] for batch in self.committed()}, self.schemas()
        return {
            dataset.name: widened(known[dataset.name], dataset.source.renamed)
            for dataset in datasets
            if dataset.name in names and dataset.name in known
        }

    def batches(self, dataset: str | None = None) -> list[Row]:
        """Return the batches that were ever committed, also those withdrawn since, in order."""
        table = schema.batches
        query = sa.select(table).where(table.c.state != "planned").order_by(table.c.sequence)
        return self.rows(query.where(table.c.dataset == dataset) if dataset else query)

    def totals(self) -> dict[str, Row]:
        """Return of each dataset what its batches that count come to; of those without any, none.

        ``batches``, ``rows``, ``rejected``, ``duplicates``, ``newest``, and ``last``, when the last
        of them was committed.
        """
        table = schema.batches
        # Only columns before `quality`: what is behind that is only found by reading through it.
        sums = [sa.func.sum(table.c[n]).label(n) for n in ("rows", "rejected", "duplicates")]
        newest = [sa.func.max(table.c[n]).label(n) for n in ("sequence", "newest")]
        count = sa.func.count().label("batches")
        columns: list[sa.ColumnElement[Any]] = [table.c.dataset, count, *sums, *newest]
        query = sa.select(*columns)
        found = self.rows(query.where(table.c.state == "committed").group_by(table.c.dataset))
        when = [table.c[name] for name in ("sequence", "committed_at")]
        places = table.c.sequence.in_([row["sequence"] for row in found])
        rows = self.rows(sa.select(*when).where(places))
        at = {row["sequence"]: row["committed_at"] for row in rows}
        return {row["dataset"]: row | {"last": at.get(row["sequence"])} for row in found}

    def batches_after(self, sequence: int) -> list[Row]:
        """Return what a reader of raw rows needs of the batches behind a sequence, in order.

        Of all datasets, also planned and withdrawn ones; whichever is planned later is behind them.
        Planned ones that prep has passed are left out: they get a later place, if any.
        """
        table = schema.batches
        names = ("batch_id", "dataset", "sequence", "state", "restated", "delta_version")
        passed = sa.select(sa.func.max(schema.barrier.c.position)).scalar_subquery()
        counts = table.c.sequence > sa.func.coalesce(passed, 0)
        query = sa.select(*(table.c[name] for name in names))
        query = query.where(table.c.sequence > sequence, (table.c.state != "planned") | counts)
        return self.rows(query.order_by(table.c.sequence))

    def ready(self, after: int, now: int) -> tuple[list[Row], bool]:
        """Return what can be folded behind a place: up to the first batch that is waited for.

        A planned batch is waited for as long as `is_awaited` says. Then it is left out: whoever
        folds what comes behind it draws the barrier first, and it gets a later place.

        Parameters
        ----------
        after
            A sequence.
        now
            Microseconds since the epoch.

        Returns
        -------
        batches : list of dict
            All columns, in the order of their sequence; also withdrawn ones.
        passes : bool
            Whether a planned one lies between them, or before the first.
        """
        table = schema.batches
        query = sa.select(table).where(table.c.sequence > after).order_by(table.c.sequence)
        found: list[Row] = []
        left_out = passes = False
        with self._explained(), self.engine.connect() as connection:
            for batch in map(dict, connection.execute(query).mappings()):
                if batch["state"] != "planned":
                    found.append(batch)
                    passes = left_out
                elif is_awaited(batch, now):
                    break
                else:
                    left_out = True
        return found, passes

    def committed_at(self, position: int) -> list[Row]:
        """Return the batches that counted at a place in the order, also those withdrawn since."""
        return [
            batch
            for batch in self.batches()
            if batch["sequence"] <= position and not 0 < (batch["withdrawn"] or 0) <= position
        ]

    def position(self) -> int:
        """Return the newest place that counts, of batches and withdrawals; 0 before the first."""
        return max((last_place(batch) for batch in self.batches()), default=0)

    def newest_withdrawal(self) -> int | None:
        """Return the place of the newest withdrawal; None before the first."""
        column = schema.batches.c.withdrawn
        return self.rows(sa.select(sa.func.max(column).label("at")))[0]["at"]

    def next_place(self) -> int:
        """Return the first free place in the order of batches and withdrawals."""
        table = schema.batches
        newest = (
            sa.select(sa.func.max(c).label("at")) for c in (table.c.sequence, table.c.withdrawn)
        )
        return 1 + max(self.rows(query)[0]["at"] or 0 for query in newest)

    def draw_barrier(self) -> tuple[list[Row], int]:
        """Fix how far a prep goes; what is committed from now on has a later place.

        Returns
        -------
        batches : list of dict
            As `committed` gives them.
        position : int
            The newest place that counts.
        """
        table = schema.batches
        query = sa.select(table).where(table.c.state != "planned").order_by(table.c.sequence)
        with self.transaction(alone=True) as connection:
            batches = [dict(row) for row in connection.execute(query).mappings()]
            position = max((last_place(batch) for batch in batches), default=0)
            _raise_barrier(connection, position, batches)
        return [batch for batch in batches if batch["state"] == "committed"], position

    def barrier(self) -> int:
        """Return how far prep has come in the order of batches, or is about to."""
        found = self.one(sa.select(schema.barrier))
        return found["position"] if found else 0

    @contextmanager
    def changes(self) -> Iterator[Callable[[], int]]:
        """Give a function whose result is another one after each commit, of whichever process.

        A connection of its own makes that cost next to nothing.
        """
        connection = sqlite3.connect(self.path, timeout=30, check_same_thread=False)
        with self._explained(), closing(connection):
            yield lambda: connection.execute("pragma data_version").fetchone()[0]

    def move_barrier(self, after: int, through: int) -> list[Row]:
        """Fix that a prep goes on from one place to another.

        Returns
        -------
        list of dict
            The batches between the two that count, in order.
        """
        table = schema.batches
        query = sa.select(table).where(
            table.c.sequence > after, table.c.sequence <= through, table.c.state == "committed"
        )
        with self.transaction(alone=True) as connection:
            batches = connection.execute(query.order_by(table.c.sequence)).mappings()
            found = [dict(row) for row in batches]
            _raise_barrier(connection, through, found)
        return found

    def live_groups(self, name: str | None = None) -> list[Row]:
        """Return the feature groups that are kept up, the newest first.

        Each with ``position``, ``clock``, ``rows``, ``too_late`` and ``state`` of its last prep.
        """
        groups, versions = schema.feature_groups, schema.feature_versions
        last = sa.select(sa.func.max(versions.c.id)).group_by(versions.c.group_id)
        found = [versions.c[c] for c in ("position", "clock", "rows", "too_late", "state")]
        query = (
            sa.select(groups, *found)
            .join(versions, versions.c.group_id == groups.c.group_id)
            .where(versions.c.id.in_(last), groups.c.replaced.is_(None))
            .order_by(groups.c.committed_at.desc(), groups.c.cut_over.desc(), groups.c.group_id)
        )
        return self.rows(query.where(groups.c.name == name) if name else query)

    def groups(self, name: str) -> list[Row]:
        """Return all feature groups that a view (or the rows) ever had."""
        table = schema.feature_groups
        return self.rows(sa.select(table).where(table.c.name == name).order_by(table.c.group_id))

    def pending_rebuilds(self) -> list[Row]:
        """Return the rebuilds that were asked for and are not done."""
        table = schema.rebuilds
        return self.rows(sa.select(table).where(table.c.position.is_(None)).order_by(table.c.id))

    def stale(self, name: str | None = None) -> list[Row]:
        """Return the marks of stale entities, of one view or of all."""
        table = schema.stale
        query = sa.select(table).order_by(table.c.position, table.c.name, table.c.key)
        return self.rows(query.where(table.c.name == name) if name else query)

    def corrections(self) -> list[Row]:
        """Return what makes views stale: ``name``, ``batch_id``, ``cause``, ``position``, once."""
        table = schema.stale
        columns = [table.c[name] for name in ("position", "name", "batch_id", "cause")]
        return self.rows(sa.select(*columns).distinct().order_by(*columns))

    def preps(self, group_id: str) -> list[list[int]]:
        """Return the positions at which a group was prepped, as first and last, in order."""
        table = schema.feature_versions
        query = sa.select(table).where(table.c.group_id == group_id).order_by(table.c.position)
        return [[row["first"] or row["position"], row["position"]] for row in self.rows(query)]


def name_of(batch: Row) -> str:
    """Return what people call a batch: its file, or its place in a stream."""
    return Path(batch["source"]).name if batch["topic"] is None else batch["source"]


def last_place(batch: Row) -> int:
    """Return the newest place a batch has in the order: its own, or that of its withdrawal."""
    return max(batch["sequence"], batch["withdrawn"] or 0)


def fix_order(connection: sa.Connection) -> None:
    """Move the barrier up to before the first planned batch: that order cannot change any more.

    So whoever folds live need not draw one, piece by piece.
    """
    table = schema.batches
    at = connection.scalar(sa.select(schema.barrier.c.position)) or 0
    behind = sa.select(table).where(table.c.sequence > at).order_by(table.c.sequence)
    settled: list[Row] = []
    for batch in connection.execute(behind).mappings():
        if batch["state"] == "planned":
            break
        settled.append(dict(batch))
    if settled:
        _raise_barrier(connection, settled[-1]["sequence"], settled)


def _raise_barrier(connection: sa.Connection, position: int, batches: Iterable[Row]) -> None:
    """Move the barrier to a position and to the newest ``known_at`` of some batches; never back."""
    at = connection.execute(sa.select(schema.barrier)).mappings().one_or_none()
    known = [batch["newest"] for batch in batches if batch["newest"] is not None]
    before = (at["position"], at["clock"]) if at else (0, 0)
    place = max(before[0], position), max(before[1], *known, 0)
    put(connection, schema.barrier, id=1, position=place[0], clock=place[1])


def is_awaited(batch: Row, now: int) -> bool:
    """Say whether prep still waits for a planned batch, or goes on without it.

    A clock that was set back ends the waiting, too.
    """
    patience = PATIENCE
    if batch["rows"] is not None:
        patience = max(PATIENCE_AGAIN, PATIENCE_PER_ROW * batch["rows"])
    return abs(now - batch["planned_at"]) <= patience


def put(connection: sa.Connection, table: sa.Table, **values: Any) -> None:
    """Insert one row, or replace the one of the same primary key."""
    keys: Sequence[sa.Column[Any]] = list(table.primary_key.columns)
    statement = sqlite_insert(table).values(**values)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=values))


def emit(
    connection: sa.Connection,
    kind: str,
    subject: str,
    *,
    run_id: str | None = None,
    severity: str = "info",
    actor: str = "",
    **document: Any,
) -> None:
    """Write an event together with the change it tells of.

    Parameters
    ----------
    actor
        Who did it; by default the user of this process.
    """
    event = {
        "run_id": run_id,
        "kind": kind,
        "subject": subject,
        "severity": severity,
        "document": document,
        "at": now(),
        "actor": actor or user(),
    }
    extend(connection, event)


def _is_full(error: exc.DBAPIError) -> bool:
    return getattr(error.orig, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL


def _configure(connection: Any, _record: Any) -> None:
    connection.execute("pragma journal_mode = delete")
    connection.execute("pragma synchronous = full")
