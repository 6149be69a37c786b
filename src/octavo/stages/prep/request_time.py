"""Features at request time: the state that history left, asked by a row that is not in it."""

from collections.abc import Collection, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any, NamedTuple

import polars as pl

from octavo.definition import Pipeline, View
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP, stamped
from octavo.definition.events import evaluate as evaluate_rows
from octavo.definition.needed import row_keys
from octavo.definition.versions import ROWS, needed_columns, table_fingerprints
from octavo.errors import DataError, DefinitionError
from octavo.stages.prep.asked import Part, Positions, positions_of
from octavo.stages.prep.folding import late, past_of, texts_of
from octavo.stages.prep.lanes import as_columns, asked, event_schemas, lanes, own_values
from octavo.stores.catalog import Catalog
from octavo.stores.features import row_features, with_derived
from octavo.stores.groups import Held
from octavo.stores.home import Home
from octavo.stores.state import StateStore
from octavo.stores.versions import held_groups
from octavo.windows import evaluate


class Answer(NamedTuple):
    """Features of rows that were asked for."""

    features: pl.DataFrame
    """`EVENT_ID`, `EVENT_TIME`, ``key:`` columns and the features, a row each in order."""
    positions: Positions
    """What the answer has seen: all of the log up to there, and the rows' own events."""

    @property
    def ids(self) -> list[str | None]:
        """Event IDs."""
        return self.features[EVENT_ID].to_list()

    @property
    def event_times(self) -> list[datetime]:
        """Event times, UTC."""
        return self.features[EVENT_TIME].to_list()


class OnlineFeatures:
    """Features of rows that are asked for, not ingested.

    Thread-safe. What is folded into the same groups is seen by the next answer; new groups need a
    new object.

    Parameters
    ----------
    features
        Those that are needed; all of the definition if left out. Only what they are computed from
        need have been prepped.

    Raises
    ------
    DataError
        If a feature has not been prepped.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        home: Home,
        catalog: Catalog,
        features: Collection[str] | None = None,
    ) -> None:
        self.pipeline = pipeline
        wanted = set(pipeline.features if features is None else features)
        needed = wanted | needed_columns(pipeline, wanted)
        self.features = [name for name in pipeline.features if name in needed]
        self.parts: dict[str, list[Part]] = {}
        schemas = event_schemas(pipeline, catalog)
        tables = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
        for name, columns in tables.items():
            windows = {c: mark for c, mark in columns.items() if c in needed and name != ROWS}
            if windows:
                view = pipeline.view(name)
                self.parts[name] = [
                    Part(
                        group.group_id,
                        _state(home, view, group),
                        lanes(view, schemas, group.columns),
                    )
                    for group in held_groups(catalog, name, windows)
                ]

    @property
    def offset(self) -> int | None:
        """How far in the order of batches the states have come; None: nothing is asked of one."""
        places = [part.store.place for parts in self.parts.values() for part in parts]
        return min((place.offset for place in places), default=None)

    @property
    def positions(self) -> dict[str, tuple[int, int]]:
        """How far in the log each view's state has come: (known_at in microseconds, position)."""
        return {
            name: max(part.store.place[:2] for part in parts) for name, parts in self.parts.items()
        }

    def of_rows(self, source: pl.DataFrame) -> pl.DataFrame:
        """Return the features of source rows: those of `answer`."""
        return self.answer(source).features

    def answer(self, source: pl.DataFrame) -> Answer:
        """Return the features of source rows, each a virtual query at its own event time.

        Parameters
        ----------
        source
            Columns of the predicted rows' dataset, typed as in the raw store.

        Raises
        ------
        DataError
            If a row has no event ID or time, or is older than the state can answer.
        """
        rows = stamped(self.pipeline.rows, source)
        self._check_stamps(rows)
        columns: list[pl.Series] = []
        positions: Positions = {}
        for name in self.parts:
            found, seen = self.windows(self.pipeline.view(name), rows, are_events=True)
            columns, positions = columns + found, positions | seen
        return Answer(self.put_together(rows, columns), positions)

    def put_together(self, rows: pl.DataFrame, windows: Sequence[pl.Series]) -> pl.DataFrame:
        """Return the features of an `Answer`, given those that are windows.

        Parameters
        ----------
        rows
            As events, with their stamps.
        """
        pipeline = self.pipeline
        keys = [pl.col(c).alias(f"key:{c}") for c in row_keys(pipeline)]
        keyed = evaluate_rows(rows, keys, where="Pipeline.row")
        own = [name for name in pipeline.row_features if name in self.features]
        found = row_features(pipeline, keyed, own).select(
            EVENT_ID, EVENT_TIME, *(f"key:{c}" for c in row_keys(pipeline)), *own
        )
        return with_derived(pipeline, found.with_columns(windows), self.features)

    def _check_stamps(self, rows: pl.DataFrame) -> None:
        needed = {EVENT_ID: "event ID", EVENT_TIME: "event time"}
        if not self.pipeline.rows.identity:
            del needed[EVENT_ID]
        for column, what in needed.items():
            missing = rows[column].is_null().arg_true()
            if missing.len():
                raise DataError(
                    f"its {what} cannot be computed.",
                    where=f"event {missing[0]}",
                    fix=f"Give every column that the {what} is made of.",
                )
        if rows.height:
            oldest = int(rows[EVENT_TIME].cast(pl.Int64).to_numpy().min())
            for view in self.earliest:
                self.check_reach(view, oldest)

    def lookup(self, view_name: str, key: Sequence[str], at: int | None) -> dict[str, Any]:
        """Return the window features of one entity at a time.

        Parameters
        ----------
        key
            The parts of the key, as text; integers are recognized.
        at
            Event time in microseconds; None for the newest the state knows.

        Raises
        ------
        DataError
            If the state no longer holds what a window that long ago needs.
        """
        view = self.pipeline.view(view_name)
        if len(key) != len(view.key):
            raise DefinitionError(
                f"its key is {', '.join(view.key)}; {len(key)} values were given.",
                where=f"view {view_name!r}",
                fix="Give one value for each.",
            )
        at = self.positions[view_name][0] if at is None else at
        self.check_reach(view_name, at)
        values = [int(part) if part.lstrip("-").isdigit() else part for part in key]
        columns: dict[str, Any] = {c: [v] for c, v in zip(view.query_key, values, strict=True)}
        rows = pl.DataFrame(columns).with_columns(
            pl.lit(at, dtype=pl.Int64).cast(TIMESTAMP).alias(EVENT_TIME)
        )
        found, _ = self.windows(view, rows, are_events=False)
        return pl.DataFrame(found).row(0, named=True)

    @property
    def earliest(self) -> dict[str, int]:
        """For each view, the first event time that its state can answer in full, microseconds."""
        bounded = [
            name
            for name, parts in self.parts.items()
            if any(lane.plan.horizon is not None for part in parts for lane in part.lanes)
        ]
        return {name: self.positions[name][0] - late(self.pipeline.view(name)) for name in bounded}

    def check_reach(self, view: str, at: int) -> None:
        """Refuse a time at which a window would reach further back than the state."""
        earliest = self.earliest.get(view, at)
        if at >= earliest:
            return
        moment, first = pl.Series([at, earliest]).cast(TIMESTAMP)
        raise DataError(
            f"{moment:%Y-%m-%d %H:%M} is too long ago: its windows are complete from "
            f"{first:%Y-%m-%d %H:%M} on.",
            where=f"view {view!r}",
            fix="`octavo data` has the features of past rows; View.late= keeps more.",
        )

    def windows(
        self, view: View, rows: pl.DataFrame, *, are_events: bool
    ) -> tuple[list[pl.Series], Positions]:
        """Ask a view's state; ``rows`` need key columns and `EVENT_TIME`.

        Rows that are events see themselves, as they will once they are ingested. Also returned is
        where in the log they were answered.
        """
        entity, event_time, mask = asked(view, rows)
        columns: dict[str, pl.Series] = {}
        with ExitStack() as opened:
            parts = self.parts[view.name]
            snapshots = [opened.enter_context(part.store.snapshot()) for part in parts]
            clock = max(snapshot.place.known_at for snapshot in snapshots)
            for part, snapshot in zip(parts, snapshots, strict=True):
                for lane in part.lanes:
                    own, texts = None, []
                    if lane.window.dataset.name == self.pipeline.rows.name and are_events:
                        own, new = own_values(lane, rows.filter(mask))
                        texts.append(new)
                    past, tiles = past_of(snapshot, lane, entity, event_time)
                    asked_at = (entity, event_time, clock, late(view))
                    found = evaluate(past, lane.plan, *asked_at, own=own, tiles=tiles)
                    texts.append(texts_of(snapshot, lane, found))
                    columns |= as_columns(lane, found, mask, *texts)
            places = [snapshot.place for snapshot in snapshots]
        wanted = [columns[name] for name in self.features if name in columns]
        return wanted, positions_of(view, parts, places)


def _state(home: Home, view: View, group: Held) -> StateStore:
    path = home.state(view.name, group.group_id)
    return StateStore.open(path, view=view.name, fingerprint=group.group_id, readonly=True)
