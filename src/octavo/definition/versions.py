"""Fingerprints of the feature tables that a definition asks for."""

from collections.abc import Collection

from octavo.definition.fingerprint import fingerprint
from octavo.definition.pipeline import Pipeline
from octavo.definition.split import SplitByHash

ROWS = "rows"
"""Name, among the views, of the table with row features and the rows' own times and keys."""


def row_keys(pipeline: Pipeline) -> list[str]:
    """Return the columns of the predicted rows kept beside the features.

    Those that identify something, and those that derived features use.
    """
    keys = list(pipeline.rows.identity)
    derived = [name for e in pipeline.derived for name in e.meta.root_names()]
    keys += [name for name in derived if name not in pipeline.features]
    keys += [column for view in pipeline.views for column in view.query_key]
    if isinstance(pipeline.split, SplitByHash):
        keys += list(pipeline.split.entity)
    return list(dict.fromkeys(keys))


def feature_fingerprints(pipeline: Pipeline, loaded: Collection[str]) -> dict[str, str]:
    """Return the fingerprint of every feature table: of the rows, and of each view.

    Parameters
    ----------
    loaded
        Names of the datasets that have been ingested. A dataset's first load keeps its declared
        availability, so what reads it is new, and is folded from the beginning.
    """
    rows = pipeline.rows.events_fingerprint
    found = {ROWS: fingerprint([rows, pipeline.row, pipeline.derived, row_keys(pipeline)])}
    for view in pipeline.views:
        present = sorted(set(view.datasets) & set(loaded))
        windows = [[w.lane, w.name, w.over, w.take, w.delay, w.current] for w in view.windows]
        found[view.name] = fingerprint([rows, present, windows, view.key, view.on, view.late])
    return found
