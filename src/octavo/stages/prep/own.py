"""The rows' own features, times and keys, as a group stores them; the same offline and online."""

import polars as pl

from octavo.definition import Pipeline
from octavo.definition.events import evaluate
from octavo.definition.needed import row_keys
from octavo.stages.prep.groups import Work
from octavo.stores.features import STAMPS, row_features


def own_columns(pipeline: Pipeline, rows: pl.DataFrame, work: Work) -> pl.DataFrame:
    """Return the stamps of some rows, and what a group of the rows' features stores of them."""
    found = row_features(pipeline, rows, pipeline.row_features).select(pipeline.row_features)
    found = pl.concat([found, keys_of(pipeline, rows)], how="horizontal")
    return rows.select(STAMPS).hstack(stored(found, work))


def keys_of(pipeline: Pipeline, rows: pl.DataFrame) -> pl.DataFrame:
    """Return the rows' ``key:`` columns, blaming for an unknown one what asks for it."""
    keys = row_keys(pipeline)
    for column, place in keys.items():
        rows = evaluate(rows, [pl.col(column).alias(f"key:{column}")], where=place)
    return rows.select(f"key:{column}" for column in keys)


def stored(found: pl.DataFrame, work: Work) -> pl.DataFrame:
    """Return what a group stores, under the names it stores it by."""
    return found.select(pl.col(name).alias(stored) for stored, name in work.wanted.items())
