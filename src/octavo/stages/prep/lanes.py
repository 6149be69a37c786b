"""From a view's windows to the kernel's terms: lanes, observations, queries.

Offline and online meet here: both give frames of events to these functions and fold the result.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl

from octavo.definition import View, Window
from octavo.definition.events import EVENT_TIME, KNOWN_AT, POSITION, evaluate
from octavo.errors import DefinitionError
from octavo.windows import Aggregate, LanePlan, Observations, Queries, Span, hash_keys


@dataclass(frozen=True)
class Lane:
    """One stream of observations of a view, and the columns computed from it."""

    name: str
    window: Window
    """Any of the windows that share the stream."""
    plan: LanePlan
    columns: tuple[str, ...]


def lanes(view: View) -> list[Lane]:
    """Group a view's windows by what they observe, in the order they are declared."""
    groups: dict[str, list[Window]] = {}
    for window in view.windows:
        name = window.lane if window.current else f"{window.lane}-before"
        groups.setdefault(name, []).append(window)
    found = []
    for name, windows in groups.items():
        features = [feature for window in windows for feature in window.features(view.name)]
        plan = LanePlan(
            tuple((Span(f.over, f.delay), Aggregate[f.aggregate.upper()]) for f in features),
            include_current=windows[0].current,
        )
        found.append(Lane(name, windows[0], plan, tuple(f.name for f in features)))
    return found


def observations(view: View, lane: Lane, events: pl.DataFrame) -> Observations:
    """Return what a lane observes in some events: entity, times, position and value.

    Raises
    ------
    DefinitionError
        If a column does not exist, or the value is neither a number nor a boolean.
    """
    window = lane.window
    where = f"view {view.name!r}, window over {window.dataset.name!r}"
    value = window.value_expression.alias("_value")
    kept = pl.lit(True) if window.where is None else window.where
    frame = evaluate(events, [value, kept.alias("_kept")], where=where)
    if frame.schema["_kept"] != pl.Boolean:
        raise DefinitionError(
            f"it gives {frame.schema['_kept']}, not true or false.",
            where=f"{where}, where",
            fix="Compare with a value.",
        )
    dtype = frame.schema["_value"]
    if not (dtype.is_numeric() or dtype == pl.Boolean):
        raise DefinitionError(
            f"the values are {dtype}; a window takes numbers and booleans.",
            where=f"{where}, {window.label!r}",
            fix="Give a numeric column or a condition, or count events without a value.",
        )
    frame = frame.with_columns(pl.col("_value").cast(pl.Float64).fill_nan(None))
    keyed = _has_key(frame, list(view.key), where=where)
    frame = frame.filter(keyed & pl.col("_kept").fill_null(False) & pl.col("_value").is_not_null())
    return Observations(
        entity=hash_keys(frame, list(view.key)),
        event_time=_int64(frame, EVENT_TIME),
        known_at=_int64(frame, KNOWN_AT),
        position=_int64(frame, POSITION),
        value=frame["_value"].to_numpy(),
    )


def check_key(view: View, rows: pl.DataFrame) -> None:
    """Refuse a view whose key the predicted rows do not have.

    Raises
    ------
    DefinitionError
        Naming the column, and the nearest that exists.
    """
    _has_key(rows, view.query_key, where=f"view {view.name!r}, key")


def asked(view: View, rows: pl.DataFrame) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return entity and event time of the rows that put a query to a view, and which these are.

    A row whose key has a null asks nothing: its features are null.
    """
    where = f"view {view.name!r}, key"
    mask = rows.select(_has_key(rows, view.query_key, where=where)).to_series().to_numpy()
    frame = rows.filter(mask)
    return hash_keys(frame, view.query_key), _int64(frame, EVENT_TIME), mask


def queries(view: View, rows: pl.DataFrame) -> tuple[Queries, np.ndarray]:
    """Return the queries that rows in the log put to a view, and which rows put one."""
    entity, event_time, mask = asked(view, rows)
    frame = rows.filter(mask)
    return Queries(entity, event_time, _int64(frame, KNOWN_AT), _int64(frame, POSITION)), mask


def own_values(view: View, lane: Lane, rows: pl.DataFrame) -> np.ndarray:
    """Return what each row, as an event of the lane's dataset, adds to it; NaN for nothing."""
    window = lane.window
    where = f"view {view.name!r}, window over {window.dataset.name!r}"
    kept = pl.lit(True) if window.where is None else window.where.fill_null(False)
    value = pl.when(kept).then(window.value_expression.cast(pl.Float64))
    frame = evaluate(rows, [value.alias("_value")], where=where)
    return frame["_value"].fill_null(float("nan")).to_numpy()


def as_columns(lane: Lane, results: np.ndarray, mask: np.ndarray) -> dict[str, pl.Series]:
    """Return a lane's results as columns over all rows, null where nothing was asked or seen."""
    columns = {}
    for number, name in enumerate(lane.columns):
        values = np.full(mask.shape[0], np.nan)
        values[mask] = results[:, number]
        columns[name] = pl.Series(name, values, nan_to_null=True)
    return columns


def _has_key(frame: pl.DataFrame, key: list[str], *, where: str) -> pl.Expr:
    for column in key:
        if column not in frame.columns:
            shown = [c for c in frame.columns if not c.startswith("_")]
            raise DefinitionError.unknown("column", column, shown, where=where)
    return pl.all_horizontal([pl.col(c).is_not_null() for c in key])


def _int64(frame: pl.DataFrame, column: str) -> np.ndarray:
    return frame[column].cast(pl.Int64).to_numpy()
