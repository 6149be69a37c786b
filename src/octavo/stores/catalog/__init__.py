"""The catalog of one home: batches, features, runs, candidates, deployments, settings, events."""

from octavo.stores.catalog.catalog import Catalog, Row, emit, now, put
from octavo.stores.catalog.schema import (
    batches,
    candidates,
    config,
    data_versions,
    datasets,
    definitions,
    deployments,
    events,
    feature_versions,
    runs,
    stage_runs,
    studies,
    test_readings,
    trials,
    verdicts,
)

__all__ = [
    "Catalog",
    "Row",
    "batches",
    "candidates",
    "config",
    "data_versions",
    "datasets",
    "definitions",
    "deployments",
    "emit",
    "events",
    "feature_versions",
    "now",
    "put",
    "runs",
    "stage_runs",
    "studies",
    "test_readings",
    "trials",
    "verdicts",
]
