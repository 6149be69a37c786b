"""Fingerprints of the single features that a definition asks for."""

from collections.abc import Collection, Mapping
from typing import Any

import polars as pl

from octavo.definition.dataset import Dataset
from octavo.definition.expressions import expression_document, output_name
from octavo.definition.fingerprint import fingerprint
from octavo.definition.needed import row_keys, source_columns
from octavo.definition.pipeline import Pipeline

ROWS = "rows"
"""Name, among the views, of the table with row features and the rows' own times and keys."""

Tables = Mapping[str, Mapping[str, str]]
"""For the rows and each view: the columns that prep stores, each with its fingerprint."""


def table_fingerprints(
    pipeline: Pipeline, loaded: Mapping[str, Collection[str]]
) -> dict[str, dict[str, str]]:
    """Return the fingerprint of every stored column: of the rows, and of each view.

    A column's own name does not enter: a feature that is only renamed is the same. Nor do the
    other features of its view.

    Parameters
    ----------
    loaded
        The datasets that have been ingested, each with the columns that were whole numbers before
        they became any. A dataset's first load keeps its declared availability, so what reads it is
        new, and is folded from the beginning; so is what reads a dataset whose columns are others.
    """
    widened = {d.name: _widened(pipeline, d, loaded) for d in pipeline.datasets}
    rows = _with(pipeline.rows.events_fingerprint, widened[pipeline.rows.name])
    found = {ROWS: {f"key:{c}": fingerprint([rows, c]) for c in row_keys(pipeline)}}
    for expression in pipeline.row:
        name = output_name(expression, where="Pipeline.row")
        found[ROWS][name] = fingerprint([rows, _unnamed(expression)])
    for view in pipeline.views:
        found[view.name] = {
            feature.name: fingerprint(
                [
                    rows,
                    _with(window.dataset.name in loaded, widened[window.dataset.name]),
                    view.feature_fingerprint(feature),
                ]
            )
            for window in view.windows
            for feature in window.features(view.name)
        }
    return found


def _widened(
    pipeline: Pipeline, dataset: Dataset, loaded: Mapping[str, Collection[str]]
) -> list[str]:
    """Return the columns of a dataset that are of use, and of another type than they were."""
    if not (columns := loaded.get(dataset.name)):
        return []
    return sorted(set(columns) & source_columns(pipeline, dataset).keys())


def _with(mark: Any, widened: list[str]) -> Any:
    return [mark, widened] if widened else mark


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
