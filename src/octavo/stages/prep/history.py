"""What prep reads: the events of every dataset, new ones or all there ever were, once each."""

from collections.abc import Collection, Iterator, Sequence

import polars as pl

from octavo.definition import Dataset, Pipeline
from octavo.stores.catalog import Row
from octavo.stores.history import newest
from octavo.stores.raw import RawStore


class Events:
    """Events for one prep. Holds none: each reader takes the columns that it needs.

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

    def of(
        self, dataset: Dataset, since: int | None, columns: Collection[str]
    ) -> pl.DataFrame | None:
        """Return a dataset's events in log order; None if there is no batch.

        Parameters
        ----------
        since
            Only batches after this position, of each event the version that came first. None: all
            batches, of each event all versions, with the columns of `octavo.stores.history`.
        columns
            Those wanted besides the stamps.
        """
        chosen = self._since(dataset, since)
        if not chosen:
            return None
        if since is None:
            return self.raw.history(dataset, chosen, self.position, columns)
        return self.raw.events(dataset, chosen, columns)

    def rows(self, since: int | None, columns: Collection[str]) -> pl.DataFrame:
        """Return the predicted rows, each once: new ones, or all with their newest content."""
        found = self.of(self.pipeline.rows, since, columns)
        if found is None:
            return self.raw.events(self.pipeline.rows, [], columns)
        return newest(found) if since is None else found

    def row_blocks(self, since: int | None) -> Iterator[pl.DataFrame]:
        """Give the same rows with all columns piece by piece, in no order; at least one piece."""
        rows = self.pipeline.rows
        yield self.raw.events(rows, [])
        through = self.position if since is None else None
        for block in self.raw.blocks(rows, self._since(rows, since), through):
            yield newest(block) if since is None else block

    def _since(self, dataset: Dataset, since: int | None) -> list[Row]:
        of = [batch for batch in self.batches if batch["dataset"] == dataset.name]
        return [batch for batch in of if since is None or batch["sequence"] > since]
