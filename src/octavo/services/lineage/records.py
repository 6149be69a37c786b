"""What the catalog says of batches, features, data versions, runs, candidates and deployments.

Each table is read once, when it is first asked for, and without what is large in it. This module
knows nothing of predictions.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

import sqlalchemy as sa

from octavo.definition import Pipeline
from octavo.definition.versions import ROWS
from octavo.stores import catalog as tables
from octavo.stores.catalog import Catalog, Row

_BATCH = (
    *("batch_id", "dataset", "sequence", "source", "content_hash", "state", "run_id", "clock"),
    *("rows", "rejected", "duplicates", "restated", "bytes", "newest", "through", "planned_at"),
    *("committed_at", "withdrawn", "withdrawn_why", "topic", "partition"),
    *("first_offset", "end_offset"),
)


BATCH, GROUP, VERSION = "batch", "feature group", "data version"
RUN, CANDIDATE, DEPLOYMENT = "run", "candidate", "deployment"
KEYS = {
    BATCH: "batch_id",
    GROUP: "group_id",
    VERSION: "data_version",
    RUN: "run_id",
    CANDIDATE: "candidate_id",
    DEPLOYMENT: "deployment_id",
}
"""The kinds of rows, each with the column that names them."""
_TOLD = {
    BATCH: (
        *("dataset", "sequence", "state", "rows", "rejected", "duplicates", "restated"),
        *("committed_at", "withdrawn_why"),
    ),
    GROUP: ("name", "columns", "position", "cut_over", "replaced", "committed_at"),
    VERSION: ("position", "clock", "created_at"),
    RUN: ("state", "reason", "code_version", "config_version", "started_at", "finished_at"),
    CANDIDATE: ("algorithm", "validation", "config_version", "created_at"),
    DEPLOYMENT: ("live_from", "live_to"),
}


def told(kind: str, row: Row) -> Row:
    """Return what a node says of a row."""
    values = row | row["document"] if kind == VERSION else row
    about = {name: values[name] for name in _TOLD[kind]}
    return about | {"columns": sorted(row["columns"])} if kind == GROUP else about


class Records:
    """Rows of one home's catalog, by their IDs."""

    def __init__(self, pipeline: Pipeline, catalog: Catalog) -> None:
        self._catalog = catalog
        self._reads = {view.name: set(view.datasets) for view in pipeline.views}
        self._reads[ROWS] = {pipeline.rows.name}

    @cached_property
    def batches(self) -> dict[str, Row]:
        """All batches that were ever committed, in order."""
        table = tables.batches
        query = sa.select(*(table.c[name] for name in _BATCH)).where(table.c.state != "planned")
        return self._by("batch_id", query.order_by(table.c.sequence))

    @cached_property
    def batch_at(self) -> dict[int, Row]:
        """The same, by their places in the order."""
        return {batch["sequence"]: batch for batch in self.batches.values()}

    @cached_property
    def groups(self) -> dict[str, Row]:
        """All feature groups, each with the ``position`` that it came to, oldest first."""
        groups, versions = tables.feature_groups, tables.feature_versions
        position = sa.func.max(versions.c.position).label("position")
        query = sa.select(groups, position).join(
            versions, versions.c.group_id == groups.c.group_id, isouter=True
        )
        return self._by(
            "group_id", query.group_by(groups.c.group_id).order_by(groups.c.committed_at)
        )

    def find(self, id_: str) -> tuple[str, Row] | None:
        """Return the kind and the row of an ID; None if the catalog does not know it."""
        tables_ = {
            BATCH: self.batches,
            DEPLOYMENT: self.deployments,
            CANDIDATE: self.candidates,
            RUN: self.runs,
            GROUP: self.groups,
        }
        for kind, rows in tables_.items():
            if id_ in rows:
                return kind, rows[id_]
        version = self.data_version(id_)
        return None if version is None else (VERSION, version)

    @property
    def names(self) -> list[str]:
        """All IDs but those of data versions."""
        rows = (self.deployments, self.candidates, self.runs, self.groups, self.batches)
        return [id_ for each in rows for id_ in each]

    @cached_property
    def data_versions(self) -> dict[str, Row]:
        """All data versions, oldest first."""
        table = tables.data_versions
        return self._by("data_version", sa.select(table).order_by(table.c.created_at))

    def data_version(self, id_: str) -> Row | None:
        """Return one data version: all of them take long to read."""
        table = tables.data_versions
        return self._catalog.one(sa.select(table).where(table.c.data_version == id_))

    @cached_property
    def runs(self) -> dict[str, Row]:
        """All runs, oldest first."""
        table = tables.runs
        return self._by("run_id", sa.select(table).order_by(table.c.started_at))

    @cached_property
    def candidates(self) -> dict[str, Row]:
        """All candidates, oldest first."""
        table = tables.candidates
        return self._by("candidate_id", sa.select(table).order_by(table.c.created_at))

    @cached_property
    def deployments(self) -> dict[str, Row]:
        """All deployments, oldest first."""
        table = tables.deployments
        return self._by("deployment_id", sa.select(table).order_by(table.c.live_from))

    def reads(self, name: str, dataset: str) -> bool:
        """Say whether a view (or the rows) reads a dataset.

        Of one that the definition no longer has nothing is known: it may have.
        """
        return name not in self._reads or dataset in self._reads[name]

    def read_by(self, name: str) -> Iterator[Row]:
        """Give the batches that a view (or the rows) reads, in order."""
        return (b for b in self.batches.values() if self.reads(name, b["dataset"]))

    def is_in(self, batch: Mapping[str, Any], group: Mapping[str, Any]) -> bool:
        """Say whether what a batch brought was folded into a feature group."""
        taken = batch["withdrawn"] is not None and batch["withdrawn"] <= group["cut_over"]
        came = batch["sequence"] <= (group["position"] or 0)
        return came and not taken and self.reads(group["name"], batch["dataset"])

    def rebuilt_at(self, batch: Mapping[str, Any], name: str) -> int | None:
        """Return when a view was folded anew without a withdrawn batch; None: it was not.

        Microseconds since the epoch.
        """
        if batch["withdrawn"] is None:
            return None
        without = (
            group["committed_at"]
            for group in self.groups.values()
            if group["name"] == name and group["cut_over"] >= batch["withdrawn"]
        )
        return min(without, default=None)

    def _by(self, key: str, query: sa.Select[Any]) -> dict[str, Row]:
        return {row[key]: row for row in self._catalog.rows(query)}
