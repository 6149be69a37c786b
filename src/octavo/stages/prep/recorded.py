"""What a request saw, computed again from the raw store: the log up to the positions it recorded.

State is not looked at: a fold in bulk answers each request behind its positions, its own event in
the log with it. This module knows nothing of predictions.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from octavo.definition import Dataset, View
from octavo.definition.events import stamped
from octavo.stages.prep.folding import observed, standing
from octavo.stages.prep.lanes import Lane, Observed, as_columns, asked, own_values
from octavo.stages.prep.request_time import OnlineFeatures, Positions
from octavo.stages.prep.values import joined
from octavo.stores.catalog import Catalog
from octavo.stores.raw import RawStore
from octavo.windows import Observations, Queries, fold, own_events


class RecordedFeatures:
    """Features of requests that were answered, computed again.

    Parameters
    ----------
    online
        Names the features and the groups that hold them; these were asked then.
    """

    def __init__(self, online: OnlineFeatures, raw: RawStore, catalog: Catalog) -> None:
        self._online, self._raw, self._catalog = online, raw, catalog
        self._begun = {group["group_id"]: group["cut_over"] for group in catalog.live_groups()}
        """By group, up to where in the order of batches it was back-filled, corrections and all."""
        self._read: dict[tuple[str, int], list[pl.DataFrame]] = {}

    def names(self) -> dict[str, tuple[str, str]]:
        """Return what positions must have, each with the view and group that it is of."""
        found = {}
        for view, parts in self._online.parts.items():
            for part in parts:
                name = view if len(parts) == 1 else f"{view}/{part.group_id}"
                found[name] = view, part.group_id
        return found

    def features(self, source: pl.DataFrame, positions: Sequence[Positions]) -> pl.DataFrame:
        """Return the features that some rows were answered, as of `OnlineFeatures.of_rows`.

        Parameters
        ----------
        source
            Columns of the predicted rows' dataset, typed as in the raw store.
        positions
            What the answer of each row had seen, with all `names`.
        """
        pipeline = self._online.pipeline
        rows = stamped(pipeline.rows, source)
        columns: dict[str, pl.Series] = {}
        for name, (view_name, group_id) in self.names().items():
            places = np.array([each[name] for each in positions], np.int64)
            (part,) = [p for p in self._online.parts[view_name] if p.group_id == group_id]
            for lane in part.lanes:
                view = pipeline.view(view_name)
                columns |= self._of_lane(view, lane, self._begun[group_id], rows, places)
        wanted = [columns[name] for name in self._online.features if name in columns]
        return self._online.put_together(rows, wanted)

    def _of_lane(
        self, view: View, lane: Lane, begun: int, rows: pl.DataFrame, places: np.ndarray
    ) -> dict[str, pl.Series]:
        entity, event_time, mask = asked(view, rows)
        seen = self._seen(view, lane, begun)
        log = seen.observations.take(np.isin(seen.observations.entity, entity))
        log, ranks = _ranked(log, places[mask])
        # All that is asked came in time: what is too late is refused (`View.late`).
        queries = Queries(entity, event_time, np.zeros_like(ranks), ranks)
        texts = [seen.dictionary]
        is_own = lane.window.dataset.name == self._online.pipeline.rows.name
        if is_own and lane.plan.include_current:
            own, new = own_values(lane, rows.filter(mask))
            texts.append(new)
            log = Observations.concatenate([log, own_events(queries, own)])
        return as_columns(lane, fold(log, queries, lane.plan), mask, *texts)

    def _seen(self, view: View, lane: Lane, begun: int) -> Observed:
        """Return all that a lane ever observed, but what was taken back before it began."""
        parts = [observed(view, lane, each) for each in self._events(lane.window.dataset, begun)]
        logs = [standing(each.observations) for each in parts]
        log = Observations.concatenate(logs) if logs else Observations.empty()
        return Observed(log, joined(*(each.dictionary for each in parts)), pl.DataFrame())

    def _events(self, dataset: Dataset, begun: int) -> list[pl.DataFrame]:
        """Return a dataset's events as a group took them in: what it began with, and the rest."""
        if (dataset.name, begun) not in self._read:
            counted = {batch["batch_id"]: batch for batch in self._catalog.committed_at(begun)}
            later = [batch for batch in self._catalog.batches() if batch["sequence"] > begun]
            parts = [
                [batch for batch in batches if batch["dataset"] == dataset.name]
                for batches in (counted.values(), later)
            ]
            wanted = self._columns(dataset)
            found = []
            if parts[0]:
                found.append(self._raw.history(dataset, parts[0], begun, wanted))
            if parts[1]:
                found.append(self._raw.events(dataset, parts[1], wanted))
            self._read[dataset.name, begun] = found
        return self._read[dataset.name, begun]

    def _columns(self, dataset: Dataset) -> set[str]:
        """Return what any lane reads of a dataset."""
        pipeline = self._online.pipeline
        return {
            column
            for view, parts in self._online.parts.items()
            for part in parts
            for lane in part.lanes
            if lane.window.dataset.name == dataset.name
            for column in lane.columns_read(pipeline.view(view))
        }


def _ranked(log: Observations, places: np.ndarray) -> tuple[Observations, np.ndarray]:
    """Return observations and requests by their order in the log, a request behind its place.

    Parameters
    ----------
    places
        int64 (requests, 2): `known_at` and position up to which each had seen the log.

    Returns
    -------
    tuple
        The observations, with their numbers as positions; and those of the requests. All are even.
    """
    known = np.concatenate([log.known_at, places[:, 0]])
    position = np.concatenate([log.position, places[:, 1]])
    ranks = np.empty(len(known), np.int64)
    ranks[np.lexsort((position, known))] = 2 * np.arange(len(known))  # of equals the log is first
    own = ranks[: len(log)]
    return replace(log, known_at=np.zeros_like(own), position=own), ranks[len(log) :]
