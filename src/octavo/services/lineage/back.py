"""Back: what something was made of, down to files, loads and streams.

This module knows nothing of how predictions are found.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

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
from octavo.services.lineage.sight import Place, could_see
from octavo.stores.catalog import Row
from octavo.stores.raw import ROWS_PER_BATCH


class Back:
    """Adds to a graph what things were made of."""

    def __init__(self, graph: Graph, records: Records) -> None:
        self._graph, self._records = graph, records
        self._behind: dict[str, Callable[[Row], None]] = {
            BATCH: self._batch,
            GROUP: self._group,
            VERSION: self._version,
            RUN: self._run,
            CANDIDATE: self._candidate,
            DEPLOYMENT: self._deployment,
        }

    def of(self, kind: str, row: Row) -> None:
        """Add all that is behind a row of the catalog, which is in the graph."""
        self._behind[kind](row)

    def add(self, kind: str, row: Row) -> str:
        """Add a row of the catalog, and all that is behind it; return its ID."""
        id_ = row[KEYS[kind]]
        if self._graph.add(kind, id_, **told(kind, row)):
            self.of(kind, row)
        return id_

    def row(self, batch: Row, position: int) -> str:
        """Add a raw row, and the batch that brought it; return its ID."""
        number = position - batch["sequence"] * ROWS_PER_BATCH
        id_, about = f"{batch['batch_id']}/{number}", {"dataset": batch["dataset"], "row": number}
        if batch["topic"] is not None:
            about["offset"] = batch["first_offset"] + number
        if self._graph.add("row", id_, **about):
            self._graph.link(self.add(BATCH, batch), id_, "brought by")
        return id_

    def seen(self, prediction: str, places: Mapping[str, Place], at: int) -> None:
        """Add how far in the log a prediction's features had come, and the batches before that.

        Parameters
        ----------
        places
            Of each view.
        at
            When it was predicted, microseconds since the epoch.
        """
        for view, place in places.items():
            id_ = f"{view}@{place.known_at}/{place.position}"
            if self._graph.add("features", id_, view=view, **place._asdict()):
                for batch in self._records.read_by(view):
                    if could_see(batch, place, at, self._records.rebuilt_at(batch, view)):
                        self._graph.link(self.add(BATCH, batch), id_, "folded from")
            self._graph.link(id_, prediction, "asked of")

    def _batch(self, row: Row) -> None:
        source, name = _source(row), "{topic}/{partition}@{first_offset}-{end_offset}"
        if row["topic"] is None:
            name = "{path}#{content_hash}"  # a file of other content is another source
        name = name.format_map(source)
        self._graph.add("source", name, **source)
        self._graph.link(name, row["batch_id"], "read from")

    def _group(self, row: Row) -> None:
        for batch in self._records.batches.values():
            if self._records.is_in(batch, row):
                self._graph.link(self.add(BATCH, batch), row["group_id"], "folded from")

    def _version(self, row: Row) -> None:
        id_, document = row["data_version"], row["document"]
        for batch_id in document["batches"]:
            batch = self._records.batches[batch_id]
            self._graph.link(self.add(BATCH, batch), id_, "made of")
        for batch in traces(self._records, document):
            self._graph.link(self.add(BATCH, batch), id_, "features made of")

    def _run(self, row: Row) -> None:
        """Add what its candidates learned from."""
        for candidate in self._records.candidates.values():
            version = self._records.data_version(candidate["data_version"])
            if candidate["run_id"] == row["run_id"] and version is not None:
                self._graph.link(self.add(VERSION, version), row["run_id"], "read by")

    def _candidate(self, row: Row) -> None:
        id_ = row["candidate_id"]
        if (run := self._records.runs.get(row["run_id"])) is not None:
            self._graph.add(RUN, row["run_id"], **told(RUN, run))
            self._graph.link(row["run_id"], id_, "trained by")
        if (version := self._records.data_version(row["data_version"])) is not None:
            self._graph.link(self.add(VERSION, version), id_, "trained on")

    def _deployment(self, row: Row) -> None:
        if (candidate := self._records.candidates.get(row["candidate_id"])) is not None:
            self._graph.link(self.add(CANDIDATE, candidate), row["deployment_id"], "of")


def traces(records: Records, document: Mapping[str, Any]) -> Iterator[Row]:
    """Give the withdrawn batches whose rows a data version leaves out, and which its features saw.

    Parameters
    ----------
    document
        The data version's.
    """
    names = [group["group"] for each in document["groups"].values() for group in each]
    groups = [records.groups[name] for name in names if name in records.groups]
    for batch_id in document["withdrawn"]:
        batch = records.batches[batch_id]
        came = batch["sequence"] <= document["position"]
        if came and any(records.is_in(batch, group) for group in groups):
            yield batch


def _source(batch: Row) -> dict[str, Any]:
    """Return where a batch's rows are: all of a file or a load, or a range of a stream."""
    if batch["topic"] is not None:
        return {name: batch[name] for name in ("topic", "partition", "first_offset", "end_offset")}
    rows = sum(batch[name] or 0 for name in ("rows", "rejected", "duplicates", "restated"))
    found = {"path": batch["source"], "rows": rows, "bytes": batch["bytes"]}
    through = {} if batch["through"] is None else {"through": batch["through"]}
    return found | through | {"content_hash": batch["content_hash"]}
