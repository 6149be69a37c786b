"""From a view's windows to the kernel's terms: lanes, observations, queries.

Offline and online meet here: both give frames of events to these functions and fold the result.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Self

import numpy as np
import polars as pl

from octavo.definition import Pipeline, View, Window, WindowFeature
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    KNOWN_AT,
    POSITION,
    TIMESTAMP,
    computed,
    condition,
    evaluate,
)
from octavo.errors import DataError, DefinitionError
from octavo.stages.prep.values import (
    TAKEN,
    Kind,
    dictionary_of,
    from_floats,
    joined,
    kind_of,
    result_type,
    to_floats,
)
from octavo.stores.catalog import Catalog
from octavo.stores.schemas import from_json
from octavo.windows import (
    Aggregate,
    LanePlan,
    Observations,
    PlanColumn,
    Queries,
    Span,
    hash_keys,
)

Schemas = Mapping[str, pl.Schema]
"""Columns of the events of every dataset that has been loaded, by its name."""


@dataclass(frozen=True)
class Lane:
    """One stream of observations of a view, and the columns computed from it."""

    view: str
    name: str
    window: Window
    """Any of the windows that share the stream."""
    kind: Kind
    plan: LanePlan
    columns: dict[str, pl.DataType]
    """Names and types of the columns, in the plan's order."""

    @property
    def where(self) -> str:
        """How errors call it."""
        return _where(self.view, self.window)

    def columns_read(self, view: View) -> set[str]:
        """Return the columns of its dataset that it observes."""
        window = self.window
        read = [window.value_expression, *([] if window.where is None else [window.where])]
        return {*view.key, *(name for each in read for name in each.meta.root_names())}

    @property
    def speaks(self) -> bool:
        """Whether texts must be found again: a column of it is one of the texts."""
        return pl.String() in self.columns.values()


@dataclass(frozen=True)
class Observed:
    """What a lane observes in some events."""

    observations: Observations
    dictionary: pl.DataFrame
    """The texts behind the values (see `octavo.stages.prep.values`), where they are needed."""
    keys: pl.DataFrame
    """The columns of the view's key, a row for each observation."""

    @classmethod
    def nothing(cls) -> Self:
        """No observation."""
        return cls(Observations.empty(), joined(), pl.DataFrame())


def event_schemas(pipeline: Pipeline, catalog: Catalog) -> dict[str, pl.Schema]:
    """Return what columns the events of every loaded dataset have, of all its batches."""
    stored, loaded = catalog.schemas(), catalog.loaded(pipeline.datasets)
    found = {}
    for dataset in pipeline.datasets:
        if dataset.name in loaded:
            columns = {**from_json(stored[dataset.name]), EVENT_ID: pl.String}
            empty = pl.DataFrame(schema={**columns, EVENT_TIME: TIMESTAMP})
            found[dataset.name] = computed(dataset, empty).schema
    return found


def lanes(view: View, schemas: Schemas, only: Collection[str] | None = None) -> list[Lane]:
    """Group a view's columns by what their windows observe, in the order they are declared.

    Windows of another resolution are another lane.

    Parameters
    ----------
    only
        The columns wanted; None for all of the view.

    Raises
    ------
    DefinitionError
        If a column does not exist, or its values do not have what is to be taken of them.
    """
    groups: dict[str, tuple[Window, list[WindowFeature]]] = {}
    for window in view.windows:
        name = window.lane if window.current else f"{window.lane}-before"
        if window.resolution is not None:
            name = f"{name}-{window.resolution}"  # older observations are kept in such steps
        wanted = [f for f in window.features(view.name) if only is None or f.name in only]
        if wanted:
            groups.setdefault(name, (window, []))[1].extend(wanted)
    return [_lane(view, name, *group, schemas) for name, group in groups.items()]


def _lane(
    view: View, name: str, window: Window, features: list[WindowFeature], schemas: Schemas
) -> Lane:
    aggregates = [feature.aggregate for feature in features]
    kind = _kind(window, schemas, aggregates, _where(view.name, window))
    plan = LanePlan(
        [
            PlanColumn(
                Span(f.over, f.delay, f.resolution), Aggregate[f.aggregate.upper()], f.parameter
            )
            for f in features
        ],
        include_current=window.current,
        category=kind is Kind.TEXTS,
    )
    columns = {f.name: result_type(kind, f.aggregate) for f in features}
    return Lane(view.name, name, window, kind, plan, columns)


def _where(view: str, window: Window) -> str:
    return f"view {view!r}, window over {window.dataset.name!r}"


def _kind(window: Window, schemas: Schemas, aggregates: list[str], where: str) -> Kind:
    """Return the kind of a window's values; of a dataset without data, where all is null, any."""
    if window.dataset.name not in schemas:
        return Kind.NUMBERS
    empty = pl.DataFrame(schema=schemas[window.dataset.name])
    value = window.value_expression.alias("_value")
    dtype = evaluate(empty, [value], where=where).schema["_value"]
    kind, where = kind_of(dtype), f"{where}, {window.label!r}"
    if kind is None:
        raise DefinitionError(
            f"the values are {dtype}; a window takes numbers, booleans, texts, dates and times.",
            where=where,
            fix="Convert them (a duration with .dt.total_seconds()), or count events without a "
            "value.",
        )
    for aggregate in aggregates:
        if aggregate not in TAKEN.get(kind, aggregates):
            raise DefinitionError(
                f"the values are {dtype}; there is no {aggregate} of {kind}.",
                where=where,
                fix=f"Of {kind} take {', '.join(TAKEN[kind])}; or convert them to numbers.",
            )
    return kind


def observations(view: View, lane: Lane, events: pl.DataFrame) -> Observed:
    """Return what a lane observes in some events: entity, times, position and value.

    Raises
    ------
    DefinitionError
        If ``where`` is no condition, or a column of the key does not exist.
    """
    frame, values = _values(lane, events)
    keyed = frame.select(_has_key(frame, list(view.key), where=lane.where)).to_series()
    seen = keyed.to_numpy() & ~np.isnan(values)
    read = {*view.key, EVENT_TIME, KNOWN_AT, POSITION, "_value"}
    frame = frame.select(sorted(read)).filter(seen)  # other columns may be many
    return Observed(
        Observations(
            entity=hash_keys(frame, list(view.key)),
            event_time=_int64(frame, EVENT_TIME),
            known_at=_int64(frame, KNOWN_AT),
            position=_int64(frame, POSITION),
            value=values[seen],
        ),
        _dictionary(lane, frame, values[seen]),
        frame.select(view.key),
    )


def own_values(lane: Lane, rows: pl.DataFrame) -> tuple[np.ndarray, pl.DataFrame]:
    """Return what each row, as an event of the lane's dataset, adds to it; NaN for nothing.

    And the dictionary of the texts among them.
    """
    frame, values = _values(lane, rows)
    return values, _dictionary(lane, frame, values)


def _values(lane: Lane, events: pl.DataFrame) -> tuple[pl.DataFrame, np.ndarray]:
    """Return events with their ``_value``, and what is observed of it; NaN for nothing."""
    window = lane.window
    frame = evaluate(events, [window.value_expression.alias("_value")], where=lane.where)
    dtype = frame.schema["_value"]
    if dtype != pl.Null and kind_of(dtype) is not lane.kind:
        raise DataError(
            f"the values are {dtype}; they were {lane.kind} in the dataset's first batch.",
            where=f"{lane.where}, {window.label!r}",
            fix="Give the columns the types that they have in the raw store.",
        )
    if window.where is not None:
        kept = condition(frame, window.where, where=f"{lane.where}, where")
        frame = frame.with_columns(pl.when(kept).then(pl.col("_value")).alias("_value"))
    return frame, to_floats(frame["_value"], lane.kind)


def _dictionary(lane: Lane, frame: pl.DataFrame, values: np.ndarray) -> pl.DataFrame:
    return dictionary_of(frame["_value"], values) if lane.speaks else joined()


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
    known_at, position = (_int64(rows, name)[mask] for name in (KNOWN_AT, POSITION))
    return Queries(entity, event_time, known_at, position), mask


def as_columns(
    lane: Lane, results: np.ndarray, mask: np.ndarray, *dictionaries: pl.DataFrame
) -> dict[str, pl.Series]:
    """Return a lane's results as columns over all rows, null where nothing was asked or seen.

    Parameters
    ----------
    results
        float64 (asked rows, columns), from the kernel.
    mask
        bool (rows,): which rows asked.
    dictionaries
        The texts behind the lane's values.
    """
    columns = {}
    for number, (name, dtype) in enumerate(lane.columns.items()):
        floats = np.full(mask.shape[0], np.nan)
        floats[mask] = results[:, number]
        columns[name] = from_floats(name, floats, dtype, dictionaries)
    return columns


def _has_key(frame: pl.DataFrame, key: list[str], *, where: str) -> pl.Expr:
    for column in key:
        if column not in frame.columns:
            shown = [c for c in frame.columns if not c.startswith("_")]
            raise DefinitionError.unknown("column", column, shown, where=where)
    return pl.all_horizontal([pl.col(c).is_not_null() for c in key])


def _int64(frame: pl.DataFrame, column: str) -> np.ndarray:
    return frame[column].cast(pl.Int64).to_numpy()
