"""What prep reads: the events of every dataset, new ones or all there ever were, once each."""

from collections.abc import Sequence

import polars as pl

from octavo.definition import Dataset, Pipeline
from octavo.stores.catalog import Row
from octavo.stores.history import newest
from octavo.stores.raw import RawStore


class Events:
    """Events for one prep. Reads a dataset at most once from each place.

    Parameters
    ----------
    batches
        The committed batches, in order.
    position
        Up to where restatements are known.
    """

    def __init__(
        self, pipeline: Pipeline, raw: RawStore, batches: Sequence[Row], position: int
    ) -> None:
        self.pipeline = pipeline
        self.raw = raw
        self.batches = batches
        self.position = position
        self._read: dict[tuple[str, int | None], pl.DataFrame | None] = {}

    def of(self, dataset: Dataset, since: int | None) -> pl.DataFrame | None:
        """Return a dataset's events in log order; None if there is no batch.

        Parameters
        ----------
        since
            Only batches after this position, of each event the version that came first. None: all
            batches, of each event all versions, with the columns of `octavo.stores.history`.
        """
        key = dataset.name, since
        if key not in self._read:
            of = [b for b in self.batches if b["dataset"] == dataset.name]
            chosen = [b for b in of if since is None or b["sequence"] > since]
            self._read[key] = self._events(dataset, chosen, since) if chosen else None
        return self._read[key]

    def _events(self, dataset: Dataset, batches: list[Row], since: int | None) -> pl.DataFrame:
        if since is None:
            return self.raw.history(dataset, batches, self.position)
        return self.raw.events(dataset, batches)

    def rows(self, since: int | None) -> pl.DataFrame:
        """Return the predicted rows, each once: new ones, or all with their newest content."""
        found = self.of(self.pipeline.rows, since)
        if found is None:
            return self.raw.events(self.pipeline.rows, [])
        return newest(found) if since is None else found
