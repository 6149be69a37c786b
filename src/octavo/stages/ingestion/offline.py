"""Sources to the raw store: every dataset at the same time, each on its own.

Every file is one batch, and so is what a load of a database finds.

The plan is made and written first, in the order of datasets and files, so that the sequence of
batches, and with it the order of the log, does not depend on which thread is faster or on when a
run was killed.
"""

import os
import shutil
import threading
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, NamedTuple

import sqlalchemy as sa

from octavo.definition import Dataset, Files, Sql
from octavo.definition.needed import naming_columns, source_columns
from octavo.errors import DataError, DefinitionError, OctavoError
from octavo.stages.contract import Context, Outcome
from octavo.stages.ingestion.accept import Intake
from octavo.stages.ingestion.batches import (
    Written,
    behind_all,
    check_stamps,
    clock_of_load,
    commit,
    earlier,
    in_place,
    plan_again,
    planned,
)
from octavo.stages.ingestion.files import begin_of
from octavo.stages.ingestion.offered import Offered
from octavo.stages.ingestion.placing import written_again
from octavo.stages.ingestion.reading import Reading
from octavo.stages.ingestion.sources import details as details
from octavo.stages.ingestion.sources import offer, sources_of
from octavo.stages.parts import Parts
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row
from octavo.stores.schemas import from_json, to_json


def inputs(context: Context) -> Parts:
    """Return the source files with size and time of change, and how rows are stamped, by dataset.

    A database does not tell whether anything is new: it is asked every time.
    """
    return {dataset.name: offer(context, dataset) for dataset in context.ingested}


def run(context: Context) -> Outcome:
    """Ingest all that is new; what was ingested before is recognized by content."""
    for dataset in context.ingested:
        check_stamps(context.catalog, dataset)
    sources, failed = sources_of(context)
    plan = _plan(context, sources)
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=min(len(sources), os.cpu_count() or 1)) as pool:
        futures = [
            pool.submit(_ingest_dataset, context, dataset, plan[dataset.name], stop)
            for dataset in context.ingested
        ]
        try:
            _wait(futures)
        finally:
            stop.set()  # the batches under way are finished, no other is begun
    failed += [error for future in futures if (error := future.result())]
    if failed:
        raise _together(failed)
    return _outcome(context)


def _wait(futures: Sequence[Future[Any]]) -> None:
    """Wait until all are done, or one has raised.

    It wakes now and then: under Polars' handler of Ctrl-C, waiting for a lock goes on.
    """
    running = set(futures)
    while running and not any(future.exception() for future in futures if future.done()):
        _, running = wait(running, timeout=0.2, return_when=FIRST_EXCEPTION)


def _together(failed: list[OctavoError]) -> OctavoError:
    """Return what went wrong in several datasets as one error, whose author must act first."""
    if len(failed) == 1:
        return failed[0]
    kind = DataError
    if all(isinstance(error, DefinitionError) for error in failed):
        kind = DefinitionError
    return kind(" And ".join(str(error) for error in failed))


def _plan(
    context: Context, sources: dict[str, list[Offered]]
) -> dict[str, list[tuple[Row, Offered]]]:
    """Give all that is new a batch ID, a sequence and a clock; return what is to be ingested."""
    plan: dict[str, list[tuple[Row, Offered]]] = {}
    table = tables.batches
    with context.catalog.transaction(alone=True) as connection:
        known = {
            (row.dataset, row.content_hash): dict(row._mapping)
            for row in connection.execute(sa.select(table))
        }
        place, _ = behind_all(connection)
        for name, offers in sources.items():
            plan[name] = []
            clock = clock_of_load(connection, name)
            for offered in offers:
                batch = known.get((name, offered.content))
                if batch is None:
                    batch = planned(
                        name,
                        offered.source,
                        content=offered.content,
                        sequence=place,
                        clock=clock,
                        run_id=context.run_id,
                        at=context.now(),
                    )
                    batch["through"] = offered.through
                    connection.execute(table.insert().values(**batch))
                    known[name, offered.content] = batch
                    place += 1
                if batch["state"] == "planned" and batch not in [b for b, _ in plan[name]]:
                    plan[name].append((batch, offered))
    return plan


class _Taken(NamedTuple):
    """What has become of a file whose rows are written."""

    batch: Row
    """As it is planned now."""
    intake: Intake
    version: int | None
    """Of the raw table; None: there was nothing new, and nothing is written."""


def _ingest_dataset(
    context: Context, dataset: Dataset, plan: list[tuple[Row, Offered]], stop: threading.Event
) -> OctavoError | None:
    """Ingest a dataset's batches in order, up to one that fails; return why it did."""
    for batch, offered in plan:
        if stop.is_set():
            break
        try:
            _ingest_batch(context, dataset, batch, offered)
        except OctavoError as error:
            context.catalog.emit(
                "batch failed",
                f"{dataset.name}: {offered.name}",
                severity="error",
                run_id=context.run_id,
                error=str(error),
            )
            return error
    return None


def _ingest_batch(context: Context, dataset: Dataset, batch: Row, offered: Offered) -> None:
    began = time.monotonic()
    with context.home.receiving(dataset.name):
        batch = in_place(context.catalog, batch, context.now())
        known = context.catalog.schemas().get(dataset.name)
        reading = _begun(context, dataset, offered, known)
        taken = None
        while taken is None:  # again, if the file is not what it began as
            taken = _written(context, dataset, batch, reading, known)
        if taken.version is None:
            _forget(context, taken.batch)
        else:
            _commit(context, dataset, offered, reading, taken, began)
    if isinstance(dataset.offline, Sql):
        shutil.rmtree(offered.path)  # a database is not asked for it again
    elif dataset.is_followed:
        shutil.rmtree(offered.path.parent)  # a copy


def _commit(
    context: Context,
    dataset: Dataset,
    offered: Offered,
    reading: Reading,
    taken: _Taken,
    began: float,
) -> None:
    """Let a batch count; prep may have passed it since it was written, and again since then."""
    batch, intake, version = taken
    while not commit(
        context.catalog,
        dataset,
        batch | {"run_id": context.run_id},
        Written(
            rows=intake.rows,
            rules=intake.rules,
            restated=intake.rules["restated"],
            duplicates=intake.duplicates,
            bytes=reading.bytes,
            newest=_newest(intake, batch),
            schema=to_json(reading.schema),
            noticed=[finding.document() for finding in reading.noticed],
            version=version,
            seconds=time.monotonic() - began,
        ),
        name=offered.name,
        now=context.now,
    ):
        parts = context.raw.parts(dataset.name, batch["batch_id"])
        later = plan_again(context.catalog, batch, context.now(), rows=intake.rows)
        version = written_again(context.raw, parts, batch, later)
        batch = later


def _newest(intake: Intake, batch: Row) -> int | None:
    """Return when the newest row of a batch could be known, wherever it was when it was read."""
    times = [at for at in (intake.newest, batch["clock"]) if at is not None]
    return max(times) if intake.rows and times else None


def _forget(context: Context, batch: Row) -> None:
    """Take a planned batch back in which nothing was new."""
    table = tables.batches
    with context.catalog.transaction() as connection:
        connection.execute(table.delete().where(table.c.batch_id == batch["batch_id"]))


def _begun(
    context: Context, dataset: Dataset, offered: Offered, known: dict[str, str] | None
) -> Reading:
    """Begin to read a file as what is declared, and as what is known from earlier batches."""
    return begin_of(
        dataset,
        offered.path,
        engine=context.engine,
        where_label=f"dataset {dataset.name!r}",
        schema=from_json(known) if known else None,
        needed=source_columns(context.pipeline, dataset) if known else None,
        lines=dataset.offline.lines if isinstance(dataset.offline, Files) else None,
        called=offered.source if isinstance(dataset.offline, Sql) else "",
        naming=naming_columns(context.pipeline, dataset),
        progress=lambda done, total: context.progress(dataset.name, done, total),
    )


def _written(
    context: Context, dataset: Dataset, batch: Row, reading: Reading, known: dict[str, str] | None
) -> _Taken | None:
    """Go through a file and write its rows; nothing, and None, if types are not settled by that.

    What a database gave is not written either if nothing in it is new: there is no version then.
    """
    refused: OctavoError | None = None
    with context.raw.receive(dataset.name, batch["batch_id"]) as incoming:
        before = partial(earlier, context.catalog, dataset.name)
        intake = Intake(dataset, batch, context.raw, before, incoming, known)
        for piece in reading.pieces():
            try:
                if refused is None:
                    intake.take(piece)
            except (DataError, DefinitionError) as error:
                if reading.settled:
                    raise
                refused = error  # perhaps only because a type is not yet what it will be
        if not reading.settled:
            return None
        if refused is not None:
            raise refused
        intake.finish()
        if isinstance(dataset.offline, Sql) and not (intake.rows or intake.rules.total()):
            return _Taken(batch, intake, None)
        later = in_place(context.catalog, batch, context.now(), rows=intake.rows)
        if later is batch:
            return _Taken(batch, intake, incoming.commit())
        version = written_again(context.raw, incoming.parts(), batch, later)
        return _Taken(later, intake, version)


def _outcome(context: Context) -> Outcome:
    """Count what this run read, over all its resumptions."""
    batches = context.catalog.committed()
    read = [b for b in batches if b["run_id"] == context.run_id]
    counts = ("rows", "rejected", "duplicates")
    rows, rejected, duplicates = (sum(b[name] for b in read) for name in counts)
    return Outcome(
        rows_in=rows + rejected + duplicates,
        rows_out=rows,
        rejected=rejected,
        outputs={
            "new_batches": len(read),
            "duplicates": duplicates,
            "datasets": {
                d.name: {
                    "batches": sum(b["dataset"] == d.name for b in batches),
                    "rows": sum(b["rows"] for b in batches if b["dataset"] == d.name),
                    "rejected": sum(b["rejected"] for b in batches if b["dataset"] == d.name),
                }
                for d in context.pipeline.datasets
            },
        },
    )
