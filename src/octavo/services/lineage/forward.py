"""Forward: what came of something, up to how many predictions.

Predictions are counted by deployment: there may be millions. This module knows nothing of how they
are found.
"""

from collections.abc import Callable, Mapping
from functools import cached_property

from octavo.services.lineage.back import traces
from octavo.services.lineage.graph import Graph
from octavo.services.lineage.records import (
    BATCH,
    CANDIDATE,
    DEPLOYMENT,
    GROUP,
    KEYS,
    RUN,
    VERSION,
    Records,
    told,
)
from octavo.stores.catalog import Row

Used = Mapping[str, Mapping[str, int]]
"""By deployment, how many predictions used a batch, and how."""


class Forward:
    """Adds to a graph what came of things.

    Parameters
    ----------
    answered
        Returns how many predictions each deployment has made; called once, if need be.
    used
        Returns which predictions used a batch.
    """

    def __init__(
        self,
        graph: Graph,
        records: Records,
        answered: Callable[[], Mapping[str, int]],
        used: Callable[[Row], Used],
    ) -> None:
        self._graph, self._records = graph, records
        self._answered, self._used = answered, used
        self._after: dict[str, Callable[[Row], None]] = {
            BATCH: self._batch,
            GROUP: self._group,
            VERSION: self._version,
            RUN: self._run,
            CANDIDATE: self._candidate,
            DEPLOYMENT: self._deployment,
        }

    def of(self, kind: str, row: Row) -> None:
        """Add all that came of a row of the catalog, which is in the graph."""
        self._after[kind](row)

    def _add(self, kind: str, row: Row) -> str:
        id_ = row[KEYS[kind]]
        if self._graph.add(kind, id_, **told(kind, row)):
            self.of(kind, row)
        return id_

    def _batch(self, row: Row) -> None:
        id_ = row["batch_id"]
        for version in self._records.data_versions.values():
            if id_ in version["document"]["batches"]:
                self._graph.link(id_, self._add(VERSION, version), "made of")
            elif row in traces(self._records, version["document"]):
                self._graph.link(id_, self._add(VERSION, version), "features made of")
        for group in self._records.groups.values():
            if self._records.is_in(row, group):
                # Not expanded: of a group that goes on, earlier data versions have not all.
                self._graph.add(GROUP, group["group_id"], **told(GROUP, group))
                self._graph.link(id_, group["group_id"], "folded from")
        for deployment, counts in self._used(row).items():
            predictions = self._predictions(deployment)
            self._graph.nodes[predictions].about.update(counts)
            self._graph.link(id_, predictions, "used")

    def _group(self, row: Row) -> None:
        for version in self._records.data_versions.values():
            groups = version["document"]["groups"].get(row["name"], ())
            if row["group_id"] in [each["group"] for each in groups]:
                self._graph.link(row["group_id"], self._add(VERSION, version), "features of")

    def _version(self, row: Row) -> None:
        for candidate in self._records.candidates.values():
            if candidate["data_version"] == row["data_version"]:
                id_ = self._add(CANDIDATE, candidate)
                self._graph.link(row["data_version"], id_, "trained on")

    def _run(self, row: Row) -> None:
        for batch in self._records.batches.values():
            if batch["run_id"] == row["run_id"]:
                self._graph.add(BATCH, batch["batch_id"], **told(BATCH, batch))
                self._graph.link(row["run_id"], batch["batch_id"], "ingested by")
        for candidate in self._records.candidates.values():
            if candidate["run_id"] == row["run_id"]:
                id_ = self._add(CANDIDATE, candidate)
                self._graph.link(row["run_id"], id_, "trained by")

    def _candidate(self, row: Row) -> None:
        for deployment in self._records.deployments.values():
            if deployment["candidate_id"] == row["candidate_id"]:
                id_ = self._add(DEPLOYMENT, deployment)
                self._graph.link(row["candidate_id"], id_, "of")

    def _deployment(self, row: Row) -> None:
        id_ = row["deployment_id"]
        self._graph.link(id_, self._predictions(id_), "answered by")

    def _predictions(self, deployment_id: str) -> str:
        id_ = f"{deployment_id}/predictions"
        count = self._counts.get(deployment_id, 0)
        self._graph.add("predictions", id_, deployment=deployment_id, count=count)
        return id_

    @cached_property
    def _counts(self) -> Mapping[str, int]:
        return self._answered()
