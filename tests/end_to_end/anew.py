"""What a prep of the raw store alone, from its beginning, gives: what all else is compared with."""

import shutil
from pathlib import Path

import polars as pl

from octavo.definition.versions import feature_fingerprints, table_fingerprints
from octavo.project import Project, load
from octavo.stores.features import FeatureStore
from octavo.stores.versions import current

from .shop_project import Silent


def prepped_anew(folder: Path, into: Path) -> Project:
    """Return a copy of a project in which nothing was ever prepped but all of its raw store."""
    shutil.copytree(folder, into)
    project = load(into)
    shutil.rmtree(into / ".octavo" / "state")
    shutil.rmtree(into / ".octavo" / "features")
    with project.catalog.transaction() as connection:
        for table in ("feature_groups", "feature_versions", "stale", "stage_runs"):
            connection.exec_driver_sql(f"delete from {table}")
    project.run(Silent(), first="prep", last="prep")
    return project


def features_of(project: Project) -> pl.DataFrame:
    """Return all rows with all features as they are live, in log order."""
    pipeline, catalog = project.definition, project.catalog
    wanted = table_fingerprints(pipeline, catalog.loaded(pipeline.datasets))
    document = current(catalog, wanted, feature_fingerprints(pipeline, wanted))
    return FeatureStore(project.home).assembled(pipeline, document)
