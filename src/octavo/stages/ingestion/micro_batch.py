"""One planned range of a stream into the raw store: read, checked and written under its batch ID.

What is done with its rows is done with those of a file. But a stream cannot be refused: a row that
stands in the way of others is kept aside with the reason, and checks that would stop a file reject
rows. It knows nothing of leases, or of when a range is planned.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

import polars as pl
from polars.exceptions import PanicException

from octavo.definition import Dataset, Pipeline
from octavo.definition.events import POSITION
from octavo.definition.needed import naming_columns, source_columns
from octavo.engines import LocalEngine
from octavo.stages.ingestion.accept import Intake
from octavo.stages.ingestion.batches import Written, earlier
from octavo.stages.ingestion.files import begin_of
from octavo.stages.ingestion.isolating import is_of_rows, isolate
from octavo.stages.ingestion.loaded import ROW
from octavo.stages.ingestion.misnamed import Misnamed, check_many
from octavo.stages.ingestion.ranges import range_of
from octavo.stages.ingestion.repeats import Seen
from octavo.stages.ingestion.sent import Refused, Sent, rows_of
from octavo.stores.catalog import Catalog, Row
from octavo.stores.raw import ROWS_PER_BATCH, Incoming, RawStore, logical
from octavo.stores.schemas import from_json, to_json
from octavo.streams import Record


@dataclass(frozen=True)
class _Read:
    """What the rows of a batch turned out to be."""

    schema: dict[str, str] | None = None
    noticed: tuple[dict[str, object], ...] = ()
    bytes: int = 0


class MicroBatches:
    """The batches of one dataset that come by its stream.

    Remembers the event IDs of all batches, eight bytes each and as much again to spare, so that a
    small batch costs its own rows.
    """

    def __init__(self, pipeline: Pipeline, dataset: Dataset, raw: RawStore, catalog: Catalog):
        stops = [c.severity == "stop" for c in dataset.checks]
        checks = [
            replace(check, severity="reject", tolerate=0.0) if stop else check
            for check, stop in zip(dataset.checks, stops, strict=True)
        ]
        self.dataset = replace(dataset, checks=checks)
        self._pipeline, self._raw, self._catalog = pipeline, raw, catalog
        self._used = source_columns(pipeline, dataset)
        self._naming = naming_columns(pipeline, dataset)
        self._nested = dataset.source.nested
        self._where = f"dataset {dataset.name!r}, stream"
        self._engine = LocalEngine(workers=1)  # threads cost more than a batch has to do
        self._seen = Seen()
        self._known: set[str] = set()
        """Batches behind the settled ones whose event IDs are remembered."""
        self._fresh = "", pl.DataFrame()
        """The batch that was written last, by its ID, and its rows."""
        self._settled = 0
        """The newest sequence up to which no batch is about to be committed."""

    def write(self, batch: Row, records: Sequence[Record]) -> Written:
        """Bring the rows of a range to disk, accepted and rejected; they do not count yet.

        Raises
        ------
        ResourceError
            If the machine stands in the way; the same call may be tried again.
        """
        began = time.monotonic()
        self._learn()
        rows, refused = rows_of(records, batch["first_offset"], self._used)
        try:
            return self._written(batch, rows, refused, began)
        except (Exception, PanicException) as error:
            if not is_of_rows(error):
                raise
            names = Misnamed(self._catalog.schemas().get(self.dataset.name) or {}, self._where)
            aside = isolate(
                lambda places: self._tried(batch, rows.some(places)),
                rows.kinds(),
                error,
                lambda place: names.why(rows.columns(place, self._nested)),
            )
        refused += [rows.refused(place, reason) for place, reason in aside.items()]
        kept = [place for place in range(len(rows)) if place not in aside]
        return self._written(batch, rows.some(kept), sorted(refused), began)

    def accepted(self, batch: Row) -> pl.DataFrame:
        """Return the rows of a committed batch that were accepted, in order."""
        if batch["delta_version"] is None:
            return pl.DataFrame()
        of, rows = self._fresh
        if of == batch["batch_id"]:
            rows = rows if rows[POSITION].is_sorted() else rows.sort(POSITION)
            return logical(rows.lazy()).collect()
        first = batch["sequence"] * ROWS_PER_BATCH
        last = first + batch["end_offset"] - batch["first_offset"]  # so that files are skipped
        rows = self._raw.scan(self.dataset.name, [batch])
        rows = rows.filter(pl.col(POSITION).is_between(first, last, closed="left"))
        return rows.collect().sort(POSITION)

    def _learn(self) -> None:
        """Take in the event IDs of batches that came meanwhile, of files or another owner."""
        if not self.dataset.event_id:
            return
        behind = self._catalog.batches_after(self._settled)
        committed = [batch for batch in behind if batch["state"] == "committed"]
        come = [
            batch
            for batch in committed
            if batch["dataset"] == self.dataset.name
            and batch["delta_version"] is not None
            and batch["batch_id"] not in self._known
        ]
        for rows in self._raw.versions(self.dataset.name, come):
            self._seen.learn(rows)
        planned = [batch["sequence"] for batch in behind if batch["state"] == "planned"]
        newest = behind[-1]["sequence"] if behind else self._settled
        self._settled = min(planned, default=1 + newest) - 1
        self._known = {b["batch_id"] for b in committed if b["sequence"] > self._settled}

    def _tried(self, batch: Row, rows: Sent) -> None:
        with self._raw.receive(self.dataset.name, batch["batch_id"]) as incoming:
            self._take(batch, rows, [], incoming)

    def _written(self, batch: Row, rows: Sent, refused: Sequence[Refused], began: float) -> Written:
        with self._raw.receive(self.dataset.name, batch["batch_id"]) as incoming:
            intake, read = self._take(batch, rows, refused, incoming)
            if incoming.rows.has_columns and incoming.rows.held.height == intake.rows:
                self._fresh = batch["batch_id"], incoming.rows.held
            writer = f"{batch['topic']}/{batch['partition']}", batch["sequence"]
            version = incoming.commit(range_of(batch).metadata, writer=writer)
        self._known.add(batch["batch_id"])
        return Written(
            rows=intake.rows,
            rules=intake.rules,
            restated=intake.rules["restated"],
            duplicates=intake.duplicates,
            bytes=read.bytes,
            newest=intake.newest,
            schema=read.schema,
            noticed=list(read.noticed),
            version=version,
            seconds=time.monotonic() - began,
        )

    def _take(
        self, batch: Row, rows: Sent, refused: Sequence[Refused], incoming: Incoming
    ) -> tuple[Intake, _Read]:
        """Read rows, check them, and put them where they are on their way into the raw store."""
        name = self.dataset.name
        known = self._catalog.schemas().get(name)
        before = partial(earlier, self._catalog, name)
        intake = Intake(self.dataset, batch, self._raw, before, incoming, known, self._seen)
        if refused:
            intake.set_aside(_rejected(refused))
        return intake, self._read(intake, rows, known) if len(rows) else _Read()

    def _read(self, intake: Intake, rows: Sent, known: dict[str, str] | None) -> _Read:
        reading = begin_of(
            self.dataset,
            rows.opens(self._where),
            engine=self._engine,
            where_label=self._where,
            schema=from_json(known) if known else None,
            needed=self._used if known else None,
            naming=self._naming,
        )
        pieces = list(reading.pieces())
        while not reading.settled:
            pieces = list(reading.pieces())
        if known:
            check_many(list(reading.schema), known, self._where)
        for piece in pieces:
            intake.take(rows.placed(piece))
        intake.finish()
        noticed = tuple(finding.document() for finding in reading.noticed)
        return _Read(to_json(reading.schema), noticed, reading.bytes)


def _rejected(refused: Sequence[Refused]) -> pl.DataFrame:
    rows = [(each.row, each.text, None, "unusable", each.reason) for each in refused]
    names = {ROW: pl.Int64, **dict.fromkeys(("text", "column", "rule", "reason"), pl.String)}
    return pl.DataFrame(rows, schema=names, orient="row")
