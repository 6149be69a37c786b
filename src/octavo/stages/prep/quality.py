"""The quality report of every batch: what is missing, how values are spread, what was flagged."""

from typing import Any

import polars as pl

from octavo.definition import Dataset
from octavo.definition.events import computed, evaluate
from octavo.stages.contract import Context
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row
from octavo.stores.raw import quality_of


def report_quality(context: Context, batches: list[Row]) -> None:
    """Write the report of every batch that has none."""
    for batch in batches:
        if batch["quality"] is not None:
            continue
        dataset = context.pipeline.dataset(batch["dataset"])
        rows = context.raw.scan(dataset.name, [batch]).collect()
        report: dict[str, Any] = {"columns": quality_of(rows), "flagged": _flagged(dataset, rows)}
        with context.catalog.transaction() as connection:
            connection.execute(
                tables.batches.update()
                .where(tables.batches.c.batch_id == batch["batch_id"])
                .values(quality=report)
            )
            for check, count in report["flagged"].items():
                if count:
                    tables.emit(
                        connection,
                        "rows flagged",
                        f"{dataset.name}: {check}",
                        severity="warning",
                        run_id=context.run_id,
                        batch_id=batch["batch_id"],
                        rows=count,
                    )


def _flagged(dataset: Dataset, rows: pl.DataFrame) -> dict[str, int]:
    rows = computed(dataset, rows)
    found = {}
    for check in dataset.checks:
        if check.severity == "flag":
            where = f"dataset {dataset.name!r}, check {check.name!r}"
            met = evaluate(rows, [check.condition.alias("_met")], where=where)["_met"]
            found[check.name] = int((~met.fill_null(True)).sum())
    return found
