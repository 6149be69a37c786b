"""Which parsed rows enter the raw store, and which are kept aside with the reason.

Rules look at rows after their treatment; what is stored is what was received.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import polars as pl

from octavo.definition import Check, Dataset, Sql
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    KNOWN_AT,
    POSITION,
    TIMESTAMP,
    as_named,
    condition,
    stamped,
)
from octavo.errors import DataError
from octavo.stages.ingestion.loaded import ROW
from octavo.stages.ingestion.reading import Piece
from octavo.stages.ingestion.repeats import Repeats, Seen
from octavo.stores.catalog import Row
from octavo.stores.raw import (
    REJECTED_SCHEMA,
    ROWS_PER_BATCH,
    Incoming,
    RawStore,
    logical,
    physical,
)
from octavo.stores.staged import Staged

_RESTATED = (
    "the event came before with other content; `octavo prep --rebuild` puts this in its place"
)


class Intake:
    """Stamps rows with identity, times and position, and sets aside those that cannot be used.

    Parameters
    ----------
    batch
        As the catalog knows it.
    raw
        Has the rows of earlier batches.
    earlier
        Gives the dataset's batches that count.
    incoming
        Where the rows go.
    known
        What columns were in earlier batches, as `octavo.stores.schemas` writes it; None: there are
        none.
    seen
        As for `octavo.stages.ingestion.repeats.Repeats`.
    """

    def __init__(
        self,
        dataset: Dataset,
        batch: Row,
        raw: RawStore,
        earlier: Callable[[], list[Row]],
        incoming: Incoming,
        known: Mapping[str, str] | None = None,
        seen: Seen | None = None,
    ) -> None:
        self.rows = self.duplicates = 0
        """Rows kept; and those whose event came before with the same content: nothing is lost."""
        self.newest: int | None = None
        """When the newest row could be known, microseconds."""
        self.rules: Counter[str] = Counter()
        """How many rows each rule has set aside."""
        self._dataset, self._batch, self._incoming = dataset, batch, incoming
        self._known = known or {}
        self._source: list[str] = []
        self._read = 0
        self._refused: pl.DataFrame | None = None
        is_loaded = isinstance(dataset.offline, Sql) and batch.get("topic") is None
        if dataset.event_id and is_loaded:
            ids = [each["batch_id"] for each in earlier()]
            refused = raw.rejected(dataset.name).filter(pl.col("_batch_id").is_in(ids))
            self._refused = refused.select("text", "rule").unique()
        self._failing: dict[str, tuple[int, int]] = {}  # of checks that stop: how many, the first
        self._repeats: Repeats | None = None
        if dataset.event_id:
            self._repeats = Repeats(
                lambda: raw.versions(dataset.name, earlier()),
                Staged(incoming.folder / "aside"),
                partial(as_named, dataset),
                seen,
            )

    def take(self, piece: Piece) -> None:
        """Take in the next rows of the file.

        Raises
        ------
        DefinitionError
            If an expression cannot be computed.
        """
        self._source = [c for c in piece.frame.columns if c != ROW]
        rows = stamped(self._dataset, piece.frame)
        if not self._dataset.event_id:
            own = pl.format("{}-{}", pl.lit(self._batch["content_hash"][:12]), pl.col(ROW))
            rows = rows.with_columns(own.alias(EVENT_ID))
        self._read += rows.height
        self.set_aside(piece.rejected)
        for rule, column, bad, reason in self._applied(rows):
            failing = rows.select(bad.alias("bad"))["bad"]
            if failing.any():
                self._refuse(piece, rows.filter(failing), rule, column, reason)
                rows = rows.filter(~failing)
        rows = _as_received(self._dataset, rows, piece.frame)
        rows = rows.select(*self._source, ROW, EVENT_ID, EVENT_TIME, "_available")
        if self._repeats:
            rows = self._repeats.divide(rows, piece.text)
        self._keep(rows)

    def set_aside(self, rows: pl.DataFrame) -> None:
        """Keep rejected rows: columns of `REJECTED_SCHEMA` but for the batch."""
        if self._refused is not None:  # a database gives a row again and again
            again = rows.join(self._refused, on=["text", "rule"], how="semi")
            again = again.filter(pl.col("rule") != "restated")
            self.duplicates += again.height
            rows = rows.join(again, on="_row", how="anti", maintain_order="left")
        self.rules.update(rows["rule"].to_list())
        batch = pl.lit(self._batch["batch_id"]).alias("_batch_id")
        self._incoming.rejected.add(rows.with_columns(batch).select(list(REJECTED_SCHEMA)))

    def finish(self) -> None:
        """Decide on what the whole file must tell: checks that stop, and events that came before.

        Raises
        ------
        DataError
            If a check of severity ``stop`` fails for more rows than it tolerates.
        """
        for check in self._dataset.checks:
            count, first = self._failing.get(check.name, (0, 0))
            share = count / max(self._read, 1)
            if check.severity == "stop" and share > check.tolerate:
                raise DataError(
                    f"{count} of {self._read} rows fail, {share:.2%} where {check.tolerate:.2%} "
                    f"are tolerated; the first is row {first}.",
                    where=f"dataset {self._dataset.name!r}, check {check.name!r}",
                    fix="Nothing was ingested. Correct the file, or change the check.",
                )
        if self._repeats:
            for found in self._repeats.compare(self._source, logical(self._incoming.rows.scan())):
                self.duplicates += found.duplicates
                self._keep(found.rows.drop("text"))
                self._incoming.restated.add(self._placed(found.restated))
                aside = found.restated.select(ROW, "text")
                self.set_aside(_explained(aside, "restated", None, _RESTATED))

    def _keep(self, rows: pl.DataFrame) -> None:
        placed = self._placed(rows)
        self._incoming.rows.add(placed)
        self.rows += placed.height
        if (newest := placed[KNOWN_AT].cast(pl.Int64).max()) is not None:
            newest = int(newest)  # type: ignore[arg-type]  # the column is of integers
            self.newest = newest if self.newest is None else max(newest, self.newest)

    def _placed(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Give rows their place in the log: availability or clock, the later, and the position."""
        clock = pl.lit(self._batch["clock"], dtype=pl.Int64).cast(TIMESTAMP)
        kept = ((name, physical(name, rows.schema[name], self._known)) for name in self._source)
        return rows.select(
            *(pl.col(name).alias(stored) for name, stored in kept),
            EVENT_ID,
            EVENT_TIME,
            pl.max_horizontal("_available", clock).alias(KNOWN_AT),
            (pl.col(ROW) + self._batch["sequence"] * ROWS_PER_BATCH).alias(POSITION),
            pl.lit(self._batch["batch_id"]).alias("_batch_id"),
        )

    def _applied(self, rows: pl.DataFrame) -> Iterator[tuple[str, str | None, pl.Expr, str]]:
        """Give rule, column, condition of failure and reason, in the order they are applied."""
        dataset = self._dataset
        is_event = pl.lit(True) if dataset.where is None else dataset.where.fill_null(False)
        if dataset.event_id:
            names = ", ".join(dataset.identity)
            yield (
                "event_id",
                names,
                pl.col(EVENT_ID).is_null(),
                f"the event ID ({names}) has a null",
            )
        if not dataset.is_static:
            missing = is_event & pl.col(EVENT_TIME).is_null()
            yield "event_time", None, missing, "the event time cannot be computed"
        for check in dataset.checks:
            if check.severity != "flag":
                yield self._checked(check, rows)

    def _checked(self, check: Check, rows: pl.DataFrame) -> tuple[str, str | None, pl.Expr, str]:
        where = f"dataset {self._dataset.name!r}, check {check.name!r}"
        bad = ~condition(rows, check.condition, where=where).fill_null(True)
        if bad.any():
            count, first = self._failing.get(check.name, (0, rows[ROW].filter(bad)[0]))
            self._failing[check.name] = (count + int(bad.sum()), first)
        column = ", ".join(check.condition.meta.root_names())
        failing = ~check.condition.fill_null(True)
        return f"check:{check.name}", column, failing, f"the check {check.name!r} fails"

    def _refuse(
        self, piece: Piece, rows: pl.DataFrame, rule: str, column: str | None, reason: str
    ) -> None:
        texts = pl.Series("text", [piece.text(row) for row in rows[ROW]], dtype=pl.String)
        self.set_aside(_explained(rows.select(ROW, texts), rule, column, reason))


def _as_received(dataset: Dataset, rows: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Put what was received back into columns that were treated, or called otherwise."""
    treated = (each.column for each in dataset.treat)
    changed = {*treated, *dataset.source.renamed, *dataset.source.renamed.values()}
    received = [name for name in frame.columns if name in changed]
    if not received:
        return rows
    kept = frame.filter(pl.col(ROW).is_in(rows[ROW].implode())).select(received)
    return rows.with_columns(kept.get_columns())


def _explained(rows: pl.DataFrame, rule: str, column: str | None, reason: str) -> pl.DataFrame:
    return rows.with_columns(
        pl.lit(column, dtype=pl.String).alias("column"),
        pl.lit(rule).alias("rule"),
        pl.lit(reason).alias("reason"),
    )
