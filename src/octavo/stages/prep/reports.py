"""The quality report of every batch: what it holds, what was found, treated and flagged.

Looked at are rows as events are computed from them, after their treatment: what is treated is no
finding any more. A report is small, and kept with the batch in the catalog.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl
import sqlalchemy as sa

from octavo.definition import Dataset, fingerprint
from octavo.definition.events import POSITION, as_named, computed, condition, evaluate
from octavo.quality import Table, changes, examine, profile
from octavo.stages.contract import Context
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row, name_of
from octavo.stores.raw import ROWS_PER_BATCH

COLUMN_CHANGES = ("renamed", "lost", "new", "retyped")
"""Rules that are told of as an event of their own: people must know of them at once."""

LOOKED = 1_000_000
"""Rows of a batch that are looked at; of a larger one every so-manieth. Treatments and checks are
counted over all."""


def report_quality(context: Context, batches: list[Row]) -> None:
    """Write the report of every batch that has none under this definition."""
    static: dict[str, pl.DataFrame] | None = None
    for number, batch in enumerate(batches):
        dataset = context.pipeline.dataset(batch["dataset"])
        renamed = [dataset.source.renamed] if dataset.source.renamed else []
        of = fingerprint([dataset.identity, dataset.checks, *dataset.treat, *renamed])
        known = batch["quality"] or {}
        if known.get("of") == of:
            continue
        context.progress("quality", number, len(batches))
        if static is None:
            static = _static(context, batches)
        others = {name: frame for name, frame in static.items() if name != dataset.name}
        earlier = [b for b in batches[:number] if b["dataset"] == dataset.name]
        report = {"of": of} | {name: known[name] for name in ("noticed", "schema") if name in known}
        report.setdefault("noticed", [])
        batch["quality"] = report | _report(context, dataset, batch, earlier, others)
        _write(context, dataset, batch)


def _static(context: Context, batches: Sequence[Row]) -> dict[str, pl.DataFrame]:
    """Return the rows of the datasets that hold facts, to look references up in.

    Facts are about what the predicted rows name; these themselves may be many.
    """
    found = {}
    for dataset in context.pipeline.datasets:
        of = [batch for batch in batches if batch["dataset"] == dataset.name]
        if dataset.is_static and of and dataset is not context.pipeline.rows:
            found[dataset.name] = context.raw.events(dataset, of)
    return found


def _report(
    context: Context,
    dataset: Dataset,
    batch: Row,
    earlier: Sequence[Row],
    others: dict[str, pl.DataFrame],
) -> dict[str, Any]:
    every = max(1, -(-batch["rows"] // LOOKED))
    looked_at: list[pl.DataFrame] = []
    flagged: Counter[str] = Counter()
    treated: list[list[dict[str, Any]]] = []
    renamed = dataset.source.renamed
    for received in context.raw.received(dataset.name, batch):
        rows = computed(dataset, received)
        came = (batch["quality"] or {}).get("schema", received.columns)  # the others are null
        names = dict.fromkeys(renamed.get(c, c) for c in came if not c.startswith("_"))
        number = (pl.col(POSITION) % ROWS_PER_BATCH).alias("_row")
        looked_at.append(rows.select(*names, number).filter(pl.col("_row") % every == 0))
        flagged.update(_flagged(dataset, rows))
        treated.append(_treated(dataset, as_named(dataset, received)))
    source = Table(pl.concat(looked_at))
    rejected = context.raw.rejected(dataset.name, batch["batch_id"]) if batch["rejected"] else None
    columns = profile(source)
    found = examine(source, keys=dataset.identity, rejected=rejected, others=others)
    reports = [each["quality"] for each in earlier]
    counts = [
        report.get("looked_at", b["rows"]) for report, b in zip(reports, earlier, strict=True)
    ]
    found += changes(
        columns,
        source.height,
        [each["columns"] for each in reports],
        counts,
        source=f"ov.{type(dataset.source).__name__}",
        keys=dataset.identity,
    )
    return {
        "looked_at": source.height,
        "columns": columns,
        "findings": [each.document() for each in found],
        "flagged": dict(flagged),
        "treated": [_summed(each) for each in zip(*treated, strict=True)],
    }


def _summed(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up what one treatment did in the blocks of a batch."""
    return parts[0] | {each: sum(part[each] for part in parts) for each in ("changed", "nulls")}


def _write(context: Context, dataset: Dataset, batch: Row) -> None:
    report, table = batch["quality"], tables.batches
    here = table.c.batch_id == batch["batch_id"]
    with context.catalog.transaction() as connection:
        connection.execute(table.update().where(here).values(quality=report))
        for check, count in report["flagged"].items():
            if count:
                _emit(context, connection, batch, "rows flagged", check, rows=count)
        found = [*report["noticed"], *report["findings"]]
        columns = [each for each in found if each["rule"] in COLUMN_CHANGES]
        if columns:
            said = [" ".join(filter(None, (c["sentence"], c["treatment"]))) for c in columns]
            file = name_of(batch)
            _emit(context, connection, batch, "columns changed", file, reason=" ".join(said))
        said = [
            each["sentence"]
            for each in found
            if each["weight"] == "fault" and each["kind"] != "rejected" and each not in columns
        ]
        if said:
            count = "1 fault" if len(said) == 1 else f"{len(said)} faults"
            _emit(context, connection, batch, "faults found", count, reason=said[0])


def _emit(
    context: Context, connection: sa.Connection, batch: Row, kind: str, what: str, **document: Any
) -> None:
    subject, ids = f"{batch['dataset']}: {what}", {"batch_id": batch["batch_id"]}
    about = {"severity": "warning", "run_id": context.run_id}
    tables.emit(connection, kind, subject, **about, **ids, **document)


def _flagged(dataset: Dataset, rows: pl.DataFrame) -> dict[str, int]:
    found = {}
    for check in dataset.checks:
        if check.severity == "flag":
            where = f"dataset {dataset.name!r}, check {check.name!r}"
            met = condition(rows, check.condition, where=where)
            found[check.name] = int((~met.fill_null(True)).sum())
    return found


def _treated(dataset: Dataset, received: pl.DataFrame) -> list[dict[str, Any]]:
    """Count what each treatment changed, and how many of these values are null now."""
    found = []
    for each in dataset.treat:
        before = received[each.column]
        received = evaluate(received, [each.expression.alias(each.column)], where=str(each))
        after = received[each.column]
        nulls = after.is_null() & before.is_not_null()
        same = before.dtype == after.dtype
        changed = before.ne_missing(after).sum() if same else after.count() + nulls.sum()
        kind = f"{type(each).__name__} {each.column}"
        found.append({"treatment": kind, "changed": int(changed), "nulls": int(nulls.sum())})
    return found
