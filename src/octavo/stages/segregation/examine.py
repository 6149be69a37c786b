"""A data version as `leaks` examines it, and what only the raw rows' stamps can tell.

It reads the raw store; it changes nothing.
"""

from collections.abc import Iterator

import numpy as np
import polars as pl

from octavo.definition import PARTS, Dataset, SplitByTime, View, Window, split_entity
from octavo.definition.events import KNOWN_AT
from octavo.stages.contract import LOOKED
from octavo.stages.segregation.api import SplitRows, drawn
from octavo.stages.segregation.leaks import Examined, Leak, Whole, find_leaks, recorded_later
from octavo.stores.catalog import Row
from octavo.stores.raw import STAMPS, RawStore

SAMPLE = 20_000
"""Raw rows of a dataset whose times are compared with their stamps."""


def leaks_in(rows: SplitRows) -> list[Leak]:
    """Return what looks like a leak in a data version."""
    pipeline, parts = rows.pipeline, _parts(rows)
    places = drawn(np.arange(rows.height), LOOKED)
    frame, dated = _with_dates(rows, rows.rows_at(places, pipeline.features))
    timeless = pipeline.rows.is_static
    entity = [f"key:{column}" for column in split_entity(pipeline.split)]
    grouped = bool(entity)
    if not entity and not isinstance(pipeline.split, SplitByTime) and len(pipeline.views) == 1:
        entity = [f"key:{column}" for column in pipeline.views[0].query_key]
    found = find_leaks(
        Examined(
            frame=frame,
            label=pipeline.label.name,
            features=pipeline.features,
            is_number=pipeline.problem.kind == "regression",
            parts=parts[places],
            time=None if timeless else KNOWN_AT,
            entity=entity,
            grouped=grouped,
            dated=dated,
            whole=_whole(rows, parts),
        )
    )
    return [*found, *_known_too_early(rows)]


def _parts(rows: SplitRows) -> pl.Series:
    """Return the part of each row; null for those in none."""
    found = pl.repeat(None, rows.height, dtype=pl.String, eager=True)
    for part in PARTS:
        found = found.set(rows.inside(part, rows.folds), part)
    return found


def _whole(rows: SplitRows, parts: pl.Series) -> Whole:
    features = rows.pipeline.features
    keys = [name for name in rows.every_row.columns if name.startswith("key:")]

    def column(name: str) -> pl.Series:
        if name in keys:
            return rows.every_row[name]
        return rows.features_at(np.arange(rows.height), [name])[name]

    return Whole(rows.every_row[rows.pipeline.label.name], parts, [*keys, *features], column)


def _with_dates(rows: SplitRows, frame: pl.DataFrame) -> tuple[pl.DataFrame, dict[str, str]]:
    """Add the times of what was looked up in static datasets, and say of which features."""
    dated: dict[str, str] = {}
    known: dict[str, pl.DataFrame] = {}
    for view, window in _windows(rows):
        dataset = window.dataset
        if not dataset.is_static:
            continue
        if dataset.name not in known:
            known[dataset.name] = RawStore(rows.home).events(dataset, _batches(rows, dataset))
        for name in _times(known[dataset.name]):
            column = f"_dated:{view.name}:{dataset.name}.{name}"
            if column not in frame.columns:
                frame = _looked_up(frame, known[dataset.name], view, name, column)
            if recorded_later(frame[column], frame[KNOWN_AT]) > 0:
                dated |= {feature.name: column for feature in window.features(view.name)}
    return frame, dated


def _looked_up(
    frame: pl.DataFrame, facts: pl.DataFrame, view: View, name: str, column: str
) -> pl.DataFrame:
    """Add the newest time among the facts of each row's entity."""
    on = [f"_{n}" for n in range(len(view.key))]
    kept, asked = (
        [pl.col(column).cast(pl.String).alias(part) for part, column in zip(on, each, strict=True)]
        for each in (view.key, [f"key:{c}" for c in view.query_key])
    )
    newest = facts.group_by(kept).agg(pl.col(name).max().alias(column))
    joined = frame.with_columns(asked).join(newest, on=on, how="left", maintain_order="left")
    return joined.drop(on)


def _known_too_early(rows: SplitRows) -> Iterator[Leak]:
    """Give the windows over rows that hold later times than that from which they count as known."""
    datasets = {w.dataset.name: w.dataset for _, w in _windows(rows) if not w.dataset.is_static}
    for dataset in datasets.values():
        facts = RawStore(rows.home).sample(dataset, _batches(rows, dataset), SAMPLE)
        for name in _times(facts):
            share = recorded_later(facts[name], facts[KNOWN_AT])
            if share > 0.01:
                yield Leak(
                    "future-dated join",
                    tuple(
                        feature.name
                        for view, window in _windows(rows)
                        if window.dataset.name == dataset.name
                        for feature in window.features(view.name)
                    ),
                    f"rows of {dataset.name!r} count as known before their own {name!r}, in "
                    f"{share:.0%} of rows, and windows read them.",
                    f'Say when they are known: available=pl.col("{name}").',
                )


def _windows(rows: SplitRows) -> list[tuple[View, Window]]:
    return [(view, window) for view in rows.pipeline.views for window in view.windows]


def _batches(rows: SplitRows, dataset: Dataset) -> list[Row]:
    chosen = set(rows.document["batches"])
    return [b for b in rows.catalog.batches(dataset.name) if b["batch_id"] in chosen]


def _times(facts: pl.DataFrame) -> list[str]:
    return [
        name
        for name, dtype in facts.schema.items()
        if isinstance(dtype, pl.Datetime) and name not in STAMPS
    ]
