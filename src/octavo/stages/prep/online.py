"""Features at request time: the state that history left, asked by a row that is not in it."""

from collections.abc import Sequence
from typing import Any

import polars as pl

from octavo.definition import Pipeline, View
from octavo.definition.durations import microseconds
from octavo.definition.events import EVENT_ID, EVENT_TIME, TIMESTAMP, stamped
from octavo.definition.events import evaluate as with_expressions
from octavo.definition.versions import feature_fingerprints, row_keys
from octavo.errors import DataError, DefinitionError
from octavo.stages.prep.lanes import as_columns, asked, event_schemas, lanes, own_values
from octavo.stages.prep.values import joined, load_dictionaries
from octavo.stores.catalog import Catalog
from octavo.stores.features import row_features, with_derived
from octavo.stores.home import Home
from octavo.windows import ViewState, evaluate


class OnlineFeatures:
    """Features of rows that are asked for, not ingested.

    Thread-safe: nothing changes after it is built. A new prep needs a new object.

    Raises
    ------
    DataError
        If the definition's features have not been prepped.
    """

    def __init__(self, pipeline: Pipeline, home: Home, catalog: Catalog) -> None:
        self.pipeline = pipeline
        loaded = {batch["dataset"] for batch in catalog.committed()}
        self.fingerprints = feature_fingerprints(pipeline, loaded)
        self.states: dict[str, ViewState] = {}
        self.texts: dict[str, dict[str, pl.DataFrame]] = {}
        schemas = event_schemas(pipeline, catalog)
        self.lanes = {view.name: lanes(view, schemas) for view in pipeline.views}
        for view in pipeline.views:
            version = catalog.feature_version(view.name, self.fingerprints[view.name])
            if version is None:
                raise DataError(
                    "its features have not been prepped.",
                    where=f"view {view.name!r}",
                    fix="Run `octavo run`.",
                )
            self.states[view.name] = ViewState.load(home.path / version["state"])
            self.texts[view.name] = load_dictionaries(home.path / version["state"])

    @property
    def positions(self) -> dict[str, tuple[int, int]]:
        """How far in the log each view's state had come: (known_at in microseconds, position)."""
        return {name: (state.clock, state.position) for name, state in self.states.items()}

    def of_rows(self, source: pl.DataFrame) -> pl.DataFrame:
        """Return the features of source rows, each a virtual query at its own event time.

        Parameters
        ----------
        source
            Columns of the predicted rows' dataset, typed as in the raw store.

        Returns
        -------
        polars.DataFrame
            `EVENT_ID`, `EVENT_TIME`, ``key:`` columns and the features, a row each in order.

        Raises
        ------
        DataError
            If a row has no event ID or time, or is older than the state can answer.
        """
        pipeline = self.pipeline
        rows = stamped(pipeline.rows, source)
        self._check_stamps(rows)
        keys = [pl.col(c).alias(f"key:{c}") for c in row_keys(pipeline)]
        keyed = with_expressions(rows, keys, where="Pipeline.row")
        found = row_features(pipeline, keyed).select(
            EVENT_ID, EVENT_TIME, *(f"key:{c}" for c in row_keys(pipeline)), *pipeline.row_features
        )
        for view in pipeline.views:
            found = found.with_columns(self._windows(view, rows, are_events=True))
        return with_derived(pipeline, found)

    def _check_stamps(self, rows: pl.DataFrame) -> None:
        for column, what in ((EVENT_ID, "event ID"), (EVENT_TIME, "event time")):
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
                self._check_reach(view, oldest)

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
        view, state = self.pipeline.view(view_name), self.states[view_name]
        if len(key) != len(view.key):
            raise DefinitionError(
                f"its key is {', '.join(view.key)}; {len(key)} values were given.",
                where=f"view {view_name!r}",
                fix="Give one value for each.",
            )
        at = state.clock if at is None else at
        self._check_reach(view_name, at)
        values = [int(part) if part.lstrip("-").isdigit() else part for part in key]
        columns: dict[str, Any] = {c: [v] for c, v in zip(view.query_key, values, strict=True)}
        rows = pl.DataFrame(columns).with_columns(
            pl.lit(at, dtype=pl.Int64).cast(TIMESTAMP).alias(EVENT_TIME)
        )
        return pl.DataFrame(self._windows(view, rows, are_events=False)).row(0, named=True)

    @property
    def earliest(self) -> dict[str, int]:
        """For each view, the first event time that its state can answer in full, microseconds."""
        return {
            view.name: self.states[view.name].clock - microseconds(view.late, where="View.late")
            for view in self.pipeline.views
            if view.retain is not None
        }

    def _check_reach(self, view: str, at: int) -> None:
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

    def _windows(self, view: View, rows: pl.DataFrame, *, are_events: bool) -> list[pl.Series]:
        """Ask a view's state; ``rows`` need key columns and `EVENT_TIME`.

        Rows that are events see themselves, as they will once they are ingested.
        """
        entity, event_time, mask = asked(view, rows)
        columns: dict[str, pl.Series] = {}
        for lane in self.lanes[view.name]:
            own, texts = None, [self.texts[view.name].get(lane.name, joined())]
            if lane.window.dataset.name == self.pipeline.rows.name and are_events:
                own, new = own_values(lane, rows.filter(mask))
                texts.append(new)
            found = evaluate(
                self.states[view.name], lane.name, lane.plan, entity, event_time, own=own
            )
            columns |= as_columns(lane, found, mask, *texts)
        return [columns[feature.name] for feature in view.features]
