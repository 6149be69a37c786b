"""The segregation API: which part, labeled, unlabeled or both, of a data version."""

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from octavo.definition import PARTS, Label, Pipeline, SplitByTime
from octavo.definition.arguments import whole_number
from octavo.definition.durations import microseconds
from octavo.definition.events import (
    EVENT_ID,
    EVENT_TIME,
    KNOWN_AT,
    POSITION,
    TIMESTAMP,
    evaluate,
    joined_id,
)
from octavo.errors import DefinitionError
from octavo.stages.segregation.filters import condition_of
from octavo.stages.segregation.parts import SETTLED_AT, divide, placed
from octavo.stores.catalog import Catalog
from octavo.stores.features import STAMPS, FeatureStore, span
from octavo.stores.history import FIRST_POSITION, GONE_KNOWN_AT
from octavo.stores.home import Home
from octavo.stores.raw import RawStore, batch_sequence

HELD = 100_000_000
"""Values of features up to which those of all rows are held in memory; of more, those that are
asked for are read each time."""


class SplitRows:
    """The rows of one data version, divided by its rule. Reads stores; writes nothing.

    Parameters
    ----------
    document
        The data version: batches, features, clock and, once they are fixed, ``cuts``.
    """

    def __init__(
        self, pipeline: Pipeline, home: Home, catalog: Catalog, document: dict[str, Any]
    ) -> None:
        self.pipeline = pipeline
        self.home = home
        self.catalog = catalog
        self.document = document
        self._inside: dict[tuple[str, int], pl.Series] = {}

    @property
    def data_version(self) -> str:
        """The data version that is read."""
        return self.document["data_version"]

    @property
    def features(self) -> dict[str, str]:
        """Every feature, derived ones too, with its fingerprint."""
        return self.document["features"]

    @property
    def positions(self) -> dict[str, int]:
        """How far prep had come with the rows and with each view."""
        groups = self.document["groups"]
        return {
            name: max(span(prep)[1] for group in each for prep in group["preps"])
            for name, each in groups.items()
        }

    @property
    def height(self) -> int:
        """Number of rows, labeled or not."""
        return self.every_row.height

    @property
    def leaks(self) -> list[dict[str, Any]]:
        """What looks like a leak in it: kind, columns, what was seen, the next step."""
        return self.document.get("leaks", [])

    @property
    def folds(self) -> int:
        """How often the search validates; the last fold is train and validation."""
        return self.pipeline.split.folds

    def data(
        self,
        split: str = "all",
        labels: str = "with",
        columns: Sequence[str] | None = None,
        *,
        fold: int | None = None,
        filters: Sequence[str] = (),
        limit: int | None = None,
        most: int | None = None,
    ) -> pl.DataFrame:
        """Return rows of one part, in log order.

        Parameters
        ----------
        split
            ``train``, ``validation``, ``test`` or ``all``.
        labels
            ``with``: labeled rows only; ``without``: the unlabeled ones, and no label column;
            ``both``: all rows, the label null where it is not known.
        columns
            Features wanted; None for all of them.
        fold
            Of which fold, from 1, the oldest; None: the last one.
        filters
            Conditions that all must hold, such as ``"amount >= 10"``, on any of the columns that
            could be given; see `octavo.stages.segregation.filters`.
        limit
            Give the first so many rows; None: all of them.
        most
            If there are more rows, draw so many of them: always the same.

        Returns
        -------
        polars.DataFrame
            ``_event_id, _event_time, _known_at, _position``, the features, and the label.

        Raises
        ------
        DefinitionError
            If a name or a number means nothing here.
        """
        if limit is not None:
            whole_number(limit, least=0, where="limit")
        places = self.places(split, labels, columns, fold=fold, filters=filters)[:limit]
        return self.data_at(drawn(places, most), labels, columns)

    def places(
        self,
        split: str = "all",
        labels: str = "with",
        columns: Sequence[str] | None = None,
        *,
        fold: int | None = None,
        filters: Sequence[str] = (),
    ) -> np.ndarray:
        """Return the numbers of the rows that `data` gives for the same question, ascending.

        Of the features those are read that the filters name.
        """
        fold = self.folds if fold is None else fold
        self._check(split, labels, self.pipeline.features if columns is None else columns, fold)
        places = np.flatnonzero(self._kept(split, labels, fold).to_numpy())
        return places[self._met(places, filters, labels)] if filters else places

    def data_at(
        self, places: np.ndarray, labels: str = "with", columns: Sequence[str] | None = None
    ) -> pl.DataFrame:
        """Return rows by their numbers, with the columns that `data` gives."""
        features = self.pipeline.features if columns is None else list(columns)
        return self.rows_at(places, features).select(*STAMPS, *features, *self._label(labels))

    def outcomes(self, split: str, labels: str, *, fold: int | None = None) -> pl.Series:
        """Return the label of the rows that `data` gives for the same question.

        Null where it is not known.
        """
        return self.every_row[self.pipeline.label.name][self.places(split, labels, fold=fold)]

    def _label(self, labels: str) -> list[str]:
        return [] if labels == "without" else [self.pipeline.label.name]

    def _met(self, places: np.ndarray, filters: Sequence[str], labels: str) -> np.ndarray:
        """Return for which of some rows all conditions hold."""
        features = self.pipeline.features
        none = self._assembled(features, self.every_row[POSITION].clear()).select(features)
        none = self.every_row.clear().hstack(none).select(*STAMPS, *features, *self._label(labels))
        conditions = [condition_of(text, none.schema) for text in filters]
        named = {name for each in conditions for name in each.meta.root_names()}
        rows = self.rows_at(places, [name for name in features if name in named])
        return rows.select(pl.all_horizontal(conditions).fill_null(False)).to_series().to_numpy()

    def _check(self, split: str, labels: str, features: Sequence[str], fold: int) -> None:
        """Refuse what means nothing here."""
        if split not in (*PARTS, "all"):
            raise DefinitionError.unknown("split", split, (*PARTS, "all"))
        if labels not in ("with", "without", "both"):
            raise DefinitionError.unknown("choice of labels", labels, ("with", "without", "both"))
        for column in features:
            if column not in self.pipeline.features:
                raise DefinitionError.unknown("feature", column, self.pipeline.features)
        if len(set(features)) < len(features):
            raise DefinitionError("a feature is named twice.", where="columns", fix="Name it once.")
        if not 1 <= fold <= self.folds:
            known = [str(number) for number in range(1, self.folds + 1)]
            raise DefinitionError.unknown("fold", str(fold), known)

    def _kept(self, split: str, labels: str, fold: int) -> pl.Series:
        """Return which rows are of a part, and labeled or not, as booleans."""
        rows, name = self.every_row, self.pipeline.label.name
        kept = pl.repeat(True, rows.height, eager=True)
        if split != "all":
            kept &= self.inside(split, fold)
        if labels == "both":
            return kept
        return kept & (rows[name].is_not_null() if labels == "with" else rows[name].is_null())

    def inside(self, part: str, fold: int) -> pl.Series:
        """Return which rows a fold has in a part, labeled or not, as booleans."""
        if (part, fold) not in self._inside:
            rule, label = self.pipeline.split, self.pipeline.label.name
            found = divide(rule, self.document, self.every_row, label, part, fold)
            self._inside[part, fold] = found
        return self._inside[part, fold]

    def settled(self, rows: pl.DataFrame) -> pl.Series:
        """Return of which rows one may learn before test: their labels were settled by then.

        As train is purged at the cut of validation. All of them where nothing is purged.
        """
        split = self.pipeline.split
        if not isinstance(split, SplitByTime) or not split.purge:
            return pl.repeat(True, rows.height, eager=True)
        late = self.every_row.filter(pl.col(SETTLED_AT) > self.document["cuts"]["test"])
        return ~rows[POSITION].is_in(late[POSITION].implode())

    def newest(self, most: int | None = None) -> pl.DataFrame:
        """Return the rows of the newest monitoring window, labeled or not.

        Of rows without an event time, those of the newest batch. An immature row is unlabeled
        however early its outcome came: those with an early outcome alone are no fair sample.

        Parameters
        ----------
        most
            As for `data`.
        """
        return self._given(drawn(self._newest, most))

    def newest_blocks(self, size: int) -> Iterator[pl.DataFrame]:
        """Give the same rows, so many at a time."""
        for start in range(0, max(self._newest.size, 1), size):
            yield self._given(self._newest[start : start + size])

    def _given(self, places: np.ndarray) -> pl.DataFrame:
        features, name = self.pipeline.features, self.pipeline.label.name
        settled = (pl.col(SETTLED_AT) <= self.document["clock"]).fill_null(False)
        label = pl.when(settled).then(pl.col(name)).alias(name)
        return self.rows_at(places, features).select(*STAMPS, *features, label)

    @cached_property
    def _newest(self) -> np.ndarray:
        rows = self.every_row
        if self.pipeline.rows.is_static:
            batch = batch_sequence(pl.col(POSITION))
            return np.flatnonzero(rows.select(batch == batch.max()).to_series().to_numpy())
        window = microseconds(self.pipeline.monitor.window, where="Monitor.window")
        times = rows[EVENT_TIME].cast(pl.Int64)
        return np.flatnonzero((times > times.max() - window).to_numpy())  # type: ignore[operator]

    def rows_at(self, places: np.ndarray, features: Sequence[str]) -> pl.DataFrame:
        """Return rows by their numbers, ascending: as `every_row`, with some features."""
        return self.every_row[places].hstack(self.features_at(places, features).get_columns())

    def features_at(self, places: np.ndarray, features: Sequence[str]) -> pl.DataFrame:
        """Return the same rows' features alone."""
        if not features:
            return pl.DataFrame()
        if self._are_held:
            return self._all_features.select(features)[places]
        wanted = None if places.size == self.height else self.every_row[POSITION][places]
        return self._assembled(features, wanted).select(features)

    def hold(self) -> None:
        """Read what is held in memory now: several threads that ask would read it each."""
        _ = self.every_row
        if self._are_held:
            _ = self._all_features

    @property
    def _are_held(self) -> bool:
        """Whether the features of all rows are held."""
        return self.height * len(self.pipeline.features) <= HELD

    @cached_property
    def _all_features(self) -> pl.DataFrame:
        return self._assembled(self.pipeline.features).select(self.pipeline.features)

    def _assembled(
        self, features: Sequence[str], positions: pl.Series | None = None
    ) -> pl.DataFrame:
        store = FeatureStore(self.home)
        return store.assembled(self.pipeline, self.document, features, positions)

    @cached_property
    def every_row(self) -> pl.DataFrame:
        """All rows in log order: stamps, keys, label and when that was settled; no feature."""
        label, labels = self.pipeline.label, self._labels()
        rows = placed(self.pipeline.split, self._assembled([]))
        meets = EVENT_ID if label.on else POSITION  # an integer, where a row tells its own outcome
        rows = rows.join(labels, on=meets, how="left", validate="1:1", maintain_order="left")
        if label.mature_after is None:
            return rows
        after = microseconds(label.mature_after, where="Label.mature_after")
        matures = pl.col(EVENT_TIME).cast(pl.Int64) + after
        value = _absent(label, rows.schema[label.name])
        unknown = pl.col(label.name).is_null()
        absent = pl.when((matures <= self.document["clock"]) & unknown).then(value)
        rows = rows.with_columns(absent.otherwise(pl.col(label.name)).alias(label.name))
        settled = pl.max_horizontal(SETTLED_AT, matures)
        known = pl.col(label.name).is_not_null()
        return rows.with_columns(pl.when(known).then(settled).alias(SETTLED_AT))

    def _labels(self) -> pl.DataFrame:
        """Return the newest outcome known at the data version's clock, and since when.

        Beside the event ID of its row, or the position if the row tells it.
        """
        label = self.pipeline.label
        chosen = set(self.document["batches"])  # some may have been withdrawn since
        batches = [b for b in self.catalog.batches(label.of.name) if b["batch_id"] in chosen]
        names = [*(label.on or ()), *label.value.meta.root_names()]
        raw = RawStore(self.home)
        events = raw.history(label.of, batches, self.document["corrected"], names)
        gone = pl.col(GONE_KNOWN_AT) <= self.document["clock"]
        events = events.filter(~gone.fill_null(False))
        clock = pl.lit(self.document["clock"], dtype=pl.Int64).cast(TIMESTAMP)
        where = f"label {label.name!r}"
        meets = EVENT_ID if label.on else POSITION
        met = joined_id(tuple(label.on)) if label.on else pl.col(FIRST_POSITION)
        events = evaluate(events, [label.value.alias(label.name)], where=where)
        events = events.filter((pl.col(KNOWN_AT) <= clock) & pl.col(label.name).is_not_null())
        since = pl.col(KNOWN_AT).cast(pl.Int64).alias(SETTLED_AT)
        found = evaluate(events, [met.alias(meets)], where=where).select(meets, label.name, since)
        return found.unique(meets, keep="last", maintain_order=True)


def drawn(places: np.ndarray, most: int | None) -> np.ndarray:
    """Return numbers of rows, or so many of them if there are more, in order."""
    if most is None or places.size <= most:
        return places
    return np.sort(np.random.default_rng(0).choice(places, most, replace=False))


def _absent(label: Label, dtype: Any) -> pl.Expr:
    """Return the value of a mature row without an outcome, of the type that outcomes have."""
    value = pl.Series([label.absent])
    fits = value.dtype == dtype or dtype == pl.Null
    if value.dtype.is_numeric() and dtype.is_numeric():
        fits = value.cast(dtype, strict=False).cast(value.dtype).equals(value)
    if not fits:
        raise DefinitionError(
            f"absent is {label.absent!r}, but label.value gives {dtype}.",
            where=f"label {label.name!r}",
            fix="Make them of one type, e.g. absent=False beside a condition.",
        )
    return pl.lit(label.absent, dtype=value.dtype if dtype == pl.Null else dtype)
