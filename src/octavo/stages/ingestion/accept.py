"""Which parsed rows enter the raw store, and which are kept aside with the reason."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from octavo.definition import Check, Dataset
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    KNOWN_AT,
    POSITION,
    TIMESTAMP,
    condition,
    stamped,
)
from octavo.errors import DataError
from octavo.stages.ingestion.files import Parsed
from octavo.stores.catalog import Row
from octavo.stores.raw import REJECTED_SCHEMA, ROWS_PER_BATCH, RawStore


@dataclass(frozen=True)
class Accepted:
    """A batch divided."""

    rows: pl.DataFrame
    """Source columns and stamps, ready for the raw store."""
    rejected: pl.DataFrame
    """``_row, text, column, rule, reason``; the text is the file's own."""
    duplicates: int
    """Rows whose event came before with the same content: counted, and nothing lost."""


def accept(
    dataset: Dataset, parsed: Parsed, batch: Row, raw: RawStore, earlier: list[Row]
) -> Accepted:
    """Stamp rows with identity, times and position, and set aside those that cannot be used.

    Raises
    ------
    DataError
        If a check of severity ``stop`` fails for more rows than it tolerates.
    """
    source = [c for c in parsed.frame.columns if c != "_row"]
    rows = stamped(dataset, parsed.frame)
    if not dataset.event_id:
        own = pl.format("{}-{}", pl.lit(batch["content_hash"][:12]), pl.col("_row"))
        rows = rows.with_columns(own.alias(EVENT_ID))
    rejected = [parsed.rejected.select(list(REJECTED_SCHEMA)[1:])]
    for rule, column, bad, reason in _rules(dataset, rows):
        rejected.append(_set_aside(parsed, rows.filter(bad), rule, column, reason))
        rows = rows.filter(~bad)
    duplicates = 0
    if dataset.event_id:
        for rule, bad, reason in _seen_before(dataset.name, rows, source, raw, earlier):
            failing = rows.filter(bad)
            rows = rows.filter(~bad)
            if rule == "duplicate":
                duplicates = failing.height
            else:
                rejected.append(_set_aside(parsed, failing, rule, None, reason))
    clock = pl.lit(batch["clock"], dtype=pl.Int64).cast(TIMESTAMP)
    rows = rows.with_columns(
        pl.max_horizontal("_available", clock).alias(KNOWN_AT),
        (pl.col("_row") + batch["sequence"] * ROWS_PER_BATCH).alias(POSITION),
        pl.lit(batch["batch_id"]).alias("_batch_id"),
    )
    return Accepted(
        rows.select(*source, EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, "_batch_id"),
        pl.concat(rejected).sort("_row"),
        duplicates,
    )


def _rules(dataset: Dataset, rows: pl.DataFrame) -> Iterator[tuple[str, str | None, pl.Expr, str]]:
    """Give rule, column, condition of failure and reason, in the order they are applied."""
    is_event = pl.lit(True) if dataset.where is None else dataset.where.fill_null(False)
    if dataset.event_id:
        names = ", ".join(dataset.identity)
        yield "event_id", names, pl.col(EVENT_ID).is_null(), f"the event ID ({names}) has a null"
    if not dataset.is_static:
        missing = is_event & pl.col(EVENT_TIME).is_null()
        yield "event_time", None, missing, "the event time cannot be computed"
    for check in dataset.checks:
        if check.severity != "flag":
            yield _checked(dataset, check, rows)


def _checked(
    dataset: Dataset, check: Check, rows: pl.DataFrame
) -> tuple[str, str | None, pl.Expr, str]:
    where = f"dataset {dataset.name!r}, check {check.name!r}"
    bad = ~condition(rows, check.condition, where=where).fill_null(True)
    share = bad.sum() / max(rows.height, 1)
    if check.severity == "stop" and share > check.tolerate:
        raise DataError(
            f"{bad.sum()} of {rows.height} rows fail, {share:.2%} where {check.tolerate:.2%} are "
            f"tolerated; the first is row {rows['_row'].filter(bad)[0]}.",
            where=where,
            fix="Nothing was ingested. Correct the file, or change the check.",
        )
    column = ", ".join(check.condition.meta.root_names())
    failing = ~check.condition.fill_null(True)
    return f"check:{check.name}", column, failing, f"the check {check.name!r} fails"


def _seen_before(
    name: str, rows: pl.DataFrame, source: list[str], raw: RawStore, earlier: list[Row]
) -> list[tuple[str, pl.Expr, str]]:
    """Return which rows repeat an earlier event, with the same and with other content."""
    twice = rows.filter(pl.col(EVENT_ID).is_duplicated()).select(EVENT_ID)
    first = rows.join(twice, on=EVENT_ID, how="semi").unique(
        EVENT_ID, keep="first", maintain_order=True
    )
    original = first.select(EVENT_ID, "_row", *source)
    if earlier:
        stored = raw.scan(name, earlier).join(rows.lazy().select(EVENT_ID), on=EVENT_ID, how="semi")
        stored = stored.select(
            EVENT_ID, pl.lit(-1, dtype=pl.Int64).alias("_row"), *source
        ).collect()
        original = pl.concat([stored, original]).unique(EVENT_ID, keep="first", maintain_order=True)
    again = rows.select(EVENT_ID, "_row", *source).join(original, on=EVENT_ID, suffix="|first")
    again = again.filter(pl.col("_row") != pl.col("_row|first"))
    same = pl.all_horizontal([pl.col(c).eq_missing(pl.col(f"{c}|first")) for c in source])
    found = []
    for rule, which, reason in (
        ("duplicate", same, "the same event with the same content came before"),
        ("restated", ~same, "the event came before with other content; the first one stands"),
    ):
        row_numbers = again.filter(which)["_row"].implode()
        found.append((rule, pl.col("_row").is_in(row_numbers), reason))
    return found


def _set_aside(
    parsed: Parsed, rows: pl.DataFrame, rule: str, column: str | None, reason: str
) -> pl.DataFrame:
    return rows.select(
        "_row",
        pl.Series("text", [parsed.text(row) for row in rows["_row"]], dtype=pl.String),
        pl.lit(column, dtype=pl.String).alias("column"),
        pl.lit(rule).alias("rule"),
        pl.lit(reason).alias("reason"),
    )
