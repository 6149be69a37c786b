"""The quality report of every batch: what it holds, what was found, treated and flagged.

Looked at are rows as events are computed from them, after their treatment: what is treated is no
finding any more. A report is small, and kept with the batch in the catalog. Micro-batches of a
stream are looked at together, all that came since the last time: their report is with the newest.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import takewhile
from typing import Any

import polars as pl
import sqlalchemy as sa

from octavo.definition import Dataset, fingerprint
from octavo.definition.events import POSITION, as_named, computed, condition, evaluate
from octavo.quality import Table, changes, examine, profile
from octavo.stages.contract import Context
from octavo.stores import catalog as tables
from octavo.stores.catalog import Row, name_of
from octavo.stores.raw import BLOCK, ROWS_PER_BATCH, batch_sequence

COLUMN_CHANGES = ("renamed", "lost", "new", "retyped")
"""Rules that are told of as an event of their own: people must know of them at once."""

LOOKED = 1_000_000
"""Rows of a batch that are looked at; of a larger one every so-manieth. Treatments and checks are
counted over all."""


def report_quality(context: Context, batches: list[Row]) -> None:
    """Write the reports of all batches that are in none under this definition."""
    static: dict[str, pl.DataFrame] | None = None
    todo = _together(context, batches)
    for number, together in enumerate(todo):
        context.progress("quality", number, len(todo))
        last = together[-1]
        dataset = context.pipeline.dataset(last["dataset"])
        if static is None:
            static = _static(context, batches)
        others = {name: frame for name, frame in static.items() if name != dataset.name}
        before = takewhile(lambda batch, last=last: batch is not last, batches)
        earlier = [b for b in before if b["dataset"] == dataset.name and _has_report(b)]
        found = _report(context, dataset, together, earlier, others)
        of = {"of": _fingerprint(dataset)}
        for batch in together:
            known = batch["quality"] or {}
            batch["quality"] = of | {n: known[n] for n in ("noticed", "schema") if n in known}
        last["quality"] |= {"noticed": _noticed(together)} | found
        _write(context, dataset, together)


def _fingerprint(dataset: Dataset) -> str:
    """Return that of all that a report depends on."""
    renamed = [dataset.source.renamed] if dataset.source.renamed else []
    return fingerprint([dataset.identity, dataset.checks, *dataset.treat, *renamed])


def _has_report(batch: Row) -> bool:
    return "columns" in (batch["quality"] or {})


def _together(context: Context, batches: Sequence[Row]) -> list[list[Row]]:
    """Return the batches that are in no report, those that are to be in one together."""
    of = {each.name: _fingerprint(each) for each in context.pipeline.datasets}
    found: list[list[Row]] = []
    sent: dict[str, list[Row]] = {}
    for batch in batches:
        name = batch["dataset"]
        if (batch["quality"] or {}).get("of") == of[name]:
            continue
        if batch["topic"] is None:
            found.append([batch])
        elif name in sent:
            sent[name].append(batch)
        else:
            sent[name] = [batch]
            found.append(sent[name])
    places = {batch["batch_id"]: place for place, batch in enumerate(batches)}
    return sorted(found, key=lambda together: places[together[-1]["batch_id"]])


def _noticed(together: Sequence[Row]) -> list[dict[str, Any]]:
    """Return what was noticed when batches were read; the same once."""
    every = [each for batch in together for each in (batch["quality"] or {}).get("noticed", ())]
    return list({each["sentence"]: each for each in every}.values())


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
    together: Sequence[Row],
    earlier: Sequence[Row],
    others: dict[str, pl.DataFrame],
) -> dict[str, Any]:
    count = sum(batch["rows"] for batch in together)
    every = max(1, -(-count // LOOKED))
    schema = dict.fromkeys(
        name for batch in together for name in (batch["quality"] or {}).get("schema", ())
    )
    looked_at: list[pl.DataFrame] = []
    flagged: Counter[str] = Counter()
    treated: list[list[dict[str, Any]]] = []
    renamed = dataset.source.renamed
    for received in _received(context, dataset.name, together):
        rows = computed(dataset, received)
        came = schema or received.columns  # the others are null
        names = dict.fromkeys(renamed.get(c, c) for c in came if not c.startswith("_"))
        number = _number(together).alias("_row")
        looked_at.append(rows.select(*names, number).filter(pl.col("_row") % every == 0))
        flagged.update(_flagged(dataset, rows))
        treated.append(_treated(dataset, as_named(dataset, received)))
    source = Table(pl.concat(looked_at))
    aside = [context.raw.rejected(dataset.name, b["batch_id"]) for b in together if b["rejected"]]
    rejected = pl.concat(aside) if aside else None
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
        "rows": count,
        "looked_at": source.height,
        "columns": columns,
        "findings": [each.document() for each in found],
        "flagged": dict(flagged),
        "treated": [_summed(each) for each in zip(*treated, strict=True)],
    }


def _received(context: Context, name: str, together: Sequence[Row]) -> Iterator[pl.DataFrame]:
    """Give the raw rows of some batches, piece by piece."""
    if len(together) == 1:
        yield from context.raw.received(name, together[0])
        return
    begin = rows = 0
    for end, batch in enumerate(together, 1):
        rows += batch["rows"]
        if rows >= BLOCK or end == len(together):
            yield context.raw.scan(name, together[begin:end]).collect().sort(POSITION)
            begin, rows = end, 0


def _number(together: Sequence[Row]) -> pl.Expr:
    """Return the number of a row in its file, or its offset in the stream."""
    number = pl.col(POSITION) % ROWS_PER_BATCH
    if together[0]["topic"] is None:
        return number
    firsts = {batch["sequence"]: batch["first_offset"] for batch in together}
    first = batch_sequence(pl.col(POSITION)).replace_strict(firsts, return_dtype=pl.Int64)
    return first + number


def _summed(parts: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Add up what one treatment did in the blocks of a batch."""
    return parts[0] | {each: sum(part[each] for part in parts) for each in ("changed", "nulls")}


def _write(context: Context, dataset: Dataset, together: Sequence[Row]) -> None:
    batch, table = together[-1], tables.batches
    report = batch["quality"]
    with context.catalog.transaction() as connection:
        for each in together:
            here = table.c.batch_id == each["batch_id"]
            connection.execute(table.update().where(here).values(quality=each["quality"]))
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
