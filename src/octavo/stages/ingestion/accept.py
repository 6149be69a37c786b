"""Which parsed rows enter the raw store, and which are kept aside with the reason.

Rules look at rows after their treatment; what is stored is what was received.
"""

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

_RESTATED = (
    "the event came before with other content; `octavo prep --rebuild` puts this in its place"
)


@dataclass(frozen=True)
class Accepted:
    """A batch divided."""

    rows: pl.DataFrame
    """Source columns and stamps, ready for the raw store."""
    rejected: pl.DataFrame
    """``_row, text, column, rule, reason``; the text is the file's own."""
    restated: pl.DataFrame
    """Those of the rejected rows that restate an event, as `rows` are."""
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
    rows = _as_received(dataset, rows, parsed.frame)
    again = rows.clear()
    duplicates = 0
    if dataset.event_id:
        repeated, other = _seen_before(dataset.name, rows, source, raw, earlier)
        duplicates = repeated.len()
        again = rows.filter(pl.col("_row").is_in(other.implode()))
        rejected.append(_set_aside(parsed, again, "restated", None, _RESTATED))
        rows = rows.filter(~pl.col("_row").is_in(pl.concat([repeated, other]).implode()))
    return Accepted(
        _placed(rows, source, batch),
        pl.concat(rejected).sort("_row"),
        _placed(again, source, batch),
        duplicates,
    )


def _as_received(dataset: Dataset, rows: pl.DataFrame, frame: pl.DataFrame) -> pl.DataFrame:
    """Put the values that were received back into the columns that have a treatment."""
    columns = list(dict.fromkeys(each.column for each in dataset.treat))
    received = frame.filter(pl.col("_row").is_in(rows["_row"].implode())).select(columns)
    return rows.with_columns(received.get_columns()) if columns else rows


def _placed(rows: pl.DataFrame, source: list[str], batch: Row) -> pl.DataFrame:
    """Give rows their place in the log: the later of availability and clock, and the position."""
    clock = pl.lit(batch["clock"], dtype=pl.Int64).cast(TIMESTAMP)
    return rows.select(
        *source,
        EVENT_ID,
        EVENT_TIME,
        pl.max_horizontal("_available", clock).alias(KNOWN_AT),
        (pl.col("_row") + batch["sequence"] * ROWS_PER_BATCH).alias(POSITION),
        pl.lit(batch["batch_id"]).alias("_batch_id"),
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
) -> tuple[pl.Series, pl.Series]:
    """Return the numbers of the rows whose event came before: with the same content, and not.

    A row is compared with the newest version of its event: that of an earlier batch or, within
    the file, the row before it.
    """
    columns = [EVENT_ID, "_row", *source]
    versions = rows.select(columns)
    if earlier:
        stored = pl.concat(
            found.select(EVENT_ID, POSITION, *source).join(
                rows.lazy().select(EVENT_ID), on=EVENT_ID, how="semi"
            )
            for found in (raw.scan(name, earlier), raw.restated(name, earlier))
        )
        newest = stored.sort(POSITION).collect().unique(EVENT_ID, keep="last")
        before = newest.select(EVENT_ID, pl.lit(-1, dtype=pl.Int64).alias("_row"), *source)
        versions = pl.concat([before, versions])
    versions = versions.filter(pl.col(EVENT_ID).is_duplicated()).sort(EVENT_ID, "_row")
    again = pl.col(EVENT_ID) == pl.col(EVENT_ID).shift(1)
    same = pl.all_horizontal([pl.col(c).eq_missing(pl.col(c).shift(1)) for c in source])
    found = versions.with_columns(same.alias("|same")).filter(again)
    return found.filter("|same")["_row"], found.filter(~pl.col("|same"))["_row"]


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
