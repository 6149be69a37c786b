"""The raw rows that one window feature saw, computed again from the raw store.

Which rows these were is stored nowhere: view, entity, event time and place in the log say it. State
is not looked at. This module knows nothing of predictions.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import polars as pl

from octavo.definition import Dataset, Pipeline, View
from octavo.definition.events import EVENT_TIME, KNOWN_AT, POSITION
from octavo.definition.versions import table_fingerprints
from octavo.errors import DefinitionError
from octavo.stages.prep.folding import late, observed
from octavo.stages.prep.lanes import (
    Lane,
    Observed,
    as_columns,
    asked,
    event_schemas,
    lanes,
    own_values,
)
from octavo.stages.prep.values import from_floats, joined, result_type
from octavo.stores.catalog import Catalog, Row
from octavo.stores.groups import Held
from octavo.stores.raw import ROWS_PER_BATCH, RawStore
from octavo.stores.versions import held_groups
from octavo.windows import Observations, Queries, Span, fold, own_events
from octavo.windows.plan import LIMIT

OBSERVED = "_observed"
"""The column with the value that the window saw of a row."""


class Question(NamedTuple):
    """What a view was asked."""

    row: pl.DataFrame
    """One row, as an event of the predicted rows' dataset; without more than its time and the
    view's key, what it adds itself is not known."""
    place: tuple[int, int]
    """The last place in the log before it: known_at in microseconds, and position."""
    is_prepped: bool = False
    """Whether it has a place in the log itself, after which it may have come too late."""


class Seen(NamedTuple):
    """What a window saw."""

    rows: pl.DataFrame
    """By event time and log: `OBSERVED`, the source's columns, stamps, ``_batch_id``, and ``_row``,
    the number in the batch."""
    value: Any
    """The feature, computed of these rows alone."""


class SeenBy:
    """Finds what one window feature saw.

    Raises
    ------
    DefinitionError
        If there is no such feature, or it is no window.
    DataError
        If it has not been prepped.
    """

    def __init__(self, pipeline: Pipeline, catalog: Catalog, raw: RawStore, feature: str) -> None:
        self._pipeline, self._catalog, self._raw = pipeline, catalog, raw
        self.view = _view_of(pipeline, feature)
        tables = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
        wanted = {feature: tables[self.view.name][feature]}
        (self.group,) = held_groups(catalog, self.view.name, wanted)
        (self._lane,) = lanes(self.view, event_schemas(pipeline, catalog), wanted)

    @property
    def dataset(self) -> Dataset:
        """Whose rows it sees."""
        return self._lane.window.dataset

    def seen(self, question: Question) -> Seen:
        """Return what a question's window saw."""
        lane, batches = self._lane, self._catalog.batches(self.dataset.name)
        entity, time, mask = asked(self.view, question.row)
        if not entity.size:  # a part of its key is null
            return Seen(self._rows(batches, {}, joined()), None)
        found = _observed(self._raw, self.view, lane, batches, self.group)
        log = _before(found.observations, int(entity[0]), question.place)
        oldest = int(time[0])
        if question.is_prepped:
            oldest = max(oldest, question.place[0] - late(self.view))
        log = _inside(log, lane.plan.columns[0].span, int(time[0]), oldest)
        own, texts = self._own(question.row)
        dictionary = joined(found.dictionary, texts)
        query = Queries(entity, time, np.zeros(1, np.int64), np.array([len(log)]))
        beside = own_events(query, own) if own.size else Observations.empty()
        results = fold(Observations.concatenate([_numbered(log), beside]), query, lane.plan)
        (value,) = as_columns(lane, results, mask, dictionary).values()
        saw = dict(zip(log.position.tolist(), log.value.tolist(), strict=True))
        if len(beside) and POSITION in question.row.columns and not lane.plan.columns[0].span.delay:
            saw[question.row[POSITION].item()] = own.item()
        return Seen(self._rows(batches, saw, dictionary), value[0])

    def _own(self, row: pl.DataFrame) -> tuple[np.ndarray, pl.DataFrame]:
        """Return what the row adds as an event, and its texts; nothing if that is not known."""
        lane = self._lane
        is_own = self.dataset.name == self._pipeline.rows.name and lane.plan.include_current
        if not is_own or not lane.columns_read(self.view) <= {*row.columns}:
            return np.empty(0), joined()
        return own_values(lane, row)

    def _rows(
        self, batches: Sequence[Row], saw: Mapping[int, float], dictionary: pl.DataFrame
    ) -> pl.DataFrame:
        """Return the raw rows at some positions, each with the value that was seen."""
        values, dtype = np.array([*saw.values()], float), result_type(self._lane.kind, "last")
        observed_ = from_floats(OBSERVED, values, dtype, [dictionary])
        wanted = pl.DataFrame({POSITION: pl.Series([*saw], dtype=pl.Int64), OBSERVED: observed_})
        near = pl.col(POSITION).is_in(wanted[POSITION].implode())
        versions = self._raw.versions(self.dataset.name, batches)
        rows = pl.concat([e.filter(near).collect() for e in versions], how="diagonal_relaxed")
        number = (pl.col(POSITION) % ROWS_PER_BATCH).alias("_row")
        found = wanted.join(rows, on=POSITION).with_columns(number)
        return found.sort(EVENT_TIME, KNOWN_AT, POSITION)


def _view_of(pipeline: Pipeline, feature: str) -> View:
    for view in pipeline.views:
        if feature in [each.name for each in view.features]:
            return view
    windows = [each.name for view in pipeline.views for each in view.features]
    if feature in pipeline.features:
        raise DefinitionError(
            "it is no window: it is computed from its own row, or from other features.",
            where=f"feature {feature!r}",
            fix=f"Ask for a window feature: {', '.join(windows[:8]) or 'there are none'}.",
        )
    raise DefinitionError.unknown("window feature", feature, windows)


def _observed(
    raw: RawStore, view: View, lane: Lane, batches: Sequence[Row], group: Held
) -> Observed:
    """Return all that a lane of a group ever observed: what it began with, and what came later."""
    dataset, begun = lane.window.dataset, group.last["cut_over"]
    columns = lane.columns_read(view)
    first = [b for b in batches if b["sequence"] <= begun and not _is_taken(b, begun)]
    later = [b for b in batches if b["sequence"] > begun]
    found = []
    if first:
        found.append(observed(view, lane, raw.history(dataset, first, begun, columns)))
    if later:
        found.append(observed(view, lane, raw.events(dataset, later, columns)))
    logs = [Observations.empty(), *(each.observations for each in found)]
    texts = joined(*(each.dictionary for each in found))
    return Observed(Observations.concatenate(logs), texts, pl.DataFrame())


def _is_taken(batch: Row, position: int) -> bool:
    return batch["withdrawn"] is not None and batch["withdrawn"] <= position


def _before(log: Observations, entity: int, place: tuple[int, int]) -> Observations:
    """Return what is known of an entity up to a place in the log, and not taken back by then."""
    log = log.take(log.entity == np.uint64(entity))
    seen = _is_up_to(log.known_at, log.position, place)
    if log.gone_known_at is not None and log.gone_position is not None:
        seen &= ~_is_up_to(log.gone_known_at, log.gone_position, place)
    return replace(log.take(seen), gone_known_at=None, gone_position=None)


def _is_up_to(known_at: np.ndarray, position: np.ndarray, place: tuple[int, int]) -> np.ndarray:
    return (known_at < place[0]) | ((known_at == place[0]) & (position <= place[1]))


def _inside(log: Observations, span: Span, time: int, oldest: int) -> Observations:
    """Return what lies in the window of a query.

    Parameters
    ----------
    oldest
        Its time, or that of the oldest query that would not come too late.
    """
    end, step = time - span.delay, span.resolution or 1
    if span.delay or time < oldest - oldest % step:
        end -= end % step
    start = -LIMIT if span.over is None else oldest - span.delay - span.over
    start -= 0 if span.over is None else start % step
    return log.take((log.event_time > start) & (log.event_time <= end))


def _numbered(log: Observations) -> Observations:
    """Return observations at places 0, 1, … in their order."""
    order = np.lexsort((log.position, log.known_at))
    places = np.empty_like(order)
    places[order] = np.arange(order.size)
    return replace(log, known_at=np.zeros_like(places), position=places)
