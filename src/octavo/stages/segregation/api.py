"""The segregation API: which part, labeled, unlabeled or both, of a data version."""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl

from octavo.definition import PARTS, Label, Pipeline, SplitByHash, SplitByTime
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
from octavo.stores.catalog import Catalog
from octavo.stores.features import FeatureStore
from octavo.stores.history import GONE_KNOWN_AT
from octavo.stores.home import Home
from octavo.stores.raw import RawStore
from octavo.windows import hash_keys


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
        return {name: max(max(g["preps"]) for g in each) for name, each in groups.items()}

    @property
    def height(self) -> int:
        """Number of rows, labeled or not."""
        return self._rows.height

    def data(
        self, split: str = "all", labels: str = "with", columns: Sequence[str] | None = None
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

        Returns
        -------
        polars.DataFrame
            ``_event_id, _event_time, _known_at, _position``, the features, and the label.
        """
        if split not in (*PARTS, "all"):
            raise DefinitionError.unknown("split", split, (*PARTS, "all"))
        if labels not in ("with", "without", "both"):
            raise DefinitionError.unknown("choice of labels", labels, ("with", "without", "both"))
        name = self.pipeline.label.name
        features = self.pipeline.features if columns is None else list(columns)
        for column in features:
            if column not in self.pipeline.features:
                raise DefinitionError.unknown("feature", column, self.pipeline.features)
        frame = self._rows if split == "all" else self._rows.filter(self._part(split))
        if labels == "with":
            frame = frame.filter(pl.col(name).is_not_null())
        if labels == "without":
            frame = frame.filter(pl.col(name).is_null())
        wanted = [EVENT_ID, EVENT_TIME, KNOWN_AT, POSITION, *features]
        return frame.select(wanted if labels == "without" else [*wanted, name])

    @cached_property
    def _rows(self) -> pl.DataFrame:
        rows = FeatureStore(self.home).assembled(self.pipeline, self.document)
        label = self.pipeline.label
        rows = rows.join(self._labels(), on=EVENT_ID, how="left", validate="1:1")
        if label.mature_after is None:
            return rows
        after = microseconds(label.mature_after, where="Label.mature_after")
        mature = pl.col(EVENT_TIME).cast(pl.Int64) + after <= self.document["clock"]
        value = _absent(label, rows.schema[label.name])
        absent = pl.when(mature & pl.col(label.name).is_null()).then(value)
        return rows.with_columns(absent.otherwise(pl.col(label.name)).alias(label.name))

    def _labels(self) -> pl.DataFrame:
        """Return event ID and newest outcome known at the data version's clock."""
        label = self.pipeline.label
        chosen = set(self.document["batches"])  # some may have been withdrawn since
        batches = [b for b in self.catalog.batches(label.of.name) if b["batch_id"] in chosen]
        events = RawStore(self.home).history(label.of, batches, self.document["corrected"])
        gone = pl.col(GONE_KNOWN_AT) <= self.document["clock"]
        events = events.filter(~gone.fill_null(False))
        clock = pl.lit(self.document["clock"], dtype=pl.Int64).cast(TIMESTAMP)
        where = f"label {label.name!r}"
        if label.on:
            events = evaluate(events, [joined_id(tuple(label.on)).alias(EVENT_ID)], where=where)
        events = evaluate(events, [label.value.alias(label.name)], where=where)
        return (
            events.filter((pl.col(KNOWN_AT) <= clock) & pl.col(label.name).is_not_null())
            .unique(EVENT_ID, keep="last", maintain_order=True)
            .select(EVENT_ID, label.name)
        )

    def _part(self, part: str) -> pl.Series:
        if isinstance(self.pipeline.split, SplitByHash):
            return hash_part(self.pipeline.split, self._rows, part)
        split, cuts = self.pipeline.split, self.document["cuts"]
        times = self._rows[EVENT_TIME].cast(pl.Int64)
        gap = microseconds(split.gap, where="SplitByTime.gap")
        if part == "train":
            return times < cuts["validation"] - gap
        if part == "validation":
            return (times >= cuts["validation"]) & (times < cuts["test"] - gap)
        return times >= cuts["test"]


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


def time_cuts(split: SplitByTime, labeled: pl.DataFrame) -> dict[str, int]:
    """Return the first event time of validation and of test, microseconds.

    Rows of one event time are never divided.
    """
    times = labeled[EVENT_TIME].cast(pl.Int64).sort()
    last = times.len() - 1
    return {
        "validation": int(times[min(round(times.len() * split.train), last)]),
        "test": int(times[min(round(times.len() * (split.train + split.validation)), last)]),
    }


def hash_part(split: SplitByHash, rows: pl.DataFrame, part: str) -> pl.Series:
    """Return which rows fall into a part, by the hash of their ``key:`` columns."""
    keys = [f"key:{column}" for column in split.entity]
    for key in keys:
        if key not in rows.columns:
            known = [c[4:] for c in rows.columns if c.startswith("key:")]
            raise DefinitionError.unknown("column", key[4:], known, where="SplitByHash.entity")
    salted = rows.select(pl.lit(split.salt).alias("salt"), *keys)
    share = hash_keys(salted, ["salt", *keys]).astype(np.float64) / 2.0**64
    bounds = {
        "train": (0.0, split.train),
        "validation": (split.train, split.train + split.validation),
        "test": (split.train + split.validation, 1.1),
    }
    low, high = bounds[part]
    return pl.Series((share >= low) & (share < high))
