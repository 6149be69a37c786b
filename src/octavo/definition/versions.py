"""Fingerprints of the single features that a definition asks for."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from octavo.definition.expressions import expression_document, output_name
from octavo.definition.fingerprint import fingerprint
from octavo.definition.pipeline import Pipeline
from octavo.definition.split import split_entity

ROWS = "rows"
"""Name, among the views, of the table with row features and the rows' own times and keys."""

Tables = Mapping[str, Mapping[str, str]]
"""For the rows and each view: the columns that prep stores, each with its fingerprint."""


def row_keys(pipeline: Pipeline) -> dict[str, str]:
    """Return the columns of the predicted rows kept beside the features, and what asks for each.

    Those that identify something, and those that derived features use.
    """
    derived = [name for e in pipeline.derived for name in e.meta.root_names()]
    asking = [("event_id", list(pipeline.rows.identity))]
    asking += [("Pipeline.derived", [n for n in derived if n not in pipeline.features])]
    asking += [(f"view {view.name!r}", list(view.query_key)) for view in pipeline.views]
    asking += [(f"{type(pipeline.split).__name__}.entity", list(split_entity(pipeline.split)))]
    found: dict[str, str] = {}
    for place, columns in asking:
        for column in columns:
            found.setdefault(column, place)
    return found


def table_fingerprints(pipeline: Pipeline, loaded: Collection[str]) -> dict[str, dict[str, str]]:
    """Return the fingerprint of every stored column: of the rows, and of each view.

    A column's own name does not enter: a feature that is only renamed is the same. Nor do the
    other features of its view.

    Parameters
    ----------
    loaded
        Names of the datasets that have been ingested. A dataset's first load keeps its declared
        availability, so what reads it is new, and is folded from the beginning.
    """
    rows = pipeline.rows.events_fingerprint
    found = {ROWS: {f"key:{c}": fingerprint([rows, c]) for c in row_keys(pipeline)}}
    for expression in pipeline.row:
        name = output_name(expression, where="Pipeline.row")
        found[ROWS][name] = fingerprint([rows, _unnamed(expression)])
    for view in pipeline.views:
        found[view.name] = {
            feature.name: fingerprint(
                [rows, window.dataset.name in loaded, view.feature_fingerprint(feature)]
            )
            for window in view.windows
            for feature in window.features(view.name)
        }
    return found


def _unnamed(expression: pl.Expr) -> Any:
    """Return an expression's document without the name it gives its result."""
    document = expression_document(expression)
    while isinstance(document, dict) and "Alias" in document:
        document = document["Alias"][0]
    return document


def feature_fingerprints(pipeline: Pipeline, tables: Tables) -> dict[str, str]:
    """Return the fingerprint of every feature, derived ones too, in the pipeline's order.

    A derived feature changes with what it is computed from.

    Parameters
    ----------
    tables
        From `table_fingerprints`.
    """
    stored = {column: found for table in tables.values() for column, found in table.items()}
    found = {name: stored[name] for name in pipeline.features if name in stored}
    for expression in pipeline.derived:
        name = output_name(expression, where="Pipeline.derived")
        used = [stored.get(n) or stored[f"key:{n}"] for n in expression.meta.root_names()]
        found[name] = fingerprint([_unnamed(expression), used])
    return found


def needed_columns(pipeline: Pipeline, features: Collection[str]) -> set[str]:
    """Return the row and window features that some features are, or are computed from."""
    needed = set(features)
    for expression in pipeline.derived:
        if output_name(expression, where="Pipeline.derived") in needed:
            needed |= set(expression.meta.root_names())
    return needed - set(pipeline.derived_features)
