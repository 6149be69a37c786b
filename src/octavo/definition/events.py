"""From source rows to events: treatments, computed columns, identity and times, as declared.

The same functions serve a whole batch and one event at request time. They know nothing of where
the rows come from.
"""

from collections.abc import Collection

import polars as pl
from polars.exceptions import PanicException, PolarsError

from octavo.definition.dataset import Dataset
from octavo.definition.expressions import with_expressions
from octavo.errors import DefinitionError

EVENT_ID = "_event_id"
"""String; the identifying columns joined by ``|``, null if one of them is."""
EVENT_TIME = "_event_time"
"""Datetime[µs, UTC]; when it happened. Null for rows that are no events of the dataset."""
KNOWN_AT = "_known_at"
"""Datetime[µs, UTC]; when it could be known: ``max(available(row), clock)``."""
POSITION = "_position"
"""Int64; the place in the log among equal ``_known_at``: batch sequence × 2³² + row."""

TIMESTAMP = pl.Datetime("us", "UTC")


def evaluate(frame: pl.DataFrame, expressions: list[pl.Expr], *, where: str) -> pl.DataFrame:
    """Add expressions' results to a frame, naming column and place in what goes wrong."""
    for expression in expressions:
        for name in expression.meta.root_names():
            if name not in frame.columns:
                shown = [c for c in frame.columns if not c.startswith("_")]
                raise DefinitionError.unknown("column", name, shown, where=where)
    try:
        return with_expressions(frame, expressions)
    except (PolarsError, PanicException) as error:
        raise DefinitionError(
            f"the expression cannot be computed: {str(error).splitlines()[0]}.",
            where=where,
            fix="Cast or convert the columns it uses.",
        ) from error


def as_named(dataset: Dataset, frame: pl.DataFrame) -> pl.DataFrame:
    """Put columns that files call otherwise into those that they are, see `Source.renamed`.

    Raises
    ------
    DefinitionError
        If the two are of types that are no one column's.
    """
    for given, name in dataset.source.renamed.items():
        if given not in frame.columns:
            continue
        if name not in frame.columns:
            frame = frame.rename({given: name})
            continue
        one, other = frame.schema[given], frame.schema[name]
        if one != other and not (one.is_numeric() and other.is_numeric()):
            raise DefinitionError(
                f"{given!r} was ingested as {one}, {name!r} as {other}: they are no one column.",
                where=f"dataset {dataset.name!r}, renamed",
                fix="Run `octavo run --fresh`: both are ingested anew, as one.",
            )
        frame = frame.with_columns(pl.coalesce(name, given).alias(name)).drop(given)
    return frame


def treated(
    dataset: Dataset, frame: pl.DataFrame, only: Collection[str] | None = None
) -> pl.DataFrame:
    """Replace the columns of source rows that have a treatment, in the order of treatments."""
    for each in dataset.treat:
        if only is not None and each.column not in only:
            continue
        place = f"dataset {dataset.name!r}, treat, {type(each).__name__} {each.column!r}"
        if each.column not in frame.columns:
            shown = [c for c in frame.columns if not c.startswith("_")]
            raise DefinitionError.unknown("column", each.column, shown, where=place)
        frame = evaluate(frame, [each.expression.alias(each.column)], where=place)
    return frame


def computed(
    dataset: Dataset, frame: pl.DataFrame, only: Collection[str] | None = None
) -> pl.DataFrame:
    """Name and treat source rows, and add the dataset's computed columns in their order.

    No computed column replaces one of the source.

    Parameters
    ----------
    only
        The columns that are there and wanted, from `Dataset.read_for`; None for all of them.
    """
    frame = treated(dataset, as_named(dataset, frame), only)
    for name, expression in dataset.columns.items():
        if only is not None and name not in only:
            continue
        place = f"dataset {dataset.name!r}, columns[{name!r}]"
        if name in frame.columns:
            raise DefinitionError(
                "the source has a column of this name.", where=place, fix="Choose another name."
            )
        frame = evaluate(frame, [expression.alias(name)], where=place)
    return frame


def condition(frame: pl.DataFrame, expression: pl.Expr, *, where: str) -> pl.Series:
    """Return for each row whether an expression holds; null where it cannot be said.

    Raises
    ------
    DefinitionError
        If the expression is no condition, or names an unknown column.
    """
    met = evaluate(frame, [expression.alias("_met")], where=where)["_met"]
    if met.dtype not in (pl.Boolean, pl.Null):
        raise DefinitionError(
            f"it gives {met.dtype}, not true or false.", where=where, fix="Compare with a value."
        )
    return met.cast(pl.Boolean)


def joined_id(columns: tuple[str, ...]) -> pl.Expr:
    """Return several columns as one event ID (null if any of them is)."""
    return pl.concat_str([pl.col(c).cast(pl.String) for c in columns], separator="|")


def stamped(dataset: Dataset, frame: pl.DataFrame) -> pl.DataFrame:
    """Treat source rows and add computed columns, `EVENT_ID`, `EVENT_TIME`, ``_available``.

    Rows that ``where`` excludes have a null event time. A dataset without event_id gets a null
    event ID here; only the batch knows which row it is.

    Raises
    ------
    DefinitionError
        If an expression names an unknown column or gives no datetime.
    """
    frame = computed(dataset, frame)
    place = f"dataset {dataset.name!r}"
    identity = joined_id(dataset.identity) if dataset.identity else pl.lit(None, dtype=pl.String)
    frame = evaluate(frame, [identity.alias(EVENT_ID)], where=f"{place}, event_id")
    for name, expression in (
        (EVENT_TIME, dataset.time_expression),
        ("_available", dataset.available_expression),
    ):
        label = "event_time" if name == EVENT_TIME else "available"
        frame = evaluate(frame, [expression.alias(name)], where=f"{place}, {label}")
        frame = frame.with_columns(_utc(frame, name, where=f"{place}, {label}"))
    if dataset.where is None:
        return frame
    is_event = condition(frame, dataset.where, where=f"{place}, where").fill_null(False)
    stamps = [pl.col(EVENT_TIME), pl.col("_available")]
    return frame.with_columns(pl.when(is_event).then(stamp) for stamp in stamps)


def _utc(frame: pl.DataFrame, name: str, *, where: str) -> pl.Expr:
    dtype = frame.schema[name]
    if isinstance(dtype, pl.Date):
        dtype = pl.Datetime("us")
    if not isinstance(dtype, pl.Datetime):
        raise DefinitionError(
            f"it gives {dtype}, not a datetime.",
            where=where,
            fix="Convert it, e.g. with .str.to_datetime(…) or pl.from_epoch(…).",
        )
    column = pl.col(name).cast(pl.Datetime("us", dtype.time_zone))
    if dtype.time_zone is None:
        return column.dt.replace_time_zone("UTC")
    return column.dt.convert_time_zone("UTC")


def to_microseconds(column: pl.Series) -> "pl.Series":
    """Return a datetime column as int64 microseconds since the epoch."""
    return column.cast(TIMESTAMP).cast(pl.Int64)
